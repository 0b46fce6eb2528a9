"""The servers on this machine: Prefect (for every run), and with `wheeltapper up` MLflow, the reports and a worker.

They are other people's programs started as processes of their own, on loopback only; nothing of them is imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wheeltapper.config import Settings
from wheeltapper.errors import WheeltapperError

_PATIENCE = 120.0
"""Seconds that a server may take to answer: Prefect needs about 10, on a busy machine 40."""

_TIED = (
    sys.executable,
    "-c",
    f"import ctypes, os, sys; ctypes.CDLL(None).prctl(1, {int(signal.SIGTERM)}); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Starts a command that Linux ends as soon as we are gone, even by kill -9 (prctl PR_SET_PDEATHSIG)."""

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
    # A run that was killed frees its place within two minutes, also when the server restarts meanwhile.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}


def prepare_environment(settings: Settings) -> None:
    """Set what Prefect, MLflow and TensorFlow read when they are imported; what the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(settings.prefect))
    settings.prefect.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class Server:
    """One server: how it is started and where it answers."""

    name: str
    command: tuple[str, ...]
    url: str
    health: str | None = None

    def answers(self) -> bool:
        """Tell whether the server is up."""
        if self.health is None:
            return True
        try:
            with urllib.request.urlopen(self.health, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def prefect_server(port: int) -> Server:
    """Describe Prefect's API and UI."""
    command = (sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    return Server("prefect", command, url, f"{url}/api/health")


def mlflow_server(settings: Settings, port: int) -> Server:
    """Describe MLflow's tracking server and UI."""
    url = f"http://127.0.0.1:{port}"
    command = (
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", settings.tracking_uri, "--default-artifact-root", str(settings.artifacts)),
    )
    return Server("mlflow", command, url, f"{url}/health")


def report_server(settings: Settings, port: int) -> Server:
    """Describe the plain file server of reports and Data Docs."""
    url = f"http://127.0.0.1:{port}"
    folder = str(settings.reports)
    command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", folder)
    return Server("reports", command, url, url + "/")


def worker(api: str) -> Server:
    """Describe the Prefect worker that runs deployments on this machine."""
    command = (sys.executable, "-m", "prefect", "worker", "start", "--pool", "wheeltapper", "--type", "process")
    return Server("worker", command, api)


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
    logs = settings.home.resolve() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{server.name}.log").open("ab") as log:
        return subprocess.Popen(
            (*(_TIED if dies_with_us and sys.platform == "linux" else ()), *server.command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait(server: Server, process: subprocess.Popen[bytes], settings: Settings) -> None:
    """Wait until the server answers.

    Raises
    ------
    WheeltapperError
        If it ends or stays silent; the message names its log.
    """
    log = settings.home.resolve() / "logs" / f"{server.name}.log"
    deadline = time.monotonic() + _PATIENCE
    while not server.answers():
        if process.poll() is not None:
            raise WheeltapperError(f"the {server.name} server ended with code {process.returncode}; see {log}")
        if time.monotonic() > deadline:
            raise WheeltapperError(f"the {server.name} server did not answer for {_PATIENCE:.0f} s; see {log}")
        time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server politely, and after ten seconds firmly."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def prefect(settings: Settings, meanwhile: Callable[[], object]) -> Iterator[str]:
    """Give a flow run a Prefect server: the one that is configured, the one that is up, or one of its own.

    ``meanwhile`` is called while a new server starts, so that the two waits become one.
    """
    known = os.environ.get("PREFECT_API_URL") or running(settings).get("prefect", {}).get("api")
    if known:
        os.environ["PREFECT_API_URL"] = known
        meanwhile()
        yield known
        return
    server = prefect_server(free_port())
    process = start(server, settings, dies_with_us=True)
    try:
        os.environ["PREFECT_API_URL"] = f"{server.url}/api"
        meanwhile()
        wait(server, process, settings)
        yield f"{server.url}/api"
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        stop(process)


def _state_file(settings: Settings) -> Path:
    return settings.home.resolve() / "servers.json"


def running(settings: Settings) -> dict[str, dict[str, str]]:
    """Return the servers that `up` started and that are still alive: name → pid, url, api."""
    path = _state_file(settings)
    if not path.is_file():
        return {}
    known: dict[str, dict[str, str]] = json.loads(path.read_text())
    return {name: entry for name, entry in known.items() if _is_alive(int(entry["pid"]))}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remember(settings: Settings, started: dict[str, dict[str, str]]) -> None:
    """Write down what `up` started, so that `run`, `status` and `down` find it."""
    path = _state_file(settings)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(started, indent=1))
    new.replace(path)


def up(settings: Settings, *, deploy: bool, tell: Callable[[str], None]) -> dict[str, dict[str, str]]:
    """Start Prefect, MLflow and the reports, and with ``deploy`` the deployments and their worker.

    What runs already is left alone. The servers outlive this process; `down` ends them.

    Raises
    ------
    WheeltapperError
        If a port is taken by someone else or a server does not come up; what was started is ended again.
    """
    alive = running(settings)
    wanted = [
        (prefect_server(settings.prefect_port), settings.prefect_port),
        (mlflow_server(settings, settings.mlflow_port), settings.mlflow_port),
        (report_server(settings, settings.reports_port), settings.reports_port),
    ]
    try:
        started = []
        for server, port in wanted:
            if server.name in alive:
                continue
            _require_free(server, port)
            started.append((server, start(server, settings, dies_with_us=False)))
            alive[server.name] = {"pid": str(started[-1][1].pid), "url": server.url, "api": f"{server.url}/api"}
            remember(settings, alive)
        for server, process in started:
            tell(f"waiting for {server.name} at {server.url}")
            wait(server, process, settings)
        if deploy and "worker" not in alive:
            os.environ["PREFECT_API_URL"] = alive["prefect"]["api"]
            tell("deploying the flows of prefect.yaml")
            deploy_flows()
            process = start(worker(alive["prefect"]["api"]), settings, dies_with_us=False)
            alive["worker"] = {"pid": str(process.pid), "url": alive["prefect"]["url"], "api": alive["prefect"]["api"]}
            remember(settings, alive)
    except BaseException:
        down(settings)
        raise
    return alive


def _require_free(server: Server, port: int) -> None:
    if not port_is_free(port):
        raise WheeltapperError(
            f"port {port} for {server.name} is in use by another program. End it, or choose another port with "
            f"WHEELTAPPER_{server.name.upper()}_PORT."
        )


def deploy_flows() -> None:
    """Make the work pool and deploy everything in ``prefect.yaml``, as `prefect --no-prompt deploy --all` does.

    Raises
    ------
    WheeltapperError
        If Prefect refuses; the message holds what it said.
    """
    if not Path("prefect.yaml").is_file():
        raise WheeltapperError("there is no prefect.yaml here; change into the checkout's folder, or use --no-deploy")
    for arguments in (("work-pool", "create", "wheeltapper", "--type", "process", "--overwrite"), ("deploy", "--all")):
        command = (sys.executable, "-m", "prefect", "--no-prompt", *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise WheeltapperError(f"prefect {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def down(settings: Settings) -> list[str]:
    """End everything that `up` started; return the names."""
    alive = running(settings)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for entry in alive.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(entry["pid"]), number)
        deadline = time.monotonic() + 10
        while running(settings) and time.monotonic() < deadline:
            _reap()
            time.sleep(0.1)
    _state_file(settings).unlink(missing_ok=True)
    return list(alive)


def _reap() -> None:
    """Collect ended children, so that they do not look alive."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
