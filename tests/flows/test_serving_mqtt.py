"""Readings that come in over a real MQTT broker give the tables that one delivery gives, though the broker dies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.flows.any_cut import ACCEPT, PreparedPlant
from tests.flows.cut_plants import Cut
from tests.flows.test_serving import NOW, Service, bodies, wait_for
from tests.mosquitto import Mosquitto
from wheeltapper.serving import journal
from wheeltapper.serving.fold import fold, journal_folder
from wheeltapper.serving.intake import decode

pytestmark = pytest.mark.slow

TOPIC = {"topic": "plant/{asset_id}/telemetry", "payload": "sensors", "time_field": "t", "regime_field": "regime"}


def with_broker(plant: PreparedPlant, port: int) -> None:
    """Let the plant's YAML name the broker."""
    content = json.loads(plant.plant_file.read_text())
    broker = {"host": "127.0.0.1", "port": port, "topics": [TOPIC], "retry_after": "100ms", "retry_up_to": "1s"}
    plant.plant_file.write_text(json.dumps(content | {"live": [{"mqtt": broker}]}))


def in_journal(plant: PreparedPlant) -> int:
    """Return how many readings have come in."""
    folder = journal_folder(plant.space)
    return sum(len(decode(entry.content)[1]) for entry in journal.entries(folder, 0))


@pytest.mark.parametrize("cut", ["pumps"], indirect=True)
def test_the_tables_are_those_of_one_delivery(cut: Cut, tmp_path: Path) -> None:
    """Shuffled, some twice; in the middle the broker is killed and comes back."""
    plant = cut.before.copy(tmp_path / "served")
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    with_broker(plant, broker.port)
    order = np.random.default_rng(5).permutation(len(cut.rest))
    mixed = cut.rest.iloc[[*order, *order[::9]]]
    messages = [
        (
            f"plant/{body['asset_id']}/telemetry",
            json.dumps({"t": body["timestamp"], "regime": body["regime"], **body["values"]}),
        )
        for body in bodies(mixed)
    ]
    half = len(messages) // 2
    try:
        with Service(plant) as service:
            wait_for(lambda: service.client.get("/readyz").status_code == 200)
            broker.publish(messages[:half])
            wait_for(lambda: in_journal(plant) >= half)
            broker.kill()
            wait_for(lambda: service.client.get("/readyz").status_code == 503)
            broker.start()
            wait_for(lambda: service.client.get("/readyz").status_code == 200)
            broker.publish(messages[half:])
            wait_for(lambda: in_journal(plant) >= len(messages))
            newest = {
                asset["asset_id"]: asset for asset in service.client.get(f"/v1/plants/{plant.name}/assets").json()
            }
            assert set(newest) == set(cut.rest["asset_id"])
    finally:
        broker.kill()
    fold(plant.space, ACCEPT, NOW)
    cut.requires_the_same(plant)
