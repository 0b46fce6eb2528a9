"""Calibration: raw scores on one scale for all assets and regimes, and an alarm budget as a threshold.

Raw scores of different assets and regimes live on different scales. On held-out normal windows each is moved to a
common one: 0 is typical for this asset in this regime, 1 is one usual spread above it. The threshold is then set so
that on such windows no more alarms open than the operator accepts per asset and week.

Neighbouring windows share readings and a machine's moods last for minutes, so windows are not independent and their
plain quantile says nothing about alarms per week. What is counted instead is the highest *lasting* score (one that
holds for as many windows as open an alarm) in each block of time. Where the budget asks for less than the data can
show, the tail beyond is extrapolated by a generalised Pareto distribution fitted with L-moments.

References
----------
.. [1] S. Coles, "An Introduction to Statistical Modeling of Extreme Values", Springer 2001, ch. 4.
.. [2] J. R. M. Hosking, J. R. Wallis, "Parameter and Quantile Estimation for the Generalized Pareto Distribution",
   Technometrics 29 (1987), doi:10.1080/00401706.1987.10488243.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.errors import DataError
from wheeltapper.tables import microseconds

Floats = NDArray[np.float64]

ANY = "*"
"""Stands for every asset, or every regime."""
MIN_ROWS = 60
"""Fewer windows than this of one asset and regime do not say what is typical for them; a wider group does."""
MIN_BLOCKS = 40
"""Fewer blocks of one regime do not say how its scores peak; all regimes together do."""
_WEEK = 604_800.0
_TAIL = 0.2
"""Share of block maxima that the tail is fitted to."""


@dataclass(frozen=True)
class Calibration:
    """What is typical for each asset and regime, and where anomalous begins in each regime."""

    typical: dict[tuple[str, str], float]
    spread: dict[tuple[str, str], float]
    threshold: dict[str, float]

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
        limit = np.array([self.threshold.get(regime, self.threshold[ANY]) for _, regime in keys], dtype=float)
        score = (raw - typical[place]) / spread[place]
        return pd.DataFrame({"score": score, "threshold": limit[place]}, index=rows.index)

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
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibration:
        """Read what `as_dict` wrote."""
        return cls(
            typical={(asset, regime): value for asset, regime, value in content["typical"]},
            spread={(asset, regime): value for asset, regime, value in content["spread"]},
            threshold=content["threshold"],
        )


def fixed(threshold: float) -> Calibration:
    """Return the calibration of a detector that has decided for itself: its score stays as it is."""
    return Calibration({(ANY, ANY): 0.0}, {(ANY, ANY): 1.0}, {ANY: threshold})


def fit(
    rows: pd.DataFrame, raw: Floats, *, budget: float, spacing: timedelta, max_gap: timedelta, open_after: int
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
    open_after : int
        Anomalous windows in a row that open an alarm.

    Raises
    ------
    DataError
        If the windows never follow each other long enough to open an alarm: nothing says where one should begin.
    """
    order = np.lexsort((microseconds(rows["window_end"]), pd.factorize(rows["asset_id"])[0]))
    if (np.diff(order) < 0).any():
        rows, raw = rows.iloc[order], raw[order]
    typical, spread = _scale(rows, raw)
    calibration = Calibration(typical, spread, {ANY: 1.0})
    score = calibration.apply(rows, raw)["score"].to_numpy()
    block = max(60 * spacing.total_seconds(), 2 * open_after * spacing.total_seconds())
    peaks = block_maxima(rows, score, block=block, max_gap=max_gap, hold=open_after)
    if peaks.empty:
        raise DataError(
            f"the {len(rows)} normal windows of the calibrate part never last for {open_after} windows in a row, which "
            "open an alarm: there is nothing to set a threshold by. Bring more readings, or lower alarms.open_after."
        )
    # An hour that spans two regimes is two blocks: the accepted alarms are shared out among all blocks there are.
    asset_weeks = len(rows) * spacing.total_seconds() / _WEEK
    share = min(budget * asset_weeks / len(peaks), 0.5)
    threshold = {ANY: _level(peaks["peak"].to_numpy(), share)}
    for regime, own in peaks.groupby("regime"):
        if len(own) >= MIN_BLOCKS:
            threshold[str(regime)] = _level(own["peak"].to_numpy(), share)
    return Calibration(typical, spread, threshold)


def _scale(rows: pd.DataFrame, raw: Floats) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
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
    shape, scale = _pareto(beyond)
    ratio = len(beyond) / len(peaks) / share
    step = np.log(ratio) if abs(shape) < 1e-9 else (ratio**shape - 1) / shape
    return max(start + scale * float(step), 1.0)


def _pareto(beyond: Floats) -> tuple[float, float]:
    """Fit shape ξ and scale σ of a generalised Pareto distribution by L-moments [2]_; ξ is kept in [-0.2, 0.4]."""
    n = len(beyond)
    a0 = float(beyond.mean())
    a1 = float(((n - np.arange(1, n + 1)) / (n - 1) * beyond).mean())
    shape = 2 - a0 / (a0 - 2 * a1) if a0 > 2 * a1 else 0.4
    shape = float(np.clip(shape, -0.2, 0.4))
    return shape, a0 * (1 - shape)
