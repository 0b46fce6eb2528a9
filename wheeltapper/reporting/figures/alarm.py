"""Alarm: the sensors that an alarm names, before, during and after it, beside their usual range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType
from wheeltapper.errors import DataError
from wheeltapper.reporting.alarm_rows import ranked_sensors, span_around
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import DAY, axis_label, seconds_of, shade, time_axis
from wheeltapper.reporting.figures.envelope import envelope
from wheeltapper.reporting.figures.profiles import inside
from wheeltapper.reporting.text.sensor_health import flagged_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


def alarm_figure(
    readings: pd.DataFrame,
    alarm: Mapping[str, Any] | pd.Series,
    asset_type: AssetType,
    faults: pd.DataFrame | None = None,
    most: int = 4,
    flags: pd.DataFrame | None = None,
) -> Figure:
    """Draw the sensors that an alarm names, before, during and after it, beside their usual range.

    Parameters
    ----------
    readings : DataFrame like `tables.READINGS`
        At least those of the alarm's asset around the alarm.
    alarm : one row of `tables.ALARMS`
    asset_type : AssetType
        Names the sensors and their units.
    faults : DataFrame like `tables.FAULTS` or None
        Known faults, which are drawn beside the alarm.
    most : int
        Most sensors that are drawn.
    flags : DataFrame like `tables.FLAGS` or None
        Values that are flagged as unusual are marked.

    Raises
    ------
    DataError
        If the asset has no readings around the alarm.
    """
    of_asset = readings[readings["asset_id"] == alarm["asset_id"]]
    begin, end = span_around(alarm, asset_type.step)
    near = of_asset[(of_asset["timestamp"] >= begin) & (of_asset["timestamp"] <= end)]
    sensors = _sensors_of(alarm, asset_type, near)[:most]
    if near.empty or not sensors:
        raise DataError(
            f"alarm {alarm['alarm_id']} cannot be drawn: {alarm['asset_id']} has no readings from {begin} to {end}. "
            "Pass the readings around the alarm."
        )
    figure, grid = canvas.strips((0.95,) * len(sensors), gap=0.12)
    before = of_asset[(of_asset["timestamp"] < alarm["opened_at"]) & (of_asset["regime"] == alarm["regime"])]
    if faults is not None:
        before = before[~inside(before["asset_id"], before["timestamp"], faults)]
    has_marks = False
    for axes, name in zip(grid, sensors, strict=True):
        canvas.dress(axes)
        unit = asset_type.sensors[name].unit
        axes.set_ylabel(axis_label(name, unit))
        _draw_usual(axes, before[name].to_numpy(np.float64))
        shade(axes, [(alarm["opened_at"], alarm["last_at"])], canvas.ALARM, opacity=0.18)
        if faults is not None:
            same = faults[faults["asset_id"] == alarm["asset_id"]]
            shade(axes, list(zip(same["start"], same["end"], strict=True)), canvas.FAULT, top=0.08)
        seconds, values = envelope(seconds_of(near["timestamp"]), near[name].to_numpy(np.float64))
        axes.plot(seconds / DAY, values, color=canvas.SCORE, linewidth=1.1)
        marked = near.iloc[:0] if flags is None else flagged_values(near, alarm["asset_id"], name, flags)
        axes.plot(seconds_of(marked["timestamp"]) / DAY, marked[name], "o", color=canvas.ALARM, markersize=2.2)
        has_marks |= len(marked) > 0
    handles = _alarm_handles(faults, alarm, before)
    if has_marks:
        handles.append(_mark("flagged as unusual"))
    canvas.legend(grid[0], handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=5, borderpad=0.1)
    time_axis(grid[-1], pd.Series([begin, end]), near["timestamp"])
    return figure


def _sensors_of(alarm: Mapping[str, Any] | pd.Series, asset_type: AssetType, near: pd.DataFrame) -> list[str]:
    """Return the sensors that the alarm names, the first-ranked first; all sensors where it names none."""
    named = [str(entry["sensor"]) for entry in ranked_sensors(alarm)]
    present = [name for name in asset_type.sensors if name in near and near[name].notna().any()]
    return [name for name in named if name in present] or present


def _draw_usual(axes: Axes, values: Floats) -> None:
    """Shade the range in which the sensor was 98 % of the time before the alarm, in the alarm's regime."""
    values = values[np.isfinite(values)]
    if len(values):
        axes.axhspan(*np.quantile(values, [0.01, 0.99]), color=canvas.SHADE, linewidth=0, zorder=0)


def _alarm_handles(
    faults: pd.DataFrame | None, alarm: Mapping[str, Any] | pd.Series, before: pd.DataFrame
) -> list[Any]:
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], color=canvas.SCORE, linewidth=1.4, label="reading")]
    if len(before):
        handles.append(Patch(color=canvas.SHADE, label="usual range in this regime (98 %)"))
    handles.append(Patch(facecolor=to_rgba(canvas.ALARM, 0.18), edgecolor=canvas.ALARM, label="alarm"))
    if faults is not None and (faults["asset_id"] == alarm["asset_id"]).any():
        handles.append(Patch(color=canvas.FAULT, label="true fault"))
    return handles


def _mark(label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=canvas.ALARM, marker="o", markersize=2.2, linestyle="none", label=label)
