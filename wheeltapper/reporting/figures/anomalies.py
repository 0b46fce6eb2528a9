"""Anomalies: a machine's sensors over the scored time, with the anomalous windows marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from wheeltapper.config import AssetType
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import axis_label, shade, time_axis
from wheeltapper.reporting.figures.envelope import envelope
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SENSORS = 4
MARKS = 200
"""Most windows that are marked; those of the highest severity come first."""
_DAY = 86_400e6


def anomalies_figure(
    readings: pd.DataFrame, scores: pd.DataFrame, faults: pd.DataFrame, asset_type: AssetType, sensors: Sequence[str]
) -> Figure:
    """Draw one machine's sensors over the scored time; a dot is a reading at which an anomalous window ends.

    Parameters
    ----------
    readings, scores, faults : DataFrames like `tables.READINGS`, `tables.SCORES` and `tables.FAULTS`
        Rows of one asset; faults may be empty.
    asset_type : AssetType
        Names the sensors' units.
    sensors : names
        The first `SENSORS` of them that have a reading are drawn.

    Raises
    ------
    DataError
        If there is no reading of these sensors in the scored time.
    """
    first, last = scores["window_end"].min(), scores["window_end"].max()
    inside = readings[(readings["timestamp"] >= first) & (readings["timestamp"] <= last)]
    shown = [name for name in sensors if name in inside and inside[name].notna().any()][:SENSORS]
    canvas.require(shown, "anomalies over time", "at least one reading in the scored time")
    figure, grid = canvas.strips((1.0,) * len(shown), gap=0.12)
    anomalous = marked(inside, scores)
    for axes, name in zip(grid, shown, strict=True):
        canvas.dress(axes)
        unit = asset_type.sensors[name].unit
        axes.set_ylabel(axis_label(name, unit))
        shade(axes, list(zip(faults["start"], faults["end"], strict=True)), canvas.FAULT, top=0.07)
        seconds, values = envelope(microseconds(inside["timestamp"]) / 1e6, inside[name].to_numpy(np.float64), 600)
        axes.plot(seconds / 86_400, values, color=canvas.SCORE, linewidth=0.7)
        axes.plot(microseconds(anomalous["timestamp"]) / _DAY, anomalous[name], "o", color=canvas.ALARM, markersize=2.6)
    canvas.legend(grid[0], _handles(len(faults) > 0), loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderpad=0.1)
    time_axis(grid[-1], pd.Series([first, last]))
    return figure


def marked(readings: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the readings at which an anomalous window ends, `MARKS` at most, those of the highest severity."""
    anomalous = scores.loc[scores["severity"] > 1, ["window_end", "severity"]].nlargest(MARKS, "severity")
    return readings[readings["timestamp"].isin(anomalous["window_end"])]


def _handles(has_faults: bool) -> list[object]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[object] = [
        Line2D([], [], color=canvas.SCORE, linewidth=1.4, label="reading"),
        Line2D([], [], color=canvas.ALARM, marker="o", markersize=3, linestyle="none", label="anomalous window ends"),
    ]
    return [*handles, Patch(color=canvas.FAULT, label="true fault")] if has_faults else handles
