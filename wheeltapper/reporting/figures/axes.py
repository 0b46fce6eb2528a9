"""Axes: what figures over time share: the time axis in UTC, shaded spans, short labels, the highest severity."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.reporting.alarm_rows import Span
from wheeltapper.reporting.figures import canvas
from wheeltapper.tables import microseconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

CEILING = 1000.0
"""Higher severities are drawn at this value."""
DAY = 86_400.0
"""Seconds; matplotlib counts time in days."""


def seconds_of(times: pd.Series) -> Floats:
    """Return instants as seconds since 1970."""
    return microseconds(times) / 1e6


def axis_label(name: str, unit: str, letters: int = 14) -> str:
    """Return a sensor with its unit as a label of a low axis; a long name is broken at its underscores."""
    lines = textwrap.wrap(canvas.plain(name).replace("_", "_ "), letters, break_long_words=False)
    return "\n".join(
        [*(line.replace("_ ", "_") for line in lines), *([] if unit == "1" else [f"({canvas.plain(unit)})"])]
    )


def shortened(name: str, letters: int = 30) -> str:
    """Shorten a long name to its end, because names of assets usually differ there."""
    return name if len(name) <= letters else "…" + name[1 - letters :]


def shade(axes: Axes, spans: Sequence[Span], colour: str, *, opacity: float = 1.0, top: float = 1.0) -> None:
    """Shade spans of time, from the bottom of an axis up to a share ``top`` of its height."""
    from matplotlib.colors import to_rgba

    for start, end in spans:
        left, right = seconds_of(pd.Series([start, end])) / DAY
        axes.axvspan(
            left, right, 0, top, facecolor=to_rgba(colour, opacity), edgecolor=colour, linewidth=0.8, zorder=0.5
        )


def padded(first: float, last: float) -> tuple[float, float]:
    """Return both ends of a time axis in days, with a hundredth of its length more on either side."""
    room = 0.01 * (last - first) or 1.0
    return (first - room) / DAY, (last + room) / DAY


def time_axis(axes: Axes, times: pd.Series, within: pd.Series | None = None, most: int = 10) -> None:
    """Label a time axis in UTC with at most ``most`` ticks, with dates where hours alone would be ambiguous."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    seconds = seconds_of(times)
    first, last = seconds.min(), seconds.max()
    if within is not None:
        limits = seconds_of(within)
        first, last = max(first, limits.min()), min(last, limits.max())
    axes.set_xlim(*padded(first, last))
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
