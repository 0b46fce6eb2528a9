"""Features that may lack a value: filled with what training has seen, in fitting and scoring alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.mill import Mill, mill
from wheeltapper.config.plant import Selection
from wheeltapper.errors import BundleError, DataError
from wheeltapper.features.compute import compute
from wheeltapper.features.impute import filled
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring import explanation
from wheeltapper.scoring.bundle import Bundle, fingerprint
from wheeltapper.training import preparation
from wheeltapper.training.preparation import prepare

SETS = "[latest, {tsfresh: {settings: efficient, calculators: [skewness, autocorrelation, variance]}}]"


def holed(asked: Mill) -> Mill:
    """Let a sensor stand still for some minutes in each part: its windows then have no skewness."""
    readings = asked.readings.copy()
    minute = readings.groupby("asset_id").cumcount()
    readings.loc[minute.isin([*range(450, 470), *range(900, 920), *range(1260, 1280)]), "heat"] = 60.0
    return replace(asked, readings=readings, features=compute(FeaturePlan.of(asked.plant), readings))


@pytest.fixture(scope="module")
def blank_mill() -> Mill:
    """The mills with windows of five minutes and features that need nine readings, or some movement."""
    return holed(mill(**{"windows: {rows: 3}": "windows: {rows: 5}", "[latest, rolling, rates, ratios]": SETS}))


@pytest.fixture(scope="module")
def blank(blank_mill: Mill) -> Bundle:
    return blank_mill.fit()


def unfilled(asked: Mill) -> pd.DataFrame:
    """Return the usable rows of the validate part in which the heat has no skewness."""
    rows = asked.rows("validate")
    return rows[rows["usable"] & rows["heat__skewness"].isna()]


def test_features_without_values_are_not_learnt_from(blank_mill: Mill, blank: Bundle) -> None:
    """An autocorrelation of lag 9 is in no window of five: it leaves the plan, the skewness stays and is filled."""
    whole = FeaturePlan.of(blank_mill.plant)
    assert set(whole.columns) - set(blank.plan.columns) == {
        f"{sensor}__autocorrelation__lag_{lag}" for sensor in whole.sensors for lag in (5, 6, 7, 8, 9)
    }
    assert blank.plan.is_part_of(whole)
    assert blank.whole == whole.hash
    assert blank.imputer is not None
    assert set(blank.imputer.median) == set(blank.plan.columns) - set(blank.plan.promised)


def test_holes_are_scored_with_what_training_has_seen(blank_mill: Mill, blank: Bundle) -> None:
    """A window without a skewness has the score of one with the median of the train part; all windows have a score."""
    rows = unfilled(blank_mill)
    assert len(rows) > 10
    train = prepare(blank_mill.plant, blank_mill.features, blank_mill.part, blank_mill.faults).train
    normal = blank_mill.features.loc[train.index]
    assert normal["heat__skewness"].isna().any()
    by_hand = rows.fillna({name: normal[name].median() for name in blank.plan.columns})
    assert not rows[list(blank.plan.columns)].equals(by_hand[list(blank.plan.columns)])
    found = blank.score(rows)["score"]
    np.testing.assert_array_equal(found, blank.score(by_hand)["score"])
    assert np.isfinite(found).all()


def test_later_parts_do_not_move_what_is_filled_in(blank_mill: Mill, blank: Bundle) -> None:
    """Whatever skewness the later parts have, the bundle is the same, byte for byte."""
    later = blank_mill.part.isin(["validate", "test"])
    wild = blank_mill.features.copy()
    wild.loc[later, "heat__skewness"] = 1e6
    assert fingerprint(blank_mill.fit(features=wild)) == fingerprint(blank)


@pytest.mark.parametrize("detector", ["pca_residual", "k_sigma", "limits"])
def test_what_is_read_scores_the_same(blank_mill: Mill, tmp_path: Path, detector: str) -> None:
    """From stored rows of the whole plan, and from readings through its own: bit for bit the same scores."""
    first = blank_mill.fit(detector)
    again = bundles.read(tmp_path / "b", first.write(tmp_path / "b"))
    stored = blank_mill.features
    expected = first.score(stored)
    pd.testing.assert_frame_equal(again.score(stored), expected, check_exact=True)
    pd.testing.assert_frame_equal(again.score(compute(again.plan, blank_mill.readings)), expected, check_exact=True)
    assert again.write(tmp_path / "c") == fingerprint(first)


def test_rows_of_a_stranger_are_refused(blank_mill: Mill, blank: Bundle) -> None:
    """A hash that is neither the bundle's plan nor the one it was shrunk from."""
    with pytest.raises(BundleError, match=r"follow plan \['0123456789abcdef'\]"):
        blank.score(blank_mill.features.assign(plan="0123456789abcdef"))


@pytest.mark.parametrize("detector", ["pca_residual", "isolation_forest"])
def test_an_alarm_with_holes_is_explained(blank_mill: Mill, detector: str) -> None:
    """Shares add up to 1 and every figure is finite, with contributions and by occlusion."""
    bundle = blank_mill.fit(detector)
    rows = bundle.rows_of_plan(unfilled(blank_mill))
    findings = explanation.explain(bundle, rows)
    assert sum(one.share for one in findings) == pytest.approx(1)
    assert all(np.isfinite([one.share, one.deviations]).all() for one in findings)


def test_a_promised_feature_is_never_filled(blank_mill: Mill, blank: Bundle) -> None:
    """A sensor without its latest value is a mistake of the pipeline; it is not made to look normal."""
    rows = unfilled(blank_mill).head(3).assign(load=np.nan)
    assert filled(blank.imputer, rows, blank.plan.columns)["load"].isna().all()


def test_long_tables_are_thinned_evenly(blank_mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory is short every so-manieth training row is learnt from, of both machines and from the whole time."""
    given = (blank_mill.plant, blank_mill.features, blank_mill.part, blank_mill.faults)
    before = prepare(*given).train
    monkeypatch.setattr(preparation, "MOST_CELLS", 100 * len(FeaturePlan.of(blank_mill.plant).columns))
    after = prepare(*given).train
    assert 99 <= len(after) <= 100 < len(before)
    assert after.groupby("asset_id").size().min() > 40
    gaps = np.diff(np.searchsorted(before.index, after.index))
    assert gaps.max() <= 2 * len(before) / 100
    assert after.index.isin(before.index).all()


def test_no_value_anywhere_is_said() -> None:
    """Where no feature ever has a value there is nothing to learn from; it is not filled with anything."""
    only = mill(**{"[latest, rolling, rates, ratios]": "[{tsfresh: {settings: efficient, calculators: [skewness]}}]"})
    nothing = only.features.assign(**dict.fromkeys(FeaturePlan.of(only.plant).columns, np.nan))
    with pytest.raises(DataError, match=r"none of the 4 features of mill has a value in 50% of \d+ normal training"):
        only.fit(features=nothing)


def test_relevant_features_are_chosen_by_known_faults(blank_mill: Mill) -> None:
    """The jam raises the load: its features stay, the latest values stay, the heat's skewness goes."""
    plant = blank_mill.plant.model_copy(update={"select": Selection(fdr=0.05)})
    chosen = blank_mill.fit(plant=plant)
    assert set(plant.asset_type.sensors) <= set(chosen.plan.columns)
    assert "heat__skewness" not in chosen.plan.columns
    assert len(chosen.plan.columns) < len(blank_mill.fit().plan.columns)
    assert "features are relevant" in chosen.provenance["selection"]
    assert np.isfinite(chosen.score(blank_mill.features)["score"]).all()


def test_without_known_faults_all_features_stay(blank_mill: Mill, blank: Bundle) -> None:
    """There is nothing to choose by, and the bundle says so."""
    plant = blank_mill.plant.model_copy(update={"select": Selection()})
    found = blank_mill.fit(plant=plant, faults=blank_mill.faults.iloc[:0])
    assert found.plan.columns == blank.plan.columns
    assert found.provenance["selection"].startswith("no known fault in the train part")
