"""Exploration: the readings before any model: how many, when, which values are missing, how sensors spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wheeltapper.config import AssetType
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import shortened, time_axis
from wheeltapper.reporting.text import words
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 20
"""Bars in one panel; the others are added up in one more."""
PANELS = 12
"""Sensors whose spread is drawn."""
_REGIMES = 6
_STEPS = ("1min", "10min", "1h", "6h", "1D", "7D", "28D")
_MARKS = 160
"""Most steps of a count over time."""


def data_exploration_figure(readings: pd.DataFrame, sensors: Sequence[str]) -> Figure:
    """Draw the number of readings by machine, time and regime, and the share of missing values by sensor.

    Parameters
    ----------
    readings : DataFrame like `tables.READINGS`
    sensors : names of the asset type's sensors

    Raises
    ------
    DataError
        If there is no reading.
    """
    canvas.require(len(readings), "the exploration of the data", "at least one reading")
    by_asset = _largest(readings["asset_id"].value_counts())
    missing = missing_share(readings, sensors)
    regimes = readings["regime"].value_counts(normalize=True).head(MOST)
    figure = canvas.blank(10, 1.5 + 0.2 * max(len(by_asset), 4) + 0.2 * max(len(missing), len(regimes), 4) + 0.9)
    heights = (max(len(by_asset), 5), max(len(missing), len(regimes), 5))
    (a, b), (c, d) = figure.subplots(2, 2, height_ratios=heights)
    _draw_bars(a, by_asset.to_dict(), "Readings by machine", "readings", canvas.SCORE)
    _draw_counts(b, readings["timestamp"])
    _draw_bars(c, missing.to_dict(), "Missing values by sensor", "share of readings", canvas.ALARM, share=True)
    _draw_bars(
        d,
        {words.spaced(name): share for name, share in regimes.items()},
        "Readings by regime",
        "share of readings",
        canvas.GOOD,
        share=True,
    )
    return figure


def missing_share(readings: pd.DataFrame, sensors: Sequence[str]) -> pd.Series:
    """Return the share of readings without a value of a sensor, from 0 to 1, highest first, at most `MOST` sensors."""
    share = {name: float(readings[name].isna().mean()) if name in readings else 1.0 for name in sensors}
    return pd.Series(share, dtype="float64").sort_values(ascending=False, kind="stable").head(MOST)


def _largest(counts: pd.Series) -> pd.Series:
    """Return the largest counts, and the sum of the others."""
    rest = counts.iloc[MOST:]
    largest = counts.iloc[:MOST]
    return largest if rest.empty else pd.concat([largest, pd.Series({f"{len(rest)} others": int(rest.sum())})])


def _draw_bars(
    axes: Axes, bars: dict[Any, float], heading: str, unit: str, colour: str, *, share: bool = False
) -> None:
    canvas.dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    canvas.title(axes, heading)
    places = range(len(bars))
    axes.barh(places, list(bars.values()), 0.62, color=colour)
    for place, value in zip(places, bars.values(), strict=True):
        text = words.percent(value) if share else words.count(int(value))
        axes.annotate(
            text, (value, place), (4, 0), textcoords="offset points", va="center", color=canvas.INK, fontsize=8
        )
    axes.set_yticks(places, [canvas.plain(shortened(str(name))) for name in bars])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(len(bars), 4) - 0.4, -0.6)
    top = max(bars.values(), default=0.0)
    if not top:
        axes.text(0.5, 0.5, "no value is missing", transform=axes.transAxes, ha="center", color=canvas.QUIET)
    axes.set_xlim(0, 1.22 * top if top > 0 else 1.0)
    axes.locator_params(axis="x", nbins=4)
    if share:
        axes.xaxis.set_major_formatter(lambda value, _: words.percent(value))
    else:
        axes.xaxis.set_major_formatter(lambda value, _: words.count(round(value)))
    axes.set_xlabel(unit)


def counts_over_time(times: pd.Series) -> tuple[pd.Series, str]:
    """Count readings in equal steps of time, the shortest that a figure can show.

    Returns
    -------
    counts : Series
        Start of the step (UTC) → number of readings in it; 0 for a step without readings.
    step : str
        Its length, such as ``1D``.
    """
    span = times.max() - times.min()
    step = next((step for step in _STEPS if span <= _MARKS * pd.Timedelta(step)), _STEPS[-1])
    floor = times.dt.floor(step).value_counts().sort_index()
    every = pd.date_range(floor.index[0], floor.index[-1], freq=step)
    return floor.reindex(every, fill_value=0), step


def _draw_counts(axes: Axes, times: pd.Series) -> None:
    counts, step = counts_over_time(times)
    length = pd.Timedelta(step)
    canvas.dress(axes)
    canvas.title(axes, f"Readings per {_step_name(length)}, all machines")
    ends = pd.DatetimeIndex([*counts.index, counts.index[-1] + length])
    edges = microseconds(ends) / 86_400e6
    axes.stairs(counts.to_numpy(), edges, fill=True, color=canvas.SCORE, alpha=0.35)
    axes.stairs(counts.to_numpy(), edges, color=canvas.SCORE, linewidth=1.1)
    axes.set_ylim(0, 1.1 * float(counts.max()))
    axes.locator_params(axis="y", nbins=4, integer=True)
    axes.yaxis.set_major_formatter(lambda value, _: words.count(round(value)))
    time_axis(axes, pd.Series(ends), most=6)


def _step_name(length: pd.Timedelta) -> str:
    if length < pd.Timedelta("1D"):
        return {60: "minute", 3600: "hour"}.get(int(length.total_seconds()), words.minutes(length.total_seconds() / 60))
    return "day" if length.days == 1 else f"{length.days} days"


def sensor_boxes_figure(readings: pd.DataFrame, asset_type: AssetType, first: Sequence[str] = ()) -> Figure:
    """Draw the values of each sensor in each regime: box 25 to 75 %, line median, whiskers 1 and 99 %.

    Parameters
    ----------
    readings : DataFrame like `tables.READINGS`
    asset_type : AssetType
        Names the sensors and their units.
    first : names of sensors
        Sensors that are drawn first where there is no room for all, the most important first.

    Raises
    ------
    DataError
        If no sensor has a reading.
    """
    present = [name for name in asset_type.sensors if name in readings and readings[name].notna().any()]
    canvas.require(present, "the spread of the sensors", "at least one reading of a sensor")
    chosen = set(list(dict.fromkeys([*(name for name in first if name in present), *present]))[:PANELS])
    sensors = [name for name in present if name in chosen]
    regimes = readings["regime"].value_counts().head(_REGIMES).index.tolist()
    columns = min(3, len(sensors))
    rows = math.ceil(len(sensors) / columns)
    figure = canvas.blank(10, (0.75 + 0.22 * len(regimes)) * rows + 0.2)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    regime_of = pd.Index(regimes).get_indexer(pd.Index(readings["regime"]))
    for axes, name in zip(grid, sensors, strict=False):
        values = readings[name].to_numpy(np.float64)
        spreads = [_spread(values[regime_of == place]) for place in range(len(regimes))]
        unit = asset_type.sensors[name].unit
        _draw_boxes(axes, spreads, name, "" if unit == "1" else unit)
        axes.set_yticks(range(len(regimes)), [canvas.plain(words.spaced(regime)) for regime in regimes])
    for axes in grid[len(sensors) :]:
        axes.set_visible(False)
    return figure


def _spread(values: Any) -> dict[str, Any] | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, q1, median, q3, high = np.quantile(values, [0.01, 0.25, 0.5, 0.75, 0.99])
    return {"whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high, "fliers": []}


def _draw_boxes(axes: Axes, spreads: Sequence[dict[str, Any] | None], name: str, unit: str) -> None:
    canvas.dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    canvas.title(axes, name)
    axes.set_xlabel(canvas.plain(unit))
    drawn = [(place, spread) for place, spread in enumerate(spreads) if spread is not None]
    line = {"color": canvas.SCORE, "linewidth": 1.1}
    axes.bxp(
        [spread for _, spread in drawn],
        [place for place, _ in drawn],
        widths=0.6,
        orientation="horizontal",
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": canvas.SHADE, "edgecolor": canvas.SCORE, "linewidth": 1.1},
        medianprops={"color": canvas.ALARM, "linewidth": 1.8},
        whiskerprops=line,
        capprops=line,
    )
    axes.set_ylim(len(spreads) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
