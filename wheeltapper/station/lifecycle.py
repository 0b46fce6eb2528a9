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
from wheeltapper.station import processes
from wheeltapper.station.prefect_api import POOL, PrefectApi
from wheeltapper.station.servers import (
    Server,
    log_file,
    mlflow_server,
    parts,
    port_is_free,
    prefect_server,
    remember,
    report_server,
    running,
    start,
    state_file,
    wait,
)

_PLANNING = 90.0
"""Seconds in which Prefect must have planned the first run of every schedule: it looks every five."""

_WORKER = ("prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "wheeltapper")


@dataclass(frozen=True)
class Service:
    """One part of what `up` starts, as `status` shows it."""

    name: str
    state: str
    """``running``, ``silent`` (the process lives and does not answer) or ``ended``."""
    pid: int
    url: str
    log: str


def up(settings: Settings, *, deploy: bool, now: datetime, tell: Callable[[str], None]) -> dict[str, dict[str, str]]:
    """Start Prefect, MLflow and the reports, and with ``deploy`` the deployments and their worker.

    What runs already is left alone; what was killed is started again. The servers outlive this process; `down` ends
    them.

    Raises
    ------
    WheeltapperError
        If a port is taken by someone else, a server does not come up, or Prefect refuses a deployment or plans no
        run for a schedule. If nothing ran before, what was started is ended again.
    """
    with _alone(settings):
        alive = running(settings)
        began_with = set(alive)
        _end_remains(settings, alive)
        _require_ports(settings, alive)
        try:
            _start_servers(settings, alive, tell)
            api = PrefectApi(f"{alive['prefect']['url']}/api")
            if "prefect" not in began_with:
                for name in api.end_silent_runs(now):
                    tell(f"marked as crashed: {name}")
            if deploy:
                _start_work(settings, alive, api, tell)
        except BaseException:
            if not began_with:
                _down(settings)
            raise
        return alive


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one `up` or `down` at a time go on."""
    home = settings.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "servers.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise WheeltapperError("another `wheeltapper up` or `down` is at work here; wait for it to end") from error
    try:
        yield
    finally:
        lock.release()


def _require_ports(settings: Settings, alive: dict[str, dict[str, str]]) -> None:
    """Refuse ports that are the same, taken by someone else, or others than those of the servers that run."""
    ports = {name: getattr(settings, f"{name}_port") for name in ("prefect", "mlflow", "reports")}
    if len(set(ports.values())) < len(ports):
        said = ", ".join(f"WHEELTAPPER_{name.upper()}_PORT={port}" for name, port in ports.items())
        raise ConfigError(f"the three ports must differ, got {said}")
    for name, port in ports.items():
        if name in alive and not alive[name]["url"].endswith(f":{port}"):
            raise ConfigError(
                f"{name} is running at {alive[name]['url']}, but WHEELTAPPER_{name.upper()}_PORT says {port}. "
                "To move it: wheeltapper down, then wheeltapper up"
            )
        if name not in alive and not port_is_free(port):
            raise WheeltapperError(
                f"port {port} for {name} is in use by another program. End it, or choose another port with "
                f"WHEELTAPPER_{name.upper()}_PORT."
            )


def _start_servers(settings: Settings, alive: dict[str, dict[str, str]], tell: Callable[[str], None]) -> None:
    settings.reports.mkdir(parents=True, exist_ok=True)
    wanted = (
        prefect_server(settings.prefect_port),
        mlflow_server(settings, settings.mlflow_port),
        report_server(settings, settings.reports_port),
    )
    started = []
    for server in wanted:
        if server.name not in alive:
            started.append((server, start(server, settings, dies_with_us=False)))
            remember(settings, alive, server.name, started[-1][1], server.url)
    for server, process in started:
        tell(f"waiting for {server.name} at {server.url}")
        wait(server, process, settings)


def _start_work(
    settings: Settings, alive: dict[str, dict[str, str]], api: PrefectApi, tell: Callable[[str], None]
) -> None:
    """Deploy the flows, start the worker, and see that Prefect plans runs and the worker is ready."""
    os.environ["PREFECT_API_URL"] = api.address
    # A run starts in the checkout's folder, wherever the worker was started.
    os.environ["WHEELTAPPER_HOME"] = str(settings.home.resolve())
    api.make_pool()
    api.make_automation()
    if "worker" not in alive:
        process = processes.start(_WORKER, log_file(settings, "worker"), dies_with_us=False)
        remember(settings, alive, "worker", process, alive["prefect"]["url"])
    tell("deploying the flows of prefect.yaml")
    deploy_flows()
    tell("waiting for the worker and the first planned runs")
    deadline = time.monotonic() + _PLANNING
    while not (api.has_worker() and all(api.next_runs().values())):
        if "worker" not in running(settings):
            raise WheeltapperError(f"the worker ended; see {log_file(settings, 'worker')}")
        if time.monotonic() > deadline:
            raise WheeltapperError(_nothing_planned(api, settings))
        time.sleep(0.5)


def _nothing_planned(api: PrefectApi, settings: Settings) -> str:
    idle = [name for name, when in api.next_runs().items() if when is None]
    if not idle:
        return f"the worker did not report to Prefect for {_PLANNING:.0f} s; see {log_file(settings, 'worker')}"
    return (
        f"Prefect has planned no run of {', '.join(idle)} for {_PLANNING:.0f} s. Its packages may not fit together "
        "(SQLAlchemy 2.1 does this): install them again with `pip install --constraint constraints.txt --editable .`. "
        f"Its log: {log_file(settings, 'prefect')}"
    )


def deploy_flows() -> None:
    """Deploy everything in ``prefect.yaml``, as `prefect --no-prompt deploy --all` does.

    Raises
    ------
    WheeltapperError
        If Prefect refuses; the message holds what it said.
    """
    if not Path("prefect.yaml").is_file():
        raise WheeltapperError("there is no prefect.yaml here; change into the checkout's folder, or use --no-deploy")
    command = (sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all")
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise WheeltapperError(f"prefect deploy --all failed:\n{(done.stdout + done.stderr)[-2000:]}")


def down(settings: Settings) -> list[str]:
    """End everything that `up` started, and what is left of parts that were killed; return the names."""
    with _alone(settings):
        return _down(settings)


def _down(settings: Settings) -> list[str]:
    known = parts(settings)
    # The worker and its runs first, while there is a server to tell.
    _end_parts(known, ["worker"])
    processes.end_groups(processes.orphans(settings.home.resolve()))
    if "prefect" in running(settings):
        with contextlib.suppress(WheeltapperError):
            PrefectApi(f"{known['prefect']['url']}/api").end_all_runs("Ended by `wheeltapper down`.")
    _end_parts(known, [name for name in known if name != "worker"])
    state_file(settings).unlink(missing_ok=True)
    return list(known)


def _end_parts(known: dict[str, dict[str, str]], names: list[str]) -> None:
    processes.end_groups({int(known[name]["pid"]): known[name]["born"] for name in names if name in known})


def status(settings: Settings) -> list[Service]:
    """Return how the parts are that `up` started."""
    alive = running(settings)
    found = []
    for name, entry in parts(settings).items():
        state = "running" if _answers(name, entry["url"]) else "silent"
        log = str(log_file(settings, name))
        found.append(Service(name, state if name in alive else "ended", int(entry["pid"]), entry["url"], log))
    return found


def next_runs(services: list[Service]) -> dict[str, datetime | None]:
    """Return when each scheduled deployment runs next (None: nothing is planned), soonest first."""
    prefect = next((one for one in services if one.name == "prefect" and one.state == "running"), None)
    coming = PrefectApi(f"{prefect.url}/api").next_runs() if prefect else {}
    return dict(sorted(coming.items(), key=lambda one: (one[1] is None, one[1], one[0])))


def _answers(name: str, url: str) -> bool:
    if name == "worker":
        try:
            return PrefectApi(f"{url}/api").has_worker()
        except WheeltapperError:
            return False
    health = {"prefect": "api/health", "mlflow": "health", "reports": ""}[name]
    return Server(name, (), url, f"{url}/{health}").answers()


def _end_remains(settings: Settings, alive: dict[str, dict[str, str]]) -> None:
    """End what killed parts have left behind: it would hold their ports."""
    known = parts(settings)
    _end_parts(known, [name for name in known if name not in alive])
