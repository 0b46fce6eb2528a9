"""Attribution: which sensors raised the score over the time of an alarm, and which features in all alarms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.reporting.alarm_rows import ranked_sensors
from wheeltapper.reporting.attribution_of_alarms import STEPS
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import shortened, time_axis
from wheeltapper.reporting.text import words
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

TOP = 15
"""Features that are drawn, those with the largest share."""
SENSORS = 12
"""Sensors of one alarm that are drawn."""
_DAY = 86_400e6


def multi_sensor_figure(moved: Mapping[str, pd.DataFrame], alarms: pd.DataFrame) -> Figure:
    """Draw each sensor's part of the severity, window by window, around each alarm: which sensors moved together.

    Parameters
    ----------
    moved : mapping of alarm → DataFrame of shape (n_windows, n_sensors)
        Each sensor's part of the severity of each window, indexed by the windows' ends (UTC).
    alarms : DataFrame like `tables.ALARMS`
        Holds at least those alarms.

    Raises
    ------
    DataError
        If there is no alarm with such windows.
    """
    canvas.require(moved, "sensors that moved together", "the windows of at least one alarm")
    ordered = {name: _leading(frame) for name, frame in moved.items()}
    heights = [0.24 * frame.shape[1] for frame in ordered.values()]
    from matplotlib.figure import Figure

    left, right, top, bottom, gap = 1.75, 1.0, 0.4, 0.35, 0.75
    height = sum(heights) + gap * (len(heights) - 1) + top + bottom
    figure = Figure(figsize=(10, height), facecolor=canvas.PAPER)
    edge = height - top
    for (name, frame), strip_height in zip(ordered.items(), heights, strict=True):
        bottom_edge, share = (edge - strip_height) / height, strip_height / height
        axes = figure.add_axes((left / 10, bottom_edge, 1 - (left + right) / 10, share))
        key = figure.add_axes((1 - (right - 0.12) / 10, bottom_edge, 0.014, share))
        _draw_moved(axes, key, frame, alarms.loc[alarms["alarm_id"] == name].iloc[0])
        edge -= strip_height + gap
    return figure


def _leading(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.mean().sort_values(ascending=False, kind="stable").index[:SENSORS]]


def strip(frame: pd.DataFrame, steps: int = STEPS) -> tuple[NDArray[np.float64], float, float]:
    """Arrange windows on even steps of time: the highest value of a step is used, a step without a window is NaN.

    Returns
    -------
    cells : ndarray of shape (n_sensors, n_steps)
    first, last : float
        Start and end of the strip, in days since 1970.
    """
    ends = microseconds(pd.DatetimeIndex(frame.index))
    steps = min(steps, len(ends))
    width = max(1.0, (ends[-1] - ends[0]) / max(1, steps - 1))
    place = np.round((ends - ends[0]) / width).astype(np.int64)
    cells = np.full((steps, frame.shape[1]), np.nan)
    rows = frame.groupby(place).max()
    cells[rows.index.to_numpy()] = rows.to_numpy()
    return cells.T, (ends[0] - width / 2) / _DAY, (ends[0] + width * (steps - 0.5)) / _DAY


def _draw_moved(axes: Axes, key: Axes, frame: pd.DataFrame, alarm: pd.Series) -> None:
    """Draw the strip of one alarm, each with its own colour scale: severities may differ a hundredfold."""
    cells, first, last = strip(frame)
    peak = max(1.0, float(np.nanmax(cells, initial=0.0)))
    canvas.dress(axes, grid="")
    axes.imshow(
        np.ma.masked_invalid(cells),
        aspect="auto",
        interpolation="nearest",
        cmap="cividis",
        norm=_scale(peak),
        extent=(first, last, frame.shape[1] - 0.5, -0.5),
    )
    axes.set_yticks(range(frame.shape[1]), [canvas.plain(shortened(str(name), 22)) for name in frame.columns])
    axes.tick_params(axis="y", length=0)
    canvas.title(
        axes, f"{alarm['asset_id']}, alarm of {words.instant(alarm['opened_at'])} UTC: between the two arrows", pad=8
    )
    for instant in (alarm["opened_at"], alarm["last_at"]):
        at = microseconds(pd.Series([instant]))[0] / _DAY
        axes.plot(at, 1.0, "v", transform=axes.get_xaxis_transform(), color=canvas.ALARM, markersize=7, clip_on=False)
    time_axis(axes, pd.Series(frame.index))
    axes.set_xlabel("")
    axes.set_xlim(first, last)
    _draw_key(axes, key, peak)


def _scale(peak: float) -> Normalize:
    """Give small values more of the colour scale: they show which sensor moved first."""
    from matplotlib.colors import PowerNorm

    return PowerNorm(0.5, 0, peak)


def _draw_key(axes: Axes, key: Axes, peak: float) -> None:
    axes.figure.colorbar(axes.images[0], cax=key).outline.set_visible(False)
    ticks = [0.0, peak / 4, peak]
    key.set_yticks(ticks, [words.number(tick, 2) for tick in ticks])
    key.minorticks_off()
    key.tick_params(colors=canvas.QUIET, labelcolor=canvas.INK, labelsize=8.5, length=3)
    key.set_ylabel("severity", color=canvas.INK, fontsize=9)


def sensor_weights(alarms: pd.DataFrame) -> dict[str, float]:
    """Return each sensor's share of the alarms' severity; every alarm has the same weight.

    An alarm that names no shares is left out.
    """
    shares_of_alarms = [
        {str(entry["sensor"]): float(entry.get("share") or 0.0) for entry in ranked_sensors(alarm)}
        for alarm in alarms.to_dict("records")
    ]
    table = pd.DataFrame([shares for shares in shares_of_alarms if sum(shares.values()) > 0]).fillna(0.0)
    return {} if table.empty else {str(name): float(value) for name, value in table.mean().items()}


def importance_figure(weights: Mapping[str, float], kind: str = "feature") -> Figure:
    """Draw the features (or sensors) with the largest share of the alarms' severity, the largest on top.

    Parameters
    ----------
    weights : mapping of name → share from 0 to 1
        Together at most 1; the first `TOP` are drawn, the sum of the others is written below.
    kind : str
        feature or sensor.

    Raises
    ------
    DataError
        If nothing has a weight.
    """
    ordered = sorted(
        ((value, name) for name, value in weights.items() if value > 0), key=lambda item: (-item[0], item[1])
    )
    canvas.require(
        ordered, f"the weight of each {kind}", "at least one alarm whose detector says what raised its score"
    )
    shown = ordered[:TOP]
    figure = canvas.blank(10, 0.95 + 0.25 * len(shown))
    axes = canvas.dress(figure.subplots(), grid="x")
    axes.spines["left"].set_visible(False)
    places = range(len(shown))
    axes.barh(places, [value for value, _ in shown], 0.64, color=canvas.SCORE)
    for place, (value, _) in zip(places, shown, strict=True):
        at = (value, place)
        axes.annotate(
            words.percent(value), at, (4, 0), textcoords="offset points", va="center", color=canvas.INK, fontsize=8
        )
    axes.set_yticks(places, [canvas.plain(shortened(name, 48)) for _, name in shown])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * shown[0][0])
    axes.xaxis.set_major_formatter(lambda value, _: words.percent(value))
    rest = sum(value for value, _ in ordered[TOP:])
    more = (
        f"; {words.things(len(ordered) - TOP, f'more {kind}')} together {words.percent(rest)}"
        if len(ordered) > TOP
        else ""
    )
    axes.set_xlabel(f"share of the severity at the alarms' peaks{more}")
    return figure
