"""Calibration: raw scores on one scale for all assets and regimes, and an alarm budget as a threshold.

Raw scores of different assets and regimes live on different scales. On held-out normal windows each is moved to a
common one: 0 is typical for this asset in this regime, 1 is one usual spread above it. What is typical for one
machine is pulled towards what is typical for its kind, the more so the less is known of it. The threshold is then set
so that on such windows no more alarms open than the operator accepts per asset and week.

Neighbouring windows share readings and a machine's moods last for minutes, so windows are not independent and their
plain quantile says nothing about alarms per week. How regimes and machines compare is therefore told by the highest
*lasting* score (one that holds for as many windows as open an alarm) of each block of time, and the common level by
counting alarms with the rule that opens and closes them (`wheeltapper.scoring.tail`). What the threshold then stands
for is kept with it, as an interval (`wheeltapper.scoring.promise`).

References
----------
.. [1] S. Coles, "An Introduction to Statistical Modeling of Extreme Values", Springer 2001, ch. 4.
.. [2] B. Efron, C. Morris, "Stein's estimation rule and its competitors: an empirical Bayes approach", JASA 68 (1973),
   doi:10.1080/01621459.1973.10481350.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError
from wheeltapper.scoring.alarms import Stretches, spans, stretches
from wheeltapper.scoring.promise import Promise, disagreement
from wheeltapper.scoring.rarity import Rarity
from wheeltapper.scoring.tail import FITTED, at_level, count_alarms, pareto
from wheeltapper.tables import microseconds

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Groups = dict[tuple[str, str], float]
Maturity = Literal["fixed", "learning", "provisional", "trusted"]

ANY = "*"
"""Stands for every asset, or every regime."""
MIN_ROWS = 60
"""Fewer windows than this of one asset and regime do not say what is typical for them; a wider group does."""
MIN_BLOCKS = 40
"""Fewer blocks of one regime do not say how its scores peak; all regimes together do."""
TRUSTED_FROM = 4.0
"""Accepted alarms that fit into an asset's own calibrate time before its threshold is trusted."""
_WEEK = 604_800.0
_TAIL = 0.2
"""Share of block maxima that the tail is fitted to."""
_PEAKS = 10
"""Blocks that reach the level by which regimes and machines are compared."""
_UNSEEN = 1.5
"""Doubt of a rate of which nothing was seen: off by a factor of twenty either way."""
_ALIKE = 15
"""Windows in a row that say about as much as one: a mood lasts for some."""


@dataclass(frozen=True)
class Calibration:
    """What is typical for each asset and regime, and where anomalous begins in each regime."""

    typical: Groups
    spread: Groups
    threshold: dict[str, float]
    loudness: dict[str, float] = field(default_factory=dict)
    """Asset → how much higher its scores peak than those of its kind; the threshold rises with it."""
    weeks: dict[str, float] = field(default_factory=dict)
    """Asset → weeks of its own normal running behind the threshold."""
    promise: Promise | None = None
    """What the threshold stands for; None for a detector that has decided for itself."""
    rarity: Rarity | None = None
    """How often normal running alone is as loud as this; None where there was too little to count."""

    def apply(self, rows: pd.DataFrame, raw: Floats) -> pd.DataFrame:
        """Return score and threshold of each row.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, …) with columns asset_id, regime
        raw : ndarray of shape (n_windows,)

        Returns
        -------
        DataFrame of shape (n_windows, 2)
            ``score`` (0 is typical, 1 is one spread above) and ``threshold``, both unitless.
        """
        assets, asset_names = pd.factorize(rows["asset_id"])
        regimes, regime_names = pd.factorize(rows["regime"])
        place = assets * len(regime_names) + regimes
        keys = [(str(asset), str(regime)) for asset in asset_names for regime in regime_names]
        found = [self._closest(asset, regime) for asset, regime in keys]
        typical = np.array([self.typical[key] for key in found], dtype=float)
        spread = np.array([self.spread[key] for key in found], dtype=float)
        limit = np.array([self.limit(*key) for key in keys], dtype=float)
        score = (raw - typical[place]) / spread[place]
        return pd.DataFrame({"score": score, "threshold": limit[place]}, index=rows.index)

    def limit(self, asset: str, regime: str) -> float:
        """Return the threshold of one asset and regime; of one that was never seen, that of its kind."""
        of_regime = self.threshold.get(regime, self.threshold[ANY])
        loudness = self.loudness.get(asset, 1.0)
        # A huge budget must not make ordinary windows anomalous; a decided threshold stays as it is.
        return max(of_regime * loudness, 1.0) if loudness != 1.0 else of_regime

    def maturity(self, asset: str) -> Maturity:
        """Say how much normal running of its own lies behind an asset's threshold.

        Counted in the alarms that the budget would have accepted meanwhile, so that it means the same for seconds and
        for months: none yet is ``learning``, fewer than four ``provisional``, then ``trusted``. A detector that has
        decided for itself is ``fixed``.
        """
        if self.promise is None:
            return "fixed"
        accepted = self.weeks.get(asset, 0.0) * self.promise.budget
        return "learning" if accepted < 1 else "provisional" if accepted < TRUSTED_FROM else "trusted"

    def told(self) -> dict[str, Any] | None:
        """Return what there is to say about the threshold: the promise, and each asset's maturity; None if fixed."""
        if self.promise is None:
            return None
        rate, low, high = self.promise.stated()
        maturity = {asset: self.maturity(asset) for asset in sorted(self.weeks)}
        return {"promise": self.promise.as_dict(), "rate": rate, "low": low, "high": high, "maturity": maturity}

    def _closest(self, asset: str, regime: str) -> tuple[str, str]:
        """Find the narrowest group that was calibrated: this machine and regime, this regime, this machine, all."""
        for key in ((asset, regime), (ANY, regime), (asset, ANY)):
            if key in self.typical:
                return key
        return (ANY, ANY)

    def as_dict(self) -> dict[str, Any]:
        """Return the calibration as plain JSON."""
        return {
            "typical": [[*key, value] for key, value in sorted(self.typical.items())],
            "spread": [[*key, value] for key, value in sorted(self.spread.items())],
            "threshold": dict(sorted(self.threshold.items())),
            "loudness": dict(sorted(self.loudness.items())),
            "weeks": dict(sorted(self.weeks.items())),
            "promise": self.promise.as_dict() if self.promise else None,
            "rarity": self.rarity.as_dict() if self.rarity else None,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibration:
        """Read what `as_dict` wrote, also before thresholds came with a promise."""
        promised, rarity = content.get("promise"), content.get("rarity")
        return cls(
            typical={(asset, regime): value for asset, regime, value in content["typical"]},
            spread={(asset, regime): value for asset, regime, value in content["spread"]},
            threshold=content["threshold"],
            loudness=content.get("loudness", {}),
            weeks=content.get("weeks", {}),
            promise=Promise.from_dict(promised) if promised else None,
            rarity=Rarity.from_dict(rarity) if rarity else None,
        )


def fixed(threshold: float) -> Calibration:
    """Return the calibration of a detector that has decided for itself: its score stays as it is."""
    return Calibration({(ANY, ANY): 0.0}, {(ANY, ANY): 1.0}, {ANY: threshold})


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
    """Learn what is typical, and set the threshold to an alarm budget.

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
        If the windows never follow each other long enough to open an alarm: nothing says where one should begin.
    """
    order = np.lexsort((microseconds(rows["window_end"]), pd.factorize(rows["asset_id"])[0]))
    if (np.diff(order) < 0).any():
        rows, raw = rows.iloc[order], raw[order]
        is_far = None if is_far is None else is_far[order]
    typical, spread = _scale(rows, raw)
    bare = Calibration(typical, spread, {ANY: 1.0})
    score = bare.apply(rows, raw)["score"].to_numpy()
    every = spacing.total_seconds()
    peaks = block_maxima(rows, score, block=max(60, 2 * rule.open_after) * every, max_gap=max_gap, hold=rule.open_after)
    if peaks.empty:
        raise DataError(
            f"the {len(rows)} normal windows of the calibrate part never last for {rule.open_after} windows in a row, "
            "which open an alarm: there is nothing to set a threshold by. Bring more readings, or lower "
            "alarms.open_after."
        )
    stretch = stretches(rows, max_gap)
    seconds = _seconds(rows, stretch, every)
    threshold = _by_regime(peaks)
    loudness = _by_asset(peaks, threshold)
    shaped = Calibration(typical, spread, threshold, loudness)
    limit = shaped.apply(rows, raw)["threshold"].to_numpy(float)
    if is_far is not None:
        score = np.where(is_far, score, 0.0)
    weeks = float(seconds.sum()) / _WEEK
    wanted = budget * weeks
    tail = count_alarms(score, limit, stretch, rule)
    if tail is None:
        # Hardly an alarm even at one usual spread: the peaks of blocks are all there is to go by.
        factor = _level(_relative(peaks, shaped), min(wanted / len(peaks), 0.5))
        promise = Promise(budget, budget, _UNSEEN, 1.0, weeks)
    else:
        factor = tail.level(wanted)
        # Whether alarms come in swarms, and weeks differ, is seen where there are more of them than the budget accepts.
        opened = spans(at_level(score, limit, min(factor, tail.level(FITTED))), stretch, rule).first
        swarm, season = disagreement(rows, opened, seconds)
        expected = tail.count(factor)
        doubt = float(np.sqrt(swarm * tail.doubt(expected) ** 2 + season**2))
        promise = Promise(budget, expected / weeks, doubt, swarm, weeks)
    levels = {regime: max(level * factor, 1.0) for regime, level in threshold.items()}
    own_weeks = pd.Series(seconds / _WEEK).groupby(rows["asset_id"].to_numpy()).sum()
    return Calibration(
        typical,
        spread,
        levels,
        loudness,
        {str(asset): float(one) for asset, one in own_weeks.items()},
        promise,
        Rarity(tail, factor, weeks) if tail is not None else None,
    )


def _seconds(rows: pd.DataFrame, stretch: Stretches, usual: float) -> Floats:
    """Return for how long each window stands: since the one before it, or as usual where a stretch begins."""
    time = microseconds(rows["window_end"]) / 1e6
    since = np.full(len(rows), usual)
    follows = np.diff(stretch.number) == 0
    since[1:][follows] = np.diff(time)[follows]
    return since


def _relative(peaks: pd.DataFrame, shaped: Calibration) -> Floats:
    """Return the peaks in thresholds of their own asset and regime."""
    pairs = zip(peaks["asset_id"], peaks["regime"], strict=True)
    limits = np.array([shaped.limit(str(asset), str(regime)) for asset, regime in pairs])
    return np.asarray(peaks["peak"].to_numpy(float) / limits)


def _by_regime(peaks: pd.DataFrame) -> dict[str, float]:
    """Return the level that the same share of blocks reaches in each regime, and in all."""
    share = min(max(_PEAKS / len(peaks), 0.01), _TAIL)
    found = {ANY: _level(peaks["peak"].to_numpy(), share)}
    for regime, own in peaks.groupby("regime"):
        if len(own) >= MIN_BLOCKS:
            found[str(regime)] = _level(own["peak"].to_numpy(), share)
    return found


def _by_asset(peaks: pd.DataFrame, threshold: dict[str, float]) -> dict[str, float]:
    """Return how much louder each machine peaks than its kind, pulled towards 1 the more, the less is known of it."""
    level = peaks["regime"].map(threshold).fillna(threshold[ANY]).to_numpy(float)
    own = pd.Series(peaks["peak"].to_numpy() / level).groupby(peaks["asset_id"].to_numpy())
    enough = own.size()[own.size() >= MIN_BLOCKS].index
    if len(enough) < 3:
        return {}
    logs, variances = [], []
    for asset in enough:
        one = own.get_group(asset).to_numpy()
        high = np.quantile(one, [1 - _TAIL, 1 - _TAIL / 2])
        logs.append(float(np.log(max(high[1], 0.1))))
        # Of an exponential tail, the level that a share p of n blocks exceeds is known to scale·√(1/(n·p)).
        variances.append(float(((high[1] - high[0]) / np.log(2) / max(high[1], 0.1)) ** 2 / (len(one) * _TAIL / 2)))
    middle = np.average(logs)
    kept = _kept(np.array(logs), np.array(variances))
    return {
        str(asset): float(np.exp(share * (log - middle))) for asset, log, share in zip(enough, logs, kept, strict=True)
    }


def _kept(values: Floats, variances: Floats) -> Floats:
    """Return which share of its distance from the others each group may keep (empirical Bayes [2]_).

    All of it where groups differ far more than chance would have it, nothing where chance explains it.
    """
    if len(values) < 3:
        return np.ones(len(values))
    true = max(float(values.var(ddof=1) - variances.mean()), 0.0)
    return np.asarray(true / np.maximum(true + variances, 1e-300))


def _scale(rows: pd.DataFrame, raw: Floats) -> tuple[Groups, Groups]:
    """Return median and upper spread of the raw scores of every group that is large enough."""
    assets, asset_names = pd.factorize(rows["asset_id"], sort=True)
    regimes, regime_names = pd.factorize(rows["regime"], sort=True)
    groups: dict[tuple[str, str], Floats] = {(ANY, ANY): raw}
    groups |= {(str(asset_names[code]), ANY): own for code, own in _by_code(assets, raw)}
    groups |= {(ANY, str(regime_names[code])): own for code, own in _by_code(regimes, raw)}
    for code, own in _by_code(assets * len(regime_names) + regimes, raw):
        asset, regime = divmod(code, len(regime_names))
        groups[str(asset_names[asset]), str(regime_names[regime])] = own
    typical, spread = {}, {}
    floor = 0.1 * _usual_spread(groups)
    for key, own in groups.items():
        if len(own) >= MIN_ROWS or key == (ANY, ANY):
            typical[key] = float(np.median(own))
            # A score that hardly moves in one group must not make a trifle there look enormous.
            spread[key] = max(_upper_spread(own), floor)
    return _pooled(typical, spread, {key: len(own) for key, own in groups.items()})


def _pooled(typical: Groups, spread: Groups, counts: dict[tuple[str, str], int]) -> tuple[Groups, Groups]:
    """Pull what is typical for each machine in a regime towards its kind, as far as chance could explain it."""
    typical, spread = dict(typical), dict(spread)
    for regime in {regime for asset, regime in typical if asset == ANY}:
        keys = [key for key in typical if key[1] == regime and key[0] != ANY]
        middles = np.array([typical[key] for key in keys])
        widths = np.log([spread[key] for key in keys])
        known = np.array([max(counts[key] / _ALIKE, 1.0) for key in keys])
        kept_middle = _kept(middles, np.pi / 2 * np.exp(2 * widths) / known) if keys else middles
        # The logarithm of a distance between two quantiles is known to about √(2/n).
        kept_width = _kept(widths, 2 / known) if keys else widths
        for key, middle, width, near, alike in zip(keys, middles, widths, kept_middle, kept_width, strict=True):
            typical[key] = float(np.median(middles) + near * (middle - np.median(middles)))
            spread[key] = float(np.exp(np.median(widths) + alike * (width - np.median(widths))))
    return typical, spread


def _by_code(codes: NDArray[np.int64], values: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield the values of each code."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    yield from zip(codes[order][starts].tolist(), np.split(values[order], starts[1:]), strict=True)


def _usual_spread(groups: dict[tuple[str, str], Floats]) -> float:
    """Return the median spread of the single assets and regimes; 1 where no score ever moves.

    Wider groups hold the distance between machines that score differently; counted as movement, it would make deaf
    to everything that one of them does.
    """
    own = [one for key, one in groups.items() if ANY not in key and len(one) >= MIN_ROWS] or [groups[ANY, ANY]]
    moving = [spread for spread in map(_upper_spread, own) if spread > 0]
    return float(np.median(moving)) if moving else 1.0


def _upper_spread(values: Floats) -> float:
    """Return how far scores usually reach above their median: the distance to the 90th percentile over 1.2816.

    Where nine in ten scores do not move at all, it is the standard deviation.
    """
    middle, upper = np.quantile(values, [0.5, 0.9])
    # Of equal numbers the mean may be off in its last digit: a deviation that small is no movement.
    deviation = float(values.std()) if np.ptp(values) > 0 else 0.0
    return float((upper - middle) / 1.2816) or deviation


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
        # Too few to fit a tail to: an exponential one, whose only parameter is the mean, is the careful choice.
        mean = float(beyond.mean()) if len(beyond) else max(abs(start), 1.0)
        return max(start + mean * float(np.log(_TAIL / share)), 1.0)
    shape, scale = pareto(beyond)
    ratio = len(beyond) / len(peaks) / share
    step = np.log(ratio) if abs(shape) < 1e-9 else (ratio**shape - 1) / shape
    return max(start + scale * float(step), 1.0)
