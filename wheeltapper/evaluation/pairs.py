"""Two candidates side by side: whether one is cheaper, or only had a lucky week."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DRAWS = 1000
PRICED = 0.1
"""Share by which a cost may be off because nobody knows the prices of faults and alarms any better."""
SURE_SHARE = 0.95
"""Share of resampled asset-weeks in which a candidate must stay cheaper to be called surely cheaper."""
SURE_WEEKS = 5
"""Asset-weeks below which nobody can be sure of anything."""


def share_cheaper(
    mine: Mapping[str, float] | None, theirs: Mapping[str, float] | None, *, seed: int = 0
) -> tuple[float | None, int]:
    """Return how often mine stays cheaper than theirs when the asset-weeks are drawn again, and how many there are.

    Parameters
    ----------
    mine, theirs : mapping of asset-week to cost, or None where no fault is known
        A week that only one of them has cost the other nothing.

    Returns
    -------
    share : float or None
        0 to 1; None where costs are not known or there are fewer than `SURE_WEEKS` asset-weeks.
    weeks : int
    """
    if mine is None or theirs is None:
        return None, 0
    saved = np.array([theirs.get(block, 0.0) - mine.get(block, 0.0) for block in sorted(mine.keys() | theirs.keys())])
    if saved.size < SURE_WEEKS:
        return None, saved.size
    weights = np.random.default_rng(seed).multinomial(saved.size, np.full(saved.size, 1 / saved.size), size=DRAWS)
    return float((weights @ saved > 0).mean()), saved.size


def is_worth_telling(less: float | None, more: float | None) -> bool:
    """Tell whether the second cost lies further above the first than prices are known; never where one is unknown."""
    return less is not None and more is not None and more > (1 + PRICED) * less


def is_surely_cheaper(mine: Mapping[str, float] | None, theirs: Mapping[str, float] | None, *, seed: int = 0) -> bool:
    """Tell whether mine stays cheaper in nearly all resamplings; never where weeks are too few to be sure."""
    share, _ = share_cheaper(mine, theirs, seed=seed)
    return share is not None and share >= SURE_SHARE
