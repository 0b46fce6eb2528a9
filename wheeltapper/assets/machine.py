"""A machine of a factory whose wear ends in failure, and whose failures end in maintenance: early warning is possible.

Sensors, ranges and names are those of a published data set of fifty machines [1]_. There every reading is drawn
anew (`machine_as_published` does the same), so nothing can be foretold. Here the machine has a load that wanders, heat
that follows it slowly, and a life: a defect begins unseen, grows for two to six days while the machine runs, and ends
in a failure; the machine then stands for half a day of maintenance and comes back as good as new.

It answers the six questions of [1]_:

* anomaly: inside a fault or not (table of faults);
* kind of failure: the fault's kind;
* state of the machine: the regime (``off``, ``startup``/``normal``/``high_load``, ``maintenance`` after a failure);
* remaining life: the time to the end of the fault that runs or comes next;
* risk of downtime within a horizon: whether that time is shorter;
* maintenance needed: severity, which grows evenly to the fault's peak, beyond what the operator allows.

They follow from the tables of faults and readings. Not there yet: a table of targets, and predictors that answer the
last three. Not simulated: maintenance by plan, repairs that fail, the wear of new machines, common causes.

References
----------
.. [1] Reference system 000: "Smart manufacturing IoT" data set, 100 000 readings of 50 machines.
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="machine",
    description="Production machine whose wear grows over days and ends in a failure.",
    step=timedelta(minutes=30),
    sensors={
        "temperature": Sensor(unit="°C", low=0, high=150, alarm_high=90, description="gear housing"),
        "vibration": Sensor(unit="Hz", low=0, high=150, alarm_high=80, description="dominant frequency at the housing"),
        "humidity": Sensor(unit="%", low=0, high=100, description="relative, air in the hall"),
        "pressure": Sensor(unit="bar", low=0, high=8, description="lubrication circuit"),
        "energy_consumption": Sensor(unit="kWh", low=0, high=12, description="energy used since the last reading"),
    },
    ratios=(("temperature", "energy_consumption"), ("vibration", "energy_consumption")),
    faults={
        "overheating": FaultKind(
            description="Heat stays in the machine; it grows hotter from day to day until it trips.",
            first_check="Check coolant, fans and filters; compare with the temperature at the same load last week.",
            ends_in_failure=True,
            effects={"temperature": Effect(shift=25), "energy_consumption": Effect(factor=1.08)},
        ),
        "vibration_issue": FaultKind(
            description="A bearing or a mounting comes loose, a little more every day.",
            first_check="Check mounting and bearings; take a vibration spectrum.",
            ends_in_failure=True,
            effects={"temperature": Effect(shift=6), "vibration": Effect(factor=1.7)},
        ),
        "pressure_drop": FaultKind(
            description="The lubrication circuit loses pressure.",
            first_check="Check oil level, pump and filter of the lubrication.",
            ends_in_failure=True,
            effects={"temperature": Effect(shift=5), "pressure": Effect(factor=0.55)},
        ),
        "electrical_fault": FaultKind(
            description="A drive's insulation or contacts are failing; it uses more and restlessly.",
            first_check="Measure insulation and phase currents; check terminals for heat.",
            ends_in_failure=True,
            effects={
                "temperature": Effect(shift=8),
                "energy_consumption": Effect(factor=1.35, noise=0.25),
            },
        ),
    },
)

HALL = 24.0  # °C
WARMTH = 51.0  # °C above the hall at normal load
THERMAL_MEMORY = timedelta(hours=2)
FREQUENCY = 50.0  # Hz at normal speed
PRESSURE_REST, PRESSURE = 0.2, 2.8  # bar standing, and added by the pump of the lubrication
ENERGY_IDLE, ENERGY = 0.4, 2.35  # kWh in half an hour, idling and added at normal load
HUMIDITY = 55.0  # % at 24 °C in the hall
DRYING = 1.5  # % that each degree takes away


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged machine would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``load``, ``order`` (shares of the normal load), ``hall`` (°C) and ``moisture`` (%).

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    runs = drivers.level > 0
    load: Floats = drivers.level * np.clip(1 + outer["load"] + outer["order"], 0.2, 1.8)
    hall = HALL + outer["hall"]
    hours = drivers.step / 1800
    return {
        "temperature": drivers.lag(hall + WARMTH * (0.3 * runs + 0.7 * load), THERMAL_MEMORY),
        "vibration": runs * FREQUENCY * (0.6 + 0.4 * load),
        "humidity": HUMIDITY - DRYING * outer["hall"] + outer["moisture"],
        "pressure": PRESSURE_REST + runs * PRESSURE * (0.8 + 0.2 * load),
        "energy_consumption": hours * (ENERGY_IDLE * runs + ENERGY * load),
    }


PHYSICS = Physics(
    respond=respond,
    schedule=(
        Spell("off", at=timedelta(hours=22), lasts=timedelta(hours=2), level=0.0),
        Spell("startup", at=timedelta(0), lasts=timedelta(hours=1), level=1.0, level_from=0.5),
        Spell("high_load", at=timedelta(hours=9), lasts=timedelta(hours=3), level=1.15),
    ),
    signals={
        "load": Signal(sd=0.10, memory=timedelta(hours=6), daily=0.03),
        "order": Signal(sd=0.06, memory=timedelta(hours=48), weekly=0.04),
        "hall": Signal(sd=1.5, memory=timedelta(hours=24), daily=2.5),
        "moisture": Signal(sd=6.0, memory=timedelta(hours=18)),
    },
    noise={
        "temperature": Noise(process=0.8, measurement=0.8),
        "vibration": Noise(process=1.5, measurement=1.5),
        "humidity": Noise(process=0.8, measurement=0.8),
        "pressure": Noise(process=0.05, measurement=0.05),
        "energy_consumption": Noise(process=0.06, measurement=0.04),
    },
    spread=0.04,
    shift=timedelta(hours=4),
    gradual=tuple(ASSET_TYPE.faults),
    lasts=(timedelta(days=2), timedelta(days=6)),
    repair=timedelta(hours=12),
    ambient="hall",
)
