"""Tiers: how soon somebody has to look."""

from __future__ import annotations

import pytest

from wheeltapper.assets.pump import ASSET_TYPE as PUMP
from wheeltapper.scoring.alarms import tier
from wheeltapper.scoring.tiers import LOOK_WITHIN, tier_of

MAPPING = [
    # Row 001-43: electrical within 15 minutes, cavitation and bearings within 2 hours, seal and blockage within 24.
    (1.1, "electrical_fault", "critical"),
    (1.1, "cavitation", "high"),
    (1.1, "bearing_wear", "high"),
    (1.1, "seal_leak", "medium"),
    (1.1, "partial_blockage", "medium"),
    # The more urgent of severity and kind counts.
    (2.0, "seal_leak", "high"),
    (9.0, "seal_leak", "critical"),
    (9.0, "bearing_wear", "critical"),
    # A lying sensor, an unknown kind, and one of another machine change nothing.
    (9.0, "stuck:pressure", "critical"),
    (1.1, "stuck:pressure", "medium"),
    (1.1, None, "medium"),
    (2.0, "icing", "high"),
]


@pytest.mark.parametrize(("severity", "kind", "expected"), MAPPING)
def test_the_tier_of_an_alarm(severity: float, kind: str | None, expected: str) -> None:
    """By the more urgent of how far the score is off and what it looks like. Reference row 001-43."""
    assert tier_of(severity, kind, PUMP) == expected


def test_how_soon_to_look() -> None:
    """The three times of the reference, the most urgent first; every tier that a severity can have is among them.

    Reference row 001-43.
    """
    assert [int(one.total_seconds() / 60) for one in LOOK_WITHIN.values()] == [15, 120, 1440]
    assert list(LOOK_WITHIN) == [tier(severity) for severity in (3.0, 1.5, 1.0)]
