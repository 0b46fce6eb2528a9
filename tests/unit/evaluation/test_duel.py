"""The duel with the live champion: by money, or by the faults of the self-test."""

from __future__ import annotations

import pytest

from wheeltapper.evaluation.duel import beats_champion, surely_beats_champion
from wheeltapper.evaluation.judgement import NO_FAULTS


def test_champion_is_beaten_by_a_cheaper_challenger_only(draw, sharp, late):
    """Sharp beats late, late does not beat sharp, nobody beats itself; the figures are in the reason."""
    won = beats_champion(sharp, late)
    assert won.passed and won.figure < won.limit
    assert "sharp costs 2,016,000 EUR per asset-week, the live late 2,019,360" in won.reason
    assert not beats_champion(late, sharp).passed
    assert not beats_champion(sharp, sharp).passed
    for asked in (beats_champion, surely_beats_champion):
        other = asked(sharp, draw("0000900000", "     LL").judge("other"))
        assert other.passed is None and "cannot be compared" in other.reason


def test_a_little_more_time_is_no_other_data(sharp, late):
    """Windows of another length cover a little more or less; a tenth less is another time."""
    assert beats_champion(sharp, late.model_copy(update={"asset_weeks": late.asset_weeks * 1.04})).passed
    shorter = beats_champion(sharp, late.model_copy(update={"asset_weeks": late.asset_weeks * 0.9}))
    assert shorter.passed is None and "their windows differ" in shorter.reason


def _weekly(judgement, *costs: float):
    return judgement.model_copy(
        update={"cost_by_asset_week": {f"pump week {at}": cost for at, cost in enumerate(costs)}}
    )


def test_one_lucky_week_is_not_being_sure(sharp, late):
    """Cheaper in every week is sure; cheaper in the sum by one huge week is not; four weeks say nothing."""
    always = surely_beats_champion(_weekly(sharp, 1, 1, 1, 1, 1, 1), _weekly(late, 2, 2, 2, 2, 2, 2))
    assert always.passed and always.figure == 1
    lucky = surely_beats_champion(_weekly(sharp, 0, 3, 3, 3, 3, 3), _weekly(late, 90, 2, 2, 2, 2, 2))
    assert lucky.passed is False and 0.5 < lucky.figure < 0.95
    few = surely_beats_champion(_weekly(sharp, 1, 1, 1, 1), _weekly(late, 2, 2, 2, 2))
    assert few.passed is None and "4 calendar weeks of an asset are too few" in few.reason


@pytest.fixture
def unjudged(draw):
    """Two that nobody can judge by money: no fault is known."""
    return draw("0090").judge("one"), draw("0000").judge("other")


HEARD = {f"pump episode {at}": 0.5 for at in range(6)}
MORE = {episode: share + 0.01 for episode, share in HEARD.items()}
MOSTLY = MORE | {"pump episode 0": 0.47}


def test_without_faults_and_self_test_it_cannot_be_asked(unjudged):
    """No truth, no answer: neither passed nor failed."""
    for heard in (None, ({}, HEARD), (HEARD, {})):
        assert beats_champion(*unjudged, heard).passed is None
        assert beats_champion(*unjudged, heard).reason == NO_FAULTS
        assert surely_beats_champion(*unjudged, heard).passed is None


def test_without_faults_whoever_hears_more_of_the_same_faults_is_better(unjudged):
    """A hundredth more in every episode is sure, in all but one it is on paper only, as much is no more."""
    won = beats_champion(*unjudged, (MORE, HEARD))
    assert (won.passed, won.figure, won.limit) == (True, pytest.approx(0.51), pytest.approx(0.5))
    assert "one finds 51.0% of the moderate faults of the self-test, the live other 50.0%" in won.reason
    assert surely_beats_champion(*unjudged, (MORE, HEARD)).figure == 1
    assert beats_champion(*unjudged, (MOSTLY, HEARD)).passed
    unsure = surely_beats_champion(*unjudged, (MOSTLY, HEARD))
    assert unsure.passed is False and "it finds more in" in unsure.reason
    assert not beats_champion(*unjudged, (HEARD, HEARD)).passed
    assert not beats_champion(*unjudged, (HEARD, MORE)).passed


def test_four_episodes_are_too_few_to_be_sure(unjudged):
    """Better on paper, and that is all that can be said."""
    few, fewer = ({name: one[name] for name in list(one)[:4]} for one in (MORE, HEARD))
    assert beats_champion(*unjudged, (few, fewer)).passed
    assert surely_beats_champion(*unjudged, (few, fewer)).passed is None


def test_other_episodes_are_no_comparison(unjudged):
    """Faults in other readings are other faults; the reason says what to do."""
    others = {name.replace("pump", "fan"): share for name, share in HEARD.items()}
    asked = beats_champion(*unjudged, (MORE, others))
    assert asked.passed is None and "rebaseline" in asked.reason
