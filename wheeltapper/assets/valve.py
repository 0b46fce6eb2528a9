"""A pneumatic control valve with its positioner, in a water line.

A controller sets a position; the actuator's air moves the stem against a spring; the flow follows from position
and pressure drop by the valve equation ``Q = K_v · √Δp`` with an equal-percentage trim, ``K_v = K_vs · R^(h−1)`` [1]_.
The more flows, the less of the supply's pressure is left before the valve.

The required position is a sensor, too (``setpoint``): a valve is judged by how it follows it.

Not simulated: noise and cavitation in the trim, the controller's answer to a fault (it would open further).

References
----------
.. [1] IEC 60534-2-1, sizing equations and inherent characteristics of control valves.
"""

from datetime import timedelta

import numpy as np

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal, Spell
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

ASSET_TYPE = AssetType(
    name="valve",
    description="Pneumatic control valve with positioner in a water line.",
    step=timedelta(minutes=1),
    sensors={
        "setpoint": Sensor(unit="%", low=0, high=100, description="position that the controller asks for"),
        "position": Sensor(unit="%", low=0, high=100, description="position of the stem"),
        "actuator_pressure": Sensor(unit="bar", low=0, high=4, description="air on the diaphragm"),
        "upstream_pressure": Sensor(unit="bar", low=0, high=12, description="water before the valve"),
        "flow_rate": Sensor(unit="m³/h", low=0, high=120, description="water through the valve"),
    },
    ratios=(("position", "setpoint"), ("flow_rate", "position"), ("actuator_pressure", "position")),
    faults={
        "stiction": FaultKind(
            description="The stem sticks in its packing and moves in jerks.",
            first_check="Loosen and grease the packing; step the setpoint by 1 % and watch the stem.",
            effects={
                "position": Effect(noise=5),
                "actuator_pressure": Effect(noise=0.20),
                "flow_rate": Effect(noise=5),
            },
        ),
        "air_leak": FaultKind(
            description="The actuator loses air; the spring closes the valve.",
            first_check="Look for the leak at diaphragm and tubing with soap water; check the supply pressure.",
            effects={
                "position": Effect(factor=0.80),
                "actuator_pressure": Effect(factor=0.72),
                "flow_rate": Effect(factor=0.55),
            },
        ),
        "clogging": FaultKind(
            description="Something sits in the trim; less flows through the same opening.",
            first_check="Flush the valve at full opening; open it and clean the cage.",
            effects={"upstream_pressure": Effect(shift=1.2), "flow_rate": Effect(factor=0.55)},
        ),
        "seat_erosion": FaultKind(
            description="Seat and plug are washed out; more flows through the same opening.",
            first_check="Close the valve and measure what still flows.",
            effects={"upstream_pressure": Effect(shift=-0.8), "flow_rate": Effect(factor=1.35)},
        ),
        "positioner_drift": FaultKind(
            description="The positioner's zero has moved; the stem stands where nobody asked.",
            first_check="Run the positioner's own calibration.",
            effects={
                "position": Effect(shift=10),
                "actuator_pressure": Effect(shift=0.25),
                "flow_rate": Effect(factor=1.30),
            },
        ),
    },
)

OPENING = 0.60  # of the stroke in normal running
KVS = 90.0  # m³/h at 1 bar, fully open
RANGE = 30.0  # rangeability of the trim
SUPPLY, RESISTANCE, DOWNSTREAM = 7.5, 4.0e-4, 2.5  # bar; bar per (m³/h)²; bar
SPRING = (0.4, 2.4)  # bar on the diaphragm: the stem begins to move, and is fully open
TRAVEL_MEMORY = timedelta(seconds=20)


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return what the sensors of an undamaged valve would show without disturbance.

    Parameters
    ----------
    drivers : Drivers
        With signals ``demand`` (share of the stroke) and ``supply`` (bar). The level scales the opening.

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        Sensor → value in its unit.
    """
    outer = drivers.signals
    setpoint: Floats = np.clip(drivers.level * (OPENING + outer["demand"]), 0.0, 1.0)
    stands = drivers.lag(setpoint, TRAVEL_MEMORY)
    kv = np.where(stands > 0.01, KVS * RANGE ** (stands - 1), 0.0)
    supply = SUPPLY + outer["supply"]
    # Q = Kv √(p₁ − p₂) and p₁ = p_supply − r Q², so Q² (1/Kv² + r) = p_supply − p₂.
    flow = kv * np.sqrt(np.maximum(supply - DOWNSTREAM, 0.0) / (1 + RESISTANCE * kv**2))
    return {
        "setpoint": 100 * setpoint,
        "position": 100 * stands,
        "actuator_pressure": SPRING[0] + (SPRING[1] - SPRING[0]) * stands,
        "upstream_pressure": supply - RESISTANCE * flow**2,
        "flow_rate": flow,
    }


PHYSICS = Physics(
    respond=respond,
    schedule=(
        Spell("high_load", at=timedelta(hours=6), lasts=timedelta(hours=3), level=1.2),
        Spell("high_load", at=timedelta(hours=17), lasts=timedelta(hours=3), level=1.2),
        Spell("maintenance", at=timedelta(hours=11), lasts=timedelta(hours=2), level=0.0, weekday=3),
    ),
    signals={
        "demand": Signal(sd=0.04, memory=timedelta(minutes=30), daily=0.02),
        "supply": Signal(sd=0.25, memory=timedelta(hours=3), daily=0.1),
    },
    noise={
        "setpoint": Noise(process=0.0, measurement=0.05),
        "position": Noise(process=0.4, measurement=0.2),
        "actuator_pressure": Noise(process=0.02, measurement=0.01),
        "upstream_pressure": Noise(process=0.06, measurement=0.03),
        "flow_rate": Noise(process=0.6, measurement=0.4),
    },
    spread=0.01,
    shift=timedelta(minutes=10),
    gradual=("seat_erosion", "clogging"),
)
