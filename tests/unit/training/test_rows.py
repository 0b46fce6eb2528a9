"""Rows that stay in the store give a training exactly what rows in memory give it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.mill import Mill
from wheeltapper import tables
from wheeltapper.errors import StoreError
from wheeltapper.store import Store
from wheeltapper.training import preparation, rows
from wheeltapper.training.judging import judge_scores
from wheeltapper.training.preparation import prepare
from wheeltapper.training.rows import FeatureRows, LoadedRows, StoredRows, open_rows, score, with_windows


@pytest.fixture
def stored(the_mill: Mill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureRows:
    """The mill's rows in a store; five hours at a time are read of them."""
    store = Store(tmp_path, "mill")
    reference = store.overwrite(tables.FEATURES, the_mill.features, txn="rows")
    monkeypatch.setattr(rows, "IN_MEMORY", 0)
    monkeypatch.setattr(rows, "AT_ONCE", 600 * 30)
    return open_rows(store, reference.version, 30)


def test_a_short_table_is_read_at_once_and_a_long_one_in_pieces(the_mill: Mill, stored: FeatureRows) -> None:
    """Both have the same rows, with the same numbers; a piece has a few hours of every machine."""
    assert isinstance(stored, StoredRows)
    pieces = [piece for _, piece in stored.chunks()]
    assert len(pieces) > 3
    assert max(len(piece) for piece in pieces) <= 800
    pd.testing.assert_frame_equal(stored.read(), the_mill.features, check_like=True)
    assert "speed" not in stored.windows


def test_some_rows_and_some_columns_are_read(the_mill: Mill, stored: FeatureRows) -> None:
    """Only the pieces that hold one of the rows are read, and only the features that are asked for."""
    is_late = np.asarray(the_mill.features["window_end"] >= the_mill.features["window_end"].max() - pd.Timedelta("2h"))
    late = stored.where(is_late)
    assert len(list(late.chunks())) < len(list(stored.chunks()))
    wanted = late.where(late.windows["asset_id"] == "mill-1").read(["load"])
    frame = the_mill.features[is_late & (the_mill.features["asset_id"] == "mill-1")]
    pd.testing.assert_frame_equal(wanted, LoadedRows(frame).read(["load"]), check_like=True)
    assert "speed" not in wanted


def test_rows_that_are_withheld_are_not_usable(stored: FeatureRows) -> None:
    """Alarms that nobody has judged withhold windows; the store does not know of it."""
    is_withheld = np.arange(len(stored)) % 7 == 0
    windows = stored.windows.assign(usable=stored.windows["usable"] & ~is_withheld, why_not="")
    windows["why_not"] = windows["why_not"].mask(is_withheld, "not judged")
    read = with_windows(stored, windows).read()
    assert not read.loc[is_withheld, "usable"].any()
    assert (read.loc[is_withheld, "why_not"] == "not judged").all()
    assert read.loc[~is_withheld, "usable"].equals(stored.windows.loc[~is_withheld, "usable"])


def test_no_rows_are_one_empty_piece(stored: FeatureRows) -> None:
    """There is nothing to read, and its columns are known."""
    nothing = stored.where(np.zeros(len(stored), dtype=bool))
    assert len(nothing.read()) == 0
    assert "load" in nothing.read()


@pytest.mark.parametrize("detector", ["pca_residual", "always_anomalous", "k_sigma"])
def test_a_candidate_is_the_same_to_the_last_bit(the_mill: Mill, stored: FeatureRows, detector: str) -> None:
    """Its files, its scores and its judgement, with the names of its alarms."""
    in_memory, in_pieces = the_mill.fit(detector), the_mill.fit(detector, features=stored)
    assert in_pieces.files() == in_memory.files()
    part, whole = stored.where(the_mill.part == "validate"), the_mill.rows("validate")
    scores = score(in_pieces, part)
    pd.testing.assert_frame_equal(scores, in_memory.score(whole))
    given = (the_mill.plant, detector, "validate", scores, the_mill.faults, in_memory)
    assert judge_scores(*given, part) == judge_scores(*given, whole)


def test_a_table_that_has_changed_is_refused(stored: FeatureRows) -> None:
    """The windows that are known no longer belong to the rows that are read."""
    assert isinstance(stored, StoredRows)
    first, *later = stored.spans
    fewer = replace(stored, spans=(replace(first, inside=first.inside[1:]), *later))
    with pytest.raises(StoreError, match="when the training began"):
        fewer.read()


def test_a_sample_is_drawn_by_regime_and_seed_and_its_size_is_on_record(
    the_mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rare regime keeps its rows; another seed draws others; the bundle says how many of how many."""
    ready = prepare(the_mill.plant, the_mill.features, the_mill.part, the_mill.faults)
    assert ready.sample == {}
    monkeypatch.setattr(preparation, "MOST_CELLS", 200 * len(ready.plan.columns))
    regimes = Counter(ready.train["regime"])
    samples = []
    for seed in (1, 2, 1):
        plant = the_mill.plant.model_copy(update={"seed": seed})
        sample = prepare(plant, the_mill.features, the_mill.part, the_mill.faults)
        assert sample.sample == {"rows": len(sample.train), "of": len(ready.train)}
        assert set(sample.train["regime"]) == set(regimes)
        samples.append(sample.train)
    assert samples[0].equals(samples[2])
    assert not samples[0].equals(samples[1])
    assert the_mill.fit().provenance["sample"] == {"rows": len(samples[0]), "of": len(ready.train)}
