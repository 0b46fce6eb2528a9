"""What a training is named by: every setting that it depends on, and no other."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from wheeltapper import __version__, config
from wheeltapper.config import Settings
from wheeltapper.workspace import Workspace

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A, low: 0, high: 80}}}
source: {csv_folder: {path: data, time_column: time}}
candidates: [lof]
"""


def workspace(text: str, home: Path) -> Workspace:
    plant = config.parse(text, name="mill", folder=home, where="mill.yaml")
    return Workspace(plant, Settings(home=home))


def test_a_plant_without_a_search_is_named_as_before_there_were_searches(tmp_path: Path) -> None:
    """Its champions were trained by the same settings: nothing is trained anew because the program can do more."""
    space = workspace(PLANT, tmp_path)
    known = space.plant.model_dump(mode="json", exclude={"description", "source", "name", "search"})
    text = json.dumps([known, __version__], sort_keys=True, ensure_ascii=False)
    assert space.decides_by == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_search_is_a_setting_like_any_other(tmp_path: Path) -> None:
    """With a search, or with another one, it is another training."""
    searches = ("", "search: {over: {lof: {n_neighbors: [10]}}}", "search: {over: {lof: {n_neighbors: [30]}}}")
    assert len({workspace(PLANT + one, tmp_path).decides_by for one in searches}) == 3
