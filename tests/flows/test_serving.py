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
from wheeltapper.serving.access import Access, routes_without_scope
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
        config = uvicorn.Config(create_app({plant.name: self.live}, Access(None)), port=0, log_level="warning")
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


REFUSED = {
    "an unknown sensor": ({"values": {"presure": 5.0}}, "presure", "there is no sensor presure"),
    "no number": ({"values": {"pressure": "high"}}, "pressure", "not a number"),
    "beyond its limits": ({"values": {"pressure": 1e9}}, "pressure", "can only lie from"),
    "an unknown state": ({"regime": "dancing"}, "regime", "is none of"),
    "no time zone": ({"timestamp": "2026-01-08T18:00:00"}, "timestamp", ""),
    "the future": ({"timestamp": "2031-01-08T18:00:00Z"}, "timestamp", "cannot be"),
    "nothing": ({"values": {"pressure": None}}, "[1]", "no sensor has a value"),
}
"""What is wrong → change of a good reading, last part of the field that the answer names, part of its message."""


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_a_reading_that_breaks_a_promise_is_refused_with_those_beside_it(cut: Cut, plant: PreparedPlant) -> None:
    """The answer names the field; nothing was kept; the service goes on."""
    good = bodies(cut.rest.iloc[:1])[0]
    with Service(plant) as service:
        for name, (change, field, text) in REFUSED.items():
            answer = service.client.post(f"/v1/plants/{plant.name}/readings", json=[good, good | change])
            assert answer.status_code == 422, name
            error = answer.json()["error"]
            assert text in error["message"], name
            assert error["field"].split(".")[-1] == field, (name, error["field"])
        assert service.client.get("/readyz").json()["plants"][plant.name]["waiting"] == 0
        unknown = service.client.post("/v1/plants/pumpz/readings", json=[good])
        assert (unknown.status_code, "pumps" in unknown.json()["error"]["message"]) == (404, True)
        assert service.client.get(f"/v1/plants/{plant.name}/assets/nobody").status_code == 404
        assert service.client.post(f"/v1/plants/{plant.name}/readings", json=[good]).status_code == 200
        assert service.client.get("/readyz").json()["plants"][plant.name]["waiting"] == 1


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_machines_alarms_and_models_can_be_asked_for(cut: Cut, plant: PreparedPlant) -> None:
    """The newest reading and the open alarm of each machine, the stored alarms, and what is served."""
    with Service(plant) as service:
        service.send(cut.rest.iloc[:2])
        assets = service.client.get(f"/v1/plants/{plant.name}/assets").json()
        assert [asset["asset_id"] for asset in assets] == sorted(cut.rest["asset_id"].unique())
        assert {pd.Timestamp(asset["newest_reading"]) for asset in assets} == set(cut.rest["timestamp"].iloc[:2])
        assert any(asset["alarm"] for asset in assets)
        alarms = service.client.get(f"/v1/plants/{plant.name}/alarms").json()
        stored = any_cut.standing_alarms(plant.space)
        assert len(alarms) == len(stored)
        assert all(alarm["explanation"] and alarm["sensors"] for alarm in alarms)
        (model,) = service.client.get("/v1/models").json()
        assert (model["role"], model["bundle"]) == ("champion", stored["bundle"].iloc[0])


def test_every_route_asks_for_a_scope() -> None:
    """But for those that are open on purpose."""
    access = Access(None)
    assert routes_without_scope(create_app({}, access), access) == []
