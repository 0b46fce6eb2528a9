"""The promise: how far off an alarm rate may be, by little calibrate time, little watched time, and unlike weeks."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, poisson

from wheeltapper.errors import DataError
from wheeltapper.scoring.promise import SECTIONS, Promise, at_most, disagreement

SURE = Promise(budget=1.0, rate=1.0, doubt=0.0, dispersion=1.0, weeks=1000.0)


def test_a_rate_that_is_known_scatters_like_poisson() -> None:
    """Ten weeks of one alarm a week: 4 to 17 alarms, the quantiles of a Poisson distribution with mean 10."""
    assert SURE.interval(10) == (0.4, 1.7)
    assert SURE.interval(10) == (poisson.ppf(0.025, 10) / 10, poisson.ppf(0.975, 10) / 10)


def test_in_the_long_run_only_the_doubt_is_left() -> None:
    """Nothing to doubt, no interval; a doubt of 0.5 is a factor of e^0.98 either way."""
    assert SURE.interval() == (1.0, 1.0)
    low, high = Promise(1.0, 1.0, 0.5, 1.0, 10.0).interval()
    assert high == pytest.approx(np.exp(1.96 * 0.5), rel=1e-3)
    assert low == pytest.approx(1 / high)


def test_a_long_watch_comes_down_to_the_long_run() -> None:
    """After a million weeks the count adds nothing."""
    one = Promise(1.0, 1.0, 0.3, 2.0, 10.0)
    assert one.interval(1e6) == pytest.approx(one.interval(), rel=0.01)


@pytest.mark.parametrize("wider", [{"doubt": 0.5}, {"dispersion": 3.0}])
def test_every_doubt_makes_it_wider(wider: dict[str, float]) -> None:
    """Less calibrate time, or alarms that come in swarms: both ends move outwards."""
    low, high = SURE.interval(20)
    lower, higher = Promise(**{**SURE.as_dict(), **wider}).interval(20)
    assert lower < low
    assert high < higher


def test_nineteen_of_twenty_counts_lie_inside() -> None:
    """4000 counts drawn as the promise says: at least 95 % of them lie inside, and not nearly all."""
    one, rng = Promise(1.0, 1.0, 0.3, 2.0, 10.0), np.random.default_rng(5)
    mean = 40 * np.exp(0.3 * rng.normal(size=4000))
    counts = rng.negative_binomial(mean, 0.5)
    low, high = one.interval(40)
    inside = float(((counts / 40 >= low) & (counts / 40 <= high)).mean())
    assert 0.94 < inside < 0.97


@pytest.mark.parametrize("dispersion", [1.5, 4.0])
def test_swarms_are_negative_binomial(dispersion: float) -> None:
    """Mean 6, variance 6 φ: the same probabilities as scipy's."""
    found = at_most(8, np.array([6.0]), dispersion)[0]
    assert found == pytest.approx(nbinom.cdf(8, 6 / (dispersion - 1), 1 / dispersion))


def test_no_watched_time_has_no_count() -> None:
    """A rate over no time is asked for by mistake."""
    with pytest.raises(DataError, match="0 asset-weeks"):
        SURE.interval(0)


def hours(assets: int = 4, length: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    """Return windows an hour apart: each sixth of the time has 100 of each asset."""
    ends = pd.date_range("2026-01-05", periods=length, freq="1h", tz="UTC").as_unit("us")
    names = np.repeat([f"p{number}" for number in range(assets)], length)
    return pd.DataFrame({"asset_id": names, "window_end": np.tile(ends, assets)}), np.full(assets * length, 3600.0)


def opened(by_sixth: list[int], assets: int = 4, length: int = 600) -> np.ndarray:
    """Return opening windows: so many in each sixth of the time, evenly over the assets."""
    places = [
        asset * length + sixth * length // SECTIONS + 5 + 10 * alarm
        for asset in range(assets)
        for sixth, count in enumerate(by_sixth)
        for alarm in range(count)
    ]
    return np.array(places)


def test_sixths_that_agree_may_do_so_by_luck() -> None:
    """Two alarms in every sixth of every machine's time prove little; eight in each prove twice as much."""
    (few_swarm, few), (many_swarm, many) = (disagreement(*_with(opened([count] * 6))) for count in (2, 8))
    assert (few_swarm, many_swarm) == (1.0, 1.0)
    assert few == pytest.approx(2 * many)
    assert 0.05 < many < 0.2


def test_sixths_that_disagree_widen_the_promise() -> None:
    """All in the first half of the time: eight, eight, eight, none, none, none."""
    swarm, season = disagreement(*_with(opened([8, 8, 8, 0, 0, 0])))
    assert swarm > 2
    assert season > 0.5


def test_a_machine_that_rings_more_than_others_is_no_season() -> None:
    """Nine alarms in each sixth of one machine's time and none of another's will be so again: as if it were alone."""
    rows, seconds = hours(2)
    alone = disagreement(*hours_of_one(opened([9] * 6, assets=1)))
    assert disagreement(rows, opened([9] * 6, assets=1), seconds) == alone


def hours_of_one(places: np.ndarray) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rows, seconds = hours(1)
    return rows, places, seconds


def _with(places: np.ndarray) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    rows, seconds = hours()
    return rows, places, seconds


def test_it_survives_json() -> None:
    """What a bundle stores gives back the same promise."""
    one = Promise(1.0, 0.9, 0.3, 2.0, 10.0)
    assert Promise.from_dict(json.loads(json.dumps(one.as_dict()))) == one
