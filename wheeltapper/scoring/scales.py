"""Scales: the typical raw score and its usual spread, for each asset and regime.

The typical score of one machine is shrunk towards that of its kind, the more the fewer windows it has.

References
----------
.. [1] B. Efron, C. Morris, "Stein's estimation rule and its competitors: an empirical Bayes approach", JASA 68 (1973),
   doi:10.1080/01621459.1973.10481350.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.scoring.calibration import ANY, Floats, Groups

MIN_ROWS = 60
"""Fewest windows of one asset and regime for a scale of its own; below it, a wider group's is used."""
_ALIKE = 15
"""Consecutive windows that count as one independent window."""


def fit_scales(rows: pd.DataFrame, raw: Floats) -> tuple[Groups, Groups]:
    """Return the typical score and the usual spread of every group that is large enough.

    Parameters
    ----------
    rows : DataFrame of shape (n_windows, …) with columns asset_id, regime
    raw : ndarray of shape (n_windows,)
        Raw scores of normal windows.

    Returns
    -------
    typical, spread : dict
        (asset, regime) → median, upper spread; `ANY` stands for all assets or all regimes.
    """
    assets, asset_names = pd.factorize(rows["asset_id"], sort=True)
    regimes, regime_names = pd.factorize(rows["regime"], sort=True)
    groups: dict[tuple[str, str], Floats] = {(ANY, ANY): raw}
    groups |= {(str(asset_names[code]), ANY): group_scores for code, group_scores in _by_code(assets, raw)}
    groups |= {(ANY, str(regime_names[code])): group_scores for code, group_scores in _by_code(regimes, raw)}
    for code, group_scores in _by_code(assets * len(regime_names) + regimes, raw):
        asset, regime = divmod(code, len(regime_names))
        groups[str(asset_names[asset]), str(regime_names[regime])] = group_scores
    typical, spread = {}, {}
    floor = 0.1 * _usual_spread(groups)
    for key, group_scores in groups.items():
        if len(group_scores) >= MIN_ROWS or key == (ANY, ANY):
            typical[key] = float(np.median(group_scores))
            # Where the score of one group hardly moves, a tiny deviation must not become a huge score.
            spread[key] = max(_upper_spread(group_scores), floor)
    return _pooled(typical, spread, {key: len(group_scores) for key, group_scores in groups.items()})


def _pooled(typical: Groups, spread: Groups, counts: dict[tuple[str, str], int]) -> tuple[Groups, Groups]:
    """Shrink the scale of each machine in a regime towards its kind, as far as chance explains the difference."""
    typical, spread = dict(typical), dict(spread)
    for regime in {regime for asset, regime in typical if asset == ANY}:
        keys = [key for key in typical if key[1] == regime and key[0] != ANY]
        middles = np.array([typical[key] for key in keys])
        widths = np.log([spread[key] for key in keys])
        independent = np.array([max(counts[key] / _ALIKE, 1.0) for key in keys])
        kept_middles = kept_share(middles, np.pi / 2 * np.exp(2 * widths) / independent) if keys else middles
        # The logarithm of a distance between two quantiles has a standard error of about √(2/n).
        kept_widths = kept_share(widths, 2 / independent) if keys else widths
        for key, middle, width, middle_share, width_share in zip(
            keys, middles, widths, kept_middles, kept_widths, strict=True
        ):
            typical[key] = float(np.median(middles) + middle_share * (middle - np.median(middles)))
            spread[key] = float(np.exp(np.median(widths) + width_share * (width - np.median(widths))))
    return typical, spread


def _by_code(codes: NDArray[np.int64], values: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield the values of each code."""
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    yield from zip(codes[order][starts].tolist(), np.split(values[order], starts[1:]), strict=True)


def _usual_spread(groups: dict[tuple[str, str], Floats]) -> float:
    """Return the median spread of the single assets and regimes; 1 where no score ever moves.

    Wider groups contain the distance between machines that score differently. Counted as spread, it would hide every
    change of a single machine.
    """
    narrow_groups = [
        group_scores for key, group_scores in groups.items() if ANY not in key and len(group_scores) >= MIN_ROWS
    ] or [groups[ANY, ANY]]
    moving = [spread for spread in map(_upper_spread, narrow_groups) if spread > 0]
    return float(np.median(moving)) if moving else 1.0


def _upper_spread(values: Floats) -> float:
    """Return the usual distance of scores above their median: that of the 90th percentile, divided by 1.2816.

    Where nine of ten scores are equal, it is the standard deviation.
    """
    middle, upper = np.quantile(values, [0.5, 0.9])
    # Rounding can give equal numbers a tiny deviation, which is no spread.
    deviation = float(values.std()) if np.ptp(values) > 0 else 0.0
    return float((upper - middle) / 1.2816) or deviation


def kept_share(values: Floats, variances: Floats) -> Floats:
    """Return the share of its distance from the others that each group keeps (empirical Bayes [1]_).

    It is 1 where groups differ far more than by chance, and 0 where chance explains the difference.
    """
    if len(values) < 3:
        return np.ones(len(values))
    true = max(float(values.var(ddof=1) - variances.mean()), 0.0)
    return np.asarray(true / np.maximum(true + variances, 1e-300))
