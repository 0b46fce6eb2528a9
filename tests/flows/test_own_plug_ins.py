"""A plant whose detector, feature set, source and asset type lie in a folder outside the package runs to the end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.docs.reading import write_plug_ins
from tests.flows.conftest import Home, Nursery
from wheeltapper import tables

pytestmark = pytest.mark.slow  # a real server and processes

PLANT = """
description: Two belt conveyors, with the plug-ins of docs/extending.md.
plugins: my_plugins
asset_type: belt_conveyor
source: {json_lines: {path: readings.jsonl}}
windows: {rows: 3}
features: [latest, swing]
candidates: [mean_square]
alarm_budget: 50
"""


def readings() -> pd.DataFrame:
    """Return 600 readings of two conveyors; each has a fault in the second half, a current that is far too high."""
    random = np.random.default_rng(0)
    frames = []
    for asset in "ab":
        times = pd.date_range("2026-01-05", periods=600, freq="10s", tz="UTC").as_unit("us")
        load = 400 + 30 * random.standard_normal(600)
        is_faulty = np.isin(np.arange(600) // 20, (21, 24, 27))
        current = 40 + 0.05 * load + random.standard_normal(600) + 30 * is_faulty
        frames.append(
            pd.DataFrame(
                {
                    "asset_id": asset,
                    "timestamp": times,
                    "load": load,
                    "current": current,
                    "drum_temperature": 30 + random.standard_normal(600),
                    "fault": is_faulty,
                }
            )
        )
    return pd.concat(frames)


@pytest.fixture
def conveyors(tmp_path: Path, nursery: Nursery) -> Home:
    """Return a home for the plant with the documented plug-ins beside it. Nothing was run yet."""
    write_plug_ins(tmp_path / "my_plugins")
    readings().to_json(tmp_path / "readings.jsonl", orient="records", lines=True, date_format="iso")
    plant = tmp_path / "conveyors.yaml"
    plant.write_text(PLANT, encoding="utf-8")
    return Home(tmp_path / "home", plant, nursery)


def test_it_runs_to_the_end_and_scores_again(conveyors: Home) -> None:
    """The detector is tried and scored in processes of their own; a typing mistake in YAML ends with exit code 2."""
    ended = conveyors.run("run")
    assert (ended.code, ended.err) == (0, "")
    ended = conveyors.run("leaderboard", "--json")
    assert "mean_square" in [line["candidate"] for line in json.loads(ended.out)["leaderboard"]]
    features = conveyors.store.read(tables.FEATURES)
    assert "current__swing" in features


def test_a_mistake_is_refused_before_anything_is_computed(conveyors: Home) -> None:
    """A misspelt plug-in and a missing folder end with exit code 2 and one line; nothing is stored."""
    text = conveyors.plant.read_text(encoding="utf-8")
    conveyors.plant.write_text(text.replace("[mean_square]", "[mean_sqare]"), encoding="utf-8")
    ended = conveyors.run("run")
    assert ended.code == 2
    assert "no detector named 'mean_sqare'" in ended.err
    assert "Did you mean 'mean_square'?" in ended.err
    conveyors.plant.write_text(text.replace("plugins: my_plugins", "plugins: nowhere"), encoding="utf-8")
    ended = conveyors.run("run")
    assert ended.code == 2
    assert "no such folder" in ended.err
    assert not conveyors.folder.exists() or set(conveyors.versions().values()) == {None}
