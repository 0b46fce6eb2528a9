"""Readings that come in over HTTP give the tables and the answers that one delivery gives, whatever happens between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import uvicorn

from tests.flows import any_cut
from tests.flows.any_cut import PreparedPlant
from tests.flows.cut_plants import Cut
from wheeltapper import tables
from wheeltapper.serving.app import create_app
from wheeltapper.serving.fold import Checks, fold
from wheeltapper.serving.live_plant import LivePlant

pytestmark = pytest.mark.slow

CHECKS = Checks(any_cut.ACCEPT.readings, any_cut.ACCEPT.features, any_cut.ACCEPT.scores)
NOW = datetime(2027, 1, 2, tzinfo=UTC)


@pytest.fixture
def plant(cut: Cut, tmp_path: Path) -> PreparedPlant:
    """The plant before its rest came."""
    return cut.before.copy(tmp_path / "served")


class Service:
    """A plant that is served by a real server, in a thread."""

    def __init__(self, plant: PreparedPlant) -> None:
        self.name = plant.name
        self.live = LivePlant(plant.space, lambda: NOW)
        config = uvicorn.Config(create_app({plant.name: self.live}), port=0, log_level="warning")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the server, which closes the plant."""
        self.client.close()
        self._server.should_exit = True
        self._thread.join()

    def send(self, rows: pd.DataFrame) -> list[dict[str, Any]]:
        """Send readings in one request and return what each means."""
        answer = self.client.post(f"/v1/plants/{self.name}/readings", json=bodies(rows))
        assert answer.status_code == 200, answer.text
        meanings: list[dict[str, Any]] = answer.json()["readings"]
        assert len(meanings) == len(rows)
        return meanings


def bodies(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Write readings as a client does."""
    sensors = [name for name in rows if name not in ("asset_id", "timestamp", "regime")]
    return [
        {
            "asset_id": row["asset_id"],
            "timestamp": row["timestamp"].isoformat(),
            "regime": row["regime"],
            "values": {name: None if np.isnan(row[name]) else row[name] for name in sensors},
        }
        for row in rows.to_dict("records")
    ]


def in_order(rest: pd.DataFrame, _rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Each instant by itself at first, then some instants at once."""
    for begin in range(0, 60, 2):
        yield rest.iloc[begin : begin + 2]
    for begin in range(60, len(rest), 25):
        yield rest.iloc[begin : begin + 25]


def shuffled(rest: pd.DataFrame, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """In any order, and some of them twice."""
    mixed = rest.iloc[rng.permutation(len(rest))]
    for begin in range(0, len(mixed), 40):
        yield mixed.iloc[begin : begin + 40]
        if begin % 3 == 0:
            yield mixed.iloc[begin : begin + 7]


def late(rest: pd.DataFrame, _rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """Readings of the beginning are wrong, and come once more as they were when all others are there."""
    sensors = [name for name in rest if name not in ("asset_id", "timestamp", "regime")]
    wrong = rest.iloc[10:40].assign(
        **{name: (rest[name].iloc[10:40] * 0.6).clip(lower=rest[name].min()) for name in sensors}  # no value is refused
    )
    yield rest.iloc[:10]
    yield wrong
    for begin in range(40, len(rest), 60):
        yield rest.iloc[begin : begin + 60]
    yield rest.iloc[10:40]


@pytest.mark.parametrize("way", [in_order, shuffled, late])
def test_the_tables_are_those_of_one_delivery(cut: Cut, plant: PreparedPlant, way: Any) -> None:
    """With folds in between, after which the service goes on, and a restart with readings that are not folded yet."""
    rng = np.random.default_rng(3)
    service = Service(plant)
    for number, rows in enumerate(way(cut.rest, rng)):
        if number == 9:
            service.end()
            service = Service(plant)
        service.send(rows)
        if number % 6 == 4:
            fold(plant.space, CHECKS, NOW)
            service.live.follow_tables()
    service.end()
    fold(plant.space, CHECKS, NOW)
    cut.requires_the_same(plant)


def test_the_answers_are_what_the_tables_say(cut: Cut, plant: PreparedPlant) -> None:
    """Score, threshold and severity of each reading's window, to the last bit."""
    service = Service(plant)
    told = [meaning for rows in in_order(cut.rest, np.random.default_rng(1)) for meaning in service.send(rows)]
    service.end()
    scores = cut.after.space.store.read(tables.SCORES)
    stored = {
        (row["asset_id"], row["window_end"]): (row["score"], row["threshold"], row["severity"])
        for row in scores.to_dict("records")
    }
    scored = [meaning for meaning in told if meaning["status"] == "scored"]
    assert len(scored) > 100
    for meaning in scored:
        key = (meaning["asset_id"], pd.Timestamp(meaning["timestamp"]))
        assert (meaning["score"], meaning["threshold"], meaning["severity"]) == stored[key]
    anomalous = [meaning for meaning in scored if meaning["is_anomalous"]]
    assert anomalous
    assert all(meaning["sensors"] and meaning["tier"] for meaning in anomalous)
    assert any(meaning["status"] != "scored" for meaning in told) or len(scored) == len(told)
