"""Folds go forward in time, touch nothing but the train part, and let no window lie on both sides of a cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.training.test_candidate import spoilt
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.training import parts
from wheeltapper.training.folds import NO_BLOCK, Fold, block_of, cut_folds

START = pd.Timestamp("2026-01-05", tz="UTC")
LATER = START + pd.Timedelta("1D")


def windows(asset: str, first: int, count: int) -> pd.DataFrame:
    """Return windows of two readings, one ending each minute."""
    ends = START + pd.to_timedelta(np.arange(first, first + count), unit="min")
    return pd.DataFrame({"asset_id": asset, "window_start": ends - pd.Timedelta("1min"), "window_end": ends})


def blocks(rows: pd.DataFrame, cuts: int = 3, normal: Any = True, **ends: pd.Timestamp) -> list[int]:
    is_normal = pd.Series(normal, index=rows.index)
    return block_of(rows, is_normal, pd.Series(ends or {"a": LATER, "b": LATER}), cuts).tolist()


def test_blocks_follow_each_other_and_cuts_are_purged() -> None:
    """Twelve windows, three cuts: three a block, and the first of each further block reaches back over its cut."""
    assert blocks(windows("a", 0, 12)) == [0, 0, 0, NO_BLOCK, 1, 1, NO_BLOCK, 2, 2, NO_BLOCK, 3, 3]


def test_order_of_rows_does_not_matter() -> None:
    """Shuffled rows lie in the same blocks as before: blocks are cut by time, not by place."""
    rows = pd.concat([windows("a", 0, 40), windows("b", 10, 20)], ignore_index=True)
    in_order = pd.Series(blocks(rows))
    shuffled = rows.sample(frac=1, random_state=3)
    assert not shuffled.index.equals(rows.index)
    assert blocks(shuffled) == in_order[shuffled.index].tolist()


def test_machines_with_one_cut_share_their_blocks() -> None:
    """The machine b begins when a is half through; its second block begins where that of a does."""
    rows = pd.concat([windows("a", 0, 8), windows("b", 4, 4)], ignore_index=True)
    found = pd.Series(blocks(rows, 1), index=rows["window_end"])
    assert found.groupby(level=0).nunique().max() == 1
    assert found.tolist() == [0] * 5 + [NO_BLOCK, 1, 1] + [0, NO_BLOCK, 1, 1]


def test_a_machine_whose_train_part_ends_elsewhere_has_its_own_blocks() -> None:
    """The machines a and b run on different days: each is cut in its own time."""
    rows = pd.concat([windows("a", 0, 4), windows("b", 5000, 4)], ignore_index=True)
    assert blocks(rows, 1, a=LATER, b=LATER + pd.Timedelta("9D")) == [0, 0, NO_BLOCK, 1] * 2


def test_normal_windows_are_what_is_counted() -> None:
    """The first six windows are a fault: the cut lies in the middle of the normal running after it."""
    assert blocks(windows("a", 0, 12), 1, normal=[False] * 6 + [True] * 6) == [0] * 9 + [NO_BLOCK, 1, 1]


def folds(mill: Any, features: pd.DataFrame | None = None, count: int = 3) -> tuple[Fold, ...]:
    cut = parts.cuts(mill.readings, mill.plant)
    rows = mill.features if features is None else features
    return cut_folds(mill.plant, rows, mill.part, cut, mill.faults, tables.FLAGS.empty(), count)


def test_a_fold_is_fitted_on_what_came_before_its_block(the_mill: Any) -> None:
    """Fit, calibration and judgement follow each other; each fold fits on what the one before was set by, too."""
    found = folds(the_mill)
    assert [fold.number for fold in found] == [1, 2, 3]
    for fold in found:
        assert fold.preparation.train["window_end"].max() < fold.preparation.calibrate.windows["window_start"].min()
        assert fold.preparation.calibrate.windows["window_end"].max() < fold.block["window_start"].min()
    for before, after in pairwise(found):
        assert set(before.preparation.train.index) | set(before.preparation.calibrate.windows.index) == set(
            after.preparation.train.index
        )


def test_other_parts_are_never_looked_at(the_mill: Any) -> None:
    """Whatever stands in the calibrate, validate and test parts, the folds are the same."""
    wild = spoilt(the_mill.features, the_mill.part != "train")
    assert not wild.equals(the_mill.features)
    for one, other in zip(folds(the_mill), folds(the_mill, wild), strict=True):
        pd.testing.assert_frame_equal(one.preparation.train, other.preparation.train)
        pd.testing.assert_frame_equal(one.block, other.block)


def test_nothing_is_learnt_from_the_block_that_judges(the_mill: Any) -> None:
    """Wild numbers in the last block move neither the normaliser nor the rows that are fitted on before it."""
    last = folds(the_mill)[-1]
    other = folds(the_mill, spoilt(the_mill.features, last.block.index))[-1]
    assert not other.block.equals(last.block)
    pd.testing.assert_frame_equal(other.preparation.train, last.preparation.train)
    for name, values in last.preparation.normaliser.state().items():
        np.testing.assert_array_equal(other.preparation.normaliser.state()[name], values)


def test_faults_are_judged_and_never_learnt(the_mill: Any) -> None:
    """The fault of the train part lies in a block's rows, and in nobody's rows to fit on."""
    fault = the_mill.faults.iloc[0]

    def inside(rows: pd.DataFrame) -> bool:
        mine = rows[rows["asset_id"] == fault["asset_id"]]
        return bool(mine["window_end"].between(fault["start"], fault["end"]).any())

    found = folds(the_mill, count=9)
    assert [fold.number for fold in found if inside(fold.block)] == [1]
    assert not any(inside(fold.preparation.train) for fold in found)


def test_a_train_part_that_is_too_short_is_refused(the_mill: Any) -> None:
    """The message counts the windows of each block and says what to do."""
    with pytest.raises(DataError, match=r"mill: the train part is too short for 20 folds: its 22 blocks have \[.*\] "):
        folds(the_mill, count=20)
