"""A hot-water boiler of a heating plant, with its burner, flue and pressurised circuit.

The temperature is measured on the casing, as on the boilers that [1]_ describes: 24.9 ± 5.2 °C in normal running, up
to just below 40 °C, and 40 to 94 °C when something is wrong. There it is the only sensor and single readings are
independent; here the demand for heat decides how hard the burner works, the flue gas follows within minutes, the
casing within hours, and water that is warmer needs more room and presses harder.

Not simulated: the burner's switching on and off within minutes, water treatment, two boilers on one circuit.

References
----------
.. [1] Reference system 003: temperatures of four boilers over a month.
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="boiler",
    description="Hot-water boiler with a modulating gas burner.",
    step=timedelta(minutes=5),
    sensors={
        "temperature": Sensor(unit="°C", low=-10, high=120, alarm_high=40, description="outside of the casing"),
        "flue_gas": Sensor(unit="°C", low=0, high=400, description="temperature of the flue gas behind the boiler"),
        "pressure": Sensor(unit="bar", low=0, high=6, description="water in the circuit, above the surrounding air"),
    },
    ratios=(("temperature", "flue_gas"),),
    faults={
        "overheating": FaultKind(
            description="The casing becomes hot: the insulation has failed or the burner does not stop.",
            first_check="Check the thermostat and the safety temperature limiter, then the insulation.",
            effects={
                "temperature": Effect(shift=45),
                "flue_gas": Effect(shift=25),
                "pressure": Effect(factor=1.15),
            },
        ),
        "sooting": FaultKind(
            description="Soot or scale lies on the heating surface; heat leaves through the chimney.",
            first_check="Measure the flue gas, then sweep the boiler and look at the water's hardness.",
            effects={"temperature": Effect(shift=-4), "flue_gas": Effect(factor=1.35)},
        ),
        "water_loss": FaultKind(
            description="The circuit loses water.",
            first_check="Look for a leak, check the expansion vessel and the safety valve.",
            effects={"temperature": Effect(shift=5), "pressure": Effect(factor=0.6)},
        ),
        "burner_lockout": FaultKind(
            description="The burner does not ignite although heat is asked for.",
            first_check="Read the burner's fault code; check gas pressure, ignition and flame detector.",
            effects={
                "temperature": Effect(shift=-8),
                "flue_gas": Effect(factor=0.45),
                "pressure": Effect(factor=0.9),
            },
        ),
    },
)

ROOM = 13.9  # °C beside the boilers
WARMTH = 11.5  # °C that the casing is above the room at normal load
CASING_MEMORY = timedelta(hours=1)
FLUE, FLUE_REST = 140.0, 60.0  # °C at normal load, and in a hot boiler whose burner is off
FLUE_MEMORY = timedelta(minutes=5)
PRESSURE = 1.8  # bar at normal load
EXPANSION = 0.02  # bar for each degree of the casing


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged boiler would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``demand`` (share of the normal load), ``air`` (°C) and ``water`` (bar).

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    load: Floats = drivers.level * np.maximum(1 + outer["demand"], 0.1)
    casing = drivers.lag(ROOM + outer["air"] + WARMTH * load, CASING_MEMORY)
    return {
        "temperature": casing,
        "flue_gas": drivers.lag(FLUE_REST + (FLUE - FLUE_REST) * load, FLUE_MEMORY),
        "pressure": PRESSURE + EXPANSION * (casing - ROOM - WARMTH) + outer["water"],
    }


PHYSICS = Physics(
    respond=respond,
    schedule=(
        Spell("startup", at=timedelta(hours=4), lasts=timedelta(hours=1), level=1.0, level_from=0.6),
        Spell("high_load", at=timedelta(hours=5), lasts=timedelta(hours=3), level=1.3),
        Spell("maintenance", at=timedelta(hours=10), lasts=timedelta(hours=4), level=0.0, weekday=1),
    ),
    signals={
        "demand": Signal(sd=0.22, memory=timedelta(hours=5), daily=0.15, weekly=0.05, peak=timedelta(hours=6)),
        "air": Signal(sd=4.0, memory=timedelta(hours=24), daily=2.0),
        "water": Signal(sd=0.04, memory=timedelta(hours=12)),
    },
    noise={
        "temperature": Noise(process=0.8, measurement=1.2),
        "flue_gas": Noise(process=2.0, measurement=1.5),
        "pressure": Noise(process=0.01, measurement=0.01),
    },
    spread=0.02,
    shift=timedelta(minutes=20),
    gradual=("sooting",),
    lasts=(timedelta(hours=2), timedelta(hours=12)),
    names=("boiler-A", "boiler-B", "boiler-C", "boiler-D"),
    ambient="air",
)
