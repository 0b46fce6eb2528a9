"""`wheeltapper up`, `down` and `status`: the servers and the worker that stay on this machine, and what they run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError, WheeltapperError
from wheeltapper.station import new_database, parts, processes
from wheeltapper.station.parts import Part, log_file, running
from wheeltapper.station.prefect_api import POOL, PrefectApi
from wheeltapper.station.servers import (
    Server,
    mlflow_server,
    port_is_free,
    prefect_database,
    prefect_server,
    report_server,
    start,
    wait,
)

_PLANNING_SECONDS = 90.0
"""Time in which Prefect must plan the first run of every schedule: its scheduler wakes every five seconds."""

_WORKER = ("prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "wheeltapper")


@dataclass(frozen=True)
class Service:
    """One part that `up` has started, as `status` shows it."""

    name: str
    state: str
    """``running``, ``silent`` (its process lives but does not answer) or ``ended``."""
    pid: int
    url: str
    log: str


def up(settings: Settings, *, deploy: bool, now: datetime, announce: Callable[[str], None]) -> dict[str, Part]:
    """Start Prefect, MLflow and the reports, and with ``deploy`` the deployments and their worker.

    Parts that run already stay as they are; parts that were killed are started again. The servers outlive this
    process; `down` ends them.

    Parameters
    ----------
    announce : callable
        Called with each step as it begins.

    Raises
    ------
    WheeltapperError
        If another program uses a port, a server does not start, or Prefect refuses a deployment or plans no run for a
        schedule. If nothing ran before, everything that was started is ended again.
    """
    with _alone(settings):
        before = running(settings)
        _end_remains(settings)
        _require_ports(settings, before)
        try:
            alive = _start_servers(settings, before, announce)
            api = PrefectApi(f"{alive['prefect'].url}/api")
            if "prefect" not in before:
                for name in api.end_silent_runs(now):
                    announce(f"marked as crashed: {name}")
            return _start_work(settings, alive, api, announce) if deploy else alive
        except BaseException:
            if not before:
                _down(settings)
            raise


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one `up` or `down` work at a time."""
    home = settings.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "servers.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise WheeltapperError("another `wheeltapper up` or `down` is running here; wait for it to end") from error
    try:
        yield
    finally:
        lock.release()


def _require_ports(settings: Settings, alive: dict[str, Part]) -> None:
    """Refuse ports that are equal, in use by another program, or not those of the servers that run."""
    ports = {name: getattr(settings, f"{name}_port") for name in ("prefect", "mlflow", "reports")}
    if len(set(ports.values())) < len(ports):
        chosen = ", ".join(f"WHEELTAPPER_{name.upper()}_PORT={port}" for name, port in ports.items())
        raise ConfigError(f"the three ports must differ, got {chosen}")
    for name, port in ports.items():
        if name in alive and not alive[name].url.endswith(f":{port}"):
            raise ConfigError(
                f"{name} is running at {alive[name].url}, but WHEELTAPPER_{name.upper()}_PORT is {port}. "
                "To move it: wheeltapper down, then wheeltapper up"
            )
        if name not in alive and not port_is_free(port):
            raise WheeltapperError(
                f"port {port} for {name} is in use by another program. End it, or choose another port with "
                f"WHEELTAPPER_{name.upper()}_PORT."
            )


def _start_servers(settings: Settings, alive: dict[str, Part], announce: Callable[[str], None]) -> dict[str, Part]:
    """Start the servers that do not run yet; return all of them."""
    settings.reports.mkdir(parents=True, exist_ok=True)
    new_database.provide(prefect_database(settings), new_database.kept("prefect"))
    servers = (
        prefect_server(settings.prefect_port),
        mlflow_server(settings, settings.mlflow_port),
        report_server(settings, settings.reports_port),
    )
    started = []
    for server in servers:
        if server.name not in alive:
            process = start(server, settings, dies_with_us=False)
            started.append((server, process))
            alive = parts.record(settings, alive, server.name, process, server.url)
    for server, process in started:
        announce(f"waiting for {server.name} at {server.url}")
        wait(server, process, settings)
    return alive


def _start_work(
    settings: Settings, alive: dict[str, Part], api: PrefectApi, announce: Callable[[str], None]
) -> dict[str, Part]:
    """Deploy the flows, start the worker, and wait until Prefect has planned runs and the worker is online."""
    os.environ["PREFECT_API_URL"] = api.address
    # A run starts in the checkout's folder, wherever the worker was started.
    os.environ["WHEELTAPPER_HOME"] = str(settings.home.resolve())
    api.make_pool()
    api.make_automation()
    if "worker" not in alive:
        process = processes.start(_WORKER, log_file(settings, "worker"), dies_with_us=False)
        alive = parts.record(settings, alive, "worker", process, alive["prefect"].url)
    announce("deploying the flows of prefect.yaml")
    deploy_flows()
    announce("waiting for the worker and the first planned runs")
    deadline = time.monotonic() + _PLANNING_SECONDS
    while not (api.has_worker() and all(api.next_runs().values())):
        if "worker" not in running(settings):
            raise WheeltapperError(f"the worker ended; see {log_file(settings, 'worker')}")
        if time.monotonic() > deadline:
            raise WheeltapperError(_nothing_planned(api, settings))
        time.sleep(0.5)
    return alive


def _nothing_planned(api: PrefectApi, settings: Settings) -> str:
    idle = [name for name, when in api.next_runs().items() if when is None]
    if not idle:
        return f"the worker did not report to Prefect for {_PLANNING_SECONDS:.0f} s; see {log_file(settings, 'worker')}"
    return (
        f"Prefect has planned no run of {', '.join(idle)} for {_PLANNING_SECONDS:.0f} s. Its packages may not fit "
        "together (SQLAlchemy 2.1 does this): install them again with "
        "`pip install --constraint constraints.txt --editable .`. "
        f"Its log: {log_file(settings, 'prefect')}"
    )


def deploy_flows() -> None:
    """Deploy everything in ``prefect.yaml``, as `prefect --no-prompt deploy --all` does.

    Raises
    ------
    WheeltapperError
        If Prefect refuses; the message holds its output.
    """
    if not Path("prefect.yaml").is_file():
        raise WheeltapperError("there is no prefect.yaml here; change into the checkout's folder, or use --no-deploy")
    command = (sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all")
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode:
        raise WheeltapperError(f"prefect deploy --all failed:\n{(result.stdout + result.stderr)[-2000:]}")


def down(settings: Settings) -> list[str]:
    """End everything that `up` started, and what is left of parts that were killed; return the parts' names."""
    with _alone(settings):
        return _down(settings)


def _down(settings: Settings) -> list[str]:
    recorded = parts.recorded(settings)
    # The worker and its runs first, while the server that records their end still runs.
    parts.end(part for name, part in recorded.items() if name == "worker")
    processes.end_groups(processes.orphans(settings.home.resolve()))
    if "prefect" in running(settings):
        with contextlib.suppress(WheeltapperError):
            PrefectApi(f"{recorded['prefect'].url}/api").end_all_runs("Ended by `wheeltapper down`.")
    parts.end(part for name, part in recorded.items() if name != "worker")
    parts.state_file(settings).unlink(missing_ok=True)
    return list(recorded)


def status(settings: Settings) -> list[Service]:
    """Return the state of the parts that `up` started."""
    return [_service(settings, name, part) for name, part in parts.recorded(settings).items()]


def _service(settings: Settings, name: str, part: Part) -> Service:
    state = "ended"
    if part.is_alive:
        state = "running" if _answers(name, part.url) else "silent"
    return Service(name, state, part.pid, part.url, str(log_file(settings, name)))


def next_runs(services: list[Service]) -> dict[str, datetime | None]:
    """Return when each scheduled deployment runs next (None: nothing is planned), soonest first."""
    prefect = next((service for service in services if service.name == "prefect" and service.state == "running"), None)
    planned = PrefectApi(f"{prefect.url}/api").next_runs() if prefect else {}
    return dict(sorted(planned.items(), key=lambda run: (run[1] is None, run[1], run[0])))


def _answers(name: str, url: str) -> bool:
    if name == "worker":
        try:
            return PrefectApi(f"{url}/api").has_worker()
        except WheeltapperError:
            return False
    health = {"prefect": "api/health", "mlflow": "health", "reports": ""}[name]
    return Server(name, (), url, f"{url}/{health}").answers()


def _end_remains(settings: Settings) -> None:
    """End what killed parts have left: it would hold their ports."""
    parts.end(part for part in parts.recorded(settings).values() if not part.is_alive)
