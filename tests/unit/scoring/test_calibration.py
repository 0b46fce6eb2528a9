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
from wheeltapper.scoring import alarms, calibration
from wheeltapper.scoring.calibration import ANY, Calibration, Floats

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
    return calibration.fit(rows, raw, budget=budget, spacing=MINUTE, max_gap=GAP, open_after=open_after)


def severities(fitted: Calibration, rows: pd.DataFrame, raw: Floats) -> Floats:
    """Return score over threshold, as a bundle does."""
    found = fitted.apply(rows, raw)
    return np.asarray(np.maximum(found["score"], 0) / found["threshold"])


def test_the_budget_is_kept_on_the_weeks_after() -> None:
    """Mean over 20 fleets of six assets: within a factor of 0.6 to 1.6 for half an alarm, one and four a week.

    Half the budget then gives about half the alarms. Measured: 1.1, 1.0 and 1.0 times the budget.
    """
    budgets = (0.5, 1.0, 4.0)
    fleets = (Fleet(seed) for seed in range(20))
    found = np.array([[fleet.alarms(budget) for budget in budgets] for fleet in fleets])
    for budget, rate in zip(budgets, found.mean(axis=0), strict=True):
        assert 0.6 < rate / budget < 1.6, f"budget {budget}: {rate}"
    assert 1.5 < found[:, 1].mean() / found[:, 0].mean() < 2.7


@pytest.mark.parametrize(("memory", "tail"), [(0.0, None), (0.97, None), (0.8, 4)])
def test_it_holds_for_other_moods(memory: float, tail: int | None) -> None:
    """Scores without memory, with half an hour of it, and with heavy tails (Student's t, 4 degrees of freedom)."""
    found = [Fleet(seed, memory=memory, tail=tail).alarms(2.0) for seed in range(6)]
    assert 0.6 < np.mean(found) / 2.0 < 1.6


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
    for count, known in ((calibration.MIN_ROWS - 1, False), (calibration.MIN_ROWS, True)):
        rows, raw = ramp(assets=1)
        rows["regime"] = np.where(np.arange(len(rows)) < count, "startup", "normal")
        fitted = fit(rows, raw)
        assert (("pump-00", "startup") in fitted.typical) == known
        assert "startup" not in fitted.threshold
    rows, raw = ramp(assets=1, windows=60 * (calibration.MIN_BLOCKS + 1))
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
    found = calibration.block_maxima(rows, score, block=300.0, max_gap=GAP, hold=3)
    assert found["peak"].tolist() == [4.0, 2.0]
    score[4] = 9.0
    assert calibration.block_maxima(rows, score, block=300.0, max_gap=GAP, hold=3)["peak"].tolist() == [4.0, 9.0]
    # A pause of ten minutes between the fifth and sixth window: nothing lasts across it.
    rows.loc[5:, "window_end"] += timedelta(minutes=10)
    assert calibration.block_maxima(rows, score, block=300.0, max_gap=GAP, hold=3)["peak"].tolist() == [4.0, 2.0]


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
    found, scale = calibration._pareto(np.sort(sample))
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
