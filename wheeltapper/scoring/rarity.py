"""Rarity: how often normal running alone raises an alarm as strong as this one.

A severity says how far above the threshold a score lies; whether three times the threshold is next to impossible or a
matter of weeks depends on the tail of the scores. The tail was counted when the threshold was set
(`wheeltapper.scoring.tail`), so it is kept with it.

It says nothing about weeks that are unlike those that were counted, and little beyond ten times their number, which is
where it stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wheeltapper.scoring.tail import Tail

FAR = 10.0
"""Times the counted weeks beyond which a tail is more guessed than known."""
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
        """Say how long one machine runs normally for one such alarm: ``once in 12 weeks``."""
        known = FAR * self.weeks
        often = self.alarms_per_asset_week(severity)
        if often * known < 1:
            return f"less than once in {_in_words(known)}"
        return f"once in {_in_words(1 / often)}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"tail": self.tail.as_dict(), "threshold": self.threshold, "weeks": self.weeks}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Rarity:
        """Read what `as_dict` wrote."""
        return cls(**content | {"tail": Tail.from_dict(content["tail"])})


def _in_words(weeks: float) -> str:
    """Write a time with one or two digits in the largest unit that it holds two of: ``12 weeks``, ``36 hours``."""
    seconds = weeks * _WEEK
    unit, size = next((one for one in _UNITS if seconds >= 2 * one[1]), _UNITS[-1])
    count = float(f"{seconds / size:.2g}")
    return f"{count:,.3g} {unit}{'' if count == 1 else 's'}"
