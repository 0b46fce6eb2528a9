"""Learning: whether a detector knows how features move together, or only how large each of them may be.

Weights that were never trained make a score that rises with any deviation, so they hear what is obvious, and a
threshold of their own makes them ring as seldom as asked for. What they cannot do is tell a window of normal running
from one whose features are each as usual and never come together like this.
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
"""By how much the chance must exceed that of a sum of squares, which has learnt nothing; random weights exceeded it by
0.019 at the most on eleven sets of recorded and simulated machines, and mostly fell short of it."""
WORTH = 0.1
"""By how much a plain Gaussian distance must exceed it, or there is nothing to be learnt from how features move."""
_RIDGE = 0.1
_LEAST = 100


class Relations(BaseModel):
    """Chance that a window whose features do not belong together scores above a real one, 0 to 1; 0.5 is guessing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    own: float
    untaught: float
    """Of the sum of squared deviations."""
    possible: float
    """Of a Gaussian distance that was fitted on every other one of the windows and asked about the rest."""


def relations(
    score: Callable[[pd.DataFrame], Floats],
    rows: pd.DataFrame,
    assets: NDArray[np.object_],
    *,
    features: Sequence[Feature] = (),
    seed: int = 0,
) -> Relations | None:
    """Measure how well a score tells normal windows from the same windows with every feature shuffled by itself.

    Features of restlessness stay as they are, unless there are no others.

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
    # How restless sensors are is of less weight to a detector than where they lie, and would count in full here.
    described = describe(map(str, rows.columns), features)
    asked_of = [feature.name for feature in described if feature.shows != "restlessness"] or list(rows.columns)
    if len(asked_of) < 2 or len(rows) < _LEAST:
        return None
    mixed = rows.assign(**_shuffled(rows[asked_of], assets, seed))
    before, after = (one[asked_of].to_numpy(np.float64) for one in (rows, mixed))
    learnt, asked = slice(None, None, 2), slice(1, None, 2)
    distance = _gaussian(before[learnt])
    return Relations(
        own=chance_above(score(rows), score(mixed)),
        untaught=chance_above((before**2).sum(axis=1), (after**2).sum(axis=1)),
        possible=chance_above(distance(before[asked]), distance(after[asked])),
    )


def has_learnt(found: Relations | None) -> Gate:
    """Ask whether a detector that claims to learn how features move together has learnt it.

    Parameters
    ----------
    found : Relations or None
        From `relations`; None where it could not be measured, or the detector claims no such thing.
    """
    if found is None or found.possible < found.untaught + WORTH:
        why = "it looks at each feature by itself" if found is None else "the features do not move together"
        return Gate(name=NAME, passed=None, figure=None, limit=None, reason=f"cannot be asked: {why}")
    limit = found.untaught + MARGIN
    return Gate(
        name=NAME,
        passed=found.own >= limit,
        figure=found.own,
        limit=limit,
        reason=f"a window whose features never come together like this scores above a real one with a chance of "
        f"{found.own:.0%} (a sum of squares, which has learnt nothing: {found.untaught:.0%}; at least {limit:.0%})",
    )


def _shuffled(rows: pd.DataFrame, assets: NDArray[np.object_], seed: int) -> pd.DataFrame:
    """Return the rows with each feature in an order of its own, within its asset."""
    rng = np.random.default_rng(seed)
    values = rows.to_numpy(np.float64, copy=True)
    for places in pd.Series(np.arange(len(rows))).groupby(assets).indices.values():
        for column in range(values.shape[1]):
            values[places, column] = values[rng.permutation(places), column]
    return pd.DataFrame(values, index=rows.index, columns=rows.columns)


def _gaussian(values: Floats) -> Callable[[Floats], Floats]:
    """Return the squared distance from usual rows, in the measure of how they spread together."""
    centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), _RIDGE)
    scaled = (values - centre) / spread
    inverse = np.linalg.inv(scaled.T @ scaled / len(scaled) + _RIDGE * np.eye(values.shape[1]))

    def distance(asked: Floats) -> Floats:
        far = (asked - centre) / spread
        return np.asarray(np.einsum("ij,jk,ik->i", far, inverse, far))

    return distance
