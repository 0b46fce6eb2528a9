"""Processes that are started, recognised and ended; ports; a server that does not answer."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError, WheeltapperError
from wheeltapper.station import lifecycle, parts, processes, servers

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def wait_until(is_so, seconds: float = 20) -> bool:
    """Ask again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def stranger():
    """A process that has nothing to do with us."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process
        process.kill()


def test_a_server_ends_with_the_process_that_started_it_even_by_kill_9(tmp_path):
    """A program that started a server is killed: the server ends by itself."""
    program = f"""
import time
from wheeltapper.config import Settings
from wheeltapper.station import servers
settings = Settings(home={str(tmp_path)!r})
process = servers.start(servers.report_server(settings, 0), settings, dies_with_us=True)
print(process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        assert wait_until(lambda: "Serving" in (tmp_path / "logs" / "reports.log").read_text() or not _born(server), 2)
        assert _born(server) is not None
        starter.kill()
    assert wait_until(lambda: _born(server) is None)


def _born(pid: int) -> str | None:
    return processes.born(pid)


@pytest.mark.parametrize("is_linux", [psutil.LINUX, False])
def test_a_process_differs_from_a_later_one_of_the_same_number(stranger, monkeypatch, is_linux):
    """When a process was started stays the same while it lives, and is None once it has ended."""
    monkeypatch.setattr(psutil, "LINUX", is_linux)
    first = _born(stranger.pid)
    assert first is not None
    assert _born(stranger.pid) == first
    assert _born(os.getpid()) != first
    stranger.kill()
    assert wait_until(lambda: _born(stranger.pid) is None)


def test_down_leaves_a_stranger_alone_who_got_the_number_of_a_server(tmp_path, stranger):
    """After a restart of the machine the numbers that we wrote down belong to others."""
    entry = {"pid": str(stranger.pid), "born": "before the restart", "url": "http://127.0.0.1:9"}
    (tmp_path / "servers.json").write_text(json.dumps({"reports": entry}))
    settings = Settings(home=tmp_path)
    assert parts.running(settings) == {}
    assert [service.state for service in lifecycle.status(settings)] == ["ended"]
    lifecycle.down(settings)
    assert stranger.poll() is None
    assert lifecycle.status(settings) == []


def test_what_a_killed_process_has_started_is_ended_too(tmp_path):
    """The first process is killed and its child goes on, holding a port: it is ended with the group."""
    program = "import subprocess, sys; c = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)\n"
    program += "print(c.pid, flush=True); c.wait()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as first:
        assert first.stdout is not None
        child, born = int(first.stdout.readline()), _born(first.pid)
        assert born is not None
        os.kill(first.pid, signal.SIGSTOP)  # so that the child is not ended by the end of its input
        first.kill()
        first.wait()
        processes.end_groups({first.pid: born})
        assert wait_until(lambda: _born(child) is None)


def test_flow_runs_that_outlive_their_worker_are_found(tmp_path):
    """A run of this home is found; one of another home and another program of this home are not."""

    def run(home: Path, module: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "import time; time.sleep(60)", "-m", module]
        return subprocess.Popen(command, env={**os.environ, "WHEELTAPPER_HOME": str(home)}, start_new_session=True)

    ours, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    started = [run(ours, "prefect.engine"), run(elsewhere, "prefect.engine"), run(ours, "http.server")]
    try:
        assert wait_until(lambda: processes.orphans(ours) == {started[0].pid: _born(started[0].pid)})
        processes.end_groups(processes.orphans(ours))
        assert [_born(process.pid) is None for process in started] == [True, False, False]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.parametrize("name", ["prefect", "mlflow", "reports"])
def test_a_port_in_use_is_refused_and_names_its_variable(tmp_path, name):
    """Another program uses the port: nothing is left running, and the message says which variable moves it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ports = {f"{server}_port": servers.free_port() for server in ("prefect", "mlflow", "reports")}
        settings = Settings(home=tmp_path, **{**ports, f"{name}_port": listener.getsockname()[1]})
        with pytest.raises(WheeltapperError, match=f"WHEELTAPPER_{name.upper()}_PORT"):
            lifecycle.up(settings, deploy=False, now=NOW, announce=print)
    assert lifecycle.status(settings) == []


def test_two_servers_with_one_port_are_refused(tmp_path):
    """The same port twice would look like somebody else's."""
    port = servers.free_port()
    settings = Settings(home=tmp_path, prefect_port=port, mlflow_port=port)
    with pytest.raises(ConfigError, match="must differ"):
        lifecycle.up(settings, deploy=False, now=NOW, announce=print)


def test_a_configured_server_that_is_not_there_is_named_at_once(tmp_path, monkeypatch):
    """PREFECT_API_URL leads nowhere: Prefect would try for minutes."""
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{servers.free_port()}/api")
    message = "no Prefect server answers at PREFECT_API_URL"
    with pytest.raises(WheeltapperError, match=message), servers.prefect(Settings(home=tmp_path), lambda: None):
        pytest.fail("there is no server")


def test_a_server_of_its_own_is_announced_before_it_is_waited_for(tmp_path, monkeypatch, caplog):
    """A line says at once what the first seconds of a run are for, in a log as on a terminal."""

    def start(*_, **__):
        raise WheeltapperError("not started in this test")

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(processes, "start", start)
    caplog.set_level(logging.INFO, "wheeltapper")
    with pytest.raises(WheeltapperError), servers.prefect(Settings(home=tmp_path), lambda: None):
        pytest.fail("there is no server")
    assert [(record.name, record.levelname) for record in caplog.records] == [("wheeltapper.prefect", "INFO")]
    assert "starting" in caplog.text


def test_every_server_listens_on_this_machine_only(tmp_path):
    """No command names another address than 127.0.0.1."""
    settings = Settings(home=Path(tmp_path))
    for server in (
        servers.prefect_server(1),
        servers.mlflow_server(settings, 2),
        servers.report_server(settings, 3),
    ):
        place = server.module.index("--bind" if server.name == "reports" else "--host")
        assert server.module[place + 1] == "127.0.0.1"


def test_a_server_looks_for_garbage_rarely_while_it_starts(tmp_path):
    """Python's garbage collector would take a tenth of a server's start."""
    module = tmp_path / "thresholds.py"
    module.write_text("import gc\nprint(gc.get_threshold())\n")
    process = processes.start(
        ("timeit", "-n1", "-r1", f"exec(open({str(module)!r}).read())"), tmp_path / "log", dies_with_us=True
    )
    process.wait(timeout=20)
    processes.stop(process)
    assert (tmp_path / "log").read_text().startswith(str(processes.COLLECT_RARELY))


@pytest.mark.slow
def test_a_server_that_has_started_looks_for_garbage_as_usual(tmp_path):
    """A request whose client was killed leaves a database connection, which only the collector returns."""
    module = tmp_path / "thresholds.py"
    module.write_text("import gc, time\ntime.sleep(10)\nprint(gc.get_threshold(), gc.get_freeze_count() > 1000)\n")
    process = processes.start(
        ("timeit", "-n1", "-r1", f"exec(open({str(module)!r}).read())"), tmp_path / "log", dies_with_us=True
    )
    process.wait(timeout=60)
    processes.stop(process)
    usual = subprocess.run(
        [sys.executable, "-c", "import gc; print(gc.get_threshold())"], capture_output=True, text=True, check=True
    )
    assert (tmp_path / "log").read_text().startswith(f"{usual.stdout.strip()} True")


_NEWS = """
import os
class Ring:
    def __init__(self): self.me = self
    def __del__(self, write=os.write): write(1, b"looked at")
ring = Ring()
"""


@pytest.mark.parametrize("is_server", [True, False])
def test_a_process_that_ends_does_not_look_at_all_its_objects_again(tmp_path, is_server):
    """Whether a server or a run: the system takes the memory back; a look at a million objects takes seconds."""
    if is_server:
        (tmp_path / "news.py").write_text(_NEWS)
        log, code = tmp_path / "log", f"exec(open({str(tmp_path / 'news.py')!r}).read(), {{}})"
        process = processes.start(("timeit", "-n1", "-r1", code), log, dies_with_us=True)
        process.wait(timeout=20)
        processes.stop(process)
        assert log.read_text().startswith("1 loop")
        assert "looked at" not in log.read_text()
    else:
        program = _NEWS + "from wheeltapper.station import processes; processes.collect_rarely()"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == ""
    control = subprocess.run([sys.executable, "-c", _NEWS], capture_output=True, text=True, check=True)
    assert control.stdout == "looked at"


def test_sums_take_one_core_unless_the_user_has_said_otherwise(tmp_path, monkeypatch):
    """Candidates train side by side; threads of OpenBLAS beside them would wait by spinning."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    servers.prepare_environment(Settings(home=tmp_path))
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "8")
    servers.prepare_environment(Settings(home=tmp_path))
    assert os.environ["OPENBLAS_NUM_THREADS"] == "8"


def test_arrays_come_in_small_pages_unless_the_user_has_said_otherwise(tmp_path, monkeypatch):
    """NumPy reads this when it is imported: clearing pages of 2 MB takes seconds of a run's processor time."""
    monkeypatch.delenv("NUMPY_MADVISE_HUGEPAGE", raising=False)
    servers.prepare_environment(Settings(home=tmp_path))
    assert os.environ["NUMPY_MADVISE_HUGEPAGE"] == "0"
    monkeypatch.setenv("NUMPY_MADVISE_HUGEPAGE", "1")
    servers.prepare_environment(Settings(home=tmp_path))
    assert os.environ["NUMPY_MADVISE_HUGEPAGE"] == "1"
