"""Fifty machines as a published data set has them: noise with labels, and nothing to be learnt. A negative control.

Each reading is drawn anew, whatever was before and whichever machine it is [1]_: temperature N(75, 10) °C, vibration
N(50, 15) Hz, humidity U(30, 80) %, pressure U(1, 5) bar, energy U(0.5, 5) kWh. A reading is flagged where the
temperature is above 90 °C or the vibration above 80 Hz, and nowhere else (8.8 % of them).

So a rule of two limits is perfect, and no method that looks at time, at machines or at the other sensors can add
anything: a report of skill in *foretelling* on these data is a mistake. A good system reports that its baselines are
not beaten. `machine` is the same machine with a life that can be learnt from.

`draw_labels` draws the other columns of [1]_: its state, kind of failure, remaining life, and what follows from
them by rule. None depends on a sensor except through the flag, so they are no part of the readings.

References
----------
.. [1] Reference system 000: label rules recovered from the data set of 100 000 readings of 50 machines.
"""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from wheeltapper.assets import Drivers, Floats, Noise, Physics, Signal
from wheeltapper.config import AssetType, Effect, FaultKind, Sensor

HOT, SHAKING = 90.0, 80.0  # °C, Hz: the rule that the labels follow
STATES = (0.106, 0.795, 0.099)  # shares of off, running, alert
FAILURES = {"Vibration Issue": 0.031, "Overheating": 0.020, "Pressure Drop": 0.020, "Electrical Fault": 0.010}
"""Shares of all readings; they occur in state 2 only, whatever the sensors say."""
LIFE_FLAGGED, LIFE = (1, 49), (10, 499)
WORN = 20  # remaining life below which maintenance is called for

ASSET_TYPE = AssetType(
    name="machine_as_published",
    description="Machine whose readings are independent noise, labelled by a rule: a negative control.",
    step=timedelta(minutes=50),
    sensors={
        "temperature": Sensor(unit="°C", low=0, high=150, alarm_high=HOT, description="as published"),
        "vibration": Sensor(unit="Hz", low=0, high=150, alarm_high=SHAKING, description="as published"),
        "humidity": Sensor(unit="%", low=0, high=100, description="as published"),
        "pressure": Sensor(unit="bar", low=0, high=8, description="as published"),
        "energy_consumption": Sensor(unit="kWh", low=0, high=12, description="as published"),
    },
    faults={
        # How far a flagged reading lies above the mean of all, on average: σ · φ(z) / (1 − Φ(z)).
        "hot": FaultKind(
            description="The temperature is above 90 °C.",
            first_check="None: the label is the rule.",
            effects={"temperature": Effect(shift=19.4)},
        ),
        "shaking": FaultKind(
            description="The vibration is above 80 Hz.",
            first_check="None: the label is the rule.",
            effects={"vibration": Effect(shift=35.6)},
        ),
    },
)


def respond(drivers: Drivers) -> dict[str, Floats]:
    """Return one independent draw for each reading; the uniform ones are shaped from the signals."""
    outer, here = drivers.signals, np.ones_like(drivers.level)
    return {
        "temperature": 75.0 * here,
        "vibration": 50.0 * here,
        "humidity": _uniform(outer["humidity"], 30, 80),
        "pressure": _uniform(outer["pressure"], 1, 5),
        "energy_consumption": _uniform(outer["energy"], 0.5, 5),
    }


def label(values: Mapping[str, Floats]) -> NDArray[np.str_]:
    """Read the flag off the values: ``hot`` above 90 °C, else ``shaking`` above 80 Hz, else empty."""
    shaking = np.where(values["vibration"] > SHAKING, "shaking", "")
    return np.where(values["temperature"] > HOT, "hot", shaking)


def draw_labels(rng: np.random.Generator, flagged: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """Draw the other columns of the data set for readings of which the flag is known.

    Parameters
    ----------
    rng : Generator
    flagged : ndarray of bool, shape (n_readings,)
        ``anomaly_flag`` of each reading.

    Returns
    -------
    dict of ndarray of shape (n_readings,)
        machine_status (0 off, 1 running, 2 alert), failure_type, predicted_remaining_life, and what follows by rule:
        anomaly_flag, downtime_risk (the same), maintenance_required (flag, or alert, or remaining life below 20).
    """
    rows = len(flagged)
    state = rng.choice(3, size=rows, p=STATES)
    share = np.array(list(FAILURES.values())) / STATES[2]
    kinds = np.array(["Normal", *FAILURES])
    drawn = rng.choice(kinds, size=rows, p=[1 - share.sum(), *share])
    life = np.where(
        flagged,
        rng.integers(LIFE_FLAGGED[0], LIFE_FLAGGED[1] + 1, rows),
        rng.integers(LIFE[0], LIFE[1] + 1, rows),
    )
    return {
        "machine_status": state,
        "anomaly_flag": flagged.astype(np.int64),
        "predicted_remaining_life": life,
        "failure_type": np.where(state == 2, drawn, "Normal"),
        "downtime_risk": flagged.astype(np.float64),
        "maintenance_required": (flagged | (state == 2) | (life < WORN)).astype(np.int64),
    }


def _uniform(normal: Floats, low: float, high: float) -> Floats:
    from scipy.special import ndtr

    return np.asarray(low + (high - low) * ndtr(normal), dtype=np.float64)


_FORGETS = timedelta(milliseconds=1)

PHYSICS = Physics(
    respond=respond,
    signals={name: Signal(sd=1.0, memory=_FORGETS) for name in ("humidity", "pressure", "energy")},
    noise={
        "temperature": Noise(process=0.0, measurement=10.0),
        "vibration": Noise(process=0.0, measurement=15.0),
    },
    label=label,
)
