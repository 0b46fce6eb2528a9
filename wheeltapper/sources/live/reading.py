"""A reading as it comes in through a live door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class LiveReading:
    """What one machine measured at one instant, as it came in through a door."""

    asset_id: str
    time: datetime
    """With a time zone."""
    values: Mapping[str, float | str]
    """Sensor → value in the unit that the plant's source delivers; a category's value is text."""
    regime: str | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    """Sensor → why it has no value."""


Take = Callable[[Sequence[LiveReading]], Awaitable[None]]
"""Takes readings in; returns when they are on the disk, so that their source may acknowledge them. Raises DataError for
readings that cannot be taken (nothing of them was kept)."""
