"""prefect.yaml on a real server with a worker: planned, run, refused, killed and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wheeltapper.config import Settings
from wheeltapper.station import lifecycle as stations
from wheeltapper.station import parts, processes, servers
from wheeltapper.station.prefect_api import SILENCE, PrefectApi

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLANNED = {"watch/pump_station", "retrain/pump_station", "selftest/pump_station"}
ON_DEMAND = {"pipeline/pump_station", "pipeline/any_plant"}


@dataclass(frozen=True)
class Station:
    """A machine on which `wheeltapper up` was called."""

    home: Path
    plant: Path
    env: dict[str, str]

    @property
    def settings(self) -> Settings:
        """Its settings."""
        ports = {f"{name}_port": int(self.env[f"WHEELTAPPER_{name.upper()}_PORT"]) for name in PORTS}
        return Settings(home=self.home, **ports)

    @property
    def api(self) -> PrefectApi:
        """Its Prefect server."""
        return PrefectApi(f"http://127.0.0.1:{self.settings.prefect_port}/api")

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``wheeltapper ARGUMENTS``."""
        command = (sys.executable, "-m", "wheeltapper.cli", *arguments)
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False, timeout=240)

    def run_deployment(self, name: str, parameters: dict[str, Any]) -> str:
        """Ask for a run of a deployment; return its id."""
        deployment = self.api.request(f"deployments/name/{name}")
        return str(
            self.api.request(f"deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})["id"]
        )

    def state(self, run: str) -> tuple[str, str]:
        """Return a run's state and its message."""
        state = self.api.request(f"flow_runs/{run}")["state"]
        return state["type"], state["message"] or ""


PORTS = ("prefect", "mlflow", "reports")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, simulated: Path) -> Iterator[Station]:
    """Start everything once; stop it again in any case."""
    home = tmp_path_factory.mktemp("station")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "WHEELTAPPER_"))}
    ports = {f"WHEELTAPPER_{name.upper()}_PORT": str(servers.free_port()) for name in PORTS}
    station = Station(home, simulated, env | ports | {"WHEELTAPPER_HOME": str(home)})
    try:
        began = station.call("up")
        assert (began.returncode, began.stderr) == (0, ""), began.stdout
        yield station
    finally:
        stations.down(station.settings)


def wait_for(what: Callable[[], bool], seconds: float) -> bool:
    """Ask again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def test_every_schedule_has_a_planned_run(station: Station) -> None:
    """With packages that do not fit, Prefect looks healthy and never plans anything: the planned run itself counts."""
    names = {f"{deployment['flow']}/{deployment['name']}" for deployment in station.api.deployments()}
    assert names == PLANNED | ON_DEMAND
    assert wait_for(lambda: all(station.api.next_runs().values()), 90), station.api.next_runs()
    coming = station.api.next_runs()
    assert set(coming) == PLANNED
    now = datetime.now(UTC)
    assert coming["watch/pump_station"] - now <= timedelta(hours=1)
    assert coming["retrain/pump_station"] - now <= timedelta(days=1)


def test_a_plant_has_one_run_of_a_kind_at_a_time(station: Station) -> None:
    """Scheduled scoring leaves out what comes too early; the others wait for their turn."""
    deployments = {f"{deployment['flow']}/{deployment['name']}": deployment for deployment in station.api.deployments()}
    assert {deployment["global_concurrency_limit"]["limit"] for deployment in deployments.values()} == {1}
    strategies = {
        name: deployment["concurrency_options"]["collision_strategy"] for name, deployment in deployments.items()
    }
    assert {name for name, strategy in strategies.items() if strategy == "CANCEL_NEW"} == {"watch/pump_station"}


def test_the_form_says_what_each_parameter_means(station: Station) -> None:
    """Prefect's form shows the descriptions of flows/_input.py."""
    form = station.api.request("deployments/name/pipeline/any_plant")["parameter_openapi_schema"]
    assert form["required"] == ["plant"]
    assert "YAML" in form["properties"]["plant"]["description"]
    assert "UTC" in form["properties"]["start"]["description"]


@pytest.mark.parametrize("wrong", [{}, {"plant": ""}, {"plant": 7}, {"plant": "pump_station", "start": 5}])
def test_a_wrong_parameter_is_refused_by_the_server(station: Station, wrong: dict[str, Any]) -> None:
    """The server refuses such a parameter at once, before a run begins."""
    deployment = station.api.request("deployments/name/pipeline/any_plant")["id"]
    address = f"{station.api.address}/deployments/{deployment}/create_flow_run"
    content = json.dumps({"parameters": wrong}).encode()
    request = urllib.request.Request(address, content, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    with refused.value as answer:
        # Prefect 3.8 says 409 (conflict) where 422 would be right.
        assert answer.code in (409, 422)
        assert b"Validation failed" in answer.read()


def test_a_worker_runs_a_plant_to_its_end_and_shows_what_came_out(station: Station) -> None:
    """A plant given by its path goes through the whole pipeline in the worker; leaderboard and report are shown."""
    run = station.run_deployment("pipeline/any_plant", {"plant": str(station.plant)})
    assert wait_for(lambda: station.state(run)[0] in ("COMPLETED", "FAILED", "CRASHED"), 120), station.state(run)
    assert station.state(run)[0] == "COMPLETED", station.state(run)
    shown = {artifact["key"]: artifact for artifact in station.api.request("artifacts/filter", {})}
    assert {"leaderboard-tiny-detect", "report-tiny"} <= set(shown)
    assert "k_sigma" in shown["leaderboard-tiny-detect"]["data"]
    assert (station.home / "reports" / "tiny" / "report.html").is_file()
    names = {run["name"] for run in station.api.request("flow_runs/filter", {})}
    assert {"pipeline tiny", "ingest tiny", "featurize tiny", "train tiny", "score tiny"} <= names


def test_a_command_uses_the_server_that_is_up(station: Station) -> None:
    """`watch` takes in new readings from the terminal; its run is listed beside those of the worker."""
    done = station.call("watch", str(station.plant))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "windows scored" in done.stdout
    names = {run["name"]: run["state"]["type"] for run in station.api.request("flow_runs/filter", {})}
    assert names["watch tiny"] == "COMPLETED"


def test_a_silent_run_is_ended_and_a_living_one_is_not(station: Station) -> None:
    """A run that gave no sign of life for a while has crashed; one that began just now goes on."""
    flow = station.api.request("flows/", {"name": "silent"})["id"]
    state = {"type": "RUNNING", "name": "Running"}
    run = station.api.request("flow_runs/", {"flow_id": flow, "name": "silent run", "state": state})["id"]
    assert station.api.end_silent_runs(datetime.now(UTC)) == []
    assert station.state(run)[0] == "RUNNING"
    assert station.api.end_silent_runs(datetime.now(UTC) + SILENCE) == ["silent run"]
    assert station.state(run)[0] == "CRASHED"
    assert "No sign of life" in station.state(run)[1]


def test_up_starts_again_only_what_was_killed(station: Station) -> None:
    """The worker is killed: `status` says so, `up` brings it back and leaves the others alone."""
    before = parts.running(station.settings)
    assert station.call("status").returncode == 0
    os.kill(before["worker"].pid, signal.SIGKILL)
    assert wait_for(lambda: "worker" not in parts.running(station.settings), 20)
    status = station.call("status")
    assert status.returncode == 1
    assert "has ended" in status.stdout
    again = station.call("up")
    assert (again.returncode, again.stderr) == (0, ""), again.stdout
    after = parts.running(station.settings)
    assert {name: after[name].pid for name in PORTS} == {name: before[name].pid for name in PORTS}
    assert after["worker"].pid != before["worker"].pid


def test_down_leaves_nothing_running(station: Station) -> None:
    """One server is killed first: the processes that it had started end, too, and every port is free again."""
    running = parts.running(station.settings)
    os.kill(running["mlflow"].pid, signal.SIGKILL)
    ended = station.call("down")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert [processes.born(part.pid) for part in running.values()] == [None] * 4
    assert [servers.port_is_free(getattr(station.settings, f"{name}_port")) for name in PORTS] == [True] * 3
    assert station.call("status").stdout.startswith("nothing is running")
