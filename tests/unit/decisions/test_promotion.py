"""Decisions by hand: on record first, live second, and finished by the next one if they were cut short."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wheeltapper import config, faultpoints, manifest
from wheeltapper.config import Settings
from wheeltapper.decisions import ledger, promotion
from wheeltapper.errors import BundleError, ConfigError, NoChampionError
from wheeltapper.faultpoints import InjectedFaultError
from wheeltapper.registry import Registry
from wheeltapper.workspace import OBJECTIVE, Workspace

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source: {csv_folder: {path: x, time_column: t}}
features: [latest]
candidates: [lof]
"""


@pytest.fixture(scope="module")
def three_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose registry has three versions and no alias; making one takes seconds, copying it does not."""
    home = tmp_path_factory.mktemp("home")
    registry = Registry(f"sqlite:///{home / 'mlflow.db'}", home / "mlartifacts", "mill")
    registry.prepare()
    parent = registry.parent_run("training", "training")
    for number in (1, 2, 3):
        run = registry.candidate_run(parent, f"candidate-{number}", "lof")
        files = {"bundle.json": b"{}", "arrays.npz": manifest.pack({"x": np.full(3, float(number))})}
        folder = home / f"bundle-{number}"
        bundle = manifest.write(folder, files)
        uri = registry.log_bundle(run, folder, ["a"], ["numpy"])
        assert registry.register("mill", OBJECTIVE, uri, run, bundle) == number
    return home


class Desk:
    """A workspace, and what its operator does there, an hour apart."""

    def __init__(self, home: Path) -> None:
        plant = config.parse(PLANT, name="mill", folder=home, where="mill.yaml")
        self.space = Workspace(plant, Settings(home=home))
        self.hours = 0

    def now(self) -> datetime:
        self.hours += 1
        return NOON + timedelta(hours=self.hours)

    def pipeline(self, verdict: Any, version: int) -> None:
        """Write down what a training run decided, and let the registry follow."""
        known = {one.version: one.bundle for one in self.space.registry.versions("mill", OBJECTIVE)}
        now = self.now()
        ledger.append(
            self.space.store,
            now=now,
            actor="pipeline",
            objective=OBJECTIVE,
            verdict=verdict,
            bundle=known[version],
            version=str(version),
            run=f"run {now}",
            data={},
            gates=[],
            reason="by the gates",
        )
        promotion.follow_ledger(self.space, OBJECTIVE)

    def promote(self, to: int | None = None) -> dict[str, Any]:
        return promotion.promote(self.space, OBJECTIVE, to, actor="ada", now=self.now())

    def roll_back(self, to: int | None = None) -> dict[str, Any]:
        return promotion.roll_back(self.space, OBJECTIVE, to, actor="ada", now=self.now())

    def aliases(self) -> tuple[int | None, int | None]:
        """Return the registry's champion and challenger."""
        registry = self.space.registry
        found = registry.champion("mill", OBJECTIVE), registry.challenger("mill", OBJECTIVE)
        first, second = (one.version if one else None for one in found)
        return first, second

    def live(self) -> str | None:
        entry = ledger.live(self.space.store, OBJECTIVE)
        return entry["version"] if entry else None


@pytest.fixture
def desk(three_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    shutil.copytree(three_versions, tmp_path / "home")
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path / "home")


def test_a_promotion_is_on_record_and_live(desk: Desk) -> None:
    """The entry says who decided when; the alias follows."""
    entry = desk.promote(2)
    assert (entry["sequence"], entry["verdict"], entry["version"], entry["actor"]) == (0, "promote", "2", "ada")
    assert entry["time"] == NOON + timedelta(hours=1)
    assert entry["bundle"] == next(
        one.bundle for one in desk.space.registry.versions("mill", OBJECTIVE) if one.version == 2
    )
    assert desk.aliases() == (2, None)
    assert ledger.verify(desk.space.store) == []


def test_the_challenger_is_promoted_and_then_no_challenger(desk: Desk) -> None:
    """Without a version the challenger is meant; afterwards nothing scores in the shadow."""
    desk.pipeline("promote", 1)
    desk.pipeline("challenge", 3)
    assert desk.aliases() == (1, 3)
    assert desk.promote()["version"] == "3"
    assert desk.aliases() == (3, None)
    with pytest.raises(NoChampionError, match=r"mill has no challenger\. Name a version: 1, 2, 3"):
        desk.promote()


def test_a_challenger_is_dropped_when_another_version_goes_live(desk: Desk) -> None:
    """It challenged the champion before; against the new one it has not been judged."""
    desk.pipeline("promote", 1)
    desk.pipeline("challenge", 2)
    desk.promote(3)
    assert desk.aliases() == (3, None)


def test_a_later_challenger_takes_the_place_of_the_earlier(desk: Desk) -> None:
    """Only one scores in the shadow; a verdict that changes nothing leaves it there."""
    desk.pipeline("promote", 1)
    desk.pipeline("challenge", 2)
    desk.pipeline("challenge", 3)
    assert desk.aliases() == (1, 3)
    desk.pipeline("keep", 1)
    assert desk.aliases() == (1, 3)


def test_rolling_back_returns_to_the_champion_before(desk: Desk) -> None:
    """One step after the other, never forth again; at the beginning there is nothing to return to."""
    for version in (1, 2, 3):
        desk.promote(version)
    entry = desk.roll_back()
    assert (entry["verdict"], entry["version"]) == ("roll back", "2")
    assert entry["reason"] == "rolled back from version 3 by hand"
    assert desk.aliases() == (2, None)
    assert desk.roll_back()["version"] == "1"
    with pytest.raises(NoChampionError, match=r"mill has had no champion before\. Its versions: 1, 2, 3"):
        desk.roll_back()
    assert desk.aliases() == (1, None)


def test_after_a_promotion_one_rolls_back_to_what_was_live_then(desk: Desk) -> None:
    """1, 2, back to 1, then 3: the one before 3 is 1, not 2."""
    desk.promote(1)
    desk.promote(2)
    desk.roll_back()
    desk.promote(3)
    assert desk.roll_back()["version"] == "1"


def test_rolling_back_to_a_version_that_was_never_live(desk: Desk) -> None:
    """Allowed, as the operator names it; the way back from there leads to what was live before."""
    desk.promote(2)
    assert desk.roll_back(to=1)["version"] == "1"
    assert desk.roll_back()["version"] == "2"


def test_what_cannot_be_decided_is_refused_and_not_recorded(desk: Desk) -> None:
    """An unknown version, the live one again, another objective, nothing to roll back."""
    with pytest.raises(NoChampionError, match="mill has no champion to roll back from"):
        desk.roll_back()
    desk.promote(1)
    with pytest.raises(ConfigError, match=r"mill has no version 9\. Its versions: 1, 2, 3"):
        desk.promote(9)
    with pytest.raises(ConfigError, match=r"mill has no version 9\. Its versions: 1, 2, 3"):
        desk.roll_back(9)
    for decide in (desk.promote, desk.roll_back):
        with pytest.raises(ConfigError, match="version 1 is champion already"):
            decide(1)
    with pytest.raises(ConfigError, match=r"no objective named 'detekt'; found \['detect'\]"):
        promotion.promote(desk.space, "detekt", 2, actor="ada", now=desk.now())
    assert len(ledger.entries(desk.space.store)) == 1
    assert desk.aliases() == (1, None)


def test_a_changed_bundle_does_not_go_live(desk: Desk, tmp_path: Path) -> None:
    """One byte of the model's files on disk: the file is named, nothing is recorded, nothing moves."""
    desk.promote(1)
    bundles = list((tmp_path / "home" / "mlartifacts").rglob("arrays.npz"))
    assert len(bundles) >= 3
    for file in bundles:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=r"arrays\.npz was changed"):
        desk.promote(2)
    assert (desk.live(), desk.aliases()) == ("1", (1, None))
    assert len(ledger.entries(desk.space.store)) == 1


def test_the_ledger_comes_first_and_the_next_step_finishes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short before the alias moved: on record, not yet live in MLflow; following the ledger repairs it."""
    desk.promote(1)
    desk.pipeline("challenge", 3)

    def cut_short(*_: Any, **__: Any) -> None:
        raise InjectedFaultError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(desk.space.registry, "set_alias", cut_short)
        with pytest.raises(InjectedFaultError):
            desk.promote(2)
    assert (desk.live(), desk.aliases()) == ("2", (1, 3))
    promotion.follow_ledger(desk.space, OBJECTIVE)
    assert (desk.live(), desk.aliases()) == ("2", (2, None))


def test_cut_short_between_the_two_aliases(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion moved and the challenger did not yet: the same repair, as often as one likes."""
    desk.promote(1)
    desk.pipeline("challenge", 3)
    with monkeypatch.context() as patch:
        patch.setenv(faultpoints.VARIABLE, "registry.after_alias:1:raise")
        with pytest.raises(InjectedFaultError):
            desk.promote(3)
    assert desk.aliases() == (3, 3)
    for _ in range(2):
        promotion.follow_ledger(desk.space, OBJECTIVE)
        assert desk.aliases() == (3, None)


def test_an_empty_ledger_moves_nothing(desk: Desk) -> None:
    """Three versions and no decision: no champion, no challenger; an alias that somebody set by hand goes."""
    promotion.follow_ledger(desk.space, OBJECTIVE)
    assert desk.aliases() == (None, None)
    desk.space.registry.set_alias("mill", OBJECTIVE, "challenger", 2, expected=None)
    promotion.follow_ledger(desk.space, OBJECTIVE)
    assert desk.aliases() == (None, None)
