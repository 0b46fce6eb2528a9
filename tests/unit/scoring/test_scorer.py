"""The scorer: a bundle's windows as plain numbers, scored as its tables are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.features.impute import Imputer
from wheeltapper.scoring import scorer as scorers
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.scorer import Scorer, Scores


def usable(mill: Any) -> pd.DataFrame:
    return mill.rows("validate")[lambda rows: rows["usable"]].reset_index(drop=True)


def figures(scores: Scores | pd.DataFrame) -> list[list[float]]:
    return [scores.score.tolist(), scores.threshold.tolist(), scores.severity.tolist()]


def by_asset(bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame:
    """Score each asset's windows as plain numbers."""
    scorer = Scorer(bundle)
    for asset, some in rows.groupby("asset_id"):
        found = scorer.score(str(asset), some["regime"].to_numpy(), some[list(scorer.columns)].to_numpy())
        rows.loc[some.index, ["score", "threshold", "severity"]] = np.transpose(figures(found))
    return rows


def test_each_asset_is_scored_by_its_own_detector(the_mill: Any) -> None:
    """Asset by asset as numbers and all assets in one shuffled table: the same, and not what the common one says."""
    own_models = the_mill.fit(plant=the_mill.plant.model_copy(update={"models": "per_asset"}))
    rows = usable(the_mill)
    table = own_models.score(rows)
    assert figures(by_asset(own_models, rows)) == figures(table)
    shuffled = np.random.default_rng(0).permutation(len(rows))
    assert figures(own_models.score(rows.iloc[shuffled])) == figures(table.iloc[shuffled])
    pooled = replace(own_models, detectors={"*": own_models.detectors["*"]})
    assert not np.allclose(pooled.score(rows)["score"], table["score"])


def test_a_large_table_is_scored_in_parts(bundle: Bundle, the_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven rows at a time give what all at once give."""
    rows = usable(the_mill)
    expected = figures(bundle.score(rows))
    monkeypatch.setattr(scorers, "AT_ONCE", 7 * len(bundle.columns))
    assert figures(bundle.score(rows)) == expected


def test_a_hole_without_a_value_to_stand_in_is_refused(bundle: Bundle, the_mill: Any) -> None:
    """A NaN is named; where training has taught what stands in for it, the window scores as if that had been read."""
    rows = usable(the_mill).iloc[:5]
    regimes, values = rows["regime"].to_numpy(), rows[list(bundle.columns)].to_numpy(copy=True)
    values[3, 1] = np.nan
    with pytest.raises(DataError, match=rf"feature '{bundle.columns[1]}' holds nan in row 3"):
        Scorer(bundle).score("mill-1", regimes, values)
    imputer = Imputer.fit(rows[[bundle.columns[1]]])
    filled = Scorer(replace(bundle, imputer=imputer)).score("mill-1", regimes, values)
    assert np.isnan(values[3, 1])
    values[3, 1] = imputer.median[bundle.columns[1]]
    assert figures(filled) == figures(Scorer(bundle).score("mill-1", regimes, values))


def test_values_that_do_not_fit_are_refused(bundle: Bundle) -> None:
    """One column too few, and more windows than regimes: the message says what was expected and what came."""
    width = len(bundle.columns)
    for shape in ((2, width - 1), (3, width)):
        with pytest.raises(DataError, match=rf"2 windows of {width} features .* shape \({shape[0]}, {shape[1]}\)"):
            Scorer(bundle).score("mill-1", np.array(["normal", "normal"]), np.zeros(shape))


@pytest.mark.parametrize("regime", [None, np.nan])
def test_a_window_without_a_regime_is_refused(bundle: Bundle, regime: Any) -> None:
    """It is not scored as if its regime were one that was never seen."""
    regimes = np.array(["normal", regime], dtype=object)
    with pytest.raises(DataError, match="every window needs the name of its regime, got"):
        Scorer(bundle).score("mill-1", regimes, np.zeros((2, len(bundle.columns))))


def test_no_windows_get_no_scores(bundle: Bundle) -> None:
    """An hour without a window is not an error."""
    found = Scorer(bundle).score("mill-1", np.array([], dtype=object), np.zeros((0, len(bundle.columns))))
    assert figures(found) == [[], [], []]
