"""A lasting fault is never learnt as normal; a level that a person accepts is learnt in the next training.

A month of two machines is brought week by week. Every training is promoted, which is the worst that can happen: each
new champion takes the word of the one before it about the time that it has not looked at itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plants, tables
from wheeltapper.cli import deciding, looking
from wheeltapper.config import PlugIn, Settings
from wheeltapper.decisions import feedback, ledger
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import BEFORE, LEARNT, NOT_JUDGED
from wheeltapper.readings.health.flagging import flag_readings
from wheeltapper.scoring import alarms
from wheeltapper.scoring.bundle import Bundle, fingerprint
from wheeltapper.training.candidate import fit_candidate
from wheeltapper.training.self_test import twins_of_training
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.training.table import LEARNT_FROM, TrainingTable, read
from wheeltapper.training.withheld import write_withheld
from wheeltapper.workspace import OBJECTIVE, Workspace

START = pd.Timestamp("2026-01-05", tz="UTC").as_unit("us")
STEP = pd.Timedelta("10min")
DAY = pd.Timedelta("1D")
PLANT = """
asset_type:
  step: 10min
  sensors:
    load: {unit: A, low: 0, high: 100}
    heat: {unit: °C, low: 0, high: 150}
source: {csv_folder: {path: data, time_column: time}}
windows: {rows: 3, every: 1}
features: [latest]
candidates: [k_sigma]
alarm_budget: 0.05
"""


def readings(days: float) -> pd.DataFrame:
    """Return two machines' readings: the load is 30 ± 1 A, the heat 60 ± 1 °C."""
    rng = np.random.default_rng(3)
    count = 40 * 144
    frames = []
    for asset in ("a", "b"):
        frame = pd.DataFrame({"timestamp": pd.date_range(START, periods=count, freq=STEP, unit="us")})
        frame = frame.assign(asset_id=asset, load=30 + rng.normal(size=count), heat=60 + rng.normal(size=count))
        frames.append(frame[frame["timestamp"] < START + days * DAY])
    meta = {"regime": "normal", "batch_id": "one", "origin": "file", "ingested_at": START}
    return pd.concat(frames, ignore_index=True).assign(**meta)


def since(rows: pd.DataFrame, day: float, until: float = 99) -> Any:
    """Tell which readings are b's of these days."""
    inside = (rows["timestamp"] >= START + day * DAY) & (rows["timestamp"] < START + until * DAY)
    return (rows["asset_id"] == "b") & inside


def stuck(rows: pd.DataFrame) -> pd.DataFrame:
    """Let b's load show 45 A from the tenth day on, whatever happens."""
    return rows.assign(load=rows["load"].mask(since(rows, 10), 45.0))


def shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """Let b draw 10 A more from the tenth day on: it got another impeller."""
    return rows.assign(load=rows["load"] + 10.0 * since(rows, 10))


@dataclass
class Works:
    """A plant with its tables, and what its pipeline does there: without Prefect and MLflow, which decide nothing."""

    yaml: Path
    space: Workspace
    days: float = 0

    def bring(self, rows: pd.DataFrame, days: float) -> None:
        """Take in all readings so far, flag sensors, compute features."""
        store, plant, self.days = self.space.store, self.space.plant, days
        store.overwrite(tables.READINGS, rows, txn=f"readings {days}")
        store.overwrite(tables.FLAGS, flag_readings(rows, plant.asset_type, ()), txn=f"flags {days}")
        store.overwrite(tables.FEATURES, compute(FeaturePlan.of(plant), rows), txn=f"features {days}")

    def now(self) -> datetime:
        return (START + self.days * DAY).to_pydatetime()

    def table(self, *, is_masked: bool = True) -> TrainingTable:
        """Open a training run."""
        if is_masked:
            write_withheld(self.space)
        else:
            self.space.store.overwrite(tables.WITHHELD, tables.WITHHELD.empty(), txn=f"off {self.days}")
        refs = {name: self.space.store.ref(table) for name, table in LEARNT_FROM.items()}
        return read(self.space, refs, timedelta(0))

    def train(self, *, is_masked: bool = True) -> Bundle:
        """Train, and make the result champion whatever it is worth."""
        table, plant = self.table(is_masked=is_masked), self.space.plant
        until = {asset: str(when) for asset, when in table.cuts["validate_from"].items()}
        provenance = {"learned_until": until, "day": self.days}
        args = (table.features, table.part, table.faults, provenance, table.flags)
        bundle = fit_candidate(plant, PlugIn(name="k_sigma"), *args)
        entry = {"verdict": "promote", "bundle": fingerprint(bundle), "version": "1", "data": {}, "gates": []}
        who = {"now": self.now(), "actor": "pipeline", "objective": OBJECTIVE, "reason": "", "run": f"{self.now()}"}
        ledger.append(self.space.store, **entry, **who)
        return bundle

    def score(self, bundle: Bundle) -> pd.DataFrame:
        """Score what the champion has not learnt from, and raise alarms; return the scores."""
        store, name = self.space.store, fingerprint(bundle)
        rows = store.read(tables.FEATURES)
        until = rows["asset_id"].map({a: pd.Timestamp(t) for a, t in bundle.provenance["learned_until"].items()})
        scores = bundle.score(rows[rows["window_start"] >= until])
        stored = scores.drop(columns="window_start").assign(bundle=name, role="champion", top_sensors="")
        store.upsert(tables.SCORES, stored[tables.SCORES.names()], txn=f"scores {name} {self.days}")
        folded = alarms.fold(scores, self.space.plant.alarms, self.space.plant.max_gap)
        names = [alarms.alarm_id(alarm.asset_id, alarm.opened_at, name) for alarm in folded.itertuples()]
        explained = folded.assign(alarm_id=names, bundle=name, explanation="it is loud", sensors="[]")
        before = store.read(tables.ALARMS)
        gone = before.loc[before["bundle"] == name, ["alarm_id"]]
        store.upsert(tables.ALARMS, explained[tables.ALARMS.names()], txn=f"alarms {name} {self.days}", drop=gone)
        return scores

    def alarms_of(self, bundle: Bundle, day: float = 0) -> pd.DataFrame:
        """Return a champion's alarms on b that lasted into a day or opened later."""
        rows = self.space.store.read(tables.ALARMS)
        rows = rows[(rows["bundle"] == fingerprint(bundle)) & (rows["asset_id"] == "b")]
        return rows[rows["last_at"] >= START + day * DAY]


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Works:
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path / "home"))
    path = tmp_path / "works.yaml"
    path.write_text(PLANT)
    return Works(path, Workspace(plants.load(str(path)), Settings()))


def loud_share(scores: pd.DataFrame, works: Works) -> float:
    """Return the share of b's windows of the last five days that are anomalous."""
    newest = (scores["asset_id"] == "b") & (scores["window_end"] >= START + (works.days - 5) * DAY)
    return float((scores.loc[newest, "severity"] > 1).mean())


@pytest.mark.parametrize(("is_masked", "low", "high"), [(True, 0.99, 1.0), (False, 0.0, 0.5)])
def test_a_stuck_sensor_stays_anomalous_through_a_month_of_trainings(
    works: Works, is_masked: bool, low: float, high: float
) -> None:
    """Four weekly trainings later it is as loud as on the first day; without the mask it has become normal."""
    for days in (12, 19, 26, 33, 40):
        works.bring(stuck(readings(days)), days)
        bundle = works.train(is_masked=is_masked)
        scores = works.score(bundle)
    assert low <= loud_share(scores, works) <= high
    table = works.table(is_masked=is_masked)
    newest = table.features.loc[(table.features["asset_id"] == "b") & (table.part == "train"), "window_end"].max()
    assert newest > START + 19 * DAY, "the train part has not moved on into the stuck time"
    assert (NOT_JUDGED in table.learnt["train"]) == is_masked


def test_an_accepted_level_stops_alarming_after_one_training(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    """One machine draws 10 A more: alarms open until that is accepted; a real fault on top opens one again."""
    works.bring(shifted(readings(12)), 12)
    first = works.train()
    works.bring(shifted(readings(20)), 20)
    works.score(first)
    assert len(works.alarms_of(first, day=19)) > 0
    begin = (START + 10 * DAY).isoformat()
    before = works.space.store.version(tables.LEDGER)
    deciding.rebaseline(str(works.yaml), "b", since=begin)
    shown = capsys.readouterr().out
    assert "Nothing was written" in shown
    assert works.space.store.version(tables.LEDGER) == before
    row = next(line for line in shown.splitlines() if line.startswith("load"))
    assert row.split()[1:2] + row.split()[-1:] == ["A", "moved"]
    assert [round(float(number)) for number in row.split()[2:6]] == [30, 1, 40, 1]

    assert feedback.outdated(works.space.store, fingerprint(first)) == []
    deciding.rebaseline(str(works.yaml), "b", since=begin, yes=True)
    assert "accepted (ledger entry" in capsys.readouterr().out
    assert "new normal of b" in feedback.outdated(works.space.store, fingerprint(first))[0]

    second = works.train()
    assert feedback.outdated(works.space.store, fingerprint(second)) == []
    works.score(second)
    assert works.alarms_of(second).empty
    assert works.table().learnt["train"][BEFORE] == 10 * 144, "windows that begin before the tenth day"

    rows = shifted(readings(22))
    works.bring(rows.assign(load=rows["load"] + 10.0 * since(rows, 21, 21.5)), 22)
    works.score(second)
    opened = works.alarms_of(second)
    assert len(opened) == 1
    assert opened["opened_at"].between(START + 21 * DAY, START + 21.1 * DAY).all()

    deciding.rebaseline(str(works.yaml), "b", undo=True)
    assert "taken back" in feedback.outdated(works.space.store, fingerprint(second))[0]
    assert BEFORE not in works.table().learnt["train"]


def test_what_is_said_about_an_alarm_changes_what_is_learnt(works: Works, capsys: pytest.CaptureFixture[str]) -> None:
    """An unjudged alarm is left out of training, a dismissed one is learnt from, a confirmed one is a fault."""
    rows = readings(12)
    spoilt = lambda rows: rows.assign(load=rows["load"] + 10.0 * since(rows, 11, 11.5))  # noqa: E731
    works.bring(spoilt(rows), 12)
    bundle = works.train()
    works.score(bundle)
    works.bring(spoilt(readings(30)), 30)
    works.score(bundle)
    (name,) = works.alarms_of(bundle).loc[
        lambda rows: rows["opened_at"].between(START + 11 * DAY, START + 12 * DAY), "alarm_id"
    ]
    plant, store = str(works.yaml), works.space.store

    def learnt() -> dict[str, int]:
        return works.table().learnt["train"]

    nobody = learnt()
    assert nobody[NOT_JUDGED] >= 72
    deciding.dismiss(plant, name[:6], reason="we flushed the line")
    dismissed = learnt()
    assert dismissed[LEARNT] >= nobody[LEARNT] + 72
    looking.alarms(plant)
    assert "(dismissed)" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"has decided 'dismiss' for alarm .* already"):
        deciding.confirm(plant, name)
    deciding.dismiss(plant, name, undo=True)
    assert learnt() == nobody

    deciding.confirm(plant, name, kind="clogged")
    (fault,) = store.read(tables.FAULTS).to_dict("records")
    assert (fault["asset_id"], fault["kind"], fault["origin"]) == ("b", "clogged", "person")
    assert START + 11 * DAY <= fault["start"] <= START + 11 * DAY + 2 * STEP
    assert learnt()["inside a fault"] >= 72
    deciding.confirm(plant, name, undo=True)
    assert store.read(tables.FAULTS).empty
    assert learnt() == nobody
    assert ledger.verify(store) == []
    words = [entry for entry in ledger.entries(store)["verdict"] if entry != "promote"]
    assert words == ["dismiss", "take back", "confirm", "take back"]
    with pytest.raises(ConfigError, match="no 'confirm' of alarm"):
        deciding.confirm(plant, name, undo=True)


def test_training_again_on_the_same_data_is_the_same_training(works: Works) -> None:
    """Alarms that scoring writes after a training lie where nothing is learnt: they do not make it another one."""
    rows = readings(20)
    works.bring(rows.assign(load=rows["load"] + 10.0 * since(rows, 14.0)), 20)  # from the first validate window on
    first = write_withheld(works.space)
    bundle = works.train()
    works.score(bundle)
    assert len(works.alarms_of(bundle)) > 0
    assert write_withheld(works.space) == first
    assert write_withheld(works.space) == first


def test_what_nobody_has_judged_does_not_pass_for_clean_running(works: Works) -> None:
    """B is in an alarm since the tenth day: the self-test does not count alarms of candidates there."""
    works.bring(shifted(readings(12)), 12)
    bundle = works.train()
    works.bring(shifted(readings(16)), 16)
    works.score(bundle)
    table = works.table()
    training = Training("detect", "key", "run", {"readings": works.space.store.ref(tables.READINGS)}, ())
    clean = twins_of_training(works.space, training, table, Shared()).clean
    newest = clean.groupby("asset_id")["window_end"].max()
    assert newest["b"] < START + 10 * DAY < table.cuts["validate_from"]["a"] < newest["a"]


def test_a_champion_that_always_alarms_cannot_starve_the_next(works: Works) -> None:
    """All that b ever did lies inside an alarm: training says so, and names the three ways out."""
    works.bring(stuck(readings(12)), 12)
    bundle = works.train()
    works.score(bundle)
    late = stuck(readings(40))
    works.bring(late[late["timestamp"] >= START + 10.2 * DAY].reset_index(drop=True), 40)  # the rest was archived
    works.score(bundle)
    with pytest.raises(DataError, match=r"b: .* nobody has judged, 0 are left.* confirm .* dismiss .* rebaseline"):
        works.table()


def test_too_early_or_half_a_new_normal_is_refused(works: Works) -> None:
    """Two hours are too few to know what is usual, and a level that moved unseen is not accepted unseen."""
    rows = shifted(readings(20))
    works.bring(rows.assign(heat=rows["heat"] + 20.0 * since(rows, 10)), 20)
    plant = str(works.yaml)
    with pytest.raises(DataError, match=r"at least 50 are needed to learn the new normal\. At this pace wait until"):
        deciding.rebaseline(plant, "b", since=(START + 19.9 * DAY).isoformat(), yes=True)
    with pytest.raises(DataError, match=r"load of b cannot be accepted alone, .*heat from 60.* to (79.9|80).* °C"):
        deciding.rebaseline(plant, "b", since=(START + 10 * DAY).isoformat(), sensor=["load"], yes=True)
    with pytest.raises(ConfigError, match=r"no readings of 'c'; found \['a', 'b'\]"):
        deciding.rebaseline(plant, "c", since=START.isoformat())
    assert ledger.entries(works.space.store).empty


def test_a_killed_command_is_finished_by_the_next(works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has the confirmed fault, the table of faults not yet: the next training puts it there."""
    works.bring(stuck(readings(12)), 12)
    bundle = works.train()
    works.score(bundle)
    name = works.alarms_of(bundle)["alarm_id"].iloc[0]
    with monkeypatch.context() as patch:
        patch.setattr(feedback, "settle_faults", lambda store: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            deciding.confirm(str(works.yaml), name)
    assert works.space.store.read(tables.FAULTS).empty
    write_withheld(works.space)
    assert list(works.space.store.read(tables.FAULTS)["origin"]) == ["person"]


def test_an_hour_is_an_hour(works: Works) -> None:
    """A decision read back means the same instants as when it was made."""
    works.bring(shifted(readings(20)), 20)
    deciding.rebaseline(str(works.yaml), "b", since="2026-01-15T01:00+01:00", yes=True)
    (decision,) = feedback.in_force(works.space.store)
    assert decision.start == START + 10 * DAY
    assert decision.end is None
    assert timedelta(0) == decision.start.utcoffset()
