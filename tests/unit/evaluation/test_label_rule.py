"""Labels that are a rule of the readings are called so; honest ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from wheeltapper.evaluation.label_rule import label_rule

START = pd.Timestamp("2026-03-02", tz="UTC")


def minute(number: int) -> pd.Timestamp:
    return START + pd.Timedelta(minutes=number)


def readings(heat: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"asset_id": "a", "timestamp": [minute(one) for one in range(len(heat))], "heat": heat, "load": 1.0}
    )


def faults(*spans: tuple[int, int], kind: str = "hot") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "asset_id": "a",
            "kind": kind,
            "start": pd.to_datetime([minute(start) for start, _ in spans]),
            "end": pd.to_datetime([minute(end) for _, end in spans]),
        }
    )


SPANS = tuple((begin, begin + 49) for begin in range(50, 1000, 100))


def test_a_threshold_is_a_rule() -> None:
    """Faulty whenever the heat is above 90: whoever knows the threshold knows the label."""
    heat = np.where(np.arange(1000) % 100 >= 50, 95.0, 60.0)
    gate = label_rule(readings(heat), ["heat", "load"], faults(*SPANS))
    assert (gate.name, gate.passed, gate.blocks, gate.figure) == ("label_rule", False, False, 1.0)
    assert "a threshold would be enough" in gate.reason


def test_what_overlaps_is_no_rule() -> None:
    """Hotter when faulty, but not always: no threshold reaches 99 %."""
    heat = np.where(np.arange(1000) % 100 >= 50, 80.0, 70.0) + np.random.default_rng(1).normal(0, 5, 1000)
    gate = label_rule(readings(heat), ["heat", "load"], faults(*SPANS))
    assert gate.passed is True
    assert gate.figure is not None and 0.7 < gate.figure < 0.95


def test_without_faults_nothing_is_asked() -> None:
    """No faults, or no single readings: the gate says that it could not be asked."""
    assert label_rule(readings(np.ones(200)), ["heat"], faults()).passed is None
    assert label_rule(readings(np.ones(200)), [], faults((0, 100))).passed is None
