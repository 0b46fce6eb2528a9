"""How often normal running alone is as loud as an alarm."""

from __future__ import annotations

import pytest

from wheeltapper.scoring.rarity import Rarity
from wheeltapper.scoring.tail import Tail

TAIL = Tail(levels=(1.0, 2.0), counts=(100.0, 20.0), shape=0.0, scale=1.0, peaks=60)
"""At level 2 normal running raised 20 alarms; each level more takes the count down by e."""


def rarity(weeks: float = 10.0) -> Rarity:
    return Rarity(TAIL, threshold=2.0, weeks=weeks)


def test_at_the_threshold_it_is_the_rate_that_was_promised() -> None:
    """20 alarms in 10 asset-weeks are two a week, and each threshold more is two levels up."""
    assert rarity().alarms_per_asset_week(1.0) == pytest.approx(2.0)
    assert rarity().alarms_per_asset_week(2.0) == pytest.approx(2.0 * 2.718281828**-2)
    assert rarity().alarms_per_asset_week(0.5) == pytest.approx(10.0)


def test_the_louder_the_rarer() -> None:
    """Never more often at a higher severity."""
    rates = [rarity().alarms_per_asset_week(step / 10) for step in range(100)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("severity", "weeks", "words"),
    [
        (1.0, 10.0, "once in 3.5 days"),
        (2.0, 10.0, "once in 3.7 weeks"),
        (3.0, 10.0, "once in 27 weeks"),
        (3.5, 20.0, "once in 2.9 years"),
        (4.0, 10.0, "less than once in 100 weeks"),
        (99.0, 10.0, "less than once in 100 weeks"),
        (1.0, 0.01, "once in 5 minutes"),
        (9.0, 0.01, "less than once in 17 hours"),
    ],
)
def test_words(severity: float, weeks: float, words: str) -> None:
    """In the unit that it holds two of; beyond ten times the counted weeks nobody knows."""
    assert rarity(weeks).in_words(severity) == words


def test_it_comes_back_from_json() -> None:
    """As it was."""
    assert Rarity.from_dict(rarity().as_dict()) == rarity()
