"""A plant that has learnt from its first readings; the rest comes in any cut and order, and the tables must not differ.

Everything is a library call, as the flow `watch` makes them, without a server: `follow` is one look at the plant. The
tests beside it use it on tiny plants, ``benchmarks/any_cut.py`` on whole ones.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from expectations import features as feature_promises
from expectations import readings as reading_promises
from expectations import scores as score_promises
from wheeltapper import faultpoints, objectives, plants, sources, tables
from wheeltapper.checks import Findings
from wheeltapper.config import Settings
from wheeltapper.decisions import promotion
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import clean
from wheeltapper.readings.delivery.deliver import deliver_new
from wheeltapper.scoring import alarm_records, batch
from wheeltapper.scoring.live import CHAMPION, Answer, advance
from wheeltapper.scoring.restore import restore, track_of
from wheeltapper.serving.fold import Checks, follow_readings
from wheeltapper.training.candidate_run import train_candidate
from wheeltapper.training.opening import open_trainings
from wheeltapper.training.shared import Shared
from wheeltapper.workspace import OBJECTIVE, Workspace

ROOT = Path(__file__).parents[2]
BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
"""When the first delivery of the rest arrives; each later one comes a minute after the one before."""
COMPARED = (tables.READINGS, tables.FLAGS, tables.FEATURES, tables.SCORES)
"""Tables that must be the same in every way, beside the alarms."""
POINTS = (
    *("store.after_commit:1", "ingest.after_quarantine:1", "store.after_commit:2", "ingest.after_corrections:1"),
    *("store.after_commit:3", "flag.before_write:1", "store.after_commit:4", "flag.after_write:1"),
    *("store.after_commit:5", "store.after_data:2", "store.after_commit:6", "score.after_scores:1"),
)
"""Points of a look at which it is killed, and at which time that it passes them."""

Delivery = tuple[str, pd.DataFrame]
"""Name of a file, and its rows."""


@dataclass(frozen=True)
class Pace:
    """How often a plant's readings come."""

    hour: timedelta
    """What one delivery holds; an hour where readings come each minute."""
    day: timedelta
    """Within this time deliveries come in any order."""


Way = Callable[[pd.DataFrame, Pace, np.random.Generator], Iterator[Delivery]]
"""Cuts the rest of a plant's readings into deliveries."""


# -- a plant and its two parts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PreparedPlant:
    """A plant in a folder of its own: its file, its home, and the folder that its source reads."""

    folder: Path
    name: str

    @property
    def plant_file(self) -> Path:
        """The plant's YAML."""
        return self.folder / f"{self.name}.yaml"

    @property
    def space(self) -> Workspace:
        """The plant at work, opened anew."""
        return Workspace(plants.load(str(self.plant_file)), Settings(home=self.folder / "home"), str(self.plant_file))

    def copy(self, folder: Path) -> PreparedPlant:
        """Return a copy of the plant and all that it has learnt."""
        shutil.copytree(self.folder, folder)
        shutil.rmtree(folder / "home" / "plants", ignore_errors=True)  # the path of the original is written there
        return PreparedPlant(folder, self.name)

    def put(self, delivery: Delivery) -> None:
        """Let the source have one file and nothing else, as a folder does that is emptied after each look."""
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        name, rows = delivery
        rows.to_csv(data / f"{name}.csv", index=False)

    def bring(self, deliveries: Iterator[Delivery], checks: Checks | None = None) -> list[float]:
        """Bring deliveries, and look after each; return the core seconds of each look."""
        seconds = []
        for number, delivery in enumerate(deliveries):
            self.put(delivery)
            began = time.process_time()
            follow(self.space, BEGIN + timedelta(minutes=number), checks or ACCEPT)
            seconds.append(time.process_time() - began)
        return seconds


def _accept(*_: Any, **__: Any) -> Any:
    nothing = pd.DataFrame({"row": pd.Series(dtype="int64"), "expectation": "", "reason": ""})
    return Findings(ok=True, failures=(), rejected=nothing, notes=())


def _check_scores(
    scores: pd.DataFrame, *, title: str, regimes: tuple[str, ...], learned_until: Mapping[str, str], docs: Path
) -> Any:
    return score_promises.check(scores, score_promises.Terms(title, regimes, learned_until), docs)


PROMISES = Checks(reading_promises.check, feature_promises.check, _check_scores)
"""The checks of the flows."""
ACCEPT = Checks(_accept, _accept, _accept)
"""Let everything pass: `read` has left out what would be rejected, and the checks take most of a small look's time."""


def follow(space: Workspace, now: datetime, checks: Checks) -> None:
    """Look at the plant once, as the flow `watch` does: readings, flags, features, scores and alarms."""
    with space.alone():
        deliver_new(space, now, checks.readings)
        follow_readings(space, checks)


@dataclass(frozen=True)
class Divided:
    """The readings of a plant, in two parts."""

    first: pd.DataFrame
    """What it learns from."""
    rest: pd.DataFrame
    """What comes afterwards, in the order of time."""
    faults: pd.DataFrame


def read(content: Mapping[str, Any], name: str, folder: Path = ROOT / "conf") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the readings of a plant's source that keep its promises, in the order of time, and its faults."""
    plant = plants.parse(json.dumps(content, default=str), name=name, folder=folder, where=name)
    batches = list(sources.build(plant.source).read(plant))
    rows = pd.concat([clean.parse(batch, plant).rows for batch in batches], ignore_index=True)
    rejected = reading_promises.check(rows.assign(row=range(len(rows))), plant, None).rejected["row"]
    rows = rows.drop(index=rejected.to_numpy(dtype=int))
    columns = ["timestamp", "asset_id", "regime", *plant.asset_type.sensors]
    faults = pd.concat([batch.faults for batch in batches], ignore_index=True)
    return rows[columns].sort_values(["timestamp", "asset_id"], ignore_index=True), faults


def divide(rows: pd.DataFrame, faults: pd.DataFrame, share: float) -> Divided:
    """Cut the readings of each machine after a share of its time."""
    times = rows.groupby("asset_id")["timestamp"]
    begin, end = times.transform("min"), times.transform("max")
    is_rest = rows["timestamp"] > begin + (end - begin) * share
    return Divided(rows[~is_rest], rows[is_rest].reset_index(drop=True), faults)


def prepare(content: Mapping[str, Any], divided: Divided, name: str, folder: Path) -> PreparedPlant:
    """Read the first part of a plant and train on it, so that a champion is live and its alarms are stored."""
    source = {"path": "data", "time_column": "timestamp", "asset_column": "asset_id", "regime_column": "regime"}
    prepared = PreparedPlant(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    prepared.plant_file.write_text(
        json.dumps({**content, "source": {"csv_folder": source}}, default=str), encoding="utf-8"
    )
    prepared.put(("first", divided.first))
    space = prepared.space
    follow(space, BEGIN - timedelta(days=2), ACCEPT)
    faults = tables.FAULTS.check(divided.faults.assign(origin="person"))  # no source deletes the faults of a person
    first_faults = faults[faults["start"] <= divided.first["timestamp"].max()]
    space.store.upsert(tables.FAULTS, first_faults, txn="faults of the first part")
    train(space)
    batch.score_windows(space, PROMISES.scores)
    return prepared


def train(space: Workspace, label: str | None = None, now: datetime = BEGIN - timedelta(days=1)) -> str:
    """Train a candidate, by default the plant's first; promote it by hand, whatever it is worth; return its hash."""
    (objective,) = objectives.of(space.plant)
    (training,) = open_trainings(space, [objective])
    label = label or next(iter(objective.candidates(space.plant)))
    result = train_candidate(space, objective, training, label, Shared(), lambda *_: {})
    version = space.registry.register(space.plant.name, OBJECTIVE, result.model_uri, result.run_id, result.bundle)
    promotion.promote(space, OBJECTIVE, version, actor="any_cut", now=now)
    return result.bundle


# -- ways to bring the rest --------------------------------------------------------------------------------------------


def pieces(rows: pd.DataFrame, length: timedelta) -> list[Delivery]:
    """Cut rows at even times."""
    groups = rows.groupby(rows["timestamp"].dt.floor(pd.Timedelta(length)))
    return [(f"{begin:%Y%m%dT%H%M%S}", of_piece) for begin, of_piece in groups]


def once(rest: pd.DataFrame, _pace: Pace, _rng: np.random.Generator) -> Iterator[Delivery]:
    """Bring everything in one delivery."""
    yield "rest", rest


def hours(rest: pd.DataFrame, pace: Pace, _rng: np.random.Generator) -> Iterator[Delivery]:
    """Hour by hour."""
    yield from pieces(rest, pace.hour)


def singles(rest: pd.DataFrame, _pace: Pace, _rng: np.random.Generator, count: int = 24) -> Iterator[Delivery]:
    """Some single readings, each through all tables, then the others."""
    for number in range(count):
        yield f"single-{number}", rest.iloc[[number]]
    yield "others", rest.iloc[count:]


def growing(rest: pd.DataFrame, pace: Pace, _rng: np.random.Generator) -> Iterator[Delivery]:
    """One file, to which the lines of half a day are appended again and again."""
    for _, rows in pieces(rest, pace.day / 2):
        yield "growing", rest[rest["timestamp"] <= rows["timestamp"].max()]


def shuffled(rest: pd.DataFrame, pace: Pace, rng: np.random.Generator) -> Iterator[Delivery]:
    """All hours of a day in any order, the rows in each in any order; some hours come twice."""
    for _, day in pieces(rest, pace.day):
        of_day = [(name, rows.iloc[rng.permutation(len(rows))]) for name, rows in pieces(day, pace.hour)]
        places = rng.permutation(len(of_day))
        yield from (of_day[place] for place in [*places, *places[::7]])


def late(rest: pd.DataFrame, pace: Pace, _rng: np.random.Generator) -> Iterator[Delivery]:
    """The second hour comes when all others are there."""
    of_rest = pieces(rest, pace.hour)
    second_hour = of_rest.pop(1)
    yield from _in_days(of_rest, pace)
    yield second_hour


def corrected(rest: pd.DataFrame, pace: Pace, _rng: np.random.Generator) -> Iterator[Delivery]:
    """The second hour is wrong in every sensor; when all others are there, it comes once more as it was."""
    of_rest = pieces(rest, pace.hour)
    name, right = of_rest[1]
    sensors = [column for column in rest.columns if column not in ("timestamp", "asset_id", "regime")]
    wrong = right.assign(**{sensor: right[sensor] * 0.6 for sensor in sensors})
    yield from _in_days([of_rest[0], (name, wrong), *of_rest[2:]], pace)
    yield f"{name}-corrected", right


def _in_days(deliveries: list[Delivery], pace: Pace) -> Iterator[Delivery]:
    """Join the deliveries of each day into one."""
    yield from pieces(pd.concat([rows for _, rows in deliveries]), pace.day)


WAYS: dict[str, Way] = {
    "once": once,
    "hours": hours,
    "singles": singles,
    "growing": growing,
    "shuffled": shuffled,
    "late": late,
    "corrected": corrected,
}


# -- killed ------------------------------------------------------------------------------------------------------------


@dataclass
class Killing:
    """Looks at a plant in processes that are killed."""

    plant: PreparedPlant
    chance: random.Random
    at_random: int = 0
    """Looks that were killed at a random moment."""
    at_points: int = 0
    """Looks that were killed at a point of the program."""

    def bring(self, deliveries: list[Delivery], kills: int, points: tuple[str, ...]) -> None:
        """Bring deliveries; each look is killed a few times, and run again until it ends."""
        orders = [f"{point}:kill" for point in points]
        usual = 1.0
        for number, delivery in enumerate(deliveries):
            self.plant.put(delivery)
            now = BEGIN + timedelta(minutes=number)
            for order in orders[number :: len(deliveries)]:
                self.at_points += self._look(now, order=order) == -signal.SIGKILL
            kills_per_look = -(-(kills - self.at_random) // (len(deliveries) - number))
            for _ in range(kills_per_look):
                self.at_random += self._look(now, after=self.chance.uniform(0.02, usual)) == -signal.SIGKILL
            began = time.monotonic()
            code = self._look(now)
            usual = time.monotonic() - began
            if code != 0:
                raise AssertionError(f"a look after a kill ended with code {code}")

    def _look(self, now: datetime, *, after: float | None = None, order: str = "") -> int:
        """Look once in a process of its own, which may be killed after some seconds; return how it ended."""
        process = _forks().Process(target=_look, args=(self.plant, now, order))
        process.start()
        process.join(after)
        if process.exitcode is None:
            process.kill()
            process.join()
        return int(process.exitcode or 0)


def _forks() -> Any:
    """Return the maker of processes: all are forked from one that has imported everything and does nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "deltalake", "great_expectations", "numba", "mlflow.tracking"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context


def _look(plant: PreparedPlant, now: datetime, order: str) -> None:
    os.environ[faultpoints.VARIABLE] = order
    follow(plant.space, now, ACCEPT)


# -- comparing two plants ----------------------------------------------------------------------------------------------


def standing_alarms(space: Workspace) -> pd.DataFrame:
    """Return the alarms that are not withdrawn, without the identifiers: these may keep an opening that was moved."""
    alarms = alarm_records.standing(space.store.read(tables.ALARMS)).drop(columns="alarm_id")
    return alarms.sort_values(["asset_id", "opened_at", "bundle"], ignore_index=True)


def digests(plant: PreparedPlant) -> dict[str, str]:
    """Return table → digest of all that must be the same in every way."""
    space = plant.space
    alarms = standing_alarms(space).to_csv(index=False)  # writes every number exactly
    of_tables = {table.name: space.store.digest(table) for table in COMPARED}
    return of_tables | {"alarms": hashlib.sha256(alarms.encode()).hexdigest()}


def differences(plant: PreparedPlant, other_plant: PreparedPlant) -> list[str]:
    """Describe what differs between two copies of a plant, table by table."""
    descriptions = []
    pairs = [(table.name, *(_plain(copy, table) for copy in (plant, other_plant))) for table in COMPARED]
    pairs.append(("alarms", *(standing_alarms(copy.space) for copy in (plant, other_plant))))
    for name, rows, other_rows in pairs:
        both = rows.merge(other_rows, how="outer", indicator=True)
        unequal = both[both["_merge"] != "both"]
        if len(unequal):
            examples = unequal.head(6).to_string(max_colwidth=60)
            descriptions.append(
                f"{name}: {len(rows)} and {len(other_rows)} rows, {len(unequal)} of either alone:\n{examples}"
            )
    return descriptions


def _plain(plant: PreparedPlant, table: tables.Table) -> pd.DataFrame:
    return plant.space.store.read(table).drop(columns=list(table.volatile))


# -- the live core beside the tables -----------------------------------------------------------------------------------


def live_differences(before: PreparedPlant, after: PreparedPlant, rest: pd.DataFrame) -> list[str]:
    """Bring the rest reading by reading through `scoring.live.advance`; describe what is unlike the tables.

    Parameters
    ----------
    before : PreparedPlant
        The plant before the rest came: the live state is restored from its tables.
    after : PreparedPlant
        The plant that has read the rest.
    rest : DataFrame
        Readings in the order in which they come.
    """
    state, history = restore(before.space)
    plan = FeaturePlan.of(before.space.plant)
    live_tables = LiveTables.of(before.space)
    for at in range(len(rest)):
        row = rest.iloc[at : at + 1]
        state, answers = advance(state, {str(row["asset_id"].iloc[0]): track_of(row, plan)}, history)
        for asset, answer in answers.items():
            live_tables.take(asset, answer)
    return live_tables.differences(before.space, after.space, plan)


@dataclass
class LiveTables:
    """The tables that a listener of the live core would keep."""

    windows: dict[tuple[str, int], tuple[Any, ...]] = field(default_factory=dict)
    """Asset and end of a window → its start, regime, reason why it is not usable, and values."""
    scores: dict[tuple[str, int], tuple[Any, ...]] = field(default_factory=dict)
    alarms: dict[tuple[str, int], tuple[Any, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, space: Workspace) -> LiveTables:
        """Begin with the alarms that are stored."""
        return cls(alarms=_alarms_of(space))

    def take(self, asset: str, answer: Answer) -> None:
        """Take in what new readings mean."""
        rows, scored = answer.rows, answer.scores[CHAMPION]
        columns = zip(rows.starts.tolist(), rows.regimes, rows.why_not, rows.values.tolist(), strict=True)
        self.windows |= {
            (asset, end): (*row[:3], *row[3]) for end, row in zip(rows.ends.tolist(), columns, strict=True)
        }
        figures = zip(scored.score.tolist(), scored.threshold.tolist(), scored.severity.tolist(), strict=True)
        self.scores |= {(asset, end): row for end, row in zip(scored.ends.tolist(), figures, strict=True)}
        for change in answer.transitions:
            self.alarms.pop((asset, change.was_opened_at), None)
            alarm = change.alarm
            if change.change != "withdrawn":
                state = "open" if alarm.is_open else "closed"
                self.alarms[asset, alarm.opened_at] = (alarm.last_at, alarm.peak_severity, alarm.regime, state)

    def differences(self, before: Workspace, after: Workspace, plan: FeaturePlan) -> list[str]:
        """Compare with what the tables have more than before."""
        fixed = ["asset_id", "window_end", "window_start", "regime", "why_not"]
        windows = _new_rows(before, after, tables.FEATURES, [*fixed, *plan.columns])
        windows["window_start"] = tables.microseconds(windows["window_start"])
        scores = _new_rows(before, after, tables.SCORES, ["asset_id", "window_end", "score", "threshold", "severity"])
        return [
            *_unlike("features", self.windows, _by_window(windows)),
            *_unlike("scores", self.scores, _by_window(scores)),
            *_unlike("alarms", self.alarms, _alarms_of(after)),
        ]


def _new_rows(before: Workspace, after: Workspace, table: tables.Table, columns: list[str]) -> pd.DataFrame:
    """Return the rows that a table has more than before."""
    key = ["asset_id", "window_end"]
    old, new = (space.store.read(table, columns=columns) for space in (before, after))
    is_old = pd.MultiIndex.from_frame(new[key]).isin(pd.MultiIndex.from_frame(old[key]))
    return new[~is_old].reset_index(drop=True)


def _by_window(rows: pd.DataFrame) -> dict[tuple[str, int], tuple[Any, ...]]:
    keys = zip(rows["asset_id"], tables.microseconds(rows["window_end"]).tolist(), strict=True)
    values = rows.drop(columns=["asset_id", "window_end"]).itertuples(index=False, name=None)
    return dict(zip(keys, values, strict=True))


def _alarms_of(space: Workspace) -> dict[tuple[str, int], tuple[Any, ...]]:
    rows = standing_alarms(space)
    keys = zip(rows["asset_id"], tables.microseconds(rows["opened_at"]).tolist(), strict=True)
    last = tables.microseconds(rows["last_at"]).tolist()
    values = zip(last, rows["peak_severity"], rows["regime"], rows["state"], strict=True)
    return dict(zip(keys, values, strict=True))


def _unlike(name: str, live: dict[Any, tuple[Any, ...]], stored: dict[Any, tuple[Any, ...]]) -> list[str]:
    """Describe the keys whose live values differ from the stored ones; NaN equals NaN."""
    keys = sorted({*live, *stored})
    unlike = [key for key in keys if repr(live.get(key)) != repr(stored.get(key))]
    examples = [f"{key}: live {live.get(key)}, stored {stored.get(key)}" for key in unlike[:4]]
    return ["\n".join([f"live {name}: {len(unlike)} of {len(keys)} differ", *examples])] if unlike else []
