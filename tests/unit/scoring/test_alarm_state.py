"""Alarms window by window: the same as folding all windows at once."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tests.unit.scoring import alarm_tuples
from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.scoring import alarms
from wheeltapper.scoring.alarm_state import AlarmState
from wheeltapper.tables import microseconds

MAX_GAP = timedelta(minutes=3)
MINUTE = 60_000_000


def drawn_windows(rng: np.random.Generator) -> pd.DataFrame:
    """Draw windows with pauses, and severities around the limits that a rule may have."""
    count = int(rng.integers(0, 80))
    ends = np.cumsum(rng.choice([1, 1, 1, 1, 1, 3, 4, 60], count)) * MINUTE
    return pd.DataFrame(
        {
            "asset_id": "pump",
            "window_end": pd.to_datetime(ends, unit="us", utc=True).as_unit("us"),
            "severity": rng.choice([0.2, 0.6, 0.9, 1.0, 1.2, 2.0, 3.5], count),
            "regime": rng.choice(["normal", "high_load"], count),
        }
    )


@pytest.mark.parametrize("seed", range(300))
def test_stepping_gives_the_alarms_of_folding(seed: int) -> None:
    """Any rule, any severities, pauses in between: opening, last window, peak, regime, and whether it is still open."""
    rng = np.random.default_rng(seed)
    rule = Alarms(
        open_after=int(rng.integers(1, 5)),
        close_after=int(rng.integers(1, 5)),
        close_below=float(rng.choice([1.0, 0.8, 0.5])),
    )
    windows = drawn_windows(rng)
    state, stepped = AlarmState(rule, MAX_GAP), {}
    ends = microseconds(windows["window_end"]).tolist()
    for change in state.steps(zip(ends, windows["severity"].tolist(), windows["regime"].tolist(), strict=True)):
        alarm = change.alarm
        assert change.change == (
            "opened" if alarm.opened_at not in stepped else "updated" if alarm.is_open else "closed"
        )
        stepped[alarm.opened_at] = alarm_tuples.of_alarm(alarm)
    assert list(stepped.values()) == alarm_tuples.of_folded(alarms.fold(windows, rule, MAX_GAP))
    is_open = bool(stepped) and list(stepped.values())[-1][-1] == "open"
    assert (state.open_alarm is not None) == is_open


def test_a_window_out_of_order_or_without_severity_is_refused() -> None:
    """The state would be wrong from there on, so the caller is told what to do."""
    state = AlarmState(Alarms(), MAX_GAP)
    state.step(MINUTE, 0.5, "normal")
    with pytest.raises(DataError, match="Restore the state from before"):
        state.step(MINUTE, 0.5, "normal")
    with pytest.raises(DataError, match="has no severity"):
        state.step(2 * MINUTE, float("nan"), "normal")
    assert state.newest == MINUTE
