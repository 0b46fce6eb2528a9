"""Duplicate target: two kinds of faults that are the same faults under two names.

Some data sets have a label column that was computed from another one. A result on one of them is then also the result
on its copy; neither confirms the other.
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
    """Check whether two kinds of faults occur on the same assets at the same times.

    It informs and does not block: the labels come from the plant, and a detector may still be right.

    Parameters
    ----------
    faults : DataFrame with columns asset_id, kind, start, end

    Returns
    -------
    Gate
        ``figure`` is the largest share of time in either of two kinds that lies in both, 0 to 1.
    """
    by_kind = {
        str(kind): _by_asset(kind_faults) for kind, kind_faults in faults.groupby("kind", sort=True) if str(kind)
    }
    if len(by_kind) < 2:
        reason = "cannot be checked: fewer than two kinds of faults are known"
        return Gate(name=NAME, passed=None, figure=None, limit=SAME, reason=reason, blocks=False)
    overlap = {pair: _overlap(by_kind[pair[0]], by_kind[pair[1]]) for pair in combinations(by_kind, 2)}
    first_kind, second_kind = max(overlap, key=lambda pair: overlap[pair])
    figure = overlap[first_kind, second_kind]
    same = [" and ".join(pair) for pair, share in overlap.items() if share >= SAME]
    reason = (
        f"of the time in fault kinds {first_kind} and {second_kind}, {figure:.1%} lies in both "
        f"(the largest share among {len(by_kind)} kinds): "
    )
    reason += (
        f"{'; '.join(same)} are one target under two names, and a result for one is a result for all"
        if same
        else f"from {SAME:.0%} on they would be one target under two names"
    )
    return Gate(name=NAME, passed=not same, figure=figure, limit=SAME, reason=reason, blocks=False)


def _by_asset(faults: pd.DataFrame) -> dict[str, Spans]:
    """Return each asset's spans, with touching ones merged; both ends belong to a span."""
    spans: dict[str, Spans] = {}
    ordered = faults.sort_values("start", kind="stable")
    starts, ends = microseconds(ordered["start"]), microseconds(ordered["end"])
    for asset, start, end in zip(ordered["asset_id"].astype(str), starts, ends, strict=True):
        asset_spans = spans.setdefault(asset, [])
        if asset_spans and start <= asset_spans[-1][1]:
            asset_spans[-1] = (asset_spans[-1][0], max(asset_spans[-1][1], int(end) + 1))
        else:
            asset_spans.append((int(start), int(end) + 1))
    return spans


def _overlap(first: dict[str, Spans], second: dict[str, Spans]) -> float:
    common = sum(_common(spans, second.get(asset, [])) for asset, spans in first.items())
    total = _lasting(first) + _lasting(second) - common
    return common / total


def _lasting(spans: dict[str, Spans]) -> int:
    return sum(end - start for asset_spans in spans.values() for start, end in asset_spans)


def _common(spans: Spans, other_spans: Spans) -> int:
    """Return how long two lists of spans overlap; each list is in order, without overlaps of its own."""
    total = place = other_place = 0
    while place < len(spans) and other_place < len(other_spans):
        start, end = (
            max(spans[place][0], other_spans[other_place][0]),
            min(spans[place][1], other_spans[other_place][1]),
        )
        total += max(end - start, 0)
        if spans[place][1] < other_spans[other_place][1]:
            place += 1
        else:
            other_place += 1
    return total
