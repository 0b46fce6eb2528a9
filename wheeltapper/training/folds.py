"""Folds: the train part cut by time into blocks, so that options are judged on later rows than they were fitted on.

Fold 1 is fitted on the first block, calibrated on the second and judged on the third; fold 2 is fitted on the first
two, calibrated on the third and judged on the fourth, and so on: forward in time only, like the parts.
Nothing is shuffled, and only the train part is used.
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
"""Block of a window that reaches from one block into the next."""


@dataclass(frozen=True)
class Fold:
    """One split of the train part: rows to fit and calibrate on, and the block after them."""

    number: int
    """Number of blocks that are fitted on, from 1."""
    preparation: Preparation
    """Imputer, normaliser, rows to fit on; in ``calibrate`` the normal rows of the block before the judged one."""
    block: pd.DataFrame
    """Rows of the features table to judge on, including rows inside faults."""
    normal: pd.DataFrame
    """Rows of the block that show normal running."""

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
    """Cut the train part into folds, and prepare for each the rows that candidates are fitted on.

    Parameters
    ----------
    features : DataFrame
        Rows of the features table, sorted by asset and time.
    part : Series of str, aligned with ``features``
        Only ``train`` is used.
    cuts : DataFrame indexed by asset_id
        From `wheeltapper.training.parts.cuts`: assets whose train part ends at the same instant share their blocks.
    faults, flags : DataFrame
        As for `wheeltapper.training.preparation.prepare`.
    count : int
        Number of folds; the number of blocks is larger by two.

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
    """Return the block of each window: 0 is the earliest, `NO_BLOCK` reaches across a cut.

    Cuts are instants: the later of two windows of an asset is never in an earlier block, in any order of the rows. They
    are placed so that all blocks have the same number of normal windows.

    Parameters
    ----------
    rows : DataFrame with columns asset_id, window_start, window_end
        Windows of the train part, in any order.
    is_normal : Series of bool, aligned with ``rows``
    ends : Series
        Asset → end of its train part. Assets with the same end are cut at the same instants, so that no asset's future
        is used for another's past.
    cuts : int
        Number of cuts; there is one more block.

    Returns
    -------
    Series of int, aligned with ``rows``
    """
    block = np.full(len(rows), NO_BLOCK, dtype=np.int64)
    starts, stops = microseconds(rows["window_start"]), microseconds(rows["window_end"])
    normal, train_ends = is_normal.to_numpy(bool), microseconds(rows["asset_id"].map(ends))
    for end in np.unique(train_ends):
        of_group = train_ends == end
        # Without normal windows nothing is trained on; faulty windows are still judged.
        counted = stops[of_group & normal] if (of_group & normal).any() else stops[of_group]
        instants = _instants(counted, cuts)
        first_block, last_block = (np.searchsorted(instants, times[of_group], "right") for times in (starts, stops))
        block[of_group] = np.where(first_block == last_block, last_block, NO_BLOCK)
    return pd.Series(block, index=rows.index, name="block")


def _instants(times: NDArray[np.int64], cuts: int) -> NDArray[np.int64]:
    """Return the times at which each further block begins, shape (cuts,)."""
    ordered = np.sort(times)
    return ordered[[len(ordered) * place // (cuts + 1) for place in range(1, cuts + 1)]]


def _require_normal_rows(plant: Plant, block: pd.Series, folds: int) -> None:
    """Refuse blocks that are too short to fit or to judge on."""
    counts = [int((block == number).sum()) for number in range(folds + 2)]
    fewest = min(counts)
    if fewest < MIN_TRAIN_ROWS:
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
    past_rows, is_judged = rows[block <= number], block == number + 1
    block_of_row = block.loc[past_rows.index]
    part = (
        pd.Series("train", index=past_rows.index)
        .mask(block_of_row == number, "calibrate")
        .mask(block_of_row == NO_BLOCK, PURGED)
    )
    return Fold(number, prepare(plant, past_rows, part, faults, flags), rows[is_judged], rows[is_judged & is_normal])
