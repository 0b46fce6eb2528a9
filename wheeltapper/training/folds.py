"""Folds: the train part cut by time into blocks, so that options can be judged on what came after they were fitted.

Fold 1 is fitted on the first block, calibrated on the second and judged on the third; fold 2 is fitted on the first
two, calibrated on the third and judged on the fourth, and so on: forward only, as candidates are treated on the parts.
Nothing is shuffled, and no part but train is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.config import Plant
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import why_masked
from wheeltapper.tables import microseconds
from wheeltapper.training.parts import PURGED
from wheeltapper.training.preparation import MIN_TRAIN_ROWS, Preparation, prepare

NO_BLOCK = -1
"""Stands for a window that reaches from one block into the next."""


@dataclass(frozen=True)
class Fold:
    """One look ahead: what is fitted and calibrated on, and the block after that."""

    number: int
    """From 1 on: as many blocks are fitted on."""
    ready: Preparation
    """Imputer, normaliser, rows to fit on; in ``calibrate`` the normal rows of the block before the judged one."""
    block: pd.DataFrame
    """Rows of the features table that are judged on, those inside faults among them."""
    normal: pd.DataFrame
    """Those of them that show normal running."""

    def span(self) -> tuple[str, str]:
        """Return when the block's first window begins and its last one ends, UTC."""
        start, end = self.block["window_start"].min(), self.block["window_end"].max()
        return start.isoformat(), end.isoformat()


def cut_folds(
    plant: Plant,
    features: pd.DataFrame,
    part: pd.Series,
    cuts: pd.DataFrame,
    faults: pd.DataFrame,
    flags: pd.DataFrame,
    count: int,
) -> tuple[Fold, ...]:
    """Cut the train part into folds, and settle for each what candidates are fitted on.

    Parameters
    ----------
    features : DataFrame
        Rows of the features table, sorted by asset and time.
    part : Series of str, aligned with ``features``
        Only ``train`` is looked at.
    cuts : DataFrame indexed by asset_id
        From `wheeltapper.training.parts.cuts`: assets whose train part ends at the same instant share their blocks.
    faults, flags : DataFrame
        As for `wheeltapper.training.preparation.prepare`.
    count : int
        Number of folds; there are two blocks more.

    Raises
    ------
    DataError
        If a block has too few windows of normal running.
    """
    rows = features[part == "train"]
    reason = why_masked(FeaturePlan.of(plant).reaching(rows), faults, plant.window_reach, flags)
    block = block_of(rows, reason == "", cuts["calibrate_from"], count + 1)
    _require_normal_rows(plant, block[reason == ""], count)
    folds = range(1, count + 1)
    return tuple(_fold(plant, rows, block, reason == "", faults, flags, number) for number in folds)


def block_of(rows: pd.DataFrame, is_normal: pd.Series, ends: pd.Series, cuts: int) -> pd.Series:
    """Return in which block each window lies: 0 is the earliest, `NO_BLOCK` reaches across a cut.

    Cuts are instants, so that of two windows of one asset the later is never in an earlier block, however the rows are
    ordered; they lie where each block has as many normal windows as the next.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, window_start, window_end
        Windows of the train part, in any order.
    is_normal : Series of bool, aligned with ``rows``
    ends : Series
        Asset → the end of its train part: those with the same end are cut at the same instants, so that the future of
        one never teaches about another's past.
    cuts : int
        There is one block more.

    Returns
    -------
    Series of int, aligned with ``rows``
    """
    block = np.full(len(rows), NO_BLOCK, dtype=np.int64)
    starts, stops = microseconds(rows["window_start"]), microseconds(rows["window_end"])
    normal, together = is_normal.to_numpy(bool), microseconds(rows["asset_id"].map(ends))
    for end in np.unique(together):
        own = together == end
        # Where nothing is normal nothing is learnt; what is faulty there is judged all the same.
        counted = stops[own & normal] if (own & normal).any() else stops[own]
        instants = _instants(counted, cuts)
        begun, ended = (np.searchsorted(instants, times[own], "right") for times in (starts, stops))
        block[own] = np.where(begun == ended, ended, NO_BLOCK)
    return pd.Series(block, index=rows.index, name="block")


def _instants(times: NDArray[np.int64], cuts: int) -> NDArray[np.int64]:
    """Return the times at which each further block begins, shape (cuts,)."""
    ordered = np.sort(times)
    return ordered[[len(ordered) * place // (cuts + 1) for place in range(1, cuts + 1)]]


def _require_normal_rows(plant: Plant, block: pd.Series, folds: int) -> None:
    """Refuse blocks that are too short to learn from, or to be judged on."""
    counts = [int((block == number).sum()) for number in range(folds + 2)]
    least = min(counts)
    if least < MIN_TRAIN_ROWS:
        raise DataError(
            f"{plant.name}: the train part is too short for {folds} folds: its {folds + 2} blocks have {counts} "
            "windows of normal running (without those that reach across a cut); each needs at least "
            f"{MIN_TRAIN_ROWS}. "
            "Lower search.folds, bring more readings, or remove search from the plant's YAML."
        )


def _fold(
    plant: Plant,
    rows: pd.DataFrame,
    block: pd.Series,
    is_normal: pd.Series,
    faults: pd.DataFrame,
    flags: pd.DataFrame,
    number: int,
) -> Fold:
    known, judged = rows[block <= number], block == number + 1
    own = block.loc[known.index]
    part = pd.Series("train", index=known.index).mask(own == number, "calibrate").mask(own == NO_BLOCK, PURGED)
    return Fold(number, prepare(plant, known, part, faults, flags), rows[judged], rows[judged & is_normal])
