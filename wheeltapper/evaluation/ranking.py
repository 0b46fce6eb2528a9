"""Ranking: how well a score puts faulty windows above normal ones, before any threshold.

Each figure is computed asset by asset and averaged over the assets that have both faulty and normal windows, as the
published figures are. Without such an asset it is None, because 0 would be a judgement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from wheeltapper.evaluation.exposure import Flags, Floats, Integers, places_by_asset
from wheeltapper.evaluation.intervals import mean_interval
from wheeltapper.evaluation.vus import random_volume, volume

_RANDOM_SCORES = 20
"""Random scores behind the random value, over all assets together: enough for the two digits that are printed."""


class Ranking(BaseModel):
    """Threshold-free figures, all 0 to 1; ``vus_pr_random`` is the value of a random score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vus_pr: float | None
    vus_pr_low: float | None = None
    """Interval over other assets of the same sort (95 %, bootstrap); None where fewer than five are ranked."""
    vus_pr_high: float | None = None
    vus_pr_random: float | None
    vus_roc: float | None
    average_precision: float | None
    roc_auc: float | None
    assets_ranked: int


def rank_windows(rows: pd.DataFrame, is_faulty: Flags, *, vus_window: int, seed: int) -> Ranking:
    """Return how well the scores rank faulty windows first.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, score
        Watched windows in the order of asset and time.
    is_faulty : array of bool, shape (n_rows,)
        Whether each window ends inside a fault.
    vus_window : int
        Widest buffer round a fault, in windows.
    seed : int
        For the random scores that VUS is compared with.
    """
    figures = list(_by_asset(rows, is_faulty, vus_window, seed))
    if not figures:
        return Ranking(
            vus_pr=None, vus_pr_random=None, vus_roc=None, average_precision=None, roc_auc=None, assets_ranked=0
        )
    pr, chance, roc, precision, auc = (float(mean) for mean in np.mean(figures, axis=0))
    spread = mean_interval([asset_figures[0] for asset_figures in figures], seed=seed)
    return Ranking(
        vus_pr=pr,
        vus_pr_low=spread.low if spread else None,
        vus_pr_high=spread.high if spread else None,
        vus_pr_random=chance,
        vus_roc=roc,
        average_precision=precision,
        roc_auc=auc,
        assets_ranked=len(figures),
    )


def mean_vus_pr(rows: pd.DataFrame, is_faulty: Flags, *, vus_window: int) -> float | None:
    """Return `Ranking.vus_pr` alone, for comparing many scores on the same faults.

    Parameters
    ----------
    rows, is_faulty, vus_window
        As for `rank_windows`.
    """
    scores = rows["score"].to_numpy(np.float64)
    volumes = [
        volume(is_faulty[places], scores[places], vus_window) for places in places_by_asset(rows["asset_id"]).values()
    ]
    figures = [area.pr for area in volumes if area is not None]
    return float(np.mean(figures)) if figures else None


def average_precision(labels: Flags, scores: Floats) -> float | None:
    """Return the mean precision over all thresholds, 0 to 1; None where there is only one class."""
    if not _has_both(labels):
        return None
    found, marked = _counts(labels, scores)
    return float(np.sum(np.diff(found, prepend=0) * (found / marked)) / found[-1])


def roc_auc(labels: Flags, scores: Floats) -> float | None:
    """Return the chance that a faulty window scores above a normal one; None where there is only one class."""
    return chance_above(scores[~labels], scores[labels]) if _has_both(labels) else None


def _counts(labels: Flags, scores: Floats) -> tuple[Integers, Integers]:
    """Return how many faulty rows, and how many rows, reach each score that occurs; the highest score first."""
    order = np.argsort(-scores, kind="stable")
    is_last = np.append(np.diff(scores[order]) != 0, True)
    return np.cumsum(labels[order])[is_last], np.flatnonzero(is_last) + 1


def chance_above(scores: Floats, other_scores: Floats) -> float:
    """Return the chance that one of the other scores lies above one of the first, 0 to 1 (area under the ROC curve).

    Equal scores count half.

    Parameters
    ----------
    scores, other_scores : ndarray of shape (n_scores,), (n_others,)
        Neither may be empty.

    Examples
    --------
    >>> chance_above(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    ordered = np.sort(scores)
    rank_sums = np.searchsorted(ordered, other_scores, "left") + np.searchsorted(ordered, other_scores, "right")
    return float(rank_sums.mean() / (2 * len(ordered)))


def _has_both(labels: Flags) -> bool:
    return bool(labels.any() and not labels.all())


def _by_asset(rows: pd.DataFrame, is_faulty: Flags, window: int, seed: int) -> Iterator[tuple[float, ...]]:
    scores = rows["score"].to_numpy(np.float64)
    ranked = [places for places in places_by_asset(rows["asset_id"]).values() if _has_both(is_faulty[places])]
    draws = math.ceil(_RANDOM_SCORES / max(len(ranked), 1))
    for number, places in enumerate(ranked):
        labels, asset_scores = is_faulty[places], scores[places]
        real, chance = (
            volume(labels, asset_scores, window),
            random_volume(labels, window, seed=seed + number, draws=draws),
        )
        precision, auc = average_precision(labels, asset_scores), roc_auc(labels, asset_scores)
        if real is not None and chance is not None and precision is not None and auc is not None:
            yield real.pr, chance.pr, real.roc, precision, auc
