"""Two candidates compared week by week: a lasting difference in cost, or one lucky week."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DRAWS = 1000
PRICE_ERROR = 0.1
"""Relative error of a cost, because the prices of faults and alarms are rough."""
SURE_SHARE = 0.95
"""Share of resampled asset-weeks in which a candidate must stay cheaper to be called surely cheaper."""
SURE_WEEKS = 5
"""Fewest asset-weeks for a comparison; fewer prove nothing."""


def share_cheaper(
    costs: Mapping[str, float] | None, other_costs: Mapping[str, float] | None, *, seed: int = 0
) -> tuple[float | None, int]:
    """Return how often a candidate stays cheaper when the asset-weeks are resampled, and the number of weeks.

    Parameters
    ----------
    costs, other_costs : mapping of asset-week to cost, or None where no fault is known
        Of the candidate and of the other one. A week that only one of them has costs the other nothing.

    Returns
    -------
    share : float or None
        0 to 1; None where costs are unknown or there are fewer than `SURE_WEEKS` asset-weeks.
    weeks : int
    """
    if costs is None or other_costs is None:
        return None, 0
    savings = np.array(
        [other_costs.get(block, 0.0) - costs.get(block, 0.0) for block in sorted(costs.keys() | other_costs.keys())]
    )
    if savings.size < SURE_WEEKS:
        return None, savings.size
    weights = np.random.default_rng(seed).multinomial(savings.size, np.full(savings.size, 1 / savings.size), size=DRAWS)
    return float((weights @ savings > 0).mean()), savings.size


def is_notably_cheaper(less: float | None, more: float | None) -> bool:
    """Return whether the first cost is lower by more than `PRICE_ERROR`; False where a cost is unknown.

    Examples
    --------
    >>> is_notably_cheaper(100.0, 109.0), is_notably_cheaper(100.0, 111.0)
    (False, True)
    """
    return less is not None and more is not None and more > (1 + PRICE_ERROR) * less


def is_surely_cheaper(
    costs: Mapping[str, float] | None, other_costs: Mapping[str, float] | None, *, seed: int = 0
) -> bool:
    """Return whether a candidate stays cheaper in nearly all resamplings; False where there are too few weeks."""
    share, _ = share_cheaper(costs, other_costs, seed=seed)
    return share is not None and share >= SURE_SHARE
