"""A three-phase induction motor of 45 kW that drives a fan or a conveyor, straight from the mains.

The load asks for torque; slip, current and heat follow:

* slip is proportional to torque in the range in which a motor works, ``n = n_0 (1 − s·T)`` [1]_;
* active current follows the torque, magnetising current stays, and they add at a right angle;
* copper losses follow the square of the current; they heat the windings, slowly, and the drive-end bearing a little;
* vibration has the part of the rotor's unbalance and a part of the load.

At rated load: 45 kW at 0.94 efficiency are 47.9 kW or 69 A of active current at 400 V; with a magnetising current of
36 A it is 78 A, a power factor of 0.89.

Not simulated: starting current (it lasts for seconds), supply unbalance, spectra.

References
----------
.. [1] A. E. Fitzgerald et al., "Electric Machinery", 6th ed., McGraw-Hill 2003, chapter 6.
.. [2] ISO 20816-3, zones of vibration for machines of 15 to 300 kW.
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="motor",
    description="Three-phase induction motor of 45 kW on the mains.",
    step=timedelta(minutes=1),
    sensors={
        "winding_temperature": Sensor(unit="°C", low=-20, high=180, description="stator winding, hottest of three"),
        "bearing_temperature": Sensor(unit="°C", low=-20, high=130, description="drive-end bearing"),
        "vibration": Sensor(unit="mm/s", low=0, high=20, description="drive end, root mean square of velocity"),
        "current": Sensor(unit="A", low=0, high=200, description="mean of the three phases"),
        "speed": Sensor(unit="1/min", low=0, high=1600, description="shaft"),
    },
    # More current at the same speed is a loss that does no work.
    ratios=(("winding_temperature", "current"), ("bearing_temperature", "winding_temperature")),
    products=(("current", "speed"),),
    faults={
        "bearing_wear": FaultKind(
            description="A bearing loses its surface or its grease and gets worse until it is replaced.",
            first_check="Measure the bearing housing, check the grease, take a vibration spectrum.",
            effects={
                "bearing_temperature": Effect(shift=22),
                "vibration": Effect(factor=2.5),
                "current": Effect(factor=1.04),
            },
        ),
        "winding_fault": FaultKind(
            description="Turns of a winding are shorted; it draws more and heats itself.",
            first_check="Measure the insulation and the three phase currents; do not restart before.",
            effects={
                "winding_temperature": Effect(shift=35),
                "vibration": Effect(factor=1.25),
                "current": Effect(factor=1.22, noise=2.5),
            },
        ),
        "misalignment": FaultKind(
            description="Motor and machine no longer stand in line.",
            first_check="Check coupling and feet, then align with a laser.",
            effects={"bearing_temperature": Effect(shift=10), "vibration": Effect(factor=2.0)},
        ),
        "blocked_cooling": FaultKind(
            description="Dust or a broken fan keeps the cooling air away.",
            first_check="Clean the fan cover and the fins; check that the fan turns.",
            effects={"winding_temperature": Effect(shift=28), "bearing_temperature": Effect(shift=9)},
        ),
        "broken_rotor_bar": FaultKind(
            description="A bar of the rotor's cage is broken; slip grows and the current pulsates.",
            first_check="Take a current spectrum and look for sidebands at twice the slip frequency.",
            effects={
                "vibration": Effect(factor=1.5),
                "current": Effect(factor=1.06, noise=4),
                "speed": Effect(factor=0.985),
            },
        ),
    },
)

NO_LOAD_SPEED = 1500.0  # 1/min: four poles at 50 Hz
SLIP = 0.018  # at rated load
ACTIVE, MAGNETISING = 69.0, 36.0  # A at rated load
CURRENT = 77.8  # A at rated load; follows from the line above and only scales the losses
AIR = 25.0  # °C
WINDING_WARMTH, BEARING_WARMTH = 62.0, 30.0  # °C above the air at rated load
IRON_LOSSES = 0.3  # share of the warmth that does not depend on the load
WINDING_MEMORY, BEARING_MEMORY = timedelta(minutes=25), timedelta(minutes=45)
UNBALANCE, BY_LOAD = 1.1, 0.5  # mm/s: well inside zone A [2]_


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged motor would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``load`` and ``chatter`` (shares of the rated torque) and ``air`` (°C).

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    runs = drivers.level > 0
    torque: Floats = drivers.level * np.maximum(0.85 + outer["load"] + outer["chatter"], 0.05)
    current = np.where(runs, np.hypot(ACTIVE * torque, MAGNETISING), 0.0)
    losses = runs * IRON_LOSSES + (1 - IRON_LOSSES) * (current / CURRENT) ** 2
    air = AIR + outer["air"]
    return {
        "winding_temperature": drivers.lag(air + WINDING_WARMTH * losses, WINDING_MEMORY),
        "bearing_temperature": drivers.lag(air + BEARING_WARMTH * (0.6 * runs + 0.4 * losses), BEARING_MEMORY),
        "vibration": 0.05 + np.where(runs, UNBALANCE + BY_LOAD * torque, 0.0),
        "current": current,
        "speed": np.where(runs, NO_LOAD_SPEED * (1 - SLIP * torque), 0.0),
    }


PHYSICS = Physics(
    respond=respond,
    schedule=(
        Spell("off", at=timedelta(hours=22), lasts=timedelta(hours=6), level=0.0),
        Spell("startup", at=timedelta(hours=4), lasts=timedelta(minutes=30), level=1.0, level_from=0.4),
        Spell("high_load", at=timedelta(hours=8), lasts=timedelta(hours=4), level=1.15),
        Spell("maintenance", at=timedelta(hours=13), lasts=timedelta(hours=2), level=0.0, weekday=5),
    ),
    signals={
        "load": Signal(sd=0.08, memory=timedelta(hours=1), daily=0.03),
        "chatter": Signal(sd=0.03, memory=timedelta(minutes=2)),
        "air": Signal(sd=2.0, memory=timedelta(hours=8), daily=3.0),
    },
    noise={
        "winding_temperature": Noise(process=0.4, measurement=0.3),
        "bearing_temperature": Noise(process=0.4, measurement=0.3),
        "vibration": Noise(process=0.12, measurement=0.05),
        "current": Noise(process=0.6, measurement=0.4),
        "speed": Noise(process=1.0, measurement=0.8),
    },
    spread=0.02,
    shift=timedelta(minutes=15),
    gradual=("bearing_wear", "blocked_cooling"),
    ambient="air",
)
