"""Alarm counts: how many alarms of which machine, with which leading sensor, and at what time of day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.reporting.alarm_rows import ranked_sensors
from wheeltapper.reporting.figures import canvas
from wheeltapper.reporting.figures.axes import shortened, time_axis
from wheeltapper.reporting.figures.profiles import inside
from wheeltapper.reporting.text import words
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 25
"""Bars in one panel; the others are added up in one more."""
NO_SENSOR = "no sensor named"
_DAY = 86_400e6


def leaders(alarms: pd.DataFrame) -> list[str]:
    """Return the leading sensor of each alarm, the one that it ranks first; `NO_SENSOR` where it ranks none."""
    ranked = [ranked_sensors(alarm) for alarm in alarms.to_dict("records")]
    return [str(sensors[0]["sensor"]) if sensors else NO_SENSOR for sensors in ranked]


def alarm_counts(alarms: pd.DataFrame) -> pd.DataFrame:
    """Count alarms by machine (rows) and leading sensor (columns): every alarm is counted once.

    Returns
    -------
    DataFrame of shape (n_assets with an alarm, n_leading sensors)
        Numbers of alarms.
    """
    if alarms.empty:
        return pd.DataFrame(index=pd.Index([], name="asset_id"))
    return pd.crosstab(alarms["asset_id"], pd.Series(leaders(alarms), index=alarms.index, name="sensor"))


def alarm_bars_figure(alarms: pd.DataFrame, faults: pd.DataFrame) -> Figure:
    """Draw how many alarms each machine had, and how many each sensor led; inside and outside known faults apart.

    Parameters
    ----------
    alarms, faults : DataFrames like `tables.ALARMS` and `tables.FAULTS`
        An alarm is inside a fault if it opened between the fault's start and end.

    Raises
    ------
    DataError
        If there is no alarm.
    """
    canvas.require(len(alarms), "the count of alarms", "at least one alarm")
    is_right = inside(alarms["asset_id"], alarms["opened_at"], faults)
    by_asset = _count(alarms["asset_id"].tolist(), is_right)
    by_sensor = _count(leaders(alarms), is_right)
    figure = canvas.blank(10, 1.15 + 0.26 * max(len(by_asset), len(by_sensor), 3))
    left, right = figure.subplots(1, 2)
    _draw_bars(left, by_asset, "Alarms by machine", split=len(faults) > 0)
    _draw_bars(right, by_sensor, "Alarms by leading sensor", split=len(faults) > 0)
    if len(faults):
        canvas.legend(figure, left.get_legend_handles_labels()[0], loc="outside upper right", ncols=2)
    return figure


def _count(names: list[str], is_right: NDArray[np.bool_]) -> pd.DataFrame:
    """Count names, the most frequent first, the rarest added up: columns ``right`` and ``wrong``."""
    table = pd.DataFrame({"name": names, "right": is_right, "wrong": ~is_right}).groupby("name").sum()
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    rest = table.iloc[MOST:]
    if rest.empty:
        return table
    return pd.concat([table.iloc[:MOST], rest.sum().to_frame(f"{len(rest)} others").T])


def _draw_bars(axes: Axes, table: pd.DataFrame, heading: str, *, split: bool) -> None:
    canvas.dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    canvas.title(axes, heading)
    places = np.arange(len(table))
    right, wrong = table["right"].to_numpy(), table["wrong"].to_numpy()
    if split:
        axes.barh(places, right, 0.66, color=canvas.SCORE, label="opened inside a known fault")
    label = "opened outside every known fault"
    axes.barh(
        places, wrong, 0.66, left=right, facecolor=canvas.FAULT, hatch="////", edgecolor=canvas.PAPER, label=label
    )
    for place, number in zip(places, right + wrong, strict=True):
        text = words.count(int(number))
        axes.annotate(
            text, (number, place), (4, 0), textcoords="offset points", va="center", color=canvas.INK, fontsize=8
        )
    axes.set_yticks(places, [canvas.plain(shortened(str(name))) for name in table.index])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(len(table), 3) - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * float((right + wrong).max()))
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("alarms")


def alarms_over_day_figure(alarms: pd.DataFrame, faults: pd.DataFrame) -> Figure:
    """Draw each alarm by date and hour: alarms that come at the same hour, such as at a shift change, form a row.

    Parameters
    ----------
    alarms, faults : DataFrames like `tables.ALARMS` and `tables.FAULTS`

    Raises
    ------
    DataError
        If there is no alarm.
    """
    canvas.require(len(alarms), "alarms by hour", "at least one alarm")
    figure, (axes,) = canvas.strips((2.2,))
    canvas.dress(axes, grid="both")
    instants = microseconds(alarms["opened_at"])
    hours = instants % int(_DAY) / 3600e6
    is_right = inside(alarms["asset_id"], alarms["opened_at"], faults)
    other = "opened outside every known fault" if len(faults) else "alarm opened"
    looks: tuple[tuple[NDArray[np.bool_], dict[str, Any]], ...] = (
        (is_right, {"marker": "o", "color": canvas.SCORE, "label": "opened inside a known fault"}),
        (~is_right, {"marker": "X", "color": canvas.ALARM, "label": other}),
    )
    for rows, look in looks:
        if rows.any():
            axes.plot(instants[rows] / _DAY, hours[rows], linestyle="none", markersize=5.5, alpha=0.85, **look)
    axes.set_ylim(24, 0)
    axes.set_yticks(range(0, 25, 6), [f"{hour:02d}:00" for hour in range(0, 25, 6)])
    axes.set_ylabel("hour of the day (UTC)")
    canvas.legend(axes, axes.get_legend_handles_labels()[0], loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    time_axis(axes, alarms["opened_at"])
    return figure
