"""Relations: a check that a detector has learnt how features move together, and not only the usual size of each.

Untrained weights give a score that rises with any deviation, so they find obvious faults, and with a calibrated
threshold they keep the alarm budget. They cannot distinguish a normal window from one whose features are each usual but
do not occur in this combination.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from wheeltapper.evaluation.gates import Gate
from wheeltapper.evaluation.ranking import chance_above
from wheeltapper.features.columns import Feature, describe

Floats = NDArray[np.float64]

NAME = "has_learnt"
MARGIN = 0.02
"""Required excess over the chance of a sum of squares, which learns nothing. On eleven sets of recorded and simulated
machines, random weights exceeded it by at most 0.019 and mostly fell short of it."""
WORTH = 0.1
"""Required excess of a Gaussian distance; below it, the features do not move together and there is nothing to learn."""
_RIDGE = 0.1
_LEAST = 100


class Relations(BaseModel):
    """Chance that a window with shuffled features scores above a real one, 0 to 1; 0.5 is guessing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by_detector: float
    by_squares: float
    """For the sum of squared deviations, which learns nothing."""
    by_gaussian: float
    """For a Gaussian distance, fitted on every other window and measured on the rest."""


def relations(
    score: Callable[[pd.DataFrame], Floats],
    rows: pd.DataFrame,
    assets: NDArray[np.object_],
    *,
    features: Sequence[Feature] = (),
    seed: int = 0,
) -> Relations | None:
    """Measure how well a score separates normal windows from the same windows with each feature shuffled.

    Features of restlessness are not shuffled, unless there are no others.

    Parameters
    ----------
    score : callable
        Feature rows like ``rows`` in, scores of shape (n_windows,) out; higher is more anomalous.
    rows : DataFrame of shape (n_windows, n_features)
        Normal windows in usual deviations, that the detector was not fitted on.
    assets : ndarray of shape (n_windows,)
        Features are shuffled within an asset.
    features : sequence of Feature
        What the columns show.
    seed : int
        For the shuffling.

    Returns
    -------
    Relations or None
        None with fewer than two features or a hundred windows.
    """
    # Detectors weigh features of restlessness less than features of level; here they would have full weight.
    described = describe(map(str, rows.columns), features)
    compared = [feature.name for feature in described if feature.shows != "restlessness"] or list(rows.columns)
    if len(compared) < 2 or len(rows) < _LEAST:
        return None
    shuffled = rows.assign(**_shuffled(rows[compared], assets, seed))
    before, after = (table[compared].to_numpy(np.float64) for table in (rows, shuffled))
    fitted, held_out = slice(None, None, 2), slice(1, None, 2)
    distance = _gaussian(before[fitted])
    return Relations(
        by_detector=chance_above(score(rows), score(shuffled)),
        by_squares=chance_above((before**2).sum(axis=1), (after**2).sum(axis=1)),
        by_gaussian=chance_above(distance(before[held_out]), distance(after[held_out])),
    )


def has_learnt(measured: Relations | None) -> Gate:
    """Check whether a detector that should learn how features move together has learnt it.

    Parameters
    ----------
    measured : Relations or None
        From `relations`; None where they could not be measured, or the detector does not learn relations.
    """
    if measured is None or measured.by_gaussian < measured.by_squares + WORTH:
        why = "it uses each feature separately" if measured is None else "the features do not move together"
        return Gate(name=NAME, passed=None, figure=None, limit=None, reason=f"cannot be checked: {why}")
    limit = measured.by_squares + MARGIN
    return Gate(
        name=NAME,
        passed=measured.by_detector >= limit,
        figure=measured.by_detector,
        limit=limit,
        reason=f"a window whose features do not occur together like this scores above a real one with a chance of "
        f"{measured.by_detector:.0%} (a sum of squares, which has learnt nothing: {measured.by_squares:.0%}; at "
        f"least {limit:.0%})",
    )


def _shuffled(rows: pd.DataFrame, assets: NDArray[np.object_], seed: int) -> pd.DataFrame:
    """Return the rows with each feature shuffled separately, within its asset."""
    rng = np.random.default_rng(seed)
    values = rows.to_numpy(np.float64, copy=True)
    for places in pd.Series(np.arange(len(rows))).groupby(assets).indices.values():
        for column in range(values.shape[1]):
            values[places, column] = values[rng.permutation(places), column]
    return pd.DataFrame(values, index=rows.index, columns=rows.columns)


def _gaussian(values: Floats) -> Callable[[Floats], Floats]:
    """Return a function for the squared Mahalanobis distance from these rows."""
    centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), _RIDGE)
    scaled = (values - centre) / spread
    inverse = np.linalg.inv(scaled.T @ scaled / len(scaled) + _RIDGE * np.eye(values.shape[1]))

    def distance(windows: Floats) -> Floats:
        deviations = (windows - centre) / spread
        return np.asarray(np.einsum("ij,jk,ik->i", deviations, inverse, deviations))

    return distance
