"""Timelines: the severity of each asset over time, its threshold, the true faults and the alarms, in lanes.

Severity is score ÷ threshold, so that the threshold lies at 1 for every detector and every regime. Its axis is even
up to about 1 and logarithmic above, so that one peak does not flatten everything else.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import AssetType
from wheeltapper.errors import DataError
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.envelope import envelope
from wheeltapper.reporting.figures.profiles import inside
from wheeltapper.reporting.text.sensor_health import flagged_values
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Span = tuple[pd.Timestamp, pd.Timestamp]

CEILING = 1000.0
"""Severities above this are drawn at it."""
_TICKS = {True: (0.0, 0.5, 1.0, 2.0, 5.0, 10.0), False: (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)}
"""Where the severity axis is labelled: below 12, and above."""
_DAY = 86_400.0


def score_figure(
    scores: pd.DataFrame,
    faults: pd.DataFrame,
    alarms: pd.DataFrame,
    title: str,
    parts: Mapping[str, Span] | None = None,
) -> Figure:
    """Draw one asset's severity over time above lanes of parts, true faults and alarms.

    Parameters
    ----------
    scores, faults, alarms : DataFrames like `tables.SCORES`, `tables.FAULTS` and `tables.ALARMS`
        Rows of one asset. Faults and alarms may be empty.
    title : str
        Usually the asset's name.
    parts : mapping of part → (start, end), or None
        Where the data is cut into train, calibrate, validate and test.

    Raises
    ------
    DataError
        If there is no score, or scores of several assets.
    """
    _require_one_asset(scores)
    figure, (top, lanes) = canvas.strips((1.75, 0.26 * (3 if parts else 2)), gap=0.08)
    canvas.dress(top)
    _draw_severity(top, scores)
    canvas.title(top, title, fontsize=10.5, weight="bold")
    top.set_ylabel("severity\n(score ÷ threshold)")
    top.tick_params(axis="x", length=0)
    _draw_lanes(lanes, faults, alarms, parts)
    canvas.legend(
        top, _legend_handles(faults, alarms), loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderpad=0.1
    )
    time_axis(lanes, scores["window_end"])
    return figure


def score_grid_figure(
    scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame, assets: Sequence[str]
) -> Figure:
    """Draw many assets' severity in small cells, each over its own time: true faults below, alarms above.

    Parameters
    ----------
    assets : names of the assets to draw, in order
        Each needs at least one row in ``scores``.

    Raises
    ------
    DataError
        If an asset has no score.
    """
    columns = 4
    rows = math.ceil(len(assets) / columns)
    from matplotlib.figure import Figure

    height = 0.85 * rows + 0.45
    figure = Figure(figsize=(10, height), facecolor=canvas.PAPER)
    # Cells are placed by hand: matplotlib's own layout takes seconds for a hundred of them.
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.06 / height, top=1 - 0.5 / height, hspace=0.5, wspace=0.05)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    groups = {str(name): group for name, group in scores.groupby("asset_id", sort=False)}
    for axes, asset in zip(grid, assets, strict=False):
        if asset not in groups:
            raise DataError(f"{asset} has no scores to draw; scored assets: {sorted(groups)}")
        own = [frame[frame["asset_id"] == asset] for frame in (faults, alarms)]
        _draw_cell(axes, groups[asset], own[0], own[1], asset)
    for axes in grid[len(assets) :]:
        axes.set_visible(False)
    canvas.legend(figure, _legend_handles(faults, alarms), loc="upper right", ncols=4)
    return figure


def alarm_figure(
    readings: pd.DataFrame,
    alarm: Mapping[str, Any] | pd.Series,
    asset_type: AssetType,
    faults: pd.DataFrame | None = None,
    most: int = 4,
    flags: pd.DataFrame | None = None,
) -> Figure:
    """Draw the sensors that an alarm points at, before, during and after it, beside what is usual for them.

    Parameters
    ----------
    readings : DataFrame like `tables.READINGS`
        At least those of the alarm's asset around the alarm.
    alarm : one row of `tables.ALARMS`
    asset_type : AssetType
        Names the sensors and their units.
    faults : DataFrame like `tables.FAULTS` or None
        True faults that are drawn beside the alarm, where they are known.
    most : int
        Sensors that are drawn at most.
    flags : DataFrame like `tables.FLAGS` or None
        Values that were flagged as unusual are marked.

    Raises
    ------
    DataError
        If the asset has no readings around the alarm.
    """
    own = readings[readings["asset_id"] == alarm["asset_id"]]
    begin, end = view(alarm, asset_type.step)
    near = own[(own["timestamp"] >= begin) & (own["timestamp"] <= end)]
    sensors = _sensors_of(alarm, asset_type, near)[:most]
    if near.empty or not sensors:
        raise DataError(
            f"alarm {alarm['alarm_id']} cannot be drawn: {alarm['asset_id']} has no readings from {begin} to {end}. "
            "Pass the readings around the alarm."
        )
    figure, grid = canvas.strips((0.95,) * len(sensors), gap=0.12)
    before = own[(own["timestamp"] < alarm["opened_at"]) & (own["regime"] == alarm["regime"])]
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
        seconds, values = envelope(_seconds(near["timestamp"]), near[name].to_numpy(np.float64))
        axes.plot(seconds / _DAY, values, color=canvas.SCORE, linewidth=1.1)
        marked = near.iloc[:0] if flags is None else flagged_values(near, alarm["asset_id"], name, flags)
        axes.plot(_seconds(marked["timestamp"]) / _DAY, marked[name], "o", color=canvas.ALARM, markersize=2.2)
        has_marks |= len(marked) > 0
    handles = _alarm_handles(faults, alarm, before)
    if has_marks:
        handles.append(_mark("unlike the readings before"))
    canvas.legend(grid[0], handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=4, borderpad=0.1)
    time_axis(grid[-1], pd.Series([begin, end]), near["timestamp"])
    return figure


def view(alarm: Mapping[str, Any] | pd.Series, step: timedelta) -> Span:
    """Return the stretch of time in which an alarm is looked at: itself, and as much again on either side."""
    length = alarm["last_at"] - alarm["opened_at"]
    margin = max(1.5 * length, 60 * step)
    return alarm["opened_at"] - 1.3 * margin, alarm["last_at"] + margin


def part_spans(first: pd.Timestamp, last: pd.Timestamp, cuts: Mapping[str, Any] | pd.Series) -> dict[str, Span]:
    """Turn the three instants that cut an asset's data into the spans of its parts; an empty part is left out.

    Parameters
    ----------
    first, last : Timestamps
        Where the asset's data begins and ends.
    cuts : mapping with calibrate_from, validate_from and test_from
        One row of what `features.parts.cuts` returns.
    """
    edges = [first, *(min(max(cuts[name], first), last) for name in _CUTS), last]
    spans = zip(("train", "calibrate", "validate", "test"), pairwise(edges), strict=True)
    return {name: span for name, span in spans if span[0] < span[1]}


_CUTS = ("calibrate_from", "validate_from", "test_from")


def _require_one_asset(scores: pd.DataFrame) -> None:
    assets = list(scores["asset_id"].unique())
    if len(assets) != 1:
        came = f"scores of {len(assets)} assets" if assets else "no scores"
        raise DataError(f"a timeline shows one asset: expected its scores, got {came}. Choose the rows of one asset.")


def _seconds(times: pd.Series) -> Floats:
    return microseconds(times) / 1e6


def _draw_severity(axes: Axes, scores: pd.DataFrame, ticks: bool = True, slices: int = 900) -> None:
    rows = scores.sort_values("window_end", kind="stable")
    severity = np.clip(rows["severity"].to_numpy(np.float64), -CEILING, CEILING)
    seconds, values = envelope(_seconds(rows["window_end"]), severity, slices)
    axes.plot(seconds / _DAY, values, color=canvas.SCORE, linewidth=0.9, solid_joinstyle="round", gid="severity")
    axes.axhline(1.0, color=canvas.LIMIT, linewidth=1.2, linestyle="--")
    axes.set_yscale("asinh", linear_width=1.0)
    top = 1.15 * max(1.6, np.nanmax(values, initial=1.0))
    axes.set_ylim(min(0.0, np.nanmin(values, initial=0.0)), top)
    shown = [tick for tick in _TICKS[top < 12] if tick <= top] if ticks else []
    axes.set_yticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()


def _draw_lanes(axes: Axes, faults: pd.DataFrame, alarms: pd.DataFrame, parts: Mapping[str, Span] | None) -> None:
    canvas.dress(axes, grid="")
    axes.spines[["left"]].set_visible(False)
    lanes = ["parts"] if parts else []
    lanes += ["true faults", "alarms"]
    axes.set_ylim(len(lanes) - 0.45, -0.55)
    axes.set_yticks(range(len(lanes)), lanes)
    axes.tick_params(axis="y", length=0)
    for place, (name, span) in enumerate((parts or {}).items()):
        colour = (canvas.PART_A, canvas.PART_B)[place % 2]
        _bars(axes, [span], 0, facecolor=colour)
        middle = span[0] + (span[1] - span[0]) / 2
        at = _seconds(pd.Series([middle]))[0] / _DAY
        axes.text(at, 0, name, ha="center", va="center", color=canvas.INK, fontsize=7.5, clip_on=True)
    spans = list(zip(faults["start"], faults["end"], strict=True))
    _bars(axes, spans, len(lanes) - 2, facecolor=canvas.FAULT, edgecolor=canvas.FAULT)
    spans = list(zip(alarms["opened_at"], alarms["last_at"], strict=True))
    _bars(axes, spans, len(lanes) - 1, facecolor=canvas.ALARM, edgecolor=canvas.ALARM)
    for place, frame in ((len(lanes) - 2, faults), (len(lanes) - 1, alarms)):
        if frame.empty:
            at_left = axes.get_yaxis_transform()
            axes.text(0.004, place, "none", transform=at_left, va="center", color=canvas.QUIET, fontsize=7.5)


def _bars(axes: Axes, spans: Sequence[Span], lane: int, **look: Any) -> None:
    """Draw spans in a lane; the outline keeps a span of seconds visible in a year."""
    if not spans:
        return
    begin, end = (_seconds(pd.Series(list(side))) / _DAY for side in zip(*spans, strict=True))
    axes.broken_barh(list(zip(begin, end - begin, strict=True)), (lane - 0.34, 0.68), linewidth=1.2, **look)


def _draw_cell(axes: Axes, scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame, asset: str) -> None:
    axes.set_facecolor(canvas.PAPER)
    for spine in axes.spines.values():
        spine.set_color(canvas.GRID)
    axes.set_xticks([])
    _draw_severity(axes, scores, ticks=False, slices=220)
    low, high = axes.get_ylim()
    canvas.title(axes, shortened(asset), fontsize=7.5, pad=2)
    seconds = _seconds(scores["window_end"])
    axes.set_xlim(*_padded(seconds.min(), seconds.max()))
    across = axes.get_xaxis_transform()
    for spans, lane, colour in (
        (list(zip(faults["start"], faults["end"], strict=True)), (0.0, 0.14), canvas.FAULT),
        (list(zip(alarms["opened_at"], alarms["last_at"], strict=True)), (0.86, 0.14), canvas.ALARM),
    ):
        if spans:
            begin, end = (_seconds(pd.Series(list(side))) / _DAY for side in zip(*spans, strict=True))
            widths = list(zip(begin, end - begin, strict=True))
            axes.broken_barh(widths, lane, transform=across, facecolor=colour, edgecolor=colour, linewidth=0.8)
    axes.set_ylim(low, high)


def axis_label(name: str, unit: str, letters: int = 14) -> str:
    """Write a sensor and its unit for a low axis: a long name is broken at its underscores."""
    lines = textwrap.wrap(canvas.plain(name).replace("_", "_ "), letters, break_long_words=False)
    return "\n".join(
        [*(line.replace("_ ", "_") for line in lines), *([] if unit == "1" else [f"({canvas.plain(unit)})"])]
    )


def shortened(name: str, letters: int = 30) -> str:
    """Keep the end of a long name: that is where assets differ."""
    return name if len(name) <= letters else "…" + name[1 - letters :]


def _sensors_of(alarm: Mapping[str, Any] | pd.Series, asset_type: AssetType, near: pd.DataFrame) -> list[str]:
    """List the sensors that the alarm names, most telling first; all sensors where it names none."""
    named = [str(one["sensor"]) for one in ranked_sensors(alarm)]
    known = [name for name in asset_type.sensors if name in near and near[name].notna().any()]
    return [name for name in named if name in known] or known


def ranked_sensors(alarm: Mapping[Any, Any] | pd.Series) -> list[dict[str, Any]]:
    """Read an alarm's ranked sensors from their JSON: each at least {"sensor": name}.

    Raises
    ------
    DataError
        If the text is not such a list.
    """
    text = alarm["sensors"]
    content = json.loads(text) if text else []
    rows = [{"sensor": one} if isinstance(one, str) else one for one in content]
    if not all(isinstance(one, dict) and "sensor" in one for one in rows):
        raise DataError(
            f"alarm {alarm['alarm_id']}: expected a JSON list of sensors, each with the key 'sensor', got {text}"
        )
    return rows


def _draw_usual(axes: Axes, values: Floats) -> None:
    """Shade where the sensor was 98 % of the time before the alarm, in the alarm's regime."""
    values = values[np.isfinite(values)]
    if len(values):
        axes.axhspan(*np.quantile(values, [0.01, 0.99]), color=canvas.SHADE, linewidth=0, zorder=0)


def shade(axes: Axes, spans: Sequence[Span], colour: str, *, opacity: float = 1.0, top: float = 1.0) -> None:
    """Shade stretches of time, from the bottom of an axis up to a share ``top`` of its height."""
    from matplotlib.colors import to_rgba

    for start, end in spans:
        left, right = _seconds(pd.Series([start, end])) / _DAY
        axes.axvspan(
            left, right, 0, top, facecolor=to_rgba(colour, opacity), edgecolor=colour, linewidth=0.8, zorder=0.5
        )


def _legend_handles(faults: pd.DataFrame, alarms: pd.DataFrame) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], color=canvas.SCORE, linewidth=1.4, label="severity"),
        Line2D([], [], color=canvas.LIMIT, linewidth=1.2, linestyle="--", label="threshold"),
    ]
    if len(faults):
        handles.append(Patch(color=canvas.FAULT, label="true fault"))
    if len(alarms):
        handles.append(Patch(color=canvas.ALARM, label="alarm"))
    return handles


def _alarm_handles(
    faults: pd.DataFrame | None, alarm: Mapping[str, Any] | pd.Series, before: pd.DataFrame
) -> list[Any]:
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Line2D([], [], color=canvas.SCORE, linewidth=1.4, label="reading")]
    if len(before):
        handles.append(Patch(color=canvas.SHADE, label="98 % of normal readings before, same regime"))
    handles.append(Patch(facecolor=to_rgba(canvas.ALARM, 0.18), edgecolor=canvas.ALARM, label="alarm"))
    if faults is not None and (faults["asset_id"] == alarm["asset_id"]).any():
        handles.append(Patch(color=canvas.FAULT, label="true fault"))
    return handles


def _mark(label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=canvas.ALARM, marker="o", markersize=2.2, linestyle="none", label=label)


def _padded(first: float, last: float) -> tuple[float, float]:
    room = 0.01 * (last - first) or 1.0
    return (first - room) / _DAY, (last + room) / _DAY


def time_axis(axes: Axes, times: pd.Series, within: pd.Series | None = None, most: int = 10) -> None:
    """Label a shared time axis in UTC, with the date where the hours alone would not say it; ``most`` ticks."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    seconds = _seconds(times)
    first, last = seconds.min(), seconds.max()
    if within is not None:
        known = _seconds(within)
        first, last = max(first, known.min()), min(last, known.max())
    axes.set_xlim(*_padded(first, last))
    locator = AutoDateLocator(minticks=min(4, most - 1), maxticks=most, tz="UTC")
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator,
            tz="UTC",
            formats=["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"],
            zero_formats=["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"],
            offset_formats=["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y, %H:%M"],
        )
    )
    axes.set_xlabel("time (UTC)")
    axes.xaxis.get_offset_text().set_color(canvas.INK)
    axes.xaxis.get_offset_text().set_fontsize(8.5)
