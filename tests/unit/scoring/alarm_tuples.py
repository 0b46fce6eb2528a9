"""Alarms as tuples, so that those of folding and those of stepping can be compared."""

from __future__ import annotations

from typing import Any

import pandas as pd

from wheeltapper.scoring.alarm_state import Alarm
from wheeltapper.tables import microseconds


def of_folded(folded: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return the alarms of `alarms.fold`, times in microseconds since the epoch."""
    times = (microseconds(folded[name]).tolist() for name in ("opened_at", "last_at", "peak_at"))
    others = (folded[name].tolist() for name in ("peak_severity", "held_severity", "regime", "state"))
    return list(zip(*times, *others, strict=True))


def of_alarm(alarm: Alarm) -> tuple[Any, ...]:
    """Return one alarm of `AlarmState`, in the order of `of_folded`."""
    state = "open" if alarm.is_open else "closed"
    times = (alarm.opened_at, alarm.last_at, alarm.peak_at)
    return (*times, alarm.peak_severity, alarm.held_severity, alarm.regime, state)
