"""A centrifugal pump of a drinking-water station, with its motor, its variable-speed drive and the pipe behind it.

The machine is a horizontal split-case pump of 150 m³/h and 65 m at its duty point with a 75 kW motor, as in the plant
that [1]_ describes; normal values, limits and effects of faults come from there. There, sensors were drawn one by one.
Here the town requires a flow, and everything else follows:

* the pipe sets the head that this flow needs: ``H = H_static + k Q²``;
* the affinity laws set the speed that gives this head at this flow: ``H = A n² − B Q²`` [2]_;
* the drive follows the pump curve of its maker, ``V ∝ n^1.5`` (between constant and square torque);
* hydraulic power over efficiency is electric power; with the drive's voltage it is active current, and the current
  that magnetises the motor adds to it at a right angle;
* motor losses heat the motor against the air of the pump house, slowly.

The numbers fit together: 26.5 kW of water at 0.75 and 0.93 efficiency need 38 kW; at 75 % of 400 V that is 73 A of
active current, and with a power factor of 0.87 it is 85 A.

Not simulated: two pumps on one pipe, water hammer, wear that lasts longer than a fault.

References
----------
.. [1] Technical report of the reference system 001, tables of sensors, regimes and failure signatures.
.. [2] J. F. Gülich, "Centrifugal Pumps", 3rd ed., Springer 2014, chapters 3 and 11, doi:10.1007/978-3-642-40114-5
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="pump",
    description="Centrifugal pump with electric motor and variable-speed drive.",
    step=timedelta(minutes=1),
    sensors={
        "temperature": Sensor(unit="°C", low=20, high=85, description="motor body"),
        "vibration": Sensor(unit="mm/s", low=0, high=15, description="bearing housing, root mean square of velocity"),
        "pressure": Sensor(unit="bar", low=0, high=12, description="discharge, above the surrounding air"),
        "flow_rate": Sensor(unit="m³/h", low=0, high=250, description="water delivered"),
        "current": Sensor(unit="A", low=0, high=150, description="motor, one phase"),
        "duty_cycle": Sensor(unit="%", low=0, high=100, description="output voltage of the drive, share of its limit"),
    },
    # Heat without vibration, or pressure without flow, tells faults apart that single sensors do not.
    ratios=(("temperature", "vibration"), ("pressure", "flow_rate")),
    products=(("current", "duty_cycle"),),
    # The laws of `respond` below, solved for what can be measured; a test holds the two together. Speed and volts come
    # from the head and the flow, not from the drive's own word: that is the noisiest sensor of them all.
    twin={
        "share": "flow_rate / 150",  # of the flow at the duty point
        "head": "(pressure - 0.136) / (998 * 9.81 / 1e5)",  # m
        "pressure": "0.136 + 998 * 9.81 / 1e5 * (43 + 22 * share ** 2)",  # what the pipe needs for this flow
        "speed": "sqrt(max(head + 20 * share ** 2, 0.1) / 85)",  # affinity laws: head = 85 n² - 20 Q²
        "duty_cycle": "75 * speed ** 1.5",
        "load": "share / speed",
        "efficiency": "0.75 * 0.93 * max(load * (2 - load), 0.1)",
        "active": "998 * 9.81 * head * flow_rate / 3600 / efficiency / (sqrt(3) * 3 * 100 * speed ** 1.5)",  # A
        "current": "sqrt(active ** 2 + 42.5 ** 2 * speed)",
    },
    faults={
        "cavitation": FaultKind(
            description="Vapour bubbles form at the inlet and collapse in the impeller.",
            first_check="Check the inlet pressure and the suction strainer; listen for gravel in the casing.",
            tier="high",
            effects={
                "temperature": Effect(shift=8),
                "vibration": Effect(factor=2.5),
                "pressure": Effect(factor=0.60),
                "flow_rate": Effect(factor=0.85),
            },
        ),
        "bearing_wear": FaultKind(
            description="A bearing loses its surface or its grease and gets worse until it is replaced.",
            first_check="Feel and measure the bearing housings, check the grease, take a vibration spectrum.",
            tier="high",
            effects={
                # The report says +10 °C; its program adds up to +28 °C. The report is the milder and the likelier.
                "temperature": Effect(shift=10),
                "vibration": Effect(factor=2.8),
                "current": Effect(factor=1.15),
            },
        ),
        "seal_leak": FaultKind(
            description="Water escapes along the shaft; the drive works harder for less.",
            first_check="Look for water under the shaft seals and check the seal flush.",
            effects={
                "pressure": Effect(factor=0.75),
                "flow_rate": Effect(factor=0.80),
                "current": Effect(factor=1.12),
                "duty_cycle": Effect(factor=1.10),
            },
        ),
        "electrical_fault": FaultKind(
            description="A winding, a phase or a terminal is failing; the current is high and restless.",
            first_check="Measure the three phase currents and the insulation; check the terminals for heat.",
            tier="critical",
            effects={
                "temperature": Effect(shift=15),
                "vibration": Effect(factor=1.20),
                "current": Effect(factor=1.35, noise=5),
            },
        ),
        "partial_blockage": FaultKind(
            description="Something narrows the discharge; the pump pushes against it.",
            first_check="Check that the discharge valves are open, then the check valve and the impeller for debris.",
            effects={
                "temperature": Effect(shift=10),
                "vibration": Effect(factor=1.30),
                "pressure": Effect(factor=1.40),
                "flow_rate": Effect(factor=0.65),
                "current": Effect(factor=1.25),
            },
        ),
    },
)

FLOW = 150.0  # m³/h at the duty point
STATIC_HEAD = 43.0  # m: the water tower above the pump
FRICTION_HEAD = 22.0  # m lost in the pipe at FLOW
INNER_HEAD = 20.0  # m lost inside the pump at FLOW
TEST_LOOP = 0.58  # share of the static head that is left when the pump runs on its test loop in maintenance
BAR_PER_METRE = 998 * 9.81 / 1e5  # water at 20 °C
SUCTION = 0.136  # bar at the inlet
DUTY = 75.0  # % at the duty point
VOLTAGE = 400.0  # V at a duty of 100 %
PUMP_EFFICIENCY = 0.75  # at the duty point, which is the pump's best
MOTOR_EFFICIENCY = 0.93
MAGNETISING = 42.5  # A at the duty point
CURRENT = 84.8  # A at the duty point; follows from the lines above and only scales the losses
AIR = 22.95  # °C in the pump house
WARMTH = 22.0  # °C that the motor is above the air at the duty point
LOAD_LOSSES = 0.8  # share of the motor's losses that grow with the square of the current
THERMAL_MEMORY = timedelta(minutes=20)
VIBRATION = 2.5  # mm/s at the duty point
REST_VIBRATION = 0.1  # mm/s that the other pumps shake it with


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged pump would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``demand``, ``gusts`` (shares of the normal flow), ``tower`` and ``ripple`` (metres of head)
        and ``air`` (°C).

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    runs = drivers.level > 0
    flow: Floats = drivers.level * np.maximum(1 + outer["demand"] + outer["gusts"], 0.1)  # share of FLOW

    static = STATIC_HEAD * np.where(drivers.regime == "maintenance", TEST_LOOP, 1.0) + outer["tower"] + outer["ripple"]
    head = static + FRICTION_HEAD * flow**2
    needed = (head + INNER_HEAD * flow**2) / (STATIC_HEAD + FRICTION_HEAD + INNER_HEAD)
    speed: Floats = np.where(runs, np.sqrt(needed), 0.0)  # share of the speed at the duty point
    duty: Floats = DUTY * speed**1.5
    current = _motor_current(flow, head, speed, duty)

    losses = runs * (1 - LOAD_LOSSES) + LOAD_LOSSES * (current / CURRENT) ** 2
    return {
        "temperature": drivers.lag(AIR + outer["air"] + WARMTH * losses, THERMAL_MEMORY),
        "vibration": REST_VIBRATION + (VIBRATION - REST_VIBRATION) * speed,
        "pressure": SUCTION + BAR_PER_METRE * head,
        "flow_rate": FLOW * flow,
        "current": current,
        "duty_cycle": duty,
    }


def _motor_current(flow: Floats, head: Floats, speed: Floats, duty: Floats) -> Floats:
    """Return the current of one phase in A; 0 where the pump stands still."""
    runs = speed > 0
    safe_speed = np.where(runs, speed, 1.0)
    load = flow / safe_speed  # 1 is the point of best efficiency at every speed, by the affinity laws
    efficiency = PUMP_EFFICIENCY * MOTOR_EFFICIENCY * np.clip(load * (2 - load), 0.1, None)
    watts = 1e5 * BAR_PER_METRE * head * FLOW * flow / 3600 / efficiency
    volts = VOLTAGE * np.where(runs, duty, DUTY) / 100
    return np.where(runs, np.hypot(watts / np.sqrt(3) / volts, MAGNETISING * np.sqrt(safe_speed)), 0.0)


PHYSICS = Physics(
    respond=respond,
    # The level is the required flow; its effect on pressure, current and heat is physics.
    # Every midnight, when the town sleeps, the pump rests for a quarter of an hour so that the well recovers. A longer
    # rest would be idle data that is not watched; without a rest there would be no start-up.
    schedule=(
        Spell("off", at=timedelta(hours=23, minutes=45), lasts=timedelta(minutes=15), level=0.0),
        Spell("startup", at=timedelta(0), lasts=timedelta(minutes=30), level=1.0, level_from=0.3),
        Spell("high_load", at=timedelta(hours=7), lasts=timedelta(hours=2), level=1.2),
        Spell("high_load", at=timedelta(hours=17), lasts=timedelta(hours=2), level=1.2),
        Spell("maintenance", at=timedelta(hours=2), lasts=timedelta(hours=2), level=0.4, weekday=6),
    ),
    signals={
        "demand": Signal(sd=0.039, memory=timedelta(hours=2), daily=0.0100, weekly=0.0050),
        "gusts": Signal(sd=0.031, memory=timedelta(minutes=2.8)),
        "tower": Signal(sd=2.4, memory=timedelta(hours=2), daily=0.5, weekly=0.25, peak=timedelta(hours=5)),
        "ripple": Signal(sd=1.0, memory=timedelta(minutes=2.8)),
        "air": Signal(sd=0.8, memory=timedelta(hours=6), daily=0.6, weekly=0.15),
    },
    # The stated standard deviations (3, 0.4, 0.5, 10, 5, 8) less the part that comes from the physics,
    # split so that the correlation with the minute before stays 0.7.
    noise={
        "temperature": Noise(process=1.9, measurement=1.2),
        "vibration": Noise(process=0.39, measurement=0.05),
        "pressure": Noise(process=0.32, measurement=0.19),
        "flow_rate": Noise(process=5.2, measurement=3.9),
        "current": Noise(process=3.1, measurement=1.8),
        "duty_cycle": Noise(process=7.0, measurement=1.8),
    },
    spread=0.02,
    shift=timedelta(minutes=10),
    gradual=("bearing_wear",),
)
