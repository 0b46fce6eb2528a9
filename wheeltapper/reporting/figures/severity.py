"""Severity: how much the severities of normal and of faulty windows differ, and what the threshold separates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import CEILING
from wheeltapper.reporting.figures.profiles import inside
from wheeltapper.reporting.text import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
_BINS = 60
_TICKS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def by_truth(scores: pd.DataFrame, faults: pd.DataFrame) -> dict[str, Floats]:
    """Group the severities of all windows by whether they end inside a known fault; empty groups are left out.

    Parameters
    ----------
    scores, faults : DataFrames like `tables.SCORES` and `tables.FAULTS`

    Returns
    -------
    dict of group → ndarray of shape (n_windows of it,)
        Severities, unitless, limited to between 0 and `axes.CEILING`. Without any known fault there is one group.
    """
    severity = np.clip(scores["severity"].to_numpy(np.float64), 0, CEILING)
    if faults.empty:
        return {"every window": severity} if len(severity) else {}
    faulty = inside(scores["asset_id"], scores["window_end"], faults)
    groups = {"normal": severity[~faulty], "in a fault": severity[faulty]}
    return {name: values for name, values in groups.items() if len(values)}


def detector_evaluation_figure(groups: dict[str, Floats]) -> Figure:
    """Draw the severities of normal and faulty windows, and the share of each above every possible threshold.

    Parameters
    ----------
    groups : dict of group → severities
        As `by_truth` returns them.

    Raises
    ------
    DataError
        If there is no window.
    """
    canvas.require(groups, "the evaluation of the detector", "at least one scored window")
    figure = canvas.blank(10, 3.2)
    left, right = figure.subplots(1, 2)
    top = max(2.0, 1.1 * max(float(values.max()) for values in groups.values()))
    for axes in (left, right):
        canvas.dress(axes)
        axes.set_xscale("asinh", linear_width=1.0)
        axes.set_xlim(0, top)
        ticks = [tick for tick in _TICKS if tick <= top and (top < 30 or tick != 0.5)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.axvline(1.0, color=canvas.LIMIT, linewidth=1.2, linestyle="--")
    _draw_histograms(left, groups, top)
    _draw_above(right, groups)
    for axes in (left, right):
        axes.yaxis.set_major_formatter(lambda value, _: words.percent(value))
    canvas.legend(left, left.get_legend_handles_labels()[0], loc="upper right")
    return figure


_LOOKS: dict[str, dict[str, Any]] = {
    "normal": {"color": canvas.SCORE},
    "every window": {"color": canvas.SCORE},
    "in a fault": {"color": canvas.ALARM, "linestyle": (0, (4, 1.5))},
}


def _draw_histograms(axes: Axes, groups: dict[str, Floats], top: float) -> None:
    """Draw shares within each group: there are so few faulty windows that their counts would be invisible."""
    edges = np.sinh(np.linspace(0, np.arcsinh(top), _BINS + 1))
    for name, values in groups.items():
        share = np.histogram(values, edges)[0] / len(values)
        label = f"{name} ({words.things(len(values), 'window')})"
        look: dict[str, Any] = {**_LOOKS[name], "linewidth": 1.5, "label": label, "baseline": 0}
        if name != "in a fault":
            look |= {"fill": True, "alpha": 0.35}
        axes.stairs(share, edges, **look)
    axes.set_yscale("asinh", linear_width=0.02)  # most normal windows lie at 0: a linear axis would show nothing else
    axes.set_yticks([0, 0.01, 0.03, 0.1, 0.3, 1.0])
    axes.minorticks_off()
    axes.set_ylim(0, 1)
    axes.set_ylabel("share of windows")
    axes.set_xlabel("severity (score ÷ threshold; dashed: threshold)")
    canvas.title(axes, "How often each severity occurs")


def _draw_above(axes: Axes, groups: dict[str, Floats]) -> None:
    for name, values in groups.items():
        levels, share = above(values)
        axes.plot(levels, share, drawstyle="steps-post", linewidth=1.6, **_LOOKS[name])
        at_threshold = float((values > 1).mean())
        text = f"{name}: {words.percent(at_threshold)} above the threshold"
        axes.annotate(
            text,
            (0.98, 0.95 if name != "in a fault" else 0.86),
            xycoords="axes fraction",
            ha="right",
            va="top",
            fontsize=8.5,
            color=canvas.INK,
            bbox={"facecolor": canvas.PAPER, "edgecolor": "none", "pad": 1.5},
        )
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of windows above it")
    axes.set_xlabel("severity")
    canvas.title(axes, "Share of windows that another threshold would call anomalous")


def above(values: Floats, most: int = 400) -> tuple[Floats, Floats]:
    """Return the share of values above each level, from level 0 up to the highest value.

    Returns
    -------
    levels, share : ndarrays of shape (m,), m ≤ most + 1
        The share never increases from level to level; the last is 0.
    """
    ordered = np.sort(values)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(most, len(ordered))).astype(np.int64))
    levels = np.concatenate([[0.0], ordered[places]])
    return levels, 1 - np.searchsorted(ordered, levels, side="right") / len(ordered)
