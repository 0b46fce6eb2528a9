"""How a whole run grows with the number of readings: core seconds and peak memory of all its processes.

The plant is the pump station with more days: six pumps, one reading a minute. Each size is run once in a fresh home, as
``wheeltapper run``. Core seconds are those of the command and everything that it started, Prefect's server included.
What was measured goes to ``benchmarks/results/scale.json``.

    python benchmarks/scale.py                    300 000, 3 000 000 and 10 000 000 readings; takes half an hour
    python benchmarks/scale.py 300000 3000000     only these sizes; the others keep their figures
    python benchmarks/scale.py 300000 --dry       a look that keeps nothing
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from run import machine, measure  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "scale.json"
SIZES = (300_000, 3_000_000, 10_000_000)
PUMPS = 6
PER_DAY = 24 * 60


def plant(readings: int) -> str:
    """Return the YAML of a pump station with about this many readings."""
    text = (ROOT / "conf" / "pump_station.yaml").read_text(encoding="utf-8")
    days = max(round(readings / (PUMPS * PER_DAY)), 1)
    changed, count = re.subn(r"duration: \d+d", f"duration: {days}d", text)
    if count != 1:
        sys.exit("conf/pump_station.yaml has no duration in days any more; change benchmarks/scale.py with it")
    return changed


def core_seconds() -> float:
    """Return the processor time of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_size(readings: int) -> dict[str, Any]:
    """Run a pump station of this size in a fresh home, and return what it cost and what came of it."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
        file, home = Path(folder) / "scale.yaml", Path(folder) / "home"
        file.write_text(plant(readings), encoding="utf-8")
        environment = os.environ | {"WHEELTAPPER_HOME": str(home), "PYTHONIOENCODING": "utf-8"}
        environment.pop("PREFECT_API_URL", None)
        load, before = os.getloadavg()[0], core_seconds()
        done = measure([sys.executable, "-m", "wheeltapper.cli", "run", str(file)], environment)
        size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    kept = next(line for line in done["printed"] if "readings kept" in line)
    verdict = next(line for line in done["printed"] if line.startswith("Verdict"))
    return {
        "readings": int(re.sub(r"\D", "", kept.partition("ingest")[2].partition("readings")[0])),
        "core_seconds": round(core_seconds() - before, 1),
        "seconds": done["seconds"],
        "peak_mib": done["peak_mib"],
        "home_mib": round(size / 2**20),
        "load_before": round(load, 1),
        "exit_code": done["exit_code"],
        "verdict": verdict.removeprefix("Verdict").strip(),
    }


def slopes(sizes: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return core seconds for each further million readings, from size to size: equal ones are a straight line."""
    ordered = sorted(sizes.values(), key=lambda size: size["readings"])
    return {
        f"{small['readings']} to {large['readings']}": round(
            1e6 * (large["core_seconds"] - small["core_seconds"]) / (large["readings"] - small["readings"]), 1
        )
        for small, large in itertools.pairwise(ordered)
    }


def main() -> None:
    """Measure the sizes that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="readings")
    parser.add_argument("--dry", action="store_true", help="keep nothing")
    asked = parser.parse_args()
    content = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    sizes = dict(content.get("sizes", {}))
    for readings in asked.sizes:
        sizes[str(readings)] = measured = run_size(readings)
        print(
            f"{measured['readings']:>12,} readings: {measured['core_seconds']:8.1f} core s, "
            f"{measured['seconds']:7.1f} s, {measured['peak_mib']:6} MiB, {measured['verdict']}",
            flush=True,
        )
        if not asked.dry:
            content = {"machine": machine(), "sizes": sizes, "core_seconds_per_million": slopes(sizes)}
            text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
            RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
