"""Range-based precision, recall and F1: how well runs of anomalous windows cover the faults as the spans they are.

A fault is a span, not a heap of windows: touching it counts for something (existence), covering much of it for more
(overlap), and covering it in many pieces for less (cardinality). Ranges are made of *windows*: a real range is a fault,
a predicted one a run of windows above the threshold. Alarms are not used, so this judges score and threshold, and
neither the opening nor the cost of an alarm. A detector that is always in alarm has full recall here; therefore the
value of the same windows at random instants is given beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from wheeltapper.evaluation.exposure import Flags, Floats, Integers, places_by_asset

Bias = Literal["flat", "front", "middle", "back"]

EXISTENCE = 0.5
"""Weight of touching a fault at all, beside covering it: half and half, because an operator needs both. The paper
leaves it to the application; 0 (coverage alone) rates a detector with short, right alarms as poor."""
_RANDOM_PLACES = 20
"""Random placements behind the random value: enough for the two digits that are printed."""


@dataclass(frozen=True)
class Ranges:
    """Spans of windows that do not overlap, in order: places of their first and last windows."""

    first: Integers
    last: Integers

    @classmethod
    def runs_of(cls, flags: Flags) -> Ranges:
        """Return every run of True."""
        edges = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
        return cls(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1)

    @classmethod
    def of_spans(cls, first: Integers, last: Integers) -> Ranges:
        """Return spans, with those that share a window merged, and those without a window dropped."""
        first, last = first[first <= last], last[first <= last]
        order = np.argsort(first, kind="stable")
        first, last = first[order], np.maximum.accumulate(last[order])
        if len(first) == 0:
            return cls(first, last)
        begins = np.concatenate(([True], first[1:] > last[:-1]))
        return cls(first[begins], last[np.append(begins[1:], True)])

    def __len__(self) -> int:
        return len(self.first)


class RangeFigures(BaseModel):
    """Range-based figures, all 0 to 1; None where they are undefined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    range_precision: float | None = None
    range_recall: float | None = None
    range_f1: float | None = None
    range_f1_random: float | None = None
    range_f1_by_asset: dict[str, float] | None = None


def rewards(ranges: Ranges, others: Ranges, *, existence: float, bias: Bias = "flat") -> Floats:
    """Return how well each range is covered by the others, 0 to 1.

    ``existence · [touched] + (1 − existence) · γ · Σ ω``: ω is the share of the range that an overlap covers, weighted
    by the positional bias δ, and the cardinality factor γ is 1/x where x > 1 others overlap it.

    Parameters
    ----------
    ranges, others : Ranges
        Of one series of windows.
    existence : float
        α of the paper: 0.5 for recall by default, 0 for precision, which has no existence term.
    bias : {"flat", "front", "middle", "back"}
        Which windows of a range weigh more; all alike by default, because a delay is reported in minutes anyway.

    Returns
    -------
    ndarray of shape (len(ranges),)

    References
    ----------
    .. [1] N. Tatbul et al., "Precision and Recall for Time Series", NeurIPS 2018, arXiv:1803.03639
    """
    if len(ranges) == 0:
        return np.zeros(0)
    pieces = np.searchsorted(others.first, ranges.last, "right") - np.searchsorted(others.last, ranges.first, "left")
    covered = _covered(ranges, others, bias) / np.maximum(pieces, 1)
    rewarded: Floats = existence * (pieces > 0) + (1 - existence) * covered
    return rewarded


def _covered(ranges: Ranges, others: Ranges, bias: Bias) -> Floats:
    """Return the share of each range that others cover, each of its windows weighted by the bias."""
    length = ranges.last - ranges.first + 1
    begins = np.cumsum(length) - length
    place = np.arange(length.sum()) - np.repeat(begins, length)
    weight = _weights(place + 1.0, np.repeat(length, length), bias)
    window = place + np.repeat(ranges.first, length)
    started, ended = np.searchsorted(others.first, window, "right"), np.searchsorted(others.last, window, "left")
    shares: Floats = np.add.reduceat(weight * (started > ended), begins) / np.add.reduceat(weight, begins)
    return shares


def _weights(place: Floats, length: Integers, bias: Bias) -> Floats:
    """Return δ of the paper for the place of each window in its range, counted from 1."""
    from_the_end = length - place + 1
    if bias == "flat":
        return np.ones_like(place)
    if bias == "middle":
        return np.minimum(place, from_the_end)
    return from_the_end if bias == "front" else place


def judge_ranges(
    rows: pd.DataFrame, faults: pd.DataFrame, *, seed: int, existence: float = EXISTENCE, bias: Bias = "flat"
) -> RangeFigures:
    """Return range-based precision, recall and F1 of anomalous windows, over all assets and asset by asset.

    Pooled means: every range of every asset counts alike. Precision is None where no window is anomalous, and all
    figures are None where no fault was watched. F1 is 0 where faults were watched and no window is anomalous.

    ``range_f1_random`` is the mean F1 of the very same anomalous windows, moved round each asset's watch as a whole by
    a random distance: as long, as many and as often in alarm, but at random instants.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, time, is_anomalous
        As `watch.watched_rows` returns them.
    faults : DataFrame with columns asset_id, start, end
        In µs since the epoch. Those that share a window are one range.
    seed : int
        For the random placements.
    """
    series = list(_series(rows, faults))
    if not any(len(asset_series.real) for asset_series in series):
        return RangeFigures()
    pooled = _figures(
        ((asset_series.real, Ranges.runs_of(asset_series.is_anomalous)) for asset_series in series), existence, bias
    )
    with_faults = {asset_series.asset: asset_series for asset_series in series if len(asset_series.real)}
    by_asset = {
        asset: _figures([(asset_series.real, Ranges.runs_of(asset_series.is_anomalous))], existence, bias)[2]
        for asset, asset_series in with_faults.items()
    }
    return RangeFigures(
        range_precision=pooled[0],
        range_recall=pooled[1],
        range_f1=pooled[2],
        range_f1_random=_random_f1(series, seed, existence, bias),
        range_f1_by_asset=by_asset,
    )


@dataclass(frozen=True)
class _Series:
    asset: str
    real: Ranges
    is_anomalous: NDArray[np.bool_]


def _series(rows: pd.DataFrame, faults: pd.DataFrame) -> Iterable[_Series]:
    """Return each asset's faults as ranges of its windows, and which of these are anomalous."""
    time, is_anomalous = rows["time"].to_numpy(), rows["is_anomalous"].to_numpy(bool)
    fault_places = places_by_asset(faults["asset_id"])
    no_places = np.zeros(0, dtype=np.int64)
    for asset, places in places_by_asset(rows["asset_id"]).items():
        spans = fault_places.get(asset, no_places)
        first = np.searchsorted(time[places], faults["start"].to_numpy()[spans], side="left")
        last = np.searchsorted(time[places], faults["end"].to_numpy()[spans], side="right") - 1
        yield _Series(asset, Ranges.of_spans(first, last), is_anomalous[places])


def _figures(pairs: Iterable[tuple[Ranges, Ranges]], existence: float, bias: Bias) -> tuple[float | None, float, float]:
    """Return precision, recall and F1 over the ranges of several series."""
    real_rewards, anomalous_rewards = [], []
    for real, anomalous in pairs:
        real_rewards.append(rewards(real, anomalous, existence=existence, bias=bias))
        # The front of a predicted range does not matter more than its end: the paper's precision is flat and
        # without existence.
        anomalous_rewards.append(rewards(anomalous, real, existence=0.0))
    recall = float(np.concatenate(real_rewards).mean())
    precisions = np.concatenate(anomalous_rewards)
    precision = float(precisions.mean()) if precisions.size else None
    if not precision or not recall:
        return precision, recall, 0.0
    return precision, recall, 2 * precision * recall / (precision + recall)


def _random_f1(series: list[_Series], seed: int, existence: float, bias: Bias) -> float:
    random = np.random.default_rng(seed)
    reached = []
    for _ in range(_RANDOM_PLACES):
        moved = [
            (
                asset_series.real,
                Ranges.runs_of(np.roll(asset_series.is_anomalous, random.integers(asset_series.is_anomalous.size))),
            )
            for asset_series in series
        ]
        reached.append(_figures(moved, existence, bias)[2])
    return float(np.mean(reached))
