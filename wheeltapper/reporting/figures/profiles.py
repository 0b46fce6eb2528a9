"""Profiles: how often each sensor has which value, in normal running and in known faults."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType, Sensor
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import canvas
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 60


def sensor_profiles_figure(
    readings: pd.DataFrame, faults: pd.DataFrame, asset_type: AssetType, *, inside_label: str = "in a fault"
) -> Figure:
    """Draw a histogram of each sensor's values in normal running, and of its values in known faults.

    Parameters
    ----------
    readings : DataFrame like `tables.READINGS`
        Any number of assets of one type.
    faults : DataFrame like `tables.FAULTS`
        May be empty: then all readings count as normal.
    asset_type : AssetType
        Names the sensors and their units.
    inside_label : str
        Name of the spans in the legend; where no fault is known, the spans of alarms may be passed instead.

    Raises
    ------
    DataError
        If no sensor of the asset type has a reading.
    """
    sensors = [name for name in asset_type.sensors if name in readings and readings[name].notna().any()]
    if not sensors:
        raise DataError(
            f"no sensor of {asset_type.name} has a reading: expected some of {list(asset_type.sensors)}, "
            f"got columns {list(readings.columns)}. Leave the figure out."
        )
    faulty = inside(readings["asset_id"], readings["timestamp"], faults)
    columns = min(3 if len(sensors) <= 12 else 5, len(sensors))
    rows = math.ceil(len(sensors) / columns)
    figure = canvas.blank(10, 1.75 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(grid, sensors, strict=False):
        values = readings[name].to_numpy(np.float64)
        _draw_profile(axes, name, asset_type.sensors[name], values, faulty, inside_label)
    for axes in grid[len(sensors) :]:
        axes.set_visible(False)
    if faulty.any():
        handles, labels = grid[0].get_legend_handles_labels()
        canvas.legend(figure, handles, labels=labels, loc="outside upper right", ncols=2)
    return figure


def inside(assets: pd.Series, times: pd.Series, faults: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell for each instant whether it lies inside a known fault of its asset, shape (n,)."""
    codes, names = pd.factorize(assets)
    places, instant = {name: place for place, name in enumerate(names)}, microseconds(times)
    is_inside = np.zeros(len(instant), dtype=bool)
    for name, faults_of_asset in faults.groupby("asset_id", sort=False):
        rows = np.flatnonzero(codes == places.get(name, -1))
        spans = faults_of_asset.sort_values("start")
        starts, reach = microseconds(spans["start"]), np.maximum.accumulate(microseconds(spans["end"]))
        # The latest end of all spans that have started tells whether one of them still lasts.
        started = np.searchsorted(starts, instant[rows], side="right") - 1
        is_inside[rows] = (started >= 0) & (instant[rows] <= reach[started])
    return is_inside


def _draw_profile(
    axes: Axes, name: str, sensor: Sensor, values: NDArray[np.float64], faulty: NDArray[np.bool_], inside_label: str
) -> None:
    canvas.dress(axes, grid="")
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    canvas.title(axes, name)
    axes.set_xlabel("" if sensor.unit == "1" else canvas.plain(sensor.unit))
    is_finite = np.isfinite(values)
    # Without this limit, the outermost thousandth could leave all other values in one bar.
    low, high = np.quantile(values[is_finite], [0.001, 0.999])
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    normal = np.clip(values[is_finite & ~faulty], low, high)
    in_fault = np.clip(values[is_finite & faulty], low, high)
    for part, colour, label, filled in (
        (normal, canvas.SCORE, "normal", True),
        (in_fault, canvas.ALARM, inside_label, False),
    ):
        if len(part):
            share = np.histogram(part, edges)[0] / len(part)
            options: dict[str, Any] = {"color": colour, "label": label, "linewidth": 1.4, "baseline": 0}
            axes.stairs(share, edges, fill=filled, alpha=0.35 if filled else 1.0, **options)
    axes.set_ylim(bottom=0)
