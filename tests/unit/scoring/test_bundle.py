"""The bundle: the same scores everywhere, the same bytes every time, and nothing that was touched is loaded."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import manifest
from wheeltapper.errors import BundleError
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import POOLED, fingerprint

DETECTORS = ["pca_residual", "isolation_forest", "lof", "k_sigma", "limits", "always_normal"]
ROOT = Path(__file__).parents[3]

SCORE_ELSEWHERE = """
import importlib, pkgutil, sys
from pathlib import Path
import pandas as pd
from wheeltapper.scoring import bundle as bundles
folder, rows, out = map(Path, sys.argv[1:4])
bundles.read(folder, sys.argv[4]).score(pd.read_parquet(rows)).to_parquet(out)
import wheeltapper.scoring
# These read a plant's tables and registry.
readers = ("batch", "followed", "live_model", "restore", "update_alarms", "window_rows")
tables = {f"wheeltapper.scoring.{name}" for name in readers}
for room in pkgutil.iter_modules(wheeltapper.scoring.__path__, "wheeltapper.scoring."):
    if room.name not in tables:
        importlib.import_module(room.name)
heavy = {"sklearn", "tensorflow", "mlflow", "prefect", "great_expectations", "deltalake", "wheeltapper.simulation"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_is_read_scores_like_what_was_written(the_mill: Any, tmp_path: Path, detector: str) -> None:
    """Bit for bit; and written again it has the same hash."""
    first = the_mill.fit(detector)
    name = first.write(tmp_path / "b")
    again = bundles.read(tmp_path / "b", name)
    rows = the_mill.rows("validate")
    pd.testing.assert_frame_equal(again.score(rows), first.score(rows), check_exact=True)
    assert again.write(tmp_path / "c") == name == fingerprint(first)
    assert (again.detector_name, again.provenance) == (detector, {"seed": 42})


def test_a_fresh_process_gives_the_same_scores(the_mill: Any, bundle: Any, tmp_path: Path) -> None:
    """Another process that has the bundle and the rows scores bit for bit the same.

    It imports neither the heavy tools nor the simulation, also not for what explains a score and makes an alarm of it.
    """
    rows = the_mill.rows("validate")
    rows.to_parquet(tmp_path / "rows.parquet")
    name = bundle.write(tmp_path / "b")
    arguments = [str(tmp_path / one) for one in ("b", "rows.parquet", "out.parquet")]
    subprocess.run([sys.executable, "-c", SCORE_ELSEWHERE, *arguments, name], cwd=ROOT, check=True)
    found = pd.read_parquet(tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(found, bundle.score(rows), check_exact=True)


def test_the_same_bundle_has_the_same_bytes(bundle: Any, tmp_path: Path) -> None:
    """Written to two places, all files are equal and named by one hash."""
    names = [bundle.write(tmp_path / one) for one in ("x", "y")]
    assert names[0] == names[1] == fingerprint(bundle)
    for file in sorted((tmp_path / "x").iterdir()):
        assert file.read_bytes() == (tmp_path / "y" / file.name).read_bytes()


@pytest.mark.parametrize("name", ["bundle.json", "arrays.npz"])
def test_a_changed_byte_is_refused_by_name(bundle: Any, tmp_path: Path, name: str) -> None:
    """One bit anywhere: the file is named and nothing is loaded."""
    bundle.write(tmp_path / "b")
    file = tmp_path / "b" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} was changed"):
        bundles.read(tmp_path / "b")


def test_another_bundle_is_refused(the_mill: Any, bundle: Any, tmp_path: Path) -> None:
    """A folder that holds a sound bundle, but not the one that the ledger names."""
    the_mill.fit("k_sigma").write(tmp_path / "b")
    with pytest.raises(BundleError, match="holds another bundle"):
        bundles.read(tmp_path / "b", fingerprint(bundle))


def test_a_later_format_is_refused(bundle: Any, tmp_path: Path) -> None:
    """A bundle of a version to come is not half understood."""
    files = bundle.files()
    content = json.loads(files["bundle.json"]) | {"format": 3}
    manifest.write(tmp_path / "b", files | {"bundle.json": json.dumps(content).encode()})
    with pytest.raises(BundleError, match="bundle format 3 is not known; this version reads 1 to 2"):
        bundles.read(tmp_path / "b")


def test_a_bundle_without_a_model_for_all_is_refused(bundle: Any, tmp_path: Path) -> None:
    """An asset that no detector scores would get whatever stood in memory."""
    files = bundle.files()
    content = json.loads(files["bundle.json"]) | {"options": {}}
    manifest.write(tmp_path / "b", files | {"bundle.json": json.dumps(content).encode()})
    with pytest.raises(BundleError, match=r"has no detector for '\*'"):
        bundles.read(tmp_path / "b")


def test_rows_of_another_plan_are_refused(bundle: Any, other_mill: Any) -> None:
    """Columns of the same names from longer windows are other numbers."""
    with pytest.raises(BundleError, match=f"these feature rows follow plan .* the bundle expects {bundle.plan.hash}"):
        bundle.score(other_mill.rows("validate"))


def test_only_usable_rows_are_scored(the_mill: Any, bundle: Any) -> None:
    """The night has no scores; a table without usable rows, or without rows, gives an empty one."""
    night = the_mill.features[~the_mill.features["usable"]]
    assert len(bundle.score(the_mill.features)) == len(the_mill.features) - len(night)
    for none in (night, the_mill.features.iloc[:0]):
        scored = bundle.score(none)
        assert len(scored) == 0
        assert list(scored.columns) == list(bundle.score(the_mill.features.iloc[:5]).columns)


def test_severity_is_score_over_threshold_and_never_negative(the_mill: Any, bundle: Any) -> None:
    """A window that is calmer than typical is as severe as a typical one: not at all."""
    scored = bundle.score(the_mill.rows("validate"))
    expected = scored["score"].clip(lower=0) / scored["threshold"]
    np.testing.assert_array_equal(scored["severity"], expected)
    assert (scored["score"] < 0).any()
    assert (scored["severity"] > 1).any()


def test_each_row_is_scored_on_its_own(the_mill: Any, bundle: Any) -> None:
    """A single row, or the rows in another order, have the scores of the whole table."""
    rows = the_mill.rows("validate")[lambda one: one["usable"]]
    whole = bundle.score(rows)
    for place in (0, 100, len(rows) - 1):
        single = bundle.score(rows.iloc[[place]])["severity"].iloc[0]
        assert single == pytest.approx(whole["severity"].iloc[place], rel=1e-12)
    turned = bundle.score(rows.iloc[::-1])["severity"].to_numpy()[::-1]
    np.testing.assert_allclose(turned, whole["severity"], rtol=1e-12)


@pytest.fixture(scope="module")
def own_models(the_mill: Any) -> Any:
    """A bundle with a detector for each mill."""
    return the_mill.fit(plant=the_mill.plant.model_copy(update={"models": "per_asset"}))


def test_own_models_score_their_own_assets(the_mill: Any, bundle: Any, own_models: Any, tmp_path: Path) -> None:
    """A known machine is scored by its own detector, a stranger by the pooled one; after reading as before."""
    rows = the_mill.rows("validate")[lambda one: one["usable"]]
    stranger = rows[rows["asset_id"] == "mill-1"].assign(asset_id="mill-9")
    np.testing.assert_array_equal(own_models.raw_scores(stranger), bundle.raw_scores(stranger))
    assert not np.allclose(own_models.raw_scores(rows), bundle.raw_scores(rows))
    mixed = pd.concat([rows, stranger], ignore_index=True)
    again = bundles.read(tmp_path / "b", own_models.write(tmp_path / "b"))
    pd.testing.assert_frame_equal(again.score(mixed), own_models.score(mixed), check_exact=True)
    first_of_mill_1 = own_models.detectors["mill-1"].score(own_models.inputs(rows)[rows["asset_id"] == "mill-1"])
    np.testing.assert_array_equal(own_models.raw_scores(rows)[rows["asset_id"] == "mill-1"], first_of_mill_1)


def test_assets_named_like_folders_keep_apart(own_models: Any, tmp_path: Path) -> None:
    """What ``line/2`` learnt is not mixed into what an asset ``line`` learnt."""
    fitted = own_models.detectors
    both = replace(own_models, detectors=fitted | {"line": fitted["mill-1"]})
    again = bundles.read(tmp_path / "b", both.write(tmp_path / "b"))
    assert set(again.detectors) == {POOLED, "mill-1", "line/2", "line"}
    assert set(again.detectors["line"].state) == set(fitted["mill-1"].state)
    assert manifest.fingerprint(again.files()) == fingerprint(both)


@pytest.mark.parametrize("detector", DETECTORS)
def test_what_was_learnt_is_nothing_but_arrays(the_mill: Any, detector: str) -> None:
    """No pickle, no code: one JSON and one npz of plain numbers and texts."""
    files = the_mill.fit(detector).files()
    assert set(files) == {"bundle.json", "arrays.npz"}
    with np.load(io.BytesIO(files["arrays.npz"]), allow_pickle=False) as arrays:
        kinds = {arrays[name].dtype.kind for name in arrays.files}
    assert kinds <= set("biufUS")
    assert "object" not in files["bundle.json"].decode()


def test_a_bundle_keeps_the_name_that_it_was_read_under(bundle: Any, tmp_path: Path) -> None:
    """Were it written otherwise today, by a later version of the code, it is still the bundle of the ledger."""
    name = bundle.write(tmp_path / "b")
    again = bundles.read(tmp_path / "b", name)
    otherwise = replace(again, provenance={"written by": "a later version"})
    assert manifest.fingerprint(otherwise.files()) != name
    assert fingerprint(otherwise) == name
