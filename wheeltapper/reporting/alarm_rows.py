"""Alarm rows: what the figures and the tables of a report read from the rows of the alarms table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd

from wheeltapper.errors import DataError

Span = tuple[pd.Timestamp, pd.Timestamp]


def strongest_first(alarms: pd.DataFrame) -> pd.DataFrame:
    """Sort alarms by their peak severity, the highest first; among equal ones by the time they opened."""
    return alarms.sort_values(["peak_severity", "opened_at", "alarm_id"], ascending=[False, True, True])


def ranked_sensors(alarm: Mapping[Any, Any] | pd.Series) -> list[dict[str, Any]]:
    """Read an alarm's ranked sensors from their JSON: each at least {"sensor": name}.

    Raises
    ------
    DataError
        If the text is not such a list.
    """
    text = alarm["sensors"]
    content = json.loads(text) if text else []
    ranking = [{"sensor": entry} if isinstance(entry, str) else entry for entry in content]
    if not all(isinstance(entry, dict) and "sensor" in entry for entry in ranking):
        raise DataError(
            f"alarm {alarm['alarm_id']}: expected a JSON list of sensors, each with the key 'sensor', got {text}. "
            "Score the plant again to write the alarm anew."
        )
    return ranking


def span_around(alarm: Mapping[str, Any] | pd.Series, step: timedelta) -> Span:
    """Return the stretch of time in which an alarm is shown: the alarm itself, and some time on either side.

    Parameters
    ----------
    alarm : one row of `tables.ALARMS`
    step : timedelta
        Time between two readings of the asset type; on either side there are at least 60 steps.
    """
    length = alarm["last_at"] - alarm["opened_at"]
    margin = max(1.5 * length, 60 * step)
    return alarm["opened_at"] - 1.3 * margin, alarm["last_at"] + margin
