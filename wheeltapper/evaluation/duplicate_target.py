"""Duplicate target: whether two kinds of faults are one under two names.

Some data sets have a column that was computed from another one, and are then said to be hard in both. What is learnt of
one is learnt of its copy, and neither confirms the other.
"""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from wheeltapper.evaluation.gates import Gate
from wheeltapper.tables import microseconds

NAME = "duplicate_target"
SAME = 0.95
"""Share of the time in either kind that lies in both, from which two kinds are called one."""

Spans = list[tuple[int, int]]


def duplicate_target(faults: pd.DataFrame) -> Gate:
    """Ask whether two kinds of faults befall the same assets at the same times.

    It informs and does not block: the labels are the plant's, and a detector may be right all the same.

    Parameters
    ----------
    faults : DataFrame with columns asset_id, kind, start, end

    Returns
    -------
    Gate
        ``figure`` is the largest share of time in either of two kinds that lies in both, 0 to 1.
    """
    by_kind = {str(kind): _by_asset(own) for kind, own in faults.groupby("kind", sort=True) if str(kind)}
    if len(by_kind) < 2:
        reason = "cannot be asked: fewer than two kinds of faults are known"
        return Gate(name=NAME, passed=None, figure=None, limit=SAME, reason=reason, blocks=False)
    overlap = {pair: _overlap(by_kind[pair[0]], by_kind[pair[1]]) for pair in combinations(by_kind, 2)}
    one, other = max(overlap, key=lambda pair: overlap[pair])
    figure = overlap[one, other]
    same = [" and ".join(pair) for pair, share in overlap.items() if share >= SAME]
    reason = (
        f"of the time in fault kinds {one} and {other}, {figure:.1%} lies in both (the most of {len(by_kind)} kinds): "
    )
    reason += (
        f"{'; '.join(same)} are one target under two names, and what is said of one is said of all"
        if same
        else f"from {SAME:.0%} on they would be one target under two names"
    )
    return Gate(name=NAME, passed=not same, figure=figure, limit=SAME, reason=reason, blocks=False)


def _by_asset(faults: pd.DataFrame) -> dict[str, Spans]:
    """Return each asset's spans, those that touch made one; both ends belong to a span."""
    spans: dict[str, Spans] = {}
    ordered = faults.sort_values("start", kind="stable")
    starts, ends = microseconds(ordered["start"]), microseconds(ordered["end"])
    for asset, start, end in zip(ordered["asset_id"].astype(str), starts, ends, strict=True):
        own = spans.setdefault(asset, [])
        if own and start <= own[-1][1]:
            own[-1] = (own[-1][0], max(own[-1][1], int(end) + 1))
        else:
            own.append((int(start), int(end) + 1))
    return spans


def _overlap(one: dict[str, Spans], other: dict[str, Spans]) -> float:
    both = sum(_common(spans, other.get(asset, [])) for asset, spans in one.items())
    either = _lasting(one) + _lasting(other) - both
    return both / either


def _lasting(spans: dict[str, Spans]) -> int:
    return sum(end - start for own in spans.values() for start, end in own)


def _common(one: Spans, other: Spans) -> int:
    """Return how long both last together; each is in order, and its spans lie apart."""
    total = first = second = 0
    while first < len(one) and second < len(other):
        start, end = max(one[first][0], other[second][0]), min(one[first][1], other[second][1])
        total += max(end - start, 0)
        if one[first][1] < other[second][1]:
            first += 1
        else:
            second += 1
    return total
