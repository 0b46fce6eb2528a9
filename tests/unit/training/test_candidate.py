"""A candidate learns from normal windows of the train part, and from nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.scoring import alarms
from wheeltapper.scoring.bundle import POOLED, fingerprint
from wheeltapper.training.candidate import calibrated
from wheeltapper.training.preparation import prepare


def spoilt(features: pd.DataFrame, where: Any) -> pd.DataFrame:
    """Return the feature rows with wild numbers in some of them."""
    wild = features.copy()
    columns = [name for name in wild.columns if name not in tables.FEATURES.names()]
    wild.loc[where, columns] = wild.loc[where, columns] * -3.0 + 1e4
    return wild


@pytest.mark.parametrize("detector", ["pca_residual", "isolation_forest", "lof", "k_sigma"])
def test_the_same_seed_gives_the_same_bundle(the_mill: Any, detector: str) -> None:
    """Fitted twice, hash for hash; global random numbers in between change nothing."""
    first = fingerprint(the_mill.fit(detector))
    np.random.default_rng().random(10)
    assert fingerprint(the_mill.fit(detector)) == first


def test_candidates_share_one_copy_of_the_scaled_training_rows(the_mill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are scaled once, whoever asks first, and no detector changes them for the next."""
    alone = fingerprint(the_mill.fit("isolation_forest"))
    ready = prepare(the_mill.plant, the_mill.features, the_mill.part, the_mill.faults)
    scaled = []
    usual = RegimeNormaliser.transform
    monkeypatch.setattr(
        RegimeNormaliser, "transform", lambda self, rows: scaled.append(rows is ready.train) or usual(self, rows)
    )
    for detector in ("pca_residual", "k_sigma", "lof", "isolation_forest"):
        bundle = the_mill.fit(detector, prepared=ready)
    assert sum(scaled) == 1
    assert fingerprint(bundle) == alone


def test_another_seed_gives_another_forest(the_mill: Any) -> None:
    """The plant's seed reaches the detector."""
    plant = the_mill.plant.model_copy(update={"seed": 43})
    assert fingerprint(the_mill.fit("isolation_forest", plant=plant)) != fingerprint(the_mill.fit("isolation_forest"))


@pytest.mark.parametrize("part", ["validate", "test", "purged"])
def test_later_parts_change_nothing(the_mill: Any, bundle: Any, part: str) -> None:
    """Whatever stands in the parts that judge, the bundle is the same, byte for byte."""
    wild = spoilt(the_mill.features, the_mill.part == part)
    assert not wild.equals(the_mill.features)
    assert fingerprint(the_mill.fit(features=wild)) == fingerprint(bundle)


def test_the_calibrate_part_sets_the_threshold_only(the_mill: Any, bundle: Any) -> None:
    """Wild calibration rows move the calibration, and neither normaliser nor detector."""
    other = the_mill.fit(features=spoilt(the_mill.features, the_mill.part == "calibrate"))
    assert other.calibration != bundle.calibration
    for name, values in bundle.normaliser.state().items():
        np.testing.assert_array_equal(other.normaliser.state()[name], values)
    for name, values in bundle.detectors[POOLED].state.items():
        np.testing.assert_array_equal(other.detectors[POOLED].state[name], values)


def test_rows_inside_faults_are_never_learnt(the_mill: Any, bundle: Any) -> None:
    """Wild numbers inside the known faults, and one window's length around them, change nothing."""
    rows, found = the_mill.features, pd.Series(False, index=the_mill.features.index)
    for fault in the_mill.faults.itertuples():
        found |= (
            (rows["asset_id"] == fault.asset_id)
            & (rows["window_end"] >= fault.start - the_mill.plant.window_reach)
            & (rows["window_start"] <= fault.end + the_mill.plant.window_reach)
        )
    assert found[the_mill.part == "train"].any()
    assert found[the_mill.part == "calibrate"].any()
    assert fingerprint(the_mill.fit(features=spoilt(rows, found))) == fingerprint(bundle)
    assert fingerprint(the_mill.fit(faults=the_mill.faults.iloc[:0])) != fingerprint(bundle)


def test_idle_regimes_are_never_learnt(the_mill: Any, bundle: Any) -> None:
    """The night is in the train part, unusable with its reason, and what it holds does not matter."""
    night = ~the_mill.features["usable"]
    assert set(the_mill.features.loc[night, "why_not"]) == {"regime off"}
    assert (night & (the_mill.part == "train")).sum() > 100
    assert fingerprint(the_mill.fit(features=spoilt(the_mill.features, night))) == fingerprint(bundle)
    woken = the_mill.features.assign(usable=True)
    assert fingerprint(the_mill.fit(features=woken)) != fingerprint(bundle)


@pytest.mark.parametrize(("part", "left"), [("train", 49), ("calibrate", 12)])
def test_too_few_rows_are_counted(the_mill: Any, part: str, left: int) -> None:
    """The message says how many windows are left of how many, why the others are out, and what to do."""
    rows = the_mill.features.copy()
    normal = rows.index[rows["usable"] & (the_mill.part == part) & (rows["asset_id"] == "line/2")]
    gone = rows.index[the_mill.part == part].difference(normal[:left])
    rows.loc[gone, ["usable", "why_not"]] = [False, "missing load"]
    with pytest.raises(DataError) as caught:
        the_mill.fit(features=rows)
    message = str(caught.value)
    assert f"mill: only {left} of {(the_mill.part == part).sum()} windows of the {part} part show normal" in message
    assert f"at least 50 are needed. Left out: {{'missing load': {len(gone)}}}. Bring more readings" in message


def test_the_fault_is_heard(the_mill: Any, bundle: Any) -> None:
    """The fault of the validate part, which nothing was learnt from, raises one alarm on the right machine."""
    scores = bundle.score(the_mill.rows("validate"))
    found = alarms.fold(scores, the_mill.plant.alarms, the_mill.plant.max_gap)
    fault = the_mill.faults.iloc[2]
    heard = found[(found["opened_at"] <= fault["end"]) & (found["last_at"] >= fault["start"])]
    assert heard["asset_id"].tolist() == ["mill-1"]
    assert heard["peak_severity"].iloc[0] > 2


def test_each_asset_may_have_its_own_model(the_mill: Any) -> None:
    """One detector for each machine with enough rows, and the pooled one for all others."""
    plant = the_mill.plant.model_copy(update={"models": "per_asset"})
    assert set(the_mill.fit(plant=plant).detectors) == {POOLED, "mill-1", "line/2"}
    few = the_mill.features.copy()
    mine = few.index[(few["asset_id"] == "mill-1") & (the_mill.part == "train")]
    few.loc[mine[40:], ["usable", "why_not"]] = [False, "missing load"]
    assert set(the_mill.fit(plant=plant, features=few).detectors) == {POOLED, "line/2"}


def test_a_detector_that_has_decided_keeps_its_threshold(the_mill: Any) -> None:
    """Always normal stays silent and always anomalous loud, whatever the budget."""
    rows = the_mill.rows("validate")
    assert (the_mill.fit("always_normal").score(rows)["severity"] <= 1).all()
    assert (the_mill.fit("always_anomalous").score(rows)["severity"] > 1).all()


def test_a_smaller_budget_raises_the_threshold(the_mill: Any, bundle: Any) -> None:
    """The same detector, calibrated again for a hundredth of the alarms."""
    plant = the_mill.plant.model_copy(update={"alarm_budget": 0.01})
    careful = calibrated(bundle, plant, the_mill.rows("calibrate")[lambda rows: rows["usable"]])
    loud = calibrated(bundle, the_mill.plant, the_mill.rows("calibrate")[lambda rows: rows["usable"]])
    assert careful.calibration.threshold["*"] > loud.calibration.threshold["*"]


def test_windows_lie_one_step_apart(the_mill: Any) -> None:
    """One window a minute, three minutes of guard."""
    assert the_mill.plant.window_spacing == pd.Timedelta("1min")
    assert the_mill.plant.window_reach == pd.Timedelta("3min")


def test_an_unknown_option_is_refused(the_mill: Any) -> None:
    """The detector's own message comes through."""
    with pytest.raises(ConfigError, match="pca_residual has no option 'varianc'"):
        the_mill.fit(options={"varianc": 0.9})
