"""A new feature set of two sensors, in one file outside the package: every reader treats it rightly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.mill import Mill, mill
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.explanation import explain, feature_shares, shares

COUPLING = '''
import numpy as np

from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet


class Coupling(FeatureSet):
    """Column ``coupling_of_load_and_shake``: the product of both distances from the window's mean, in its own unit."""

    def columns(self, asset_type):
        return (Feature("coupling_of_load_and_shake", ("load", "shake"), "relation"),)

    def compute(self, stretch, asset_type):
        windows = [slice(first, last + 1) for first, last in zip(stretch.first, stretch.last)]
        load, shake = (stretch.sensors[name] for name in ("load", "shake"))
        values = [np.mean((load[at] - load[at].mean()) * (shake[at] - shake[at].mean())) for at in windows]
        return {"coupling_of_load_and_shake": np.array(values)}
'''


@pytest.fixture(scope="module")
def coupled_mill(tmp_path_factory: pytest.TempPathFactory) -> Mill:
    """The mill with the set among its features, read from the folder of plug-ins that its plant names."""
    folder = tmp_path_factory.mktemp("my_plugins")
    (folder / "feature_sets").mkdir()
    (folder / "feature_sets" / "coupling.py").write_text(COUPLING, encoding="utf-8")
    return mill(**{"features: [latest, rolling, rates, ratios]": f"plugins: {folder}\nfeatures: [latest, coupling]"})


def uncoupled(coupled_mill: Mill) -> pd.DataFrame:
    """Return normal windows in which nothing but the coupling is unusual."""
    rows = coupled_mill.rows("validate")
    rows = rows[rows["usable"] & (rows["asset_id"] == "line/2")].head(20).copy()
    rows["coupling_of_load_and_shake"] += 5.0
    return rows


def test_it_is_explained_with_both_its_sensors(coupled_mill: Mill) -> None:
    """Both share the score, each is out of step with the other, and no other sensor is named for it."""
    bundle = coupled_mill.fit("mahalanobis")
    rows = uncoupled(coupled_mill)
    first, second, *others = explain(bundle, rows)
    assert {first.change, second.change} == {"load out of step with shake", "shake out of step with load"}
    assert first.share == pytest.approx(second.share, rel=0.1)
    assert all(finding.share < 0.1 for finding in others)
    by_feature = feature_shares(bundle, rows)
    assert by_feature is not None
    assert by_feature.idxmax() == "coupling_of_load_and_shake"


def test_occlusion_sets_it_right_with_either_sensor(coupled_mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector that cannot say what moved it: the score drops when load or shake is made typical."""
    bundle = coupled_mill.fit("mahalanobis")
    monkeypatch.setattr(type(bundle.detectors["*"]), "contributions", lambda self, rows: None)
    by_sensor = shares(bundle, uncoupled(coupled_mill)).mean()
    assert by_sensor["load"] == pytest.approx(by_sensor["shake"], rel=0.1)
    assert by_sensor[["load", "shake"]].sum() > 0.8


def test_a_control_chart_of_sensors_does_not_look_at_it(coupled_mill: Mill) -> None:
    """It is no sensor's newest reading, although there is no ``__`` in its name."""
    bundle = coupled_mill.fit("k_sigma")
    rows = uncoupled(coupled_mill)
    usual = rows.assign(coupling_of_load_and_shake=rows["coupling_of_load_and_shake"] - 5.0)
    np.testing.assert_array_equal(bundle.score(rows)["score"], bundle.score(usual)["score"])


def test_it_is_scaled_like_every_feature_of_a_sensor(coupled_mill: Mill) -> None:
    """Only features of no sensor stay as they are."""
    bundle = coupled_mill.fit("mahalanobis")
    scale = bundle.normaliser.scale(uncoupled(coupled_mill))["coupling_of_load_and_shake"]
    assert (scale < 0.5).all()


def test_its_bundle_is_written_and_read(coupled_mill: Mill, tmp_path: Path) -> None:
    """The plan that was read describes the column as before, and the scores are the same."""
    bundle = coupled_mill.fit("mahalanobis")
    back = bundles.read(tmp_path / "b", expected=bundle.write(tmp_path / "b"), plug_ins=coupled_mill.plant.plug_ins)
    assert back.plan.features == bundle.plan.features
    rows = uncoupled(coupled_mill)
    pd.testing.assert_frame_equal(back.score(rows), bundle.score(rows), check_exact=True)
