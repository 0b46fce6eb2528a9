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
from dataclasses import dataclass
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
from wheeltapper.config import Settings
from wheeltapper.decisions import ledger, promotion
from wheeltapper.features import job as jobs
from wheeltapper.features import table as feature_table
from wheeltapper.readings import clean
from wheeltapper.readings.delivery.deliver import deliver
from wheeltapper.readings.health.table import update_flags
from wheeltapper.scoring import alarm_records, batch
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
    *("ingest.after_quarantine", "ingest.after_corrections", "flag.before_write", "flag.after_write"),
    *("store.after_data", "store.after_commit", "score.after_scores"),
)
"""Points of a look at the plant at which it can be killed."""

Delivery = tuple[str, pd.DataFrame]
"""Name of a file, and its rows."""
Way = Callable[[pd.DataFrame, timedelta, np.random.Generator], Iterator[Delivery]]
"""Cuts the rest of a plant's readings into deliveries; the duration is that of an hourly one."""


# -- a plant and its two parts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Brought:
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

    def copy(self, folder: Path) -> Brought:
        """Return a copy of the plant and all that it has learnt."""
        shutil.copytree(self.folder, folder)
        shutil.rmtree(folder / "home" / "plants", ignore_errors=True)  # it says where the original lies
        return Brought(folder, self.name)

    def put(self, delivery: Delivery) -> None:
        """Let the source have one file and nothing else, as a folder does that is emptied after each look."""
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        name, rows = delivery
        rows.to_csv(data / f"{name}.csv", index=False)

    def bring(self, deliveries: Iterator[Delivery]) -> list[float]:
        """Bring deliveries, and look after each; return the core seconds of each look."""
        seconds = []
        for number, delivery in enumerate(deliveries):
            self.put(delivery)
            began = time.process_time()
            follow(self.space, BEGIN + timedelta(minutes=number))
            seconds.append(time.process_time() - began)
        return seconds


def follow(space: Workspace, now: datetime) -> None:
    """Look at the plant once, as the flow `watch` does: readings, flags, features, scores and alarms."""
    with space.alone():
        deliver(space, None, None, now, reading_promises.check)
        update_flags(space)
        job = jobs.plan_job(space)
        if job.is_whole:
            parts = [feature_table.compute_part(space, job, part, feature_promises.check) for part in job.parts]
            feature_table.store_parts(space, job, parts)
        else:
            feature_table.update(space, job, feature_promises.check)
        if ledger.live(space.store, OBJECTIVE) is not None:
            batch.score_windows(space, _check_scores)


def _check_scores(
    scores: pd.DataFrame, *, title: str, regimes: tuple[str, ...], learned_until: Mapping[str, str], docs: Path
) -> Any:
    return score_promises.check(scores, score_promises.Terms(title, regimes, learned_until), docs)


@dataclass(frozen=True)
class Divided:
    """The readings of a plant, in two parts."""

    first: pd.DataFrame
    """What it learns from."""
    rest: pd.DataFrame
    """What comes afterwards, in the order of time."""
    faults: pd.DataFrame


def read(content: Mapping[str, Any], name: str, folder: Path = ROOT / "conf") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all readings of a plant's source, in the order of time, and its faults."""
    plant = plants.parse(json.dumps(content, default=str), name=name, folder=folder, where=name)
    batches = list(sources.build(plant.source).read(plant))
    rows = pd.concat([clean.parse(one, plant).rows for one in batches], ignore_index=True)
    columns = ["timestamp", "asset_id", "regime", *plant.asset_type.sensors]
    faults = pd.concat([one.faults for one in batches], ignore_index=True)
    return rows[columns].sort_values(["timestamp", "asset_id"], ignore_index=True), faults


def divide(rows: pd.DataFrame, faults: pd.DataFrame, share: float) -> Divided:
    """Cut the readings of each machine after a share of its time."""
    times = rows.groupby("asset_id")["timestamp"]
    begin, end = times.transform("min"), times.transform("max")
    is_rest = rows["timestamp"] > begin + (end - begin) * share
    return Divided(rows[~is_rest], rows[is_rest].reset_index(drop=True), faults)


def prepare(content: Mapping[str, Any], divided: Divided, name: str, folder: Path) -> Brought:
    """Read the first part of a plant and train on it, so that a champion is live and its alarms are stored."""
    source = {"path": "data", "time_column": "timestamp", "asset_column": "asset_id", "regime_column": "regime"}
    made = Brought(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    made.plant_file.write_text(json.dumps({**content, "source": {"csv_folder": source}}, default=str), encoding="utf-8")
    made.put(("first", divided.first))
    space = made.space
    follow(space, BEGIN - timedelta(days=2))
    faults = tables.FAULTS.check(divided.faults.assign(origin="person"))  # no source deletes what a person has said
    known = faults[faults["start"] <= divided.first["timestamp"].max()]
    space.store.upsert(tables.FAULTS, known, txn="faults of the first part")
    train(space)
    batch.score_windows(space, _check_scores)
    return made


def train(space: Workspace) -> None:
    """Train the plant's first candidate and promote it by hand: what it is worth is of no concern here."""
    (objective,) = objectives.of(space.plant)
    (training,) = open_trainings(space, [objective])
    label = next(iter(objective.candidates(space.plant)))
    result = train_candidate(space, objective, training, label, Shared(), lambda *_: {})
    version = space.registry.register(space.plant.name, OBJECTIVE, result.model_uri, result.run_id, result.bundle)
    promotion.promote(space, OBJECTIVE, version, actor="any_cut", now=BEGIN - timedelta(days=1))


# -- ways to bring the rest --------------------------------------------------------------------------------------------


def pieces(rows: pd.DataFrame, piece: timedelta) -> list[Delivery]:
    """Cut rows at even times."""
    groups = rows.groupby(rows["timestamp"].dt.floor(pd.Timedelta(piece)))
    return [(f"{begin:%Y%m%dT%H%M%S}", of_piece) for begin, of_piece in groups]


def once(rest: pd.DataFrame, _piece: timedelta, _rng: np.random.Generator) -> Iterator[Delivery]:
    """Everything in one delivery."""
    yield "rest", rest


def hours(rest: pd.DataFrame, piece: timedelta, _rng: np.random.Generator) -> Iterator[Delivery]:
    """Hour by hour."""
    yield from pieces(rest, piece)


def singles(rest: pd.DataFrame, _piece: timedelta, _rng: np.random.Generator, count: int = 36) -> Iterator[Delivery]:
    """Some single readings through the tables, then the others."""
    for number in range(count):
        yield f"single-{number}", rest.iloc[[number]]
    yield "others", rest.iloc[count:]


def shuffled(rest: pd.DataFrame, piece: timedelta, rng: np.random.Generator) -> Iterator[Delivery]:
    """All hours of a day in any order, the rows in each in any order; some hours come twice."""
    for _, day in rest.groupby(rest["timestamp"].dt.floor(pd.Timedelta(24 * piece))):
        of_day = [(name, rows.iloc[rng.permutation(len(rows))]) for name, rows in pieces(day, piece)]
        places = rng.permutation(len(of_day))
        yield from (of_day[place] for place in [*places, *places[::7]])


def late(rest: pd.DataFrame, piece: timedelta, _rng: np.random.Generator) -> Iterator[Delivery]:
    """The second hour comes when all others are there."""
    of_rest = pieces(rest, piece)
    held_back = of_rest.pop(1)
    yield from _in_days(of_rest, piece)
    yield held_back


def corrected(rest: pd.DataFrame, piece: timedelta, _rng: np.random.Generator) -> Iterator[Delivery]:
    """The second hour is wrong in every sensor; when all others are there, it comes once more as it was."""
    of_rest = pieces(rest, piece)
    name, right = of_rest[1]
    sensors = [column for column in rest.columns if column not in ("timestamp", "asset_id", "regime")]
    wrong = right.assign(**{sensor: right[sensor] * 0.6 for sensor in sensors})
    yield from _in_days([of_rest[0], (name, wrong), *of_rest[2:]], piece)
    yield f"{name}-corrected", right


def _in_days(deliveries: list[Delivery], piece: timedelta) -> Iterator[Delivery]:
    """Join deliveries of a day into one."""
    together = pd.concat([rows for _, rows in deliveries])
    for begin, rows in together.groupby(together["timestamp"].dt.floor(pd.Timedelta(24 * piece))):
        yield f"day-{begin:%Y%m%dT%H%M%S}", rows


WAYS: dict[str, Way] = {
    way.__name__: way for way in (once, hours, singles, shuffled, late, corrected)  # type: ignore[attr-defined]
}


# -- killed ------------------------------------------------------------------------------------------------------------


@dataclass
class Killing:
    """Looks at a plant in processes that are killed."""

    brought: Brought
    chance: random.Random
    at_random: int = 0
    """Looks that were killed at a random moment."""
    at_points: int = 0
    """Looks that were killed at a point of the program."""

    def bring(self, deliveries: list[Delivery], kills: int, points: tuple[str, ...]) -> None:
        """Bring deliveries; each look is killed a few times, and run again until it ends."""
        orders = [f"{point}:{self.chance.randint(1, 2)}:kill" for point in points]
        usual = 1.0
        for number, delivery in enumerate(deliveries):
            self.brought.put(delivery)
            now = BEGIN + timedelta(minutes=number)
            for order in orders[number :: len(deliveries)]:
                self.at_points += self._look(now, order=order) == -signal.SIGKILL
            left = -(-(kills - self.at_random) // (len(deliveries) - number))
            for _ in range(left):
                self.at_random += self._look(now, after=self.chance.uniform(0.02, usual)) == -signal.SIGKILL
            began = time.monotonic()
            code = self._look(now)
            usual = time.monotonic() - began
            if code != 0:
                raise AssertionError(f"a look after a kill ended with code {code}")

    def _look(self, now: datetime, *, after: float | None = None, order: str = "") -> int:
        """Look once in a process of its own, which may be killed after some seconds; return how it ended."""
        process = _forks().Process(target=_look, args=(self.brought, now, order))
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


def _look(brought: Brought, now: datetime, order: str) -> None:
    os.environ[faultpoints.VARIABLE] = order
    follow(brought.space, now)


# -- what came of it ---------------------------------------------------------------------------------------------------


def standing_alarms(space: Workspace) -> pd.DataFrame:
    """Return the alarms that are not withdrawn, without the identifiers: these may keep an opening that was moved."""
    alarms = alarm_records.standing(space.store.read(tables.ALARMS)).drop(columns="alarm_id")
    return alarms.sort_values(["asset_id", "opened_at", "bundle"], ignore_index=True)


def digests(brought: Brought) -> dict[str, str]:
    """Return table → digest of all that must be the same in every way."""
    space = brought.space
    alarms = standing_alarms(space).to_json(orient="records", date_format="iso", date_unit="us", double_precision=15)
    of_tables = {table.name: space.store.digest(table) for table in COMPARED}
    return of_tables | {"alarms": hashlib.sha256(alarms.encode()).hexdigest()}


def differences(one: Brought, other: Brought) -> list[str]:
    """Describe what differs between two copies of a plant, table by table."""
    found = []
    pairs = [(table.name, *(_plain(plant, table) for plant in (one, other))) for table in COMPARED]
    pairs.append(("alarms", *(standing_alarms(plant.space) for plant in (one, other))))
    for name, left, right in pairs:
        both = left.merge(right, how="outer", indicator=True)
        unequal = both[both["_merge"] != "both"]
        if len(unequal):
            shown = unequal.head(6).to_string(max_colwidth=60)
            found.append(f"{name}: {len(left)} and {len(right)} rows, {len(unequal)} of either alone:\n{shown}")
    return found


def _plain(brought: Brought, table: tables.Table) -> pd.DataFrame:
    return brought.space.store.read(table).drop(columns=list(table.volatile))
