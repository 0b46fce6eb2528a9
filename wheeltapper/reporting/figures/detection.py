"""Detection: which kinds of fault are found, and how long after its start each fault is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import shortened
from wheeltapper.reporting.text import words
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30
"""Most lines in one figure."""
_TICKS: dict[float, str] = {
    0: "0",
    **{number: f"{number} min" for number in (1, 2, 5, 10, 20, 30)},
    **{60 * number: f"{number} h" for number in (1, 2, 4, 8, 16)},
    1440: "1 day",
    **{1440 * number: f"{number} days" for number in (2, 4, 8, 16, 32, 64, 128, 256)},
}


def kinds_figure(row: Mapping[str, Any]) -> Figure:
    """Draw the share of faults found of each kind, with its 95 % interval, the lowest share first.

    Parameters
    ----------
    row : a judgement as JSON
        With ``by_kind``, and the figures of all kinds together.

    Raises
    ------
    DataError
        If no fault of any kind is known.
    """
    kinds = row.get("by_kind") or ()
    canvas.require(kinds, "the kinds of fault", "at least one known fault")
    ordered = sorted(kinds, key=lambda kind: (kind["detection_rate"], kind["kind"]))[:MOST]
    whole = {**row, "kind": "all kinds"}
    figure = canvas.blank(10, 1.1 + 0.3 * (len(ordered) + 1))
    axes = canvas.dress(figure.subplots(), grid="x")
    for place, kind in enumerate([*ordered, whole]):
        _draw_kind(axes, place, kind, canvas.INK if kind is whole else canvas.SCORE)
    axes.axhline(len(ordered) - 0.5, color=canvas.GRID, linewidth=1)
    names = [canvas.plain(words.spaced(shortened(str(kind["kind"])))) for kind in [*ordered, whole]]
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.16)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [words.percent(x) for x in (0.0, 0.25, 0.5, 0.75, 1.0)])
    axes.set_xlabel("share of faults found (dot) with its 95 % interval (line)")
    return figure


def _draw_kind(axes: Axes, place: int, kind: Mapping[str, Any], colour: str) -> None:
    low, high = kind.get("detection_rate_low"), kind.get("detection_rate_high")
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=1.8, alpha=0.8)
    axes.plot(kind["detection_rate"], place, "o", color=colour, markersize=6.5)
    count = f"{words.count(kind['found'])} of {words.count(kind['faults'])}"
    axes.text(1.15, place, count, ha="right", va="center", fontsize=8.5, color=canvas.INK)


def fault_outcomes(outcomes: Sequence[Mapping[str, Any]], faults: pd.DataFrame) -> pd.DataFrame:
    """Return the outcome of each fault: found after how many minutes, or missed; the shortest delay first.

    Parameters
    ----------
    outcomes : sequence of mappings
        Outcomes of a judgement as JSON, each with ``asset_id``, ``kind``, ``start``, ``found``, ``delay_minutes``.
    faults : DataFrame like `tables.FAULTS`
        Contains the end of each fault.

    Returns
    -------
    DataFrame with columns asset_id, kind, start, found, delay, lasted
        ``delay`` and ``lasted`` in minutes; NaN where the fault was missed, or where it is no longer in the table.
    """
    table = pd.DataFrame(list(outcomes))[["asset_id", "kind", "start", "found", "delay_minutes"]]
    table = table.rename(columns={"delay_minutes": "delay"}).astype({"delay": "float64"})
    table["start"] = pd.to_datetime(table["start"], utc=True).dt.as_unit("us")
    minutes = (microseconds(faults["end"]) - microseconds(faults["start"])) / 6e7
    lengths = faults[["asset_id", "kind", "start"]].assign(lasted=minutes)
    table = table.merge(lengths, how="left", on=["asset_id", "kind", "start"])
    return table.sort_values(["delay", "start"], kind="stable", na_position="last").reset_index(drop=True)


def delay_figure(outcomes: pd.DataFrame) -> Figure:
    """Draw each fault with its first alarm, and the share of faults found after each delay.

    Delays count from the start of the fault. An alarm before the start counts as a false alarm, not as a forecast.

    Parameters
    ----------
    outcomes : DataFrame
        As `fault_outcomes` returns it. At most `MOST` lines are drawn; the curve contains all faults.

    Raises
    ------
    DataError
        If there is no fault.
    """
    canvas.require(len(outcomes), "the delay of alarms", "at least one fault in the scored time")
    shown = _thinned(outcomes)
    figure = canvas.blank(10, max(3.0, 1.2 + 0.22 * len(shown)))
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_outcomes(left, shown)
    _draw_found(right, outcomes)
    scale = max(1.0, float(np.nanmedian(outcomes["delay"])) if outcomes["found"].any() else 10.0)
    for axes, top in ((left, shown[["delay", "lasted"]].max().max()), (right, outcomes["delay"].max())):
        _minutes_axis(axes, scale, float(top), 9 if axes is left else 6)
    canvas.legend(figure, left.get_legend_handles_labels()[0], loc="outside upper right", ncols=3)
    return figure


def _thinned(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return at most `MOST` faults, evenly spaced from the shortest delay to the missed ones."""
    places = np.unique(np.linspace(0, len(outcomes) - 1, min(MOST, len(outcomes))).astype(np.int64))
    return outcomes.iloc[places].reset_index(drop=True)


def _draw_outcomes(axes: Axes, shown: pd.DataFrame) -> None:
    canvas.dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    places = np.arange(len(shown))
    axes.barh(places, shown["lasted"].fillna(0), 0.62, color=canvas.FAULT, alpha=0.45, label="length of the fault")
    is_found = shown["found"].to_numpy(bool)
    if is_found.any():
        axes.plot(
            shown["delay"][is_found],
            places[is_found],
            "o",
            color=canvas.SCORE,
            markersize=6,
            label="first alarm opens",
        )
    if (~is_found).any():
        axes.plot(
            np.zeros((~is_found).sum()),
            places[~is_found],
            "X",
            color=canvas.ALARM,
            markersize=6,
            label="missed",
            clip_on=False,
        )
    names = [shortened(f"{row.asset_id}, {words.spaced(row.kind)}", 34) for row in shown.itertuples()]
    axes.set_yticks(places, [canvas.plain(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("time after the start of the fault")
    canvas.title(axes, "Each fault and its first alarm")


def found_over_time(outcomes: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Return the share of all faults found after each delay, from 0 at 0 minutes to the detection rate at the end."""
    delays = sorted(max(0.0, float(delay)) for delay in outcomes["delay"].dropna())
    return [0.0, *delays], [place / len(outcomes) for place in range(len(delays) + 1)]


def _draw_found(axes: Axes, outcomes: pd.DataFrame) -> None:
    canvas.dress(axes, grid="both")
    minutes, share = found_over_time(outcomes)
    last = 1.2 * max(minutes[-1], 1.0)
    axes.plot([*minutes, last], [*share, share[-1]], drawstyle="steps-post", color=canvas.SCORE, linewidth=1.8)
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(lambda value, _: words.percent(value))
    axes.set_xlabel("time after the start of the fault")
    axes.set_ylabel("share of faults found")
    canvas.title(axes, f"{words.count(int(outcomes['found'].sum()))} of {words.things(len(outcomes), 'fault')} found")


def _minutes_axis(axes: Axes, scale: float, top: float, most: int) -> None:
    """Show minutes and weeks on one axis: linear up to a usual delay, then logarithmic."""
    top = 1.2 * top if np.isfinite(top) and top > 0 else 1.2 * scale
    axes.set_xscale("asinh", linear_width=scale)
    axes.set_xlim(0, top)
    shown: list[float] = []
    room = np.arcsinh(top / scale) / most
    for tick in _TICKS:
        if tick <= top and (not shown or np.arcsinh(tick / scale) - np.arcsinh(shown[-1] / scale) > room):
            shown.append(tick)
    axes.set_xticks(shown, [_TICKS[tick] for tick in shown])
    axes.minorticks_off()
