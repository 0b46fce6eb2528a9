"""Readings that come in over HTTP give the tables and the answers that one delivery gives, whatever happens between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
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
from wheeltapper.serving import app
from wheeltapper.serving.access import Access, routes_without_scope
from wheeltapper.serving.app import create_app
from wheeltapper.serving.fold import fold
from wheeltapper.serving.live_plant import LivePlant

pytestmark = pytest.mark.slow

NOW = datetime(2027, 1, 2, tzinfo=UTC)


@pytest.fixture
def plant(cut: Cut, tmp_path: Path) -> PreparedPlant:
    """The plant before its rest came."""
    return cut.before.copy(tmp_path / "served")


class Service:
    """A plant that is served by a real server, in a thread."""

    def __init__(self, plant: PreparedPlant, clock: Callable[[], datetime] = lambda: NOW) -> None:
        self.name = plant.name
        self.live = LivePlant(plant.space, clock)
        config = uvicorn.Config(create_app({plant.name: self.live}, Access(None)), port=0, log_config=None)
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


def assert_answers_are_stored(meanings: list[dict[str, Any]], cut: Cut) -> list[dict[str, Any]]:
    """Compare answers with the tables to the last bit; return those with a score."""
    scores = cut.after.space.store.read(tables.SCORES)
    stored = {
        (row["asset_id"], row["window_end"]): (row["score"], row["threshold"], row["severity"])
        for row in scores.to_dict("records")
    }
    scored = [meaning for meaning in meanings if meaning["status"] == "scored"]
    assert len(scored) > 50
    for meaning in scored:
        key = (meaning["asset_id"], pd.Timestamp(meaning["window_end"]))
        assert (meaning["score"], meaning["threshold"], meaning["severity"]) == stored[key]
    return scored


@pytest.mark.long
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
            fold(plant.space, any_cut.ACCEPT, NOW)
            service.live.follow_tables()
    service.end()
    fold(plant.space, any_cut.ACCEPT, NOW)
    cut.requires_the_same(plant)


@pytest.mark.long
def test_readings_that_a_flow_has_read_meanwhile_count(cut: Cut, plant: PreparedPlant) -> None:
    """A file comes in by the scheduled flow while the plant is served: the service goes on from what it brought."""
    half = len(cut.rest) // 2
    with Service(plant) as service:
        service.send(cut.rest.iloc[:20])
        fold(plant.space, any_cut.ACCEPT, NOW)
        plant.bring(iter([("file", cut.rest.iloc[20:half])]))
        service.live.follow_tables()
        pieces = (cut.rest.iloc[begin : begin + 30] for begin in range(half, len(cut.rest), 30))
        meanings = [meaning for rows in pieces for meaning in service.send(rows)]
    fold(plant.space, any_cut.ACCEPT, NOW)
    cut.requires_the_same(plant)
    assert_answers_are_stored(meanings, cut)


def test_the_answers_are_what_the_tables_say(cut: Cut, plant: PreparedPlant) -> None:
    """Score, threshold and severity of each reading's window, to the last bit."""
    service = Service(plant)
    meanings = [meaning for rows in in_order(cut.rest, np.random.default_rng(1)) for meaning in service.send(rows)]
    service.end()
    scored = assert_answers_are_stored(meanings, cut)
    anomalous = [meaning for meaning in scored if meaning["is_anomalous"]]
    assert anomalous
    assert all(meaning["sensors"] and meaning["tier"] for meaning in anomalous)


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


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
def test_readings_that_are_sent_again_get_their_scores_again(cut: Cut, plant: PreparedPlant) -> None:
    """A client that did not hear the answer, before and after the readings are in the tables."""
    names = ("status", "score", "threshold", "severity", "regime", "is_anomalous")
    with Service(plant) as service:
        service.send(cut.rest.iloc[:30])
        meanings = [[meaning[name] for name in names] for meaning in service.send(cut.rest.iloc[30:40])]
        assert any(row[0] == "scored" for row in meanings)
        again = [[meaning[name] for name in names] for meaning in service.send(cut.rest.iloc[30:40])]
        assert again == meanings
        fold(plant.space, any_cut.ACCEPT, NOW)
        service.live.follow_tables()
        again = [[meaning[name] for name in names] for meaning in service.send(cut.rest.iloc[30:40])]
        assert again == meanings


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


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_another_champion_is_served_without_losing_a_request(cut: Cut, plant: PreparedPlant) -> None:
    """Readings come all the while; what they mean after the change is what the tables then say."""
    with Service(plant) as service:
        answers = []
        pieces = list(in_order(cut.rest, np.random.default_rng(1)))
        bundle = ""
        for number, rows in enumerate(pieces):
            if number == 12:
                bundle = any_cut.train(plant.space, "k_sigma", NOW)
            answer = service.client.post(f"/v1/plants/{plant.name}/readings", json=bodies(rows))
            assert answer.status_code == 200, answer.text
            answers.append(answer.json())
            time.sleep(0.1)
        assert answers[11]["bundle"] != bundle
        assert answers[-1]["bundle"] == bundle
    fold(plant.space, any_cut.ACCEPT, NOW)
    scores = plant.space.store.read(tables.SCORES)
    stored = {
        (row["asset_id"], row["window_end"]): row["score"]
        for row in scores[scores["bundle"] == bundle].to_dict("records")
    }
    meanings = [meaning for answer in answers if answer["bundle"] == bundle for meaning in answer["readings"]]
    scored = [meaning for meaning in meanings if meaning["status"] == "scored"]
    assert len(scored) > 100
    for meaning in scored:
        assert meaning["score"] == stored[meaning["asset_id"], pd.Timestamp(meaning["timestamp"])]


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_a_bundle_that_was_changed_is_refused_and_the_old_champion_stays(
    cut: Cut, plant: PreparedPlant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service says what is wrong, and goes on with the model from before."""
    monkeypatch.setattr(app, "LOOK_SECONDS", 6.0)  # the bundle is changed before the service looks
    with Service(plant) as service:
        before = service.client.get("/v1/models").json()[0]["bundle"]
        known = set(plant.folder.rglob("arrays.npz"))
        any_cut.train(plant.space, "k_sigma", NOW)
        for path in set(plant.folder.rglob("arrays.npz")) - known:
            path.write_bytes(path.read_bytes()[:-1] + b"!")
        assert service.client.get("/readyz").status_code == 200
        wait_for(lambda: service.client.get("/readyz").status_code == 503)
        trouble = service.client.get("/readyz").json()["plants"][plant.name]["troubles"]["what is live"]
        assert "SHA-256" in trouble
        assert service.client.get("/v1/models").json()[0]["bundle"] == before
        service.send(cut.rest.iloc[:2])


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_readings_that_wait_for_the_tables_for_long_are_a_trouble(cut: Cut, plant: PreparedPlant) -> None:
    """Nothing brings them there: the service says so after two minutes by its clock, and no longer once they are in."""
    now = [NOW]
    with Service(plant, lambda: now[0]) as service:
        service.live.follow_tables()
        service.send(cut.rest.iloc[:10])
        service.live.follow_tables()
        assert service.client.get("/readyz").status_code == 200
        now[0] += timedelta(minutes=3)
        service.live.follow_tables()
        answer = service.client.get("/readyz")
        assert (answer.status_code, "waiting: 1" in answer.text) == (503, True)
        fold(plant.space, any_cut.ACCEPT, now[0])
        service.live.follow_tables()
        assert service.client.get("/readyz").status_code == 200


def test_every_route_asks_for_a_scope() -> None:
    """But for those that are open on purpose."""
    access = Access(None)
    assert routes_without_scope(create_app({}, access), access) == []
