"""What a training is named by: every setting that it depends on, and no other."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from wheeltapper import __version__, plants
from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError
from wheeltapper.objectives.detect import Detect
from wheeltapper.workspace import Workspace

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A, low: 0, high: 80}}}
source: {csv_folder: {path: data, time_column: time}}
candidates: [lof]
"""


def workspace(text: str, home: Path) -> Workspace:
    plant = plants.parse(text, name="mill", folder=home, where="mill.yaml")
    return Workspace(plant, Settings(home=home))


def test_a_plant_without_a_search_is_named_as_before_there_were_searches(tmp_path: Path) -> None:
    """Its champions were trained by the same settings: nothing is trained anew because the program can do more."""
    plant = workspace(PLANT, tmp_path).plant
    known = plant.model_dump(mode="json", exclude={"description", "source", "name", "search", "objectives"})
    text = json.dumps([known, __version__], sort_keys=True, ensure_ascii=False)
    assert Detect().settings(plant) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_search_is_a_setting_like_any_other(tmp_path: Path) -> None:
    """With a search, or with another one, it is another training."""
    searches = ("", "search: {over: {lof: {n_neighbors: [10]}}}", "search: {over: {lof: {n_neighbors: [30]}}}")
    assert len({Detect().settings(workspace(PLANT + one, tmp_path).plant) for one in searches}) == 3


SIMULATED = "asset_type: pump\nsource: {simulator: {assets: 1, start: 2026-01-05, duration: 1d}}\n"
FILES = "asset_type: {step: 1min, sensors: {load: {unit: A}}}\nsource: {csv_folder: {path: data, time_column: t}}\n"


def opened(folder: Path, text: str, home: Path) -> Workspace:
    """Write ``pumps.yaml`` into a folder and open it in one home."""
    folder.mkdir(exist_ok=True)
    path = folder / "pumps.yaml"
    path.write_text(text, encoding="utf-8")
    return Workspace(plants.load(str(path)), Settings(home=home), str(path))


def test_two_files_of_one_name_do_not_share_tables(tmp_path: Path) -> None:
    """Two sites with a ``pumps.yaml`` each: the second is told so before a reading is stored."""
    home = tmp_path / "home"
    opened(tmp_path / "north", FILES, home).claim()
    with pytest.raises(ConfigError, match=r"north/pumps.yaml, and .*south/pumps.yaml names another source.*rename"):
        opened(tmp_path / "south", FILES, home).claim()
    opened(tmp_path / "north", FILES.replace("load", "current"), home).claim()


def test_a_plant_that_moves_keeps_its_tables(tmp_path: Path) -> None:
    """Moved, or copied with readings that come from the same place: other settings make no other plant."""
    home = tmp_path / "home"
    opened(tmp_path / "north", FILES, home).claim()
    (tmp_path / "north" / "pumps.yaml").unlink()
    opened(tmp_path / "south", FILES, home).claim()
    (tmp_path / "south" / "pumps.yaml").write_text(SIMULATED, encoding="utf-8")
    opened(tmp_path / "south", SIMULATED, home).claim()
    opened(tmp_path / "copy", SIMULATED + "alarm_budget: 2\n", home).claim()
