"""Calibration: the alarms that open on new normal running are as many as the operator accepts."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.scoring import alarms, calibrate, calibration, scales, tail
from wheeltapper.scoring.calibration import ANY, Calibration, Floats
from wheeltapper.scoring.promise import Promise

MINUTE = timedelta(minutes=1)
GAP = 3 * MINUTE
RULE = Alarms(open_after=3, close_after=6)
WEEK = 7 * 24 * 60
START = pd.Timestamp("2026-01-05", tz="UTC")


@cache
def frame_of(assets: int, windows: int, *, first: int = 0, regimes: bool = True) -> pd.DataFrame:
    """Return windows of some assets, a minute apart; from 7 to 15 o'clock the load is high."""
    minute = first + np.arange(windows)
    ends = pd.DatetimeIndex(START.asm8.astype("datetime64[us]") + minute.astype("timedelta64[m]"), tz="UTC")
    is_high = regimes & (minute // 60 % 24 >= 7) & (minute // 60 % 24 < 15)
    return pd.DataFrame(
        {
            "asset_id": np.repeat([f"pump-{number:02}" for number in range(assets)], windows),
            "window_end": np.tile(ends, assets),
            "regime": np.tile(np.where(is_high, "high_load", "normal"), assets),
        }
    )


class Fleet:
    """Raw scores as detectors give them: they remember (AR(1)), and each asset and regime has its own scale."""

    def __init__(self, seed: int, *, memory: float = 0.8, tail: int | None = None, assets: int = 6, weeks: int = 4):
        rng = np.random.default_rng(seed)
        shape = (assets, 2 * weeks * WEEK)
        noise = rng.normal(size=shape) if tail is None else rng.standard_t(tail, size=shape)
        wander = lfilter([np.sqrt(1 - memory**2)], [1, -memory], noise)
        place, scale = rng.normal(0, 3, (assets, 1)), np.exp(rng.normal(0, 0.5, (assets, 1)))
        self.past, self.future = (frame_of(assets, weeks * WEEK, first=first) for first in (0, weeks * WEEK))
        is_high = (self.past["regime"] == "high_load").to_numpy().reshape(assets, -1)
        factor = np.where(np.tile(is_high, 2), 2.0, 1.0)
        raw = place + scale * wander * factor + 5 * (factor - 1)
        self.learnt, self.later = raw[:, : weeks * WEEK].ravel(), raw[:, weeks * WEEK :].ravel()
        self.asset_weeks = assets * weeks

    def alarms(self, budget: float) -> float:
        """Return the alarms per asset and week that open on the weeks after those that the threshold is set on."""
        severity = severities(fit(self.past, self.learnt, budget), self.future, self.later)
        return len(alarms.fold(self.future.assign(severity=severity), RULE, GAP)) / self.asset_weeks


def fit(rows: pd.DataFrame, raw: Floats, budget: float = 1.0, *, open_after: int = RULE.open_after) -> Calibration:
    return calibrate.fit(
        rows, raw, budget=budget, spacing=MINUTE, max_gap=GAP, rule=RULE.model_copy(update={"open_after": open_after})
    )


def severities(fitted: Calibration, rows: pd.DataFrame, raw: Floats) -> Floats:
    """Return score over threshold, as a bundle does."""
    found = fitted.apply(rows, raw)
    return np.asarray(np.maximum(found["score"], 0) / found["threshold"])


@pytest.mark.slow
@pytest.mark.parametrize("count", [5, pytest.param(20, marks=pytest.mark.long)])
def test_the_budget_is_kept_on_the_weeks_after(count: int) -> None:
    """Mean over many fleets of six assets: within a factor of 0.6 to 1.6 for half an alarm, one and four a week.

    Half the budget then gives about half the alarms. Measured over 20: 1.1, 1.0 and 1.0 times the budget.
    """
    budgets = (0.5, 1.0, 4.0)
    fleets = (Fleet(seed) for seed in range(count))
    found = np.array([[fleet.alarms(budget) for budget in budgets] for fleet in fleets])
    for budget, rate in zip(budgets, found.mean(axis=0), strict=True):
        assert 0.6 < rate / budget < 1.6, f"budget {budget}: {rate}"
    assert 1.5 < found[:, 1].mean() / found[:, 0].mean() < 2.7


@pytest.mark.slow
@pytest.mark.parametrize(("memory", "tail"), [(0.0, None), (0.97, None), (0.8, 4)])
def test_it_holds_for_other_moods(memory: float, tail: int | None) -> None:
    """Scores without memory, with half an hour of it, and with heavy tails (Student's t, 4 degrees of freedom)."""
    found = [Fleet(seed, memory=memory, tail=tail).alarms(2.0) for seed in range(6)]
    assert 0.6 < np.mean(found) / 2.0 < 1.6


@pytest.mark.slow
def test_the_promise_is_kept_on_the_weeks_after() -> None:
    """What the threshold is said to stand for holds on the weeks after it, in at least 22 of 24 short years.

    Two weeks of two machines are little: the interval says so, and reaches at least from a half to the double.
    """
    inside = []
    for seed in range(24):
        fleet = Fleet(seed, assets=2, weeks=2)
        fitted = fit(fleet.past, fleet.learnt, 2.0)
        assert fitted.promise is not None
        count = len(alarms.fold(fleet.future.assign(severity=severities(fitted, fleet.future, fleet.later)), RULE, GAP))
        low, high = fitted.promise.interval(fleet.asset_weeks)
        assert low < 1.0
        assert high >= 4.0
        inside.append(low <= count / fleet.asset_weeks <= high)
    assert sum(inside) >= 22


def test_maturity_counts_the_alarms_that_were_accepted_meanwhile() -> None:
    """At two alarms a week: half a week is one accepted alarm, two weeks are four; an unknown machine is learning."""
    weeks = {"new": 0.4, "young": 0.5, "nearly": 1.9, "old": 2.0}
    one = Calibration({}, {}, {ANY: 1.0}, weeks=weeks, promise=Promise(2.0, 2.0, 0.1, 1.0, 5.0))
    assert {asset: one.maturity(asset) for asset in (*weeks, "never_seen")} == {
        "new": "learning",
        "young": "provisional",
        "nearly": "provisional",
        "old": "trusted",
        "never_seen": "learning",
    }
    assert calibration.fixed(0.5).maturity("old") == "fixed"


def test_a_new_machine_works_on_day_one() -> None:
    """A machine that was never calibrated is scored by its kind: calm when calm, loud at ten spreads."""
    rows, raw = ramp(assets=4, windows=3000)
    fitted = fit(rows, raw)
    new = rows.iloc[:1].assign(asset_id="new")
    assert severities(fitted, new, np.array([10.0]))[0] < 0.5
    assert severities(fitted, new, np.array([40.0]))[0] > 1


def test_a_machine_is_pulled_towards_its_kind_where_little_is_known() -> None:
    """Five alike machines of 100 windows each keep one scale; five that differ by 20 spreads keep their own."""
    rows, raw = ramp(assets=5, windows=100, seed=4)
    rows["regime"] = "normal"
    own = [np.median(one) for one in raw.reshape(5, 100)]
    alike = fit(rows, raw).typical
    assert np.ptp([alike[f"pump-{number:02}", "normal"] for number in range(5)]) < 0.5 * np.ptp(own)
    shift = np.repeat(40.0 * np.arange(5), 100)
    apart = fit(rows, raw + shift).typical
    found = [apart[f"pump-{number:02}", "normal"] for number in range(5)]
    np.testing.assert_allclose(found, np.array(own) + 40.0 * np.arange(5), atol=0.1)


def test_a_louder_machine_gets_a_higher_threshold_of_its_own() -> None:
    """One machine's moods are as usual, but its peaks are twice as high: it alone gets a higher threshold."""
    rows, raw = ramp(assets=6, windows=9000)
    rows["regime"] = "normal"
    raw = raw.reshape(6, -1)
    raw[3] = 10 + np.where(np.abs(raw[3] - 10) > 3.6, 2, 1) * (raw[3] - 10)
    fitted = calibrate.fit(
        rows, raw.ravel(), budget=5, spacing=MINUTE, max_gap=GAP, rule=RULE.model_copy(update={"open_after": 1})
    )
    limits = [fitted.limit(f"pump-{number:02}", "normal") for number in range(6)]
    assert int(np.argmax(limits)) == 3
    assert limits[3] > 1.2 * np.median(limits)
    assert max(limits[:3] + limits[4:]) < 1.1 * np.median(limits)


def test_windows_that_are_not_far_enough_do_not_count() -> None:
    """Peaks that the smallest effect keeps from ringing do not raise the threshold."""
    rows, raw = ramp(windows=6000)
    raw = raw.copy()
    raw.reshape(-1, 200)[:, 50:55] += 30
    is_far = np.ones(len(raw), dtype=bool)
    is_far.reshape(-1, 200)[:, 50:55] = False
    given = {"budget": 5.0, "spacing": MINUTE, "max_gap": GAP, "rule": RULE}
    every, some = (calibrate.fit(rows, raw, **given, is_far=one) for one in (None, is_far))
    assert every.threshold[ANY] > 10
    assert some.threshold[ANY] < 5


def test_a_calibration_without_a_promise_can_still_be_read() -> None:
    """Bundles that were written before thresholds came with a promise score as they did."""
    rows, raw = ramp()
    fitted = fit(rows, raw)
    old = {name: fitted.as_dict()[name] for name in ("typical", "spread", "threshold")}
    read = Calibration.from_dict(old)
    assert read.promise is None
    pd.testing.assert_frame_equal(read.apply(rows, raw), fitted.apply(rows, raw))


def test_a_short_calibration_keeps_the_order_of_magnitude() -> None:
    """One week of two assets is asked for half an alarm a week: beyond the data, so the tail is extrapolated."""
    found = [Fleet(seed, assets=2, weeks=1).alarms(0.5) for seed in range(40)]
    assert 0.2 < np.mean(found) < 1.5


def ramp(assets: int = 2, windows: int = 600, seed: int = 0) -> tuple[pd.DataFrame, Floats]:
    """Return a small frame of normal running and raw scores for it."""
    return frame_of(assets, windows).copy(), np.random.default_rng(seed).normal(10, 2, assets * windows)


def test_the_scale_of_raw_scores_does_not_matter() -> None:
    """Seven times the raw score plus three gives the same severities; so does a millionth of it."""
    rows, raw = ramp()
    raw[::50] += 30
    plain = severities(fit(rows, raw), rows, raw)
    assert plain.max() > 1
    for factor, shift in ((7.0, 3.0), (1e-6, 0.0), (1e6, -5.0)):
        other = factor * raw + shift
        np.testing.assert_allclose(severities(fit(rows, other), rows, other), plain, rtol=1e-6, atol=1e-9)


def test_scores_that_seldom_move_keep_their_scale() -> None:
    """A detector that says 0 in 95 of 100 windows: the size of its other answers does not matter either."""
    rows, raw = ramp()
    raw = np.where(np.random.default_rng(1).random(len(raw)) < 0.05, raw, 0.0)
    plain, small = (severities(fit(rows, factor * raw), rows, factor * raw) for factor in (1.0, 1e-6))
    assert plain.max() > 0.1
    np.testing.assert_allclose(small, plain, rtol=1e-6)


def test_machines_that_score_differently_do_not_make_each_other_deaf() -> None:
    """Two machines a thousand apart, each restless by 1: twenty beyond its own median is heard at either."""
    rows, noise = ramp(windows=6000)
    raw = (noise - 10) / 2 + np.where(rows["asset_id"] == "pump-00", 0.0, 1000.0)
    fitted = fit(rows, raw)
    one = rows.iloc[[0, 6000]]
    assert (severities(fitted, one, np.array([20.0, 1020.0])) > 1).all()
    assert (severities(fitted, one, np.array([1.0, 1001.0])) < 1).all()


def test_constant_scores_are_silent() -> None:
    """A detector that always says 7 never alarms, and is heard when it says something else."""
    rows, _ = ramp()
    raw = np.full(len(rows), 7.1)
    fitted = fit(rows, raw)
    assert (severities(fitted, rows, raw) == 0).all()
    assert severities(fitted, rows.iloc[:1], np.array([8.0]))[0] > 1


def test_a_score_that_stands_still_in_one_regime_is_not_blown_up() -> None:
    """Constant at high load, restless otherwise: a trifle at high load is no alarm, a lot is."""
    rows, raw = ramp(windows=4000)
    is_high = (rows["regime"] == "high_load").to_numpy()
    raw[is_high] = 10.0
    fitted, one = fit(rows, raw), rows[is_high].iloc[:1]
    assert severities(fitted, one, np.array([10.001]))[0] < 0.1
    assert severities(fitted, one, np.array([30.0]))[0] > 1


def test_unseen_assets_and_regimes_fall_back() -> None:
    """Own machine and regime, else the regime, else the machine, else everything; and the threshold likewise."""
    fitted = Calibration(
        typical={("a", "normal"): 1.0, (ANY, "normal"): 2.0, ("a", ANY): 3.0, ("c", ANY): 3.0, (ANY, ANY): 4.0},
        spread={("a", "normal"): 1.0, (ANY, "normal"): 1.0, ("a", ANY): 1.0, ("c", ANY): 1.0, (ANY, ANY): 2.0},
        threshold={"normal": 5.0, ANY: 6.0},
    )
    pairs = [("a", "normal"), ("b", "normal"), ("c", "normal"), ("a", "startup"), ("b", "startup")]
    rows = pd.DataFrame(pairs, columns=["asset_id", "regime"])
    found = fitted.apply(rows, np.full(5, 10.0))
    assert found["score"].tolist() == [9.0, 8.0, 8.0, 7.0, 3.0]
    assert found["threshold"].tolist() == [5.0, 5.0, 5.0, 6.0, 6.0]


def test_a_small_group_gets_no_scale_of_its_own() -> None:
    """59 windows of one regime do not say what is typical, 60 do; 40 blocks are needed for a threshold."""
    for count, known in ((scales.MIN_ROWS - 1, False), (scales.MIN_ROWS, True)):
        rows, raw = ramp(assets=1)
        rows["regime"] = np.where(np.arange(len(rows)) < count, "startup", "normal")
        fitted = fit(rows, raw)
        assert (("pump-00", "startup") in fitted.typical) == known
        assert "startup" not in fitted.threshold
    rows, raw = ramp(assets=1, windows=60 * (calibrate.MIN_BLOCKS + 1))
    assert set(fit(rows.assign(regime="normal"), raw).threshold) == {ANY, "normal"}


def test_a_row_on_its_own_is_scored_like_in_a_batch() -> None:
    """To the last bit, with a strange index and in any order: serving and batch agree."""
    rows, raw = ramp(windows=700)
    fitted = fit(rows, raw)
    rows.index = pd.Index(np.random.default_rng(2).permutation(len(rows)) * 3)
    whole = fitted.apply(rows, raw)
    assert whole.index.equals(rows.index)
    for place in (0, 1, 699, 700, 1399):
        single = fitted.apply(rows.iloc[[place]], raw[[place]])
        pd.testing.assert_frame_equal(single, whole.iloc[[place]], check_exact=True)
    assert fitted.apply(rows.iloc[:0], raw[:0]).shape == (0, 2)


def test_the_order_of_rows_does_not_matter() -> None:
    """Shuffled rows give the same calibration."""
    rows, raw = ramp()
    order = np.random.default_rng(3).permutation(len(rows))
    assert fit(rows.iloc[order], raw[order]) == fit(rows, raw)


def test_a_score_must_last_to_count() -> None:
    """Single spikes of 100 open no alarm when three in a row are needed, so they do not raise the threshold."""
    rows, raw = ramp(windows=3000)
    spiky = raw.copy()
    spiky[::97] += 100
    lasting, single = fit(rows, spiky).threshold[ANY], fit(rows, spiky, open_after=1).threshold[ANY]
    assert lasting < 4
    assert single > 20


def test_block_maxima_by_hand() -> None:
    """Blocks of five minutes, three windows in a row: the lowest of the three, the highest of those in each block."""
    rows = frame_of(1, 10, regimes=False).copy()
    score = np.array([0.0, 5, 4, 6, 1, 9, 9, 2, 3, 3])
    found = calibrate.block_maxima(rows, score, block=300.0, max_gap=GAP, hold=3)
    assert found["peak"].tolist() == [4.0, 2.0]
    score[4] = 9.0
    assert calibrate.block_maxima(rows, score, block=300.0, max_gap=GAP, hold=3)["peak"].tolist() == [4.0, 9.0]
    # A pause of ten minutes between the fifth and sixth window: nothing lasts across it.
    rows.loc[5:, "window_end"] += timedelta(minutes=10)
    assert calibrate.block_maxima(rows, score, block=300.0, max_gap=GAP, hold=3)["peak"].tolist() == [4.0, 2.0]


def test_few_rows_give_a_careful_threshold() -> None:
    """One hour of one machine: the threshold lies above everything that it has seen."""
    rows, raw = ramp(assets=1, windows=60)
    fitted = fit(rows, raw)
    assert (severities(fitted, rows, raw) < 1).all()
    assert np.isfinite(list(fitted.threshold.values())).all()


def test_windows_that_never_last_are_refused() -> None:
    """Nothing follows anything: no threshold can be set, and none is invented."""
    rows, raw = ramp(assets=1, windows=60)
    rows["window_end"] = START + pd.to_timedelta(np.arange(60), unit="h")
    with pytest.raises(
        DataError, match="the 60 normal windows of the calibrate part never last for 3 windows in a row"
    ):
        fit(rows, raw)


def test_the_threshold_never_falls_below_one_usual_spread() -> None:
    """A huge budget does not make ordinary windows anomalous."""
    rows, raw = ramp(windows=3000)
    assert min(fit(rows, raw, budget=1e6).threshold.values()) == 1.0


def test_a_larger_budget_never_raises_the_threshold() -> None:
    """From one alarm in a century to a thousand a week."""
    rows, raw = ramp(windows=3000)
    levels = [fit(rows, raw, budget).threshold[ANY] for budget in (2e-4, 0.01, 0.1, 1, 5, 10, 30, 100, 1000)]
    assert levels == sorted(levels, reverse=True)
    assert np.isfinite(levels).all()


@pytest.mark.parametrize("shape", [-0.15, 0.0, 0.2])
def test_the_tail_is_fitted_by_l_moments(shape: float) -> None:
    """A sample of a known generalised Pareto distribution gives its parameters back."""
    uniform = (np.arange(20_000) + 0.5) / 20_000
    sample = -2 * np.log(uniform) if shape == 0 else 2 * (uniform**-shape - 1) / shape
    found, scale = tail.pareto(np.sort(sample))
    assert abs(found - shape) < 0.02
    assert abs(scale - 2) < 0.05


def test_it_survives_json() -> None:
    """What a bundle stores gives back the same calibration."""
    rows, raw = ramp()
    fitted = fit(rows, raw)
    assert Calibration.from_dict(json.loads(json.dumps(fitted.as_dict()))) == fitted


def test_a_decided_score_stays_as_it_is() -> None:
    """Detectors with a threshold of their own are not moved."""
    rows, raw = ramp()
    found = calibration.fixed(0.5).apply(rows, raw)
    assert (found["score"] == raw).all()
    assert (found["threshold"] == 0.5).all()
