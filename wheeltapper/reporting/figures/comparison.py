"""Comparison: candidates compared by confusion matrices, ROC and precision-recall curves, cost and false alarms.

Each function returns a plain matplotlib Figure, for the report, for MLflow or for a notebook.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wheeltapper.evaluation.curves import Curves
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.text import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = ("-", "--", "-.", ":")


def confusion_figure(counts: Mapping[str, Any]) -> Figure:
    """Draw how many windows each candidate called normal and anomalous, one square of four numbers for each.

    Parameters
    ----------
    counts : mapping of candidate → {"tp", "fp", "fn", "tn"}, or one such set of counts
        Numbers of windows. A candidate without counts (None) is left out.

    Raises
    ------
    DataError
        If there is nothing to draw.
    """
    if "tp" in counts:
        counts = {"": counts}
    matrices = {name: count for name, count in counts.items() if count is not None}
    canvas.require(matrices, "confusion matrices", "counts tp, fp, fn and tn of at least one candidate")
    columns = min(4, len(matrices))
    rows = math.ceil(len(matrices) / columns)
    figure = canvas.blank(2.5 * columns + 0.4, 2.45 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, count) in zip(grid, matrices.items(), strict=False):
        _draw_confusion(axes, name, count)
    for axes in grid[len(matrices) :]:
        axes.set_visible(False)
    return figure


def naming_figure(naming: Mapping[str, Any]) -> Figure:
    """Draw which kind the alarms named for each kind of fault: true kinds as rows, named kinds as columns.

    Parameters
    ----------
    naming : mapping
        An `evaluation.naming.Naming` as JSON.

    Raises
    ------
    DataError
        If there is nothing to draw.
    """
    kinds = naming["kinds"]
    canvas.require(kinds, "a matrix of kinds", "at least one fault of a known kind")
    columns = columns_of(kinds)
    figure = canvas.blank(1.9 + 0.62 * len(columns), 1.3 + 0.34 * len(kinds))
    axes = figure.subplots()
    canvas.dress(axes, grid="")
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(kinds) - 0.5, -0.5))
    axes.set_xticks(
        range(len(columns)), [canvas.plain(words.spaced(name)) for name in columns], rotation=40, ha="right"
    )
    axes.set_yticks(range(len(kinds)), [canvas.plain(words.spaced(name)) for name in kinds])
    axes.set_xlabel("the alarm named")
    axes.set_ylabel("the fault was")
    axes.tick_params(length=0)
    for row, (true, counts) in enumerate(kinds.items()):
        for column, name in enumerate(columns):
            _draw_count(axes, (column, row), counts.get(name, 0), sum(counts.values()), is_right=name == true)
    return figure


def _draw_count(axes: Axes, place: tuple[int, int], number: int, total: int, *, is_right: bool) -> None:
    if not number:
        return
    colour = canvas.SCORE if is_right else canvas.ALARM
    axes.add_patch(canvas.square((place[0] - 0.48, place[1] - 0.48), colour, 0.10 + 0.45 * number / total))
    axes.text(*place, words.count(number), ha="center", va="center", color=canvas.INK, fontsize=9)


def columns_of(matrix: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the kinds that alarms named: true kinds in their order, then other kinds, unknown and missed."""
    last = ["unknown", "missed"]
    others = sorted({name for counts in matrix.values() for name in counts} - set(matrix) - set(last))
    return [*matrix, *others, *last]


def _draw_confusion(axes: Axes, name: str, count: Mapping[str, Any]) -> None:
    cells = [[count["tn"], count["fp"]], [count["fn"], count["tp"]]]
    canvas.dress(axes, grid="")
    axes.spines[:].set_visible(False)
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal")
    canvas.title(axes, name)
    axes.set_xticks([0, 1], ["normal", "anomalous"])
    axes.set_yticks([0, 1], ["normal", "in fault"], rotation=90, va="center")
    axes.set_xlabel("called")
    axes.set_ylabel("was")
    axes.tick_params(length=0)
    for row, pair in enumerate(cells):
        for column, number in enumerate(pair):
            share = number / max(1, sum(pair))
            colour = canvas.SCORE if row == column else canvas.ALARM
            box = (column - 0.48, row - 0.48)
            axes.add_patch(canvas.square(box, colour, 0.10 + 0.45 * share))
            axes.text(
                column,
                row - 0.08,
                words.count(number),
                ha="center",
                va="center",
                color=canvas.INK,
                fontsize=11,
                weight="bold",
            )
            axes.text(column, row + 0.22, words.percent(share), ha="center", va="center", color=canvas.INK, fontsize=8)


def roc_figure(curves: Curves, about: str | None = None) -> Figure:
    """Draw the share of faulty windows called anomalous against the share of normal windows called anomalous.

    Parameters
    ----------
    curves : mapping of candidate → (share of normal windows, share of faulty windows)
        As `evaluation.curves.window_curves` returns them under "roc".
    about : str or None
        The candidate that is drawn with the thickest line.

    Raises
    ------
    DataError
        If there is no curve.
    """
    figure, axes = _curves(curves, about, "ROC curves")
    axes.plot([0, 1], [0, 1], color=canvas.QUIET, linewidth=1, linestyle=(0, (1, 2)), label="random scores")
    axes.set_xlabel("normal windows called anomalous (share)")
    axes.set_ylabel("fault windows called anomalous (share)")
    canvas.legend(axes, loc="lower right")
    return figure


def pr_figure(curves: Curves, base_rate: float | None, about: str | None = None) -> Figure:
    """Draw precision against recall of windows, with what random scores would reach.

    Parameters
    ----------
    curves : mapping of candidate → (recall, precision)
        As `evaluation.curves.window_curves` returns them under "pr".
    base_rate : float or None
        Share of judged windows that lie in a fault: the precision of random scores.
    about : str or None
        The candidate that is drawn with the thickest line.

    Raises
    ------
    DataError
        If there is no curve.
    """
    figure, axes = _curves(curves, about, "precision-recall curves")
    if base_rate is not None:
        label = f"random scores ({words.percent(base_rate)})"
        axes.axhline(base_rate, color=canvas.QUIET, linewidth=1, linestyle=(0, (1, 2)), label=label)
    axes.set_xlabel("fault windows called anomalous (recall)")
    axes.set_ylabel("anomalous windows in a fault (precision)")
    canvas.legend(axes, loc="best")
    return figure


def _curves(curves: Curves, about: str | None, name_of_figure: str) -> tuple[Figure, Axes]:
    canvas.require(curves, name_of_figure, "the curve of at least one candidate")
    figure = canvas.blank(5.4, 4.4)
    axes = canvas.dress(figure.subplots(), grid="both")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    for place, (name, (x, y)) in enumerate(curves.items()):
        colour = canvas.SERIES[place % len(canvas.SERIES)]
        style = _STYLES[place % len(_STYLES)]
        width = 2.4 if name == about else 1.3
        axes.plot(x, y, color=colour, linestyle=style, linewidth=width, label=canvas.plain(name))
    return figure, axes


MEASURES = {
    "detection_rate": "faults found (share)",
    "false_alarms_per_asset_week": "false alarms per asset and week",
    "cost_per_asset_week": "cost per asset and week",
    "vus_pr": "VUS-PR (|: random scores)",
}
"""Figure that candidates are compared by → its title."""


def comparison_figure(leaderboard: Sequence[Mapping[str, Any]], budget: float | None = None) -> Figure:
    """Draw every candidate's found faults, false alarms, cost and VUS-PR side by side, with intervals.

    Parameters
    ----------
    leaderboard : rows of the leaderboard, in its order
        Each with ``candidate``, ``is_baseline`` and the figures; None where a figure could not be judged.
    budget : float or None
        False alarms per asset and week that the operator accepts.

    Raises
    ------
    DataError
        If no candidate has any figure.
    """
    measures = [name for name in MEASURES if any(row.get(name) is not None for row in leaderboard)]
    canvas.require(measures, "the comparison of candidates", "at least one candidate with a figure")
    figure = canvas.blank(10, max(2.2, 0.27 * len(leaderboard) + 1.1) * math.ceil(len(measures) / 2))
    grid = figure.subplots(math.ceil(len(measures) / 2), 2, squeeze=False, sharey=True).ravel()
    for axes, name in zip(grid, measures, strict=False):
        _draw_measure(axes, leaderboard, name, budget)
    for axes in grid[len(measures) :]:
        axes.set_visible(False)
    return figure


def _draw_measure(axes: Axes, leaderboard: Sequence[Mapping[str, Any]], name: str, budget: float | None) -> None:
    canvas.dress(axes, grid="x")
    canvas.title(axes, MEASURES[name])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(leaderboard) - 0.4, -0.6)
    axes.set_yticks(range(len(leaderboard)), [canvas.plain(row["candidate"]) for row in leaderboard])
    axes.tick_params(axis="y", length=0)
    for place, row in enumerate(leaderboard):
        value = row.get(name)
        if value is None:
            at_left = axes.get_yaxis_transform()
            axes.text(0.01, place, "not judged", transform=at_left, va="center", color=canvas.QUIET, fontsize=7.5)
            continue
        baseline = bool(row.get("is_baseline"))
        colour = canvas.QUIET if baseline else canvas.SCORE
        low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        face = canvas.PAPER if baseline else colour
        axes.plot(value, place, marker="o", markersize=6, color=colour, markerfacecolor=face, linestyle="")
        if name == "vus_pr" and row.get("vus_pr_random") is not None:
            axes.plot(row["vus_pr_random"], place, marker="|", markersize=10, color=canvas.INK)
    if name in ("detection_rate", "vus_pr"):
        axes.set_xlim(-0.03, 1.03)
    else:
        _wide_axis(axes, [float(row[name]) for row in leaderboard if row.get(name) is not None])
    if name == "false_alarms_per_asset_week" and budget is not None:
        axes.axvline(budget, color=canvas.LIMIT, linewidth=1.1, linestyle="--")
        canvas.title(axes, f"{MEASURES[name]} (dashed: accepted)")


def _wide_axis(axes: Axes, values: list[float]) -> None:
    """Show small and very large figures on one axis: linear up to the median, then powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    top = max(1e-9, axes.get_xlim()[1])
    usual = statistics.median([value for value in values if value > 0] or [1.0])
    if max(values) > 20 * usual:
        axes.set_xscale("asinh", linear_width=usual)
        powers = range(math.ceil(math.log10(usual)), math.floor(math.log10(top)) + 1)
        axes.xaxis.set_major_locator(FixedLocator([0.0, *(10.0**power for power in powers)]))
        axes.xaxis.set_minor_locator(FixedLocator([]))
    else:
        axes.locator_params(axis="x", nbins=5)
    axes.set_xlim(left=-0.03 * top if top <= 20 * usual else -0.1 * usual, right=top)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.number(value, 6)))
