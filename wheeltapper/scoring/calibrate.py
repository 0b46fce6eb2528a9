"""Calibrate: fit the scale of raw scores on normal windows, and set the threshold to the alarm budget.

The threshold is set so that on held-out normal windows no more alarms open than the operator accepts per asset and
week.

Neighbouring windows share readings, and the state of a machine lasts for minutes. So windows are not independent, and
their plain quantile is not a rate of alarms. Regimes and machines are therefore compared by the highest *lasting* score
of each block of time: a score that holds for as many windows as open an alarm. The common level is set by counting
alarms with the rule that opens and closes them (`wheeltapper.scoring.tail`). The expected rate is kept with the
threshold, as an interval (`wheeltapper.scoring.promise`).

References
----------
.. [1] S. Coles, "An Introduction to Statistical Modeling of Extreme Values", Springer 2001, ch. 4.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.scoring.alarms import Stretches, spans, stretches
from wheeltapper.scoring.calibration import ANY, Calibration, Floats
from wheeltapper.scoring.promise import Promise, disagreement
from wheeltapper.scoring.rarity import Rarity
from wheeltapper.scoring.scales import fit_scales, kept_share
from wheeltapper.scoring.tail import FITTED, at_level, count_alarms, pareto
from wheeltapper.tables import microseconds

Flags = NDArray[np.bool_]

MIN_BLOCKS = 40
"""Fewest blocks of one regime, or one asset, for a level of its own; below it, all regimes together are used."""
_WEEK = 604_800.0
_TAIL = 0.2
"""Share of block maxima that the tail is fitted to."""
_PEAKS = 10
"""Blocks that reach the level by which regimes and machines are compared."""
_UNSEEN = 1.5
"""Error of a rate without any event, as a standard deviation of its logarithm: a factor of twenty either way."""


def fit(
    rows: pd.DataFrame,
    raw: Floats,
    *,
    budget: float,
    spacing: timedelta,
    max_gap: timedelta,
    rule: Alarms,
    is_far: Flags | None = None,
) -> Calibration:
    """Fit the scales, and set the threshold to an alarm budget.

    Parameters
    ----------
    rows : DataFrame of shape (n_windows, …) with columns asset_id, window_end, regime
        Normal windows that the detector was not fitted on, sorted by asset and time.
    raw : ndarray of shape (n_windows,)
        Their raw scores.
    budget : float
        Accepted false alarms per asset and week.
    spacing, max_gap : timedelta
        Usual and longest time between two windows of one stretch.
    rule : Alarms
        How anomalous windows become an alarm.
    is_far : ndarray of bool, shape (n_windows,), optional
        Windows that may be anomalous, by the sensors' smallest effects (`wheeltapper.scoring.effect`); all by default.

    Raises
    ------
    DataError
        If windows never follow each other long enough to open an alarm: there is then no basis for a threshold.
    """
    order = np.lexsort((microseconds(rows["window_end"]), pd.factorize(rows["asset_id"])[0]))
    if (np.diff(order) < 0).any():
        rows, raw = rows.iloc[order], raw[order]
        is_far = None if is_far is None else is_far[order]
    typical, spread = fit_scales(rows, raw)
    unscaled = Calibration(typical, spread, {ANY: 1.0})
    score = unscaled.apply(rows, raw)["score"].to_numpy()
    step = spacing.total_seconds()
    peaks = block_maxima(rows, score, block=max(60, 2 * rule.open_after) * step, max_gap=max_gap, hold=rule.open_after)
    if peaks.empty:
        raise DataError(
            f"the {len(rows)} normal windows of the calibrate part never last for {rule.open_after} windows in a row, "
            "which open an alarm: there is no basis for a threshold. Bring more readings, or lower "
            "alarms.open_after."
        )
    stretch = stretches(rows, max_gap)
    seconds = _seconds(rows, stretch, step)
    threshold = _by_regime(peaks)
    loudness = _by_asset(peaks, threshold)
    shaped = Calibration(typical, spread, threshold, loudness)
    limit = shaped.apply(rows, raw)["threshold"].to_numpy(float)
    if is_far is not None:
        score = np.where(is_far, score, 0.0)
    weeks = float(seconds.sum()) / _WEEK
    accepted = budget * weeks
    tail = count_alarms(score, limit, stretch, rule)
    if tail is None:
        # Too few alarms even at one usual spread: only the peaks of blocks are left to set the level by.
        factor = _level(_relative(peaks, shaped), min(accepted / len(peaks), 0.5))
        promise = Promise(budget, budget, _UNSEEN, 1.0, weeks)
    else:
        factor = tail.level(accepted)
        # Swarms of alarms and differences between weeks show at a level with more alarms than the budget accepts.
        opened = spans(at_level(score, limit, min(factor, tail.level(FITTED))), stretch, rule).first
        swarm, season = disagreement(rows, opened, seconds)
        expected = tail.count(factor)
        doubt = float(np.sqrt(swarm * tail.log_error(expected) ** 2 + season**2))
        promise = Promise(budget, expected / weeks, doubt, swarm, weeks)
    levels = {regime: max(level * factor, 1.0) for regime, level in threshold.items()}
    own_weeks = pd.Series(seconds / _WEEK).groupby(rows["asset_id"].to_numpy()).sum()
    return Calibration(
        typical,
        spread,
        levels,
        loudness,
        {str(asset): float(weeks_of_asset) for asset, weeks_of_asset in own_weeks.items()},
        promise,
        Rarity(tail, factor, weeks) if tail is not None else None,
    )


def _seconds(rows: pd.DataFrame, stretch: Stretches, spacing: float) -> Floats:
    """Return the time that each window stands for: since the one before it, or the spacing where a stretch begins."""
    time = microseconds(rows["window_end"]) / 1e6
    since = np.full(len(rows), spacing)
    follows = np.diff(stretch.number) == 0
    since[1:][follows] = np.diff(time)[follows]
    return since


def _relative(peaks: pd.DataFrame, shaped: Calibration) -> Floats:
    """Return the peaks divided by the threshold of their asset and regime."""
    pairs = zip(peaks["asset_id"], peaks["regime"], strict=True)
    limits = np.array([shaped.limit(str(asset), str(regime)) for asset, regime in pairs])
    return np.asarray(peaks["peak"].to_numpy(float) / limits)


def _by_regime(peaks: pd.DataFrame) -> dict[str, float]:
    """Return the level that the same share of blocks reaches in each regime, and in all."""
    share = min(max(_PEAKS / len(peaks), 0.01), _TAIL)
    levels = {ANY: _level(peaks["peak"].to_numpy(), share)}
    for regime, regime_peaks in peaks.groupby("regime"):
        if len(regime_peaks) >= MIN_BLOCKS:
            levels[str(regime)] = _level(regime_peaks["peak"].to_numpy(), share)
    return levels


def _by_asset(peaks: pd.DataFrame, threshold: dict[str, float]) -> dict[str, float]:
    """Return the ratio of each machine's peaks to those of its kind, shrunk towards 1 where it has few blocks."""
    level = peaks["regime"].map(threshold).fillna(threshold[ANY]).to_numpy(float)
    relative = pd.Series(peaks["peak"].to_numpy() / level).groupby(peaks["asset_id"].to_numpy())
    assets = relative.size()[relative.size() >= MIN_BLOCKS].index
    if len(assets) < 3:
        return {}
    logs, variances = [], []
    for asset in assets:
        asset_peaks = relative.get_group(asset).to_numpy()
        high = np.quantile(asset_peaks, [1 - _TAIL, 1 - _TAIL / 2])
        logs.append(float(np.log(max(high[1], 0.1))))
        # For an exponential tail, the level that a share p of n blocks exceeds has a standard error of
        # scale·√(1/(n·p)).
        variances.append(
            float(((high[1] - high[0]) / np.log(2) / max(high[1], 0.1)) ** 2 / (len(asset_peaks) * _TAIL / 2))
        )
    middle = np.average(logs)
    shares = kept_share(np.array(logs), np.array(variances))
    return {
        str(asset): float(np.exp(share * (log - middle)))
        for asset, log, share in zip(assets, logs, shares, strict=True)
    }


def block_maxima(rows: pd.DataFrame, score: Floats, *, block: float, max_gap: timedelta, hold: int) -> pd.DataFrame:
    """Return the highest score that lasted ``hold`` windows in each block of one asset and regime.

    Returns
    -------
    DataFrame of shape (n_blocks, …) with columns asset_id, regime, peak
    """
    time = microseconds(rows["window_end"]) / 1e6
    asset, asset_names = pd.factorize(rows["asset_id"])
    regime, regime_names = pd.factorize(rows["regime"])
    starts = np.ones(len(rows), dtype=bool)
    starts[1:] = (asset[1:] != asset[:-1]) | (np.diff(time) > max_gap.total_seconds())
    stretch = np.cumsum(starts)
    lasting = pd.Series(score).groupby(stretch).rolling(hold).min().to_numpy()
    frame = pd.DataFrame({"asset": asset, "regime": regime, "block": time // block, "peak": lasting}).dropna()
    peaks = frame.groupby(["asset", "regime", "block"])["peak"].max().reset_index()
    return pd.DataFrame(
        {
            "asset_id": asset_names[peaks["asset"].to_numpy()],
            "regime": regime_names[peaks["regime"].to_numpy()],
            "peak": peaks["peak"],
        }
    )


def _level(peaks: Floats, share: float) -> float:
    """Return the level that a block's peak exceeds with probability ``share``; at least one spread."""
    if len(peaks) < 2:
        return max(float(peaks.max(initial=0.0)) * 2, 1.0)
    if share >= _TAIL:
        return max(float(np.quantile(peaks, 1 - share)), 1.0)
    start = float(np.quantile(peaks, 1 - _TAIL))
    beyond = np.sort(peaks[peaks > start] - start)
    if len(beyond) < 5:
        # Too few peaks to fit a tail: an exponential one, whose only parameter is the mean, is the cautious choice.
        mean = float(beyond.mean()) if len(beyond) else max(abs(start), 1.0)
        return max(start + mean * float(np.log(_TAIL / share)), 1.0)
    shape, scale = pareto(beyond)
    ratio = len(beyond) / len(peaks) / share
    step = np.log(ratio) if abs(shape) < 1e-9 else (ratio**shape - 1) / shape
    return max(start + scale * float(step), 1.0)
