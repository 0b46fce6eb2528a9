"""Rarity: how often normal running alone raises an alarm of a given severity.

A severity is a score in thresholds. Three times the threshold may be nearly impossible, or occur every few weeks: that
depends on the tail of the scores. The tail is counted when the threshold is set (`wheeltapper.scoring.tail`), and kept
with it.

It does not hold for weeks that are unlike those that were counted, and it is not extrapolated beyond ten times their
number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wheeltapper.scoring.tail import Tail

FAR = 10.0
"""Multiple of the counted weeks up to which the tail is extrapolated."""
_WEEK = 604_800.0
_UNITS = (("year", 52 * _WEEK), ("week", _WEEK), ("day", 86_400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))


@dataclass(frozen=True)
class Rarity:
    """The tail of normal running, in thresholds."""

    tail: Tail
    threshold: float
    """The tail's level that the threshold lies at."""
    weeks: float
    """Asset-weeks of normal running that were counted."""

    def alarms_per_asset_week(self, severity: float) -> float:
        """Return how many alarms at least this strong normal running raises per asset and week.

        Parameters
        ----------
        severity : float
            Highest severity that held for as many windows as open an alarm.
        """
        return self.tail.count(severity * self.threshold) / self.weeks

    def in_words(self, severity: float) -> str:
        """Return how often one machine raises such an alarm in normal running: ``once in 12 weeks``."""
        longest = FAR * self.weeks
        rate = self.alarms_per_asset_week(severity)
        if rate * longest < 1:
            return f"less than once in {_in_words(longest)}"
        return f"once in {_in_words(1 / rate)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the rarity as JSON values."""
        return {"tail": self.tail.as_dict(), "threshold": self.threshold, "weeks": self.weeks}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Rarity:
        """Read what `as_dict` wrote."""
        return cls(**content | {"tail": Tail.from_dict(content["tail"])})


def _in_words(weeks: float) -> str:
    """Write a time with one or two digits, in the largest unit of which it has two: ``12 weeks``, ``36 hours``.

    Examples
    --------
    >>> _in_words(12.0), _in_words(0.02)
    ('12 weeks', '3.4 hours')
    """
    seconds = weeks * _WEEK
    unit, size = next((pair for pair in _UNITS if seconds >= 2 * pair[1]), _UNITS[-1])
    count = float(f"{seconds / size:.2g}")
    return f"{count:,.3g} {unit}{'' if count == 1 else 's'}"
