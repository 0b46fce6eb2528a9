"""A wind turbine, listened to from inside its nacelle: temperature, humidity and sound.

The wind drives everything, and it is not measured, as on the turbines that [1]_ describes: it wanders for hours, blows
harder in the afternoon, and gusts. Power follows the cube of its speed between cut-in and rated speed; the losses of
gearbox and generator heat the nacelle slowly; blades and gearbox make noise. Warm air in the nacelle is dry
air: humidity falls where temperature rises.

So a loud nacelle may be a stormy one. Temperature and humidity show the difference, an hour later; single limits do
not.
Mean and deviation of normal running (35 ± 4 °C, 45 ± 6 %, 60 ± 5 dB) and the alarm limits are those of [1]_; its
readings were independent of each other and of the minute before.

Not simulated: pitch and yaw, wake of the neighbours, a wind farm's common weather (each turbine has its own).

References
----------
.. [1] Reference system 004: live simulator and rule-based validator.
.. [2] IEC 61400-12-1, power curve between cut-in and rated wind speed.
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="wind_turbine",
    description="Wind turbine of some megawatts with a gearbox, watched from inside its nacelle.",
    step=timedelta(minutes=1),
    sensors={
        "temperature": Sensor(
            unit="°C", low=-30, high=90, alarm_low=5, alarm_high=45, description="air in the nacelle, by the gearbox"
        ),
        "humidity": Sensor(
            unit="%", low=0, high=100, alarm_low=20, alarm_high=60, description="relative, air in the nacelle"
        ),
        "sound": Sensor(
            unit="dB", low=20, high=120, alarm_low=40, alarm_high=70, description="level in the nacelle, A-weighted"
        ),
    },
    # Hot without being loud is heat that does not come from work.
    ratios=(("temperature", "sound"),),
    faults={
        "gearbox_wear": FaultKind(
            description="Teeth or bearings of the gearbox wear; it grows louder and warmer until it is mended.",
            first_check="Take an oil sample and look for metal; listen to the gearbox at low wind.",
            effects={"temperature": Effect(shift=8), "sound": Effect(shift=9), "humidity": Effect(shift=-5)},
        ),
        "blade_damage": FaultKind(
            description="A blade is cracked or has lost its leading edge; it whistles and swishes.",
            first_check="Look at the blades from the ground; compare the three with a camera.",
            effects={"sound": Effect(shift=12, noise=2)},
        ),
        "cooling_failure": FaultKind(
            description="A fan or the oil cooler has failed; heat stays in the nacelle.",
            first_check="Check that the fans turn and that filters and the oil cooler are clean.",
            effects={"temperature": Effect(shift=15), "humidity": Effect(shift=-12)},
        ),
        "water_ingress": FaultKind(
            description="Rain or condensate comes into the nacelle.",
            first_check="Look at hatches, seals and the drain of the nacelle.",
            effects={"temperature": Effect(shift=-3), "humidity": Effect(shift=20)},
        ),
    },
)

WIND = 8.0  # m/s on average at the hub
CUT_IN, RATED = 3.0, 12.0  # m/s [2]_
AIR = 30.0  # °C in the idle nacelle: the heating keeps electronics dry
WARMTH = 17.0  # °C that full power adds
THERMAL_MEMORY = timedelta(minutes=40)
QUIET = 47.4  # dB with the rotor standing: fans and converters
BY_WIND = 1.2  # dB for each m/s at the blades
BY_POWER = 10.0  # dB that gearbox and generator add at full power
HUMIDITY = 44.9  # % at the mean temperature
DRYING = 0.9  # % that each degree takes away
MEAN_TEMPERATURE = 35.0  # °C


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged turbine would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``wind``, ``gusts`` (m/s), ``air`` (°C) and ``moisture`` (%). The level curtails the power; at 0
        the rotor stands.

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    wind = np.maximum(WIND + outer["wind"] + outer["gusts"], 0.0)
    available = np.clip((wind**3 - CUT_IN**3) / (RATED**3 - CUT_IN**3), 0.0, 1.0)
    power = available * np.minimum(drivers.level, 1.2)
    turns = (drivers.level > 0) * (wind > CUT_IN)
    temperature = drivers.lag(AIR + outer["air"] + WARMTH * power, THERMAL_MEMORY)
    return {
        "temperature": temperature,
        "humidity": HUMIDITY + outer["moisture"] - DRYING * (temperature - MEAN_TEMPERATURE),
        "sound": QUIET + turns * BY_WIND * np.minimum(wind, RATED) + BY_POWER * power,
    }


PHYSICS = Physics(
    respond=respond,
    schedule=(Spell("maintenance", at=timedelta(hours=9), lasts=timedelta(hours=3), level=0.0, weekday=2),),
    signals={
        "wind": Signal(sd=1.5, memory=timedelta(hours=8), daily=0.8),
        "gusts": Signal(sd=1.0, memory=timedelta(minutes=1)),
        "air": Signal(sd=1.8, memory=timedelta(hours=12), daily=2.0),
        "moisture": Signal(sd=4.0, memory=timedelta(hours=6)),
    },
    noise={
        "temperature": Noise(process=0.3, measurement=0.3),
        "humidity": Noise(process=0.8, measurement=0.6),
        "sound": Noise(process=1.5, measurement=1.0),
    },
    spread=0.01,
    shift=timedelta(minutes=30),
    gradual=("gearbox_wear",),
    names=("WT-01", "WT-02", "WT-03"),
    ambient="air",
)
