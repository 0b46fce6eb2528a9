"""The servers on this machine: Prefect (for every run), MLflow and the reports; `lifecycle` starts those that stay.

They are other programs in processes of their own, on loopback only; nothing of them is imported here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wheeltapper import memory
from wheeltapper.config import Settings
from wheeltapper.errors import WheeltapperError
from wheeltapper.station import new_database, processes
from wheeltapper.station.parts import log_file, running
from wheeltapper.station.prefect_api import PrefectApi

_log = logging.getLogger("wheeltapper.prefect")

_START_SECONDS = 120.0
"""How long a server may take to answer: Prefect needs about 10 s, on a busy machine 40 s."""

QUIET = {
    # No telemetry.
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    # Prefect's own log lines go to its server, not to the terminal; ours go to both.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "wheeltapper",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
    # The UI calls the server that it came from; by default it calls port 4200, whatever the port.
    "PREFECT_SERVER_UI_API_URL": "/api",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # A run that was killed frees its place within two minutes, even if the server restarts meanwhile.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    # Runs are kept for 90 days, not for ever.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}

ONE_CORE_EACH = {
    # Candidates train side by side already. OpenBLAS's own threads wait for work by spinning, which costs as much
    # processor time as the work itself, and they make sums depend on the number of cores.
    "OPENBLAS_NUM_THREADS": "1",
}

_ONE_RUN = {
    # A server for one run plans nothing: the deployments that `up` left in its database wait for the next `up`.
    f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
    for service in ("SCHEDULER", "LATE_RUNS", "FOREMAN", "TRIGGERS", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS")
} | {
    # Nor does it list Prefect's kinds of blocks, which only the UI shows. Prefect would remember that as done, and
    # the server of `up`, which lists them, would leave them out.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
}


def prepare_environment(settings: Settings) -> None:
    """Set the variables that libraries and servers read when they start; those that the user has set stay."""
    for name, value in (QUIET | ONE_CORE_EACH | memory.VARIABLES).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(settings.prefect))


@dataclass(frozen=True)
class Server:
    """One server: the Python module that is started with its arguments, and where it answers."""

    name: str
    module: tuple[str, ...]
    url: str
    health: str

    def answers(self) -> bool:
        """Say whether the server is up."""
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


def prefect_database(settings: Settings) -> Path:
    """Return where Prefect's server has its database, unless its own settings name another one."""
    return Path(os.environ.get("PREFECT_HOME", settings.prefect)).expanduser() / "prefect.db"


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


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Say whether a server can be started on this port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def start(server: Server, settings: Settings, *, dies_with_us: bool) -> subprocess.Popen[bytes]:
    """Start a server; its output goes to a log file in WHEELTAPPER_HOME."""
    return processes.start(server.module, log_file(settings, server.name), dies_with_us=dies_with_us)


def wait(server: Server, process: subprocess.Popen[bytes], settings: Settings) -> None:
    """Wait until the server answers.

    Raises
    ------
    WheeltapperError
        If it ends or does not answer in time; the message names its log.
    """
    log = log_file(settings, server.name)
    deadline = time.monotonic() + _START_SECONDS
    while not server.answers():
        if process.poll() is not None:
            raise WheeltapperError(f"the {server.name} server ended with code {process.returncode}; see {log}")
        if time.monotonic() > deadline:
            raise WheeltapperError(f"the {server.name} server did not answer for {_START_SECONDS:.0f} s; see {log}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server: with SIGTERM, and after ten seconds with SIGKILL."""
    processes.stop(process)


# -- a server for one run ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def prefect(settings: Settings, meanwhile: Callable[[], object]) -> Iterator[str]:
    """Give a flow run a Prefect server: the configured one, the one of `up`, or a new one for this run only.

    ``meanwhile`` is called while a new server starts, so that the two waits overlap.

    Raises
    ------
    WheeltapperError
        If the configured server or the one of `up` does not answer, or the new one does not start.
    """
    existing = os.environ.get("PREFECT_API_URL") or _api_of_up(settings)
    if existing:
        _require_answer(existing, settings)
        os.environ["PREFECT_API_URL"] = existing
        meanwhile()
        yield existing
        return
    _log.info("starting a server for this run (10 to 20 s)")
    server = prefect_server(free_port())
    database = prefect_database(settings)
    is_new = new_database.is_new(database) and not new_database.provide(database, new_database.kept("prefect"))
    process = _start_for_one_run(server, settings)
    try:
        os.environ["PREFECT_API_URL"] = f"{server.url}/api"
        meanwhile()
        wait(server, process, settings)
        if is_new:
            new_database.keep(database, new_database.kept("prefect"))
        yield f"{server.url}/api"
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        stop(process)


def _api_of_up(settings: Settings) -> str | None:
    part = running(settings).get("prefect")
    return f"{part.url}/api" if part else None


def _require_answer(api: str, settings: Settings) -> None:
    """Refuse a server that does not answer, before Prefect waits for it for minutes."""
    if PrefectApi(api).answers():
        return
    if os.environ.get("PREFECT_API_URL"):
        raise WheeltapperError(
            f"no Prefect server answers at PREFECT_API_URL={api}. Start it, or unset PREFECT_API_URL: "
            "then a server is started for this run."
        )
    raise WheeltapperError(
        f"the Prefect server of `wheeltapper up` does not answer at {api}; see {log_file(settings, 'prefect')}. "
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
