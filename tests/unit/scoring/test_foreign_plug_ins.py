"""A bundle that was trained with plug-ins of a plant's folder needs the very same ones again, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import BundleError
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.plugins import PlugIns
from wheeltapper.scoring import bundle as bundles
from wheeltapper.training import search_options
from wheeltapper.training.candidate import baselines_of

FLAT = '''
"""The sum of all features."""

from wheeltapper.detectors import Detector
from wheeltapper.detectors.rows import learn_rows, read_rows


class Flat(Detector):
    is_baseline = True

    def fit(self, rows):
        self.columns_, _ = learn_rows(rows)
        return self

    def score(self, rows):
        return read_rows(self, rows).sum(axis=1)
'''

TWICE = '''
"""Twice the latest value."""

from wheeltapper.features.sets import FeatureSet
from wheeltapper.features.sets.latest import Latest


class Twice(Latest):
    def columns(self, asset_type):
        return super().columns(asset_type)

    def compute(self, stretch, asset_type):
        return {name: 2 * values for name, values in super().compute(stretch, asset_type).items()}
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    for name, text in {"detectors/flat.py": FLAT, "feature_sets/twice.py": TWICE}.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def plant(the_mill: Any, mine: Path) -> Plant:
    return the_mill.plant.model_copy(update={"plugins": mine, "features": (PlugIn(name="twice"),)})


@pytest.fixture
def rows(the_mill: Any, plant: Plant) -> pd.DataFrame:
    return compute(FeaturePlan.of(plant), the_mill.readings)


def write(
    the_mill: Any, plant: Plant, rows: pd.DataFrame, folder: Path, detector: str, **options: Any
) -> bundles.Bundle:
    """Fit a candidate and write its bundle."""
    fitted = replace(the_mill, features=rows).fit(detector, plant=plant, options=options)
    fitted.write(folder)
    return fitted


@pytest.mark.parametrize(("detector", "options"), [("flat", {}), ("ensemble", {"members": ["flat", "ecod"]})])
def test_it_scores_again_where_they_are(
    the_mill: Any, plant: Plant, rows: pd.DataFrame, tmp_path: Path, detector: str, options: dict[str, Any]
) -> None:
    """With the plant's plug-ins at hand the bundle is read and scores as it did; in another folder as well."""
    fitted = write(the_mill, plant, rows, tmp_path / "b", detector, **options)
    (tmp_path / "mine").rename(tmp_path / "moved")
    again = bundles.read(tmp_path / "b", plug_ins=PlugIns(tmp_path / "moved"))
    assert again.plan.hash == fitted.plan.hash
    pd.testing.assert_frame_equal(again.score(rows), fitted.score(rows))


@pytest.mark.parametrize(
    ("file", "name"), [("detectors/flat.py", "detector 'flat'"), ("feature_sets/twice.py", "feature set 'twice'")]
)
def test_a_missing_one_is_refused_with_the_way_out(
    the_mill: Any, plant: Plant, rows: pd.DataFrame, mine: Path, tmp_path: Path, file: str, name: str
) -> None:
    """The message names the plug-in and where it belongs; so it does where nobody names a folder."""
    write(the_mill, plant, rows, tmp_path / "b", "flat")
    with pytest.raises(BundleError, match=r"'flat' is a plug-in, and it is not here \(no folder is named\)"):
        bundles.read(tmp_path / "b")
    (mine / file).unlink()
    with pytest.raises(BundleError, match=rf"the {name} is a plug-in, and it is not here.*Put {Path(file).name} into"):
        bundles.read(tmp_path / "b", plug_ins=plant.plug_ins)


@pytest.mark.parametrize("file", ["detectors/flat.py", "feature_sets/twice.py"])
def test_a_changed_one_is_refused(
    the_mill: Any, plant: Plant, rows: pd.DataFrame, mine: Path, tmp_path: Path, file: str
) -> None:
    """Other code under the old name would give other scores without a word."""
    write(the_mill, plant, rows, tmp_path / "b", "ensemble", members=["flat", "ecod"])
    (mine / file).write_text((mine / file).read_text("utf-8") + "\n# other\n", encoding="utf-8")
    with pytest.raises(BundleError, match=r"has changed since the model was trained with it.*another name"):
        bundles.read(tmp_path / "b", plug_ins=plant.plug_ins)


def test_another_code_is_another_plan(plant: Plant, mine: Path) -> None:
    """Feature rows that the changed file computes are not mistaken for the stored ones; shrinking keeps the code."""
    before = FeaturePlan.of(plant)
    path = mine / "feature_sets" / "twice.py"
    path.write_text(path.read_text("utf-8").replace("2 *", "3 *"), encoding="utf-8")
    after = FeaturePlan.of(plant)
    assert before.hash != after.hash
    assert after.shrink(after.columns[:1]).code == after.code


def test_a_baseline_of_the_folder_joins_the_leaderboard(plant: Plant) -> None:
    """By being there, as those of the package do."""
    assert "flat" in [one.name for one in baselines_of(plant)]


def test_a_search_finds_it(plant: Plant) -> None:
    """Its options are resolved as those of any other detector."""
    assert search_options.key(PlugIn(name="flat"), plant.plug_ins)
