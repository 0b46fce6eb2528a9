"""Drawing: one figure of the report, with its title and a description for readers who cannot see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """One figure of the report."""

    name: str
    """File name without ending: only letters, digits, dot, dash and underscore."""
    section: str
    title: str
    alt: str
    """Description for readers who cannot see the figure."""
    figure: Figure
    alarm: str = ""
    """Identifier of the alarm that it shows; empty for other figures."""
