"""Drawing: one figure of the report, with the words that stand beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """One figure of the report."""

    name: str
    """File name without ending: letters, digits, dot, dash and underscore only."""
    section: str
    title: str
    alt: str
    """What it shows, for those who cannot see it."""
    figure: Figure
    about: str = ""
    """The alarm that it shows."""
