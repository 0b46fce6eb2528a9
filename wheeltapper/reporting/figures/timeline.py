"""Timelines: the severity of each asset over time, its threshold, the true faults and the alarms, in lanes.

Severity is score ÷ threshold, so that the threshold lies at 1 for every detector and every regime. Its axis is linear
up to about 1 and logarithmic above, so that a high peak does not hide small values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import DataError
from wheeltapper.reporting.alarm_rows import Span
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import CEILING, DAY, padded, seconds_of, shortened, time_axis
from wheeltapper.reporting.figures.envelope import envelope

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


_TICKS = {True: (0.0, 0.5, 1.0, 2.0, 5.0, 10.0), False: (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)}
"""Labels of the severity axis if its end is below 12 (True) or above (False)."""


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
        Spans of the parts train, calibrate, validate and test.

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
    """Draw the severity of many assets in small cells, each over its own time: true faults below, alarms above.

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
    # The cells have fixed places: matplotlib's layout takes seconds for a hundred of them.
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.06 / height, top=1 - 0.5 / height, hspace=0.5, wspace=0.05)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    groups = {str(name): group for name, group in scores.groupby("asset_id", sort=False)}
    for axes, asset in zip(grid, assets, strict=False):
        if asset not in groups:
            raise DataError(f"{asset} has no scores to draw; scored assets: {sorted(groups)}")
        faults_of_asset, alarms_of_asset = (frame[frame["asset_id"] == asset] for frame in (faults, alarms))
        _draw_cell(axes, groups[asset], faults_of_asset, alarms_of_asset, asset)
    for axes in grid[len(assets) :]:
        axes.set_visible(False)
    canvas.legend(figure, _legend_handles(faults, alarms), loc="upper right", ncols=4)
    return figure


def part_spans(first: pd.Timestamp, last: pd.Timestamp, cuts: Mapping[str, Any] | pd.Series) -> dict[str, Span]:
    """Return the spans of an asset's parts from the three instants between them; empty parts are left out.

    Parameters
    ----------
    first, last : Timestamps
        Start and end of the asset's data.
    cuts : mapping with calibrate_from, validate_from and test_from
        One row of what `training.parts.cuts` returns.
    """
    edges = [first, *(min(max(cuts[name], first), last) for name in _CUTS), last]
    spans = zip(("train", "calibrate", "validate", "test"), pairwise(edges), strict=True)
    return {name: span for name, span in spans if span[0] < span[1]}


_CUTS = ("calibrate_from", "validate_from", "test_from")


def _require_one_asset(scores: pd.DataFrame) -> None:
    assets = list(scores["asset_id"].unique())
    if len(assets) != 1:
        content = f"scores of {len(assets)} assets" if assets else "no scores"
        raise DataError(
            f"a timeline shows one asset: expected its scores, got {content}. Choose the rows of one asset."
        )


def _draw_severity(axes: Axes, scores: pd.DataFrame, ticks: bool = True, slices: int = 900) -> None:
    rows = scores.sort_values("window_end", kind="stable")
    severity = np.clip(rows["severity"].to_numpy(np.float64), -CEILING, CEILING)
    seconds, values = envelope(seconds_of(rows["window_end"]), severity, slices)
    axes.plot(seconds / DAY, values, color=canvas.SCORE, linewidth=0.9, solid_joinstyle="round", gid="severity")
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
        at = seconds_of(pd.Series([middle]))[0] / DAY
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
    """Draw spans in a lane; their outline makes even a span of seconds visible in a year."""
    if not spans:
        return
    begin, end = (seconds_of(pd.Series(list(side))) / DAY for side in zip(*spans, strict=True))
    axes.broken_barh(list(zip(begin, end - begin, strict=True)), (lane - 0.34, 0.68), linewidth=1.2, **look)


def _draw_cell(axes: Axes, scores: pd.DataFrame, faults: pd.DataFrame, alarms: pd.DataFrame, asset: str) -> None:
    axes.set_facecolor(canvas.PAPER)
    for spine in axes.spines.values():
        spine.set_color(canvas.GRID)
    axes.set_xticks([])
    _draw_severity(axes, scores, ticks=False, slices=220)
    low, high = axes.get_ylim()
    canvas.title(axes, shortened(asset), fontsize=7.5, pad=2)
    seconds = seconds_of(scores["window_end"])
    axes.set_xlim(*padded(seconds.min(), seconds.max()))
    across = axes.get_xaxis_transform()
    for spans, lane, colour in (
        (list(zip(faults["start"], faults["end"], strict=True)), (0.0, 0.14), canvas.FAULT),
        (list(zip(alarms["opened_at"], alarms["last_at"], strict=True)), (0.86, 0.14), canvas.ALARM),
    ):
        if spans:
            begin, end = (seconds_of(pd.Series(list(side))) / DAY for side in zip(*spans, strict=True))
            widths = list(zip(begin, end - begin, strict=True))
            axes.broken_barh(widths, lane, transform=across, facecolor=colour, edgecolor=colour, linewidth=0.8)
    axes.set_ylim(low, high)


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
