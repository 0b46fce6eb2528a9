"""What one reading over HTTP costs, beside other ways to serve a model, side by side in one run with wrk.

    bare      a FastAPI route that reads the same body and answers
    forest    a FastAPI route that scores the body's values with scikit-learn's isolation forest (100 trees)
    mlflow    MLflow's own scoring server with the same forest
    ours      `wheeltapper serve`: checked, on the disk, windows, features, score and alarm; keys on

Each request is one reading of one of six pumps, a minute later than the one before. Servers run one after the other, as
Each request is one reading of one of six pumps, a minute later than the one before. Servers run one after another, as
disk takes to sync one entry of the same size. What was measured goes to ``benchmarks/results/serving.json``.

    python benchmarks/serving.py                needs wrk (Debian: apt-get install wrk); takes some minutes
    python benchmarks/serving.py --dry          keeps nothing
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import run
from run import ROOT, machine

RESULT = run.RESULT.with_name("serving.json")
SECONDS, ROUNDS = 8, 3
CONNECTIONS = (1, 8)
SENSORS = ("temperature", "vibration", "pressure", "flow_rate", "current", "duty_cycle")

OTHERS = """
import numpy as np
from fastapi import FastAPI
from sklearn.ensemble import IsolationForest
from wheeltapper.serving.bodies import ReadingsBody

SENSORS = {sensors}
model = IsolationForest(100, random_state=0).fit(np.random.default_rng(0).normal(size=(5000, len(SENSORS))))
app = FastAPI()

@app.post("/bare")
async def bare(body: ReadingsBody) -> dict[str, int]:
    return {{"readings": len(body.readings())}}

@app.post("/forest")
async def forest(body: ReadingsBody) -> dict[str, float]:
    rows = [[reading.values[name] for name in SENSORS] for reading in body.readings()]
    return {{"score": float(-model.score_samples(np.array(rows))[0])}}
"""

WRK = """
local count = 0
local start = {start}
local body = '{body}'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
{headers}
function request()
  count = count + 1
  local pump = count % 6 + 1
  local time = os.date("!%Y-%m-%dT%H:%M:%SZ", start + 60 * math.floor(count / 6))
  return wrk.format(nil, nil, nil, (body:gsub("PUMP", pump):gsub("TIME", time)))
end
function response(status)
  if status ~= 200 then wrk.thread:stop() end
end
"""


def body() -> str:
    """Write the body that all requests have; wrk puts in machine and time."""
    values = {
        "temperature": 48.2,
        "vibration": 2.3,
        "pressure": 5.2,
        "flow_rate": 130.5,
        "current": 72.1,
        "duty_cycle": 70.0,
    }
    return json.dumps({"asset_id": "pump-0PUMP", "timestamp": "TIME", "regime": "normal", "values": values})


@contextlib.contextmanager
def serving(command: list[str], port: int, environment: dict[str, str], path: str) -> Iterator[psutil.Process]:
    """Run a server until the block ends."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2):
                    break
                if process.poll() is not None:
                    log.seek(0)
                    sys.exit(f"{command} has ended: {log.read().decode()[-2000:]}")
                time.sleep(0.2)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


def load(url: str, connections: int, start: int, headers: dict[str, str], text: str) -> dict[str, float]:
    """Send requests for some seconds; return latencies in milliseconds and requests a second."""
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.format(start=start, body=text, headers=lines))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", script.name, url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in printed:
        sys.exit(f"{url} refused requests:\n{printed}")
    values = dict(re.findall(r"^\s+(50|90|99)%\s+(\S+)$", printed, flags=re.M))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])  # type: ignore[index]
    return {f"p{name}_ms": _milliseconds(value) for name, value in values.items()} | {"per_second": rate}


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit], 3)


def sync_milliseconds(folder: Path, size: int) -> float:
    """Return the median time to write and sync an entry."""
    times = []
    with (folder / "entry").open("ab") as stream:
        for _ in range(300):
            began = time.perf_counter()
            stream.write(b"x" * size)
            stream.flush()
            os.fdatasync(stream.fileno())
            times.append(time.perf_counter() - began)
    return round(1e3 * statistics.median(times), 3)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(folder: Path) -> dict[str, str]:
    """Train the pump station, so that there is a champion to serve."""
    environment = {"WHEELTAPPER_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "wheeltapper.cli", "run", "pump_station"]
    subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return environment


def forest_for_mlflow(folder: Path) -> str:
    """Save scikit-learn's forest as MLflow does; return its folder."""
    program = f"""
import mlflow.sklearn, numpy as np, pandas as pd
from sklearn.ensemble import IsolationForest
rows = pd.DataFrame(np.random.default_rng(0).normal(size=(5000, {len(SENSORS)})), columns={list(SENSORS)})
forest = IsolationForest(100, random_state=0).fit(rows)
mlflow.sklearn.save_model(forest, {str(folder / "forest")!r}, pip_requirements=[])
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    return str(folder / "forest")


def measure(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Measure every server in turn, some rounds; return the median of each figure."""
    key = subprocess.run(
        [sys.executable, "-m", "wheeltapper.cli", "keys", "create", "bench", "--scope", "write"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    token = re.search(r"wt_[\w-]{43}", key)[0]  # type: ignore[index]
    (folder / "others.py").write_text(OTHERS.format(sensors=SENSORS), encoding="utf-8")
    forest = forest_for_mlflow(folder)
    split = json.dumps({"dataframe_split": {"columns": list(SENSORS), "data": [[48.2, 2.3, 5.2, 130.5, 72.1, 70.0]]}})
    start = 1_780_272_000  # after the readings that it has learnt from
    rounds_of: dict[str, list[dict[str, Any]]] = {}
    for number in range(ROUNDS):
        for name in ("bare", "forest", "mlflow", "ours"):
            port = free_port()
            uvicorn = [sys.executable, "-m", "uvicorn", "others:app", "--port", str(port), "--log-level", "warning"]
            commands = {
                "mlflow": f"{sys.executable} -m mlflow models serve -m {forest} -p {port} --env-manager local".split(),
                "ours": [sys.executable, "-m", "wheeltapper.cli", "serve", "pump_station", "--port", str(port)],
            }
            health = {"mlflow": "/ping", "ours": "/healthz"}.get(name, "/docs")
            path = {"mlflow": "/invocations", "ours": "/v1/plants/pump_station/readings"}.get(name, f"/{name}")
            headers = {"Authorization": f"Bearer {token}"} if name == "ours" else {}
            text = split if name == "mlflow" else body()
            with serving(
                commands.get(name, uvicorn), port, environment | {"PYTHONPATH": f"{folder}:{ROOT}"}, health
            ) as server:
                url = f"http://127.0.0.1:{port}{path}"
                load(url, 1, start, headers, text)  # warm
                start += 500_000 if name == "ours" else 0
                figures = {}
                for connections in CONNECTIONS:
                    figures |= {
                        f"{connections} connections, {figure}": value
                        for figure, value in load(url, connections, start, headers, text).items()
                    }
                    start += 500_000 if name == "ours" else 0
                family = [server, *server.children(recursive=True)]
                figures["service_mib"] = round(server.memory_info().rss / 2**20)
                figures["all_mib"] = round(sum(process.memory_info().rss for process in family) / 2**20)
            rounds_of.setdefault(name, []).append(figures)
            print(number, name, figures, flush=True)
    return {name: _medians(rounds) for name, rounds in rounds_of.items()}


def _medians(rounds: list[dict[str, Any]]) -> dict[str, float]:
    return {figure: round(statistics.median(each[figure] for each in rounds), 3) for figure in rounds[0]}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dry", action="store_true", help="keep nothing")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not here. Debian: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as place:
        folder = Path(place)
        environment = prepare(folder)
        sync = sync_milliseconds(folder, len(body()))
        servers = measure(folder, environment)
    single = "1 connections, p50_ms"
    bound = 2 * servers["bare"][single] + sync
    content = {
        "machine": machine(),
        "servers": servers,
        "sync_ms": sync,
        "ours_p50_ms": servers["ours"][single],
        "twice_bare_plus_one_sync_ms": round(bound, 3),
        "load_before": round(os.getloadavg()[0], 1),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    print(text)
    if not asked.dry:
        RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
