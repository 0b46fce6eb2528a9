"""State: every machine in one figure: newest severity, open alarm, last reading, and alarms so far."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.alarm_counts import alarm_counts
from wheeltapper.reporting.figures.axes import CEILING, shortened
from wheeltapper.reporting.text import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 30
"""Machines in one figure; those with an open alarm or an anomalous window come first."""
SENSORS = 8
"""Sensors with a column each; alarms of the others are counted together."""
_DRAWN = 0.42
"""Share of the panel's width for the severities; the text beside them needs the rest."""
_TICKS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 100.0, 1000.0)


def states(
    scores: pd.DataFrame, alarms: pd.DataFrame, last_seen: pd.Series, assets: Sequence[str], late_after: timedelta
) -> pd.DataFrame:
    """Return the newest state of every machine; those with an open alarm or an anomalous window come first.

    Parameters
    ----------
    scores, alarms : DataFrames like `tables.SCORES` and `tables.ALARMS`
        The champion's.
    last_seen : Series
        Asset → instant of its newest reading (UTC); for an asset without one, the end of its newest window is used.
    assets : names of all assets, in the order of the figure
    late_after : timedelta
        A machine is silent if its newest reading is older than the plant's newest reading by more than this.

    Returns
    -------
    DataFrame with a row for each asset that has a score
        ``asset``, ``severity`` of its newest window (unitless), ``scored`` (end of that window, UTC), ``seen`` (newest
        reading, UTC), ``is_open`` (has an open alarm), ``is_late`` (is silent), ``alarms`` (number so far).
    """
    newest = scores.sort_values("window_end", kind="stable").groupby("asset_id").tail(1).set_index("asset_id")
    newest = newest.loc[[name for name in assets if name in newest.index]]
    opened = set(alarms.loc[alarms["state"] == "open", "asset_id"])
    table = pd.DataFrame(
        {
            "asset": newest.index.astype(str),
            "severity": newest["severity"].to_numpy(np.float64),
            "scored": pd.DatetimeIndex(newest["window_end"]),
            "seen": pd.DatetimeIndex(last_seen.reindex(newest.index).fillna(newest["window_end"])),
            "is_open": [name in opened for name in newest.index],
            "alarms": alarms["asset_id"].value_counts().reindex(newest.index, fill_value=0).to_numpy(),
        }
    )
    table["is_late"] = table["seen"] < table["seen"].max() - late_after
    is_calm = ~table["is_open"] & ~(table["severity"] > 1)
    order = is_calm.sort_values(kind="stable").index
    return table.loc[order].reset_index(drop=True)


def dashboard_figure(state: pd.DataFrame, alarms: pd.DataFrame) -> Figure:
    """Draw the newest severity of each machine, and its alarms so far by leading sensor.

    Parameters
    ----------
    state : DataFrame
        As `states` returns it; the first `MOST` rows are drawn.
    alarms : DataFrame like `tables.ALARMS`

    Raises
    ------
    DataError
        If no machine has a score.
    """
    canvas.require(len(state), "the state of the machines", "at least one scored window")
    shown = state.head(MOST)
    height = 0.3 * len(shown)
    figure = canvas.blank(10, height + 1.45)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(5, 4))
    _draw_severity_now(left, shown)
    _draw_alarm_counts(right, shown, alarms)
    return figure


def _draw_severity_now(axes: Axes, shown: pd.DataFrame) -> None:
    canvas.dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_yticks(range(len(shown)), [canvas.plain(shortened(name)) for name in shown["asset"]])
    axes.tick_params(axis="y", length=0)
    axes.set_xscale("asinh", linear_width=1.0)
    severity = shown["severity"].clip(-CEILING, CEILING)
    top = max(2.0, float(severity.max()))
    axes.set_xlim(0, float(np.sinh(np.arcsinh(top) / _DRAWN)))
    ticks = [tick for tick in _TICKS if tick <= top]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1.0, color=canvas.LIMIT, linewidth=1.2, linestyle="--")
    for place, row in enumerate(shown.to_dict("records")):
        colour = canvas.ALARM if row["is_open"] or row["severity"] > 1 else canvas.SCORE
        value = float(np.clip(row["severity"], 0, CEILING))
        axes.plot([0, value], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        face = canvas.PAPER if row["is_late"] else colour
        axes.plot(value, place, "D" if row["is_open"] else "o", color=colour, markerfacecolor=face, markersize=6)
        axes.annotate(
            _remark(row),
            (1.0, place),
            xycoords=axes.get_yaxis_transform(),
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7.5,
            color=canvas.QUIET,
        )
    axes.set_xlabel("severity of the newest window (score ÷ threshold; dashed: threshold)")
    canvas.title(axes, "Now")


def _remark(row: Mapping[Hashable, Any]) -> str:
    alarm = ["alarm open"] if row["is_open"] else []
    time = f"silent since {words.instant(row['seen'])}" if row["is_late"] else f"at {words.instant(row['scored'])}"
    return ", ".join([*alarm, time])


def _draw_alarm_counts(axes: Axes, shown: pd.DataFrame, alarms: pd.DataFrame) -> None:
    """Draw the number of alarms by machine and leading sensor; the last column counts all alarms of a machine."""
    counts = alarm_counts(alarms).reindex(shown["asset"], fill_value=0)
    counts = counts[counts.sum().sort_values(ascending=False, kind="stable").index]
    others = counts.iloc[:, SENSORS:].sum(axis=1)
    cells = counts.iloc[:, :SENSORS].copy()
    if counts.shape[1] > SENSORS:
        cells["other sensors"] = others
    cells["all alarms"] = shown["alarms"].to_numpy()
    canvas.dress(axes, grid="")
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.5, cells.shape[1] - 0.5)
    names = [canvas.plain(shortened(str(name), 22)) for name in cells.columns]
    axes.set_xticks(range(cells.shape[1]), names, rotation=35, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, labelleft=False)
    peak = max(1, int(cells.to_numpy().max()))
    for row, line in enumerate(cells.to_numpy()):
        for column, number in enumerate(line):
            colour = canvas.QUIET if column == cells.shape[1] - 1 else canvas.ALARM
            opacity = 0.08 + 0.5 * int(number) / peak if number else 0.04
            axes.add_patch(canvas.square((column - 0.46, row - 0.42), colour, opacity, height=0.84, width=0.92))
            if number:
                axes.text(column, row, words.count(int(number)), ha="center", va="center", fontsize=8, color=canvas.INK)
    canvas.title(axes, "Alarms so far, by leading sensor")
