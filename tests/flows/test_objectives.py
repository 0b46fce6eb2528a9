"""A plant asks two questions: each has its own run, leaderboard, champion and ledger entries, and is trained alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.docs.reading import write_plug_ins
from tests.flows.conftest import Ended, Home, Nursery
from wheeltapper import manifest
from wheeltapper.decisions import ledger

pytestmark = pytest.mark.slow  # real servers and processes

PLANT = """\
asset_type: pump
source:
  simulator: {assets: 2, start: 2026-01-05, duration: 20d, step: 30min, anomaly_rate: 0.02}
windows: {rows: 2, max_gap: 90min}
features: [latest]
parts: {by: fraction, train: 0.4, calibrate: 0.2, validate: 0.25, test: 0.15}
candidates: [pca_residual]
alarm_budget: 7
seed: 7
plugins: my_plugins
objectives: [detect, mean_ahead: {sensor: pressure}]
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> tuple[Home, Ended]:
    """Run the main job of a plant that asks two questions; the second is the example of docs/extending.md."""
    folder = tmp_path_factory.mktemp("two_questions")
    write_plug_ins(folder / "my_plugins")
    plant = folder / "pumps.yaml"
    plant.write_text(PLANT)
    home = Home.furnished(folder / "home", plant, nursery)
    ended = home.run("run")
    assert (ended.code, ended.err) == (0, "")
    return home, ended


def board(home: Home, *objective: str) -> dict[str, Any]:
    """Return what `leaderboard --json` says."""
    ended = home.run("leaderboard", *objective, "--json")
    assert ended.code == 0, ended.out + ended.err
    content: dict[str, Any] = json.loads(ended.out)
    return content


def finished(home: Home) -> dict[str, str]:
    """Return objective → key of its newest training."""
    runs = home.registry.runs
    return {name: runs.last_run("pumps", name)["tags"]["wheeltapper.run"] for name in ("detect", "mean_ahead")}


def test_each_objective_has_its_leaderboard_champion_and_ledger_entry(asked: tuple[Home, Ended]) -> None:
    """Two verdicts are printed; the leaderboards hold their own candidates, with their own figures."""
    home, ended = asked
    assert ended.out.count("Verdict") == 2
    detected, forecast = board(home), board(home, "mean_ahead")
    assert {row["candidate"] for row in forecast["leaderboard"]} == {"mean", "last_value", "line"}
    assert "pca_residual" in {row["candidate"] for row in detected["leaderboard"]}
    assert (forecast["verdict"], forecast["candidate"]) == ("promote", "line")
    entries = ledger.entries(home.store)
    assert set(entries["objective"]) == {"detect", "mean_ahead"}
    assert ledger.verify(home.store) == []
    assert home.registry.champion("pumps", "mean_ahead").bundle != home.registry.champion("pumps", "detect").bundle
    wrong = home.run("leaderboard", "mean_ahaed")
    assert (wrong.code, "Did you mean 'mean_ahead'?" in wrong.err) == (2, True)


def test_no_label_looks_across_a_cut(asked: tuple[Home, Ended]) -> None:
    """A label looks 24 h ahead: the last one that was learnt from ends before the validate part begins."""
    home, _ = asked
    champion = home.registry.champion("pumps", "mean_ahead")
    model = json.loads(manifest.read(home.registry.download(champion), champion.bundle)["line.json"])
    readings = pd.Timestamp("2026-01-05", tz="UTC")
    assert readings + pd.Timedelta(days=10) < pd.Timestamp(model["known_until"]) < readings + pd.Timedelta(days=12)


def test_other_settings_of_one_objective_train_that_one_only(asked: tuple[Home, Ended], tmp_path: Path) -> None:
    """Twenty hours instead of 24: the forecast is trained again, detection is not; and the other way round."""
    home, _ = asked
    copied = tmp_path / "copy"
    shutil.copytree(home.plant.parent, copied)
    other = Home(copied / "home", copied / "pumps.yaml", home.nursery)
    before = finished(other)
    other.plant.write_text(PLANT.replace("{sensor: pressure}", "{sensor: pressure, hours: 20}"))
    ended = other.run("train")
    assert ended.code == 0, ended.out + ended.err
    assert "pca_residual: trained before on the same data" in ended.out
    assert "line: trained before" not in ended.out
    after = finished(other)
    assert (after["detect"], after["mean_ahead"] != before["mean_ahead"]) == (before["detect"], True)
    other.plant.write_text(PLANT.replace("alarm_budget: 7", "alarm_budget: 5"))
    ended = other.run("train")
    assert "line: trained before on the same data" in ended.out
    assert "pca_residual: trained before" not in ended.out


def test_a_champion_of_one_objective_is_rolled_back_alone(asked: tuple[Home, Ended], tmp_path: Path) -> None:
    """Without an earlier champion there is nothing to roll back to; the message and the ledger know the objective."""
    home, _ = asked
    ended = home.run("rollback", "mean_ahead")
    assert ended.code == 1, ended.out
    assert "has had no champion before" in ended.err
    unknown = home.run("promote", "nonsense")
    assert (unknown.code, "found ['detect', 'mean_ahead']" in unknown.err) == (2, True)
