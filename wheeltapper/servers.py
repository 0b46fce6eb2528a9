"""The servers on this machine: Prefect (for every run), and with `wheeltapper up` MLflow, the reports and a worker.

They are other people's programs started as processes of their own, on loopback only; nothing of them is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from wheeltapper import _processes
from wheeltapper._prefect_api import POOL, PrefectApi
from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError, WheeltapperError

_PATIENCE = 120.0
"""Seconds that a server may take to answer: Prefect needs about 10, on a busy machine 40."""

_PLANNING = 90.0
"""Seconds in which Prefect must have planned the first run of every schedule: it looks every five."""

QUIET = {
    # Nothing is reported home.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    # Prefect's own log lines go to its server, not to the terminal; ours go to both.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "wheeltapper",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
    # The UI asks the server that it came from; by default it asks port 4200, whatever the port.
    "PREFECT_SERVER_UI_API_URL": "/api",
    # A run that was killed frees its place within two minutes, also when the server restarts meanwhile.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    # Runs are kept for 90 days, and not for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}

_ONE_RUN = {
    # A server for one run plans nothing: the deployments that `up` left in its database wait for the next `up`.
    f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
    for service in ("SCHEDULER", "LATE_RUNS", "FOREMAN", "TRIGGERS", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS")
}


def prepare_environment(settings: Settings) -> None:
    """Set what Prefect, MLflow and TensorFlow read when they are imported; what the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(settings.prefect))
    settings.prefect.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class Server:
    """One server: the Python module that is started with its arguments, and where it answers."""

    name: str
    module: tuple[str, ...]
    url: str
    health: str

    def answers(self) -> bool:
        """Tell whether the server is up."""
        try:
            with urllib.request.urlopen(self.health, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def prefect_server(port: int) -> Server:
    """Describe Prefect's API and UI."""
    url = f"http://127.0.0.1:{port}"
    module = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    return Server("prefect", module, url, f"{url}/api/health")


def mlflow_server(settings: Settings, port: int) -> Server:
    """Describe MLflow's tracking server and UI."""
    url = f"http://127.0.0.1:{port}"
    module = (
        *("mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.tracking_uri, "--default-artifact-root", str(settings.artifacts)),
    )
    return Server("mlflow", module, url, f"{url}/health")


def report_server(settings: Settings, port: int) -> Server:
    """Describe the plain file server of reports and Data Docs."""
    url = f"http://127.0.0.1:{port}"
    module = ("http.server", str(port), "--bind", "127.0.0.1", "--directory", str(settings.reports))
    return Server("reports", module, url, f"{url}/")


_WORKER = ("prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "wheeltapper")


def free_port() -> int:
    """Return a port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Tell whether a server can be started on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def start(server: Server, settings: Settings, *, dies_with_us: bool) -> subprocess.Popen[bytes]:
    """Start a server; its output goes to a log file in WHEELTAPPER_HOME."""
    return _processes.start(server.module, _log(settings, server.name), dies_with_us=dies_with_us)


def _log(settings: Settings, name: str) -> Path:
    return settings.home.resolve() / "logs" / f"{name}.log"


def wait(server: Server, process: subprocess.Popen[bytes], settings: Settings) -> None:
    """Wait until the server answers.

    Raises
    ------
    WheeltapperError
        If it ends or stays silent; the message names its log.
    """
    log = _log(settings, server.name)
    deadline = time.monotonic() + _PATIENCE
    while not server.answers():
        if process.poll() is not None:
            raise WheeltapperError(f"the {server.name} server ended with code {process.returncode}; see {log}")
        if time.monotonic() > deadline:
            raise WheeltapperError(f"the {server.name} server did not answer for {_PATIENCE:.0f} s; see {log}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server politely, and after ten seconds firmly."""
    _processes.stop(process)


# -- a server for one run ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def prefect(settings: Settings, meanwhile: Callable[[], object]) -> Iterator[str]:
    """Give a flow run a Prefect server: the one that is configured, the one that is up, or one of its own.

    ``meanwhile`` is called while a new server starts, so that the two waits become one.

    Raises
    ------
    WheeltapperError
        If the server that is configured or up does not answer, or its own does not come up.
    """
    known = os.environ.get("PREFECT_API_URL") or _that_is_up(settings)
    if known:
        _require_answer(known, settings)
        os.environ["PREFECT_API_URL"] = known
        meanwhile()
        yield known
        return
    server = prefect_server(free_port())
    process = _start_for_one_run(server, settings)
    try:
        os.environ["PREFECT_API_URL"] = f"{server.url}/api"
        meanwhile()
        wait(server, process, settings)
        yield f"{server.url}/api"
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        stop(process)


def _that_is_up(settings: Settings) -> str | None:
    known = running(settings).get("prefect")
    return f"{known['url']}/api" if known else None


def _require_answer(api: str, settings: Settings) -> None:
    """Refuse a server that is not there, before Prefect waits for it for minutes."""
    if PrefectApi(api).answers():
        return
    if os.environ.get("PREFECT_API_URL"):
        raise WheeltapperError(
            f"no Prefect server answers at PREFECT_API_URL={api}. Start it, or unset PREFECT_API_URL: "
            "then a server is started for this run."
        )
    raise WheeltapperError(
        f"the Prefect server of `wheeltapper up` does not answer at {api}; see {_log(settings, 'prefect')}. "
        "Start it again with: wheeltapper down, then wheeltapper up"
    )


def _start_for_one_run(server: Server, settings: Settings) -> subprocess.Popen[bytes]:
    before = {name: os.environ.get(name) for name in _ONE_RUN}
    os.environ.update(_ONE_RUN)
    try:
        return start(server, settings, dies_with_us=True)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# -- servers that stay ---------------------------------------------------------------------------------------------


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
        _require_ports(settings, alive)
        _end_remains(settings, alive)
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
    """Refuse ports that are the same; ports that are taken are refused when their server is started."""
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


def _start_servers(settings: Settings, alive: dict[str, dict[str, str]], tell: Callable[[str], None]) -> None:
    settings.reports.mkdir(parents=True, exist_ok=True)
    wanted = [
        (prefect_server(settings.prefect_port), settings.prefect_port),
        (mlflow_server(settings, settings.mlflow_port), settings.mlflow_port),
        (report_server(settings, settings.reports_port), settings.reports_port),
    ]
    started = []
    for server, port in wanted:
        if server.name not in alive:
            _require_free(server, port)
            started.append((server, start(server, settings, dies_with_us=False)))
            _remember(settings, alive, server.name, started[-1][1], server.url)
    for server, process in started:
        tell(f"waiting for {server.name} at {server.url}")
        wait(server, process, settings)


def _require_free(server: Server, port: int) -> None:
    if not port_is_free(port):
        raise WheeltapperError(
            f"port {port} for {server.name} is in use by another program. End it, or choose another port with "
            f"WHEELTAPPER_{server.name.upper()}_PORT."
        )


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
        process = _processes.start(_WORKER, _log(settings, "worker"), dies_with_us=False)
        _remember(settings, alive, "worker", process, alive["prefect"]["url"])
    tell("deploying the flows of prefect.yaml")
    deploy_flows()
    tell("waiting for the worker and the first planned runs")
    deadline = time.monotonic() + _PLANNING
    while not (api.has_worker() and all(api.next_runs().values())):
        if "worker" not in running(settings):
            raise WheeltapperError(f"the worker ended; see {_log(settings, 'worker')}")
        if time.monotonic() > deadline:
            raise WheeltapperError(_nothing_planned(api, settings))
        time.sleep(0.5)


def _nothing_planned(api: PrefectApi, settings: Settings) -> str:
    idle = [name for name, when in api.next_runs().items() if when is None]
    if not idle:
        return f"the worker did not report to Prefect for {_PLANNING:.0f} s; see {_log(settings, 'worker')}"
    return (
        f"Prefect has planned no run of {', '.join(idle)} for {_PLANNING:.0f} s. Its packages may not fit together "
        "(SQLAlchemy 2.1 does this): install them again with `pip install --constraint constraints.txt --editable .`. "
        f"Its log: {_log(settings, 'prefect')}"
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
    known = _known(settings)
    # The worker and its runs first, while there is a server to tell.
    _end_parts(known, ["worker"])
    _processes.end_groups(_processes.orphans(settings.home.resolve()))
    if "prefect" in running(settings):
        with contextlib.suppress(WheeltapperError):
            PrefectApi(f"{known['prefect']['url']}/api").end_all_runs("Ended by `wheeltapper down`.")
    _end_parts(known, [name for name in known if name != "worker"])
    _state_file(settings).unlink(missing_ok=True)
    return list(known)


def _end_parts(known: dict[str, dict[str, str]], names: list[str]) -> None:
    _processes.end_groups({int(known[name]["pid"]): known[name]["born"] for name in names if name in known})


def status(settings: Settings) -> list[Service]:
    """Return how the parts are that `up` started."""
    alive = running(settings)
    found = []
    for name, entry in _known(settings).items():
        state = "running" if _answers(name, entry["url"]) else "silent"
        log = str(_log(settings, name))
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


def running(settings: Settings) -> dict[str, dict[str, str]]:
    """Return the parts that `up` started and that are still alive: name → pid, born, url."""
    return {name: one for name, one in _known(settings).items() if _processes.born(int(one["pid"])) == one["born"]}


def _known(settings: Settings) -> dict[str, dict[str, str]]:
    path = _state_file(settings)
    if not path.is_file():
        return {}
    known: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return known


def _end_remains(settings: Settings, alive: dict[str, dict[str, str]]) -> None:
    """End what killed parts have left behind: it would hold their ports."""
    known = _known(settings)
    _end_parts(known, [name for name in known if name not in alive])


def _remember(
    settings: Settings, alive: dict[str, dict[str, str]], name: str, process: subprocess.Popen[bytes], url: str
) -> None:
    """Write down what was started at once, so that `run`, `status` and `down` find it whatever happens next."""
    born = _processes.born(process.pid)
    if born is None:
        raise WheeltapperError(f"{name} ended as soon as it was started; see {_log(settings, name)}")
    alive[name] = {"pid": str(process.pid), "born": born, "url": url}
    path = _state_file(settings)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(alive, indent=1), encoding="utf-8")
    new.replace(path)


def _state_file(settings: Settings) -> Path:
    return settings.home.resolve() / "servers.json"
