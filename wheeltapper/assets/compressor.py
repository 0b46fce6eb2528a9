"""An oil-injected screw compressor of 75 kW that fills a works' compressed-air net.

The net draws air; a variable-speed drive follows. The pressure is held, so the power follows the flow; the work of
compression leaves as heat in the oil, which the cooler holds to a temperature above that of the room. A filter in the
intake costs a little suction, the more the more air is drawn.

At normal load: 12 m³/min at 7.5 bar need about 7 kW for each m³/min [1]_, 84 kW electric, 135 A at 400 V and a power
factor of 0.9.

Not simulated: load/idle switching of fixed-speed machines, moisture, the dryer behind it.

References
----------
.. [1] ISO 1217, annex E, and the usual specific power of oil-injected screws: 6 to 7.5 kW per m³/min at 7.5 bar.
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="compressor",
    description="Oil-injected screw compressor with variable speed for compressed air.",
    step=timedelta(minutes=1),
    sensors={
        "discharge_pressure": Sensor(unit="bar", low=0, high=16, description="air net, above the surrounding air"),
        "suction_pressure": Sensor(unit="mbar", low=-150, high=20, description="behind the intake filter"),
        "discharge_temperature": Sensor(unit="°C", low=-20, high=130, description="air and oil behind the screw"),
        "vibration": Sensor(unit="mm/s", low=0, high=25, description="air end, root mean square of velocity"),
        "current": Sensor(unit="A", low=0, high=250, description="motor, one phase"),
        "air_flow": Sensor(unit="m³/min", low=0, high=20, description="air delivered"),
    },
    # Power for air: what a compressor is paid for, and the first to suffer.
    ratios=(("current", "air_flow"), ("discharge_temperature", "current")),
    faults={
        "intake_filter_clogged": FaultKind(
            description="The intake filter is full; the screw gets too little air.",
            first_check="Look at the filter's indicator and change the filter.",
            effects={
                "suction_pressure": Effect(shift=-35),
                "discharge_temperature": Effect(shift=4),
                "air_flow": Effect(factor=0.88),
            },
        ),
        "cooler_fouled": FaultKind(
            description="Dust or oil lies on the oil cooler; heat stays in the oil.",
            first_check="Blow the cooler out; check the fan and the thermostatic valve.",
            effects={"discharge_temperature": Effect(shift=16)},
        ),
        "screw_wear": FaultKind(
            description="The gaps of the screw have grown; air flows back inside.",
            first_check="Compare the specific power with that of the acceptance test.",
            effects={
                "discharge_temperature": Effect(shift=7),
                "current": Effect(factor=1.08),
                "air_flow": Effect(factor=0.86),
            },
        ),
        "bearing_wear": FaultKind(
            description="A bearing of the air end loses its surface and gets worse until it is replaced.",
            first_check="Take a vibration spectrum and an oil sample; stop before it seizes.",
            effects={
                "discharge_temperature": Effect(shift=5),
                "vibration": Effect(factor=2.4),
                "current": Effect(factor=1.05),
            },
        ),
        "net_leak": FaultKind(
            description="A pipe or hose of the net is open; the compressor cannot hold the pressure.",
            first_check="Listen along the net, begin where work was done last.",
            effects={
                "discharge_pressure": Effect(shift=-1.3),
                "current": Effect(factor=1.10),
                "air_flow": Effect(factor=1.20),
            },
        ),
    },
)

FLOW = 12.0  # m³/min at normal load
PRESSURE = 7.5  # bar
SPECIFIC_POWER = 7.0  # kW per m³/min at PRESSURE [1]_
POWER_FACTOR, VOLTAGE = 0.9, 400.0
IDLE_POWER = 6.0  # kW of fan, oil pump and friction
FILTER = -12.0  # mbar at normal load, grows with the square of the flow
ROOM, WARMTH = 24.0, 54.0  # °C, and above it at normal load
THERMAL_MEMORY = timedelta(minutes=12)
VIBRATION_REST, VIBRATION = 0.1, 2.6  # mm/s standing, and added at normal load


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged compressor would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``demand``, ``bursts`` (shares of the normal flow), ``net`` (bar) and ``air`` (°C).

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    runs = drivers.level > 0
    load: Floats = drivers.level * np.clip(1 + outer["demand"] + outer["bursts"], 0.2, 1.5)
    # A burst of demand empties the net a little before the drive has followed.
    pressure = np.where(runs, PRESSURE + outer["net"] - 0.8 * outer["bursts"], 0.0)
    # Work of compression, against isothermal work at the nominal pressure.
    work = np.log1p(np.maximum(pressure, 0)) / np.log1p(PRESSURE)
    power = runs * (IDLE_POWER + (SPECIFIC_POWER * FLOW - IDLE_POWER) * load * work)
    return {
        "discharge_pressure": pressure,
        "suction_pressure": FILTER * load**2,
        "discharge_temperature": drivers.lag(
            ROOM + outer["air"] + WARMTH * (0.75 * runs + 0.25 * load), THERMAL_MEMORY
        ),
        "vibration": VIBRATION_REST + VIBRATION * np.sqrt(load),
        "current": 1000 * power / (np.sqrt(3) * VOLTAGE * POWER_FACTOR),
        "air_flow": FLOW * load,
    }


PHYSICS = Physics(
    respond=respond,
    schedule=(
        Spell("off", at=timedelta(hours=21), lasts=timedelta(hours=7), level=0.0),
        Spell("startup", at=timedelta(hours=4), lasts=timedelta(minutes=30), level=1.0, level_from=0.4),
        Spell("high_load", at=timedelta(hours=7), lasts=timedelta(hours=4), level=1.15),
        Spell("maintenance", at=timedelta(hours=12), lasts=timedelta(hours=3), level=0.0, weekday=4),
    ),
    signals={
        "demand": Signal(sd=0.08, memory=timedelta(minutes=45), daily=0.03),
        "bursts": Signal(sd=0.04, memory=timedelta(minutes=3)),
        "net": Signal(sd=0.08, memory=timedelta(minutes=30)),
        "air": Signal(sd=1.5, memory=timedelta(hours=8), daily=3.0),
    },
    noise={
        "discharge_pressure": Noise(process=0.04, measurement=0.03),
        "suction_pressure": Noise(process=0.8, measurement=0.5),
        "discharge_temperature": Noise(process=0.5, measurement=0.4),
        "vibration": Noise(process=0.20, measurement=0.08),
        "current": Noise(process=1.5, measurement=0.8),
        "air_flow": Noise(process=0.10, measurement=0.08),
    },
    spread=0.02,
    shift=timedelta(minutes=15),
    gradual=("intake_filter_clogged", "cooler_fouled", "screw_wear", "bearing_wear"),
    ambient="air",
)
