"""What features cost: tsfresh, tsflex and Wheeltapper on the same windows, in one run on one core.

Three questions, each in processes of their own; the answers go to ``benchmarks/results/features.json``:

    minimal     tsfresh's ten minimal features of windows of 10, 60 and 300 readings
    efficient   tsfresh's 777 efficient features of windows of 60 readings
    growth      readings of 50 assets to minimal feature rows, through the feature plan, 10⁵ to 10⁷ readings

    python benchmarks/features.py                       all three; takes some minutes
    python benchmarks/features.py minimal efficient     only these; the others keep their figures
    python benchmarks/features.py growth --readings 100000 1000000
    python benchmarks/features.py --windows 200 --dry   a quick look that keeps nothing

``minimal`` and ``efficient`` put everybody on the same windows of one sensor and tell the core's time for one window
(the least of several repetitions, so that a busy machine says nearly the same as a quiet one), how many times slower
than Wheeltapper the others are, and how far their values lie from ours. ``growth`` runs once for each size and tells
the clock's time and the core's. Kernels are compiled before the clock starts; what that takes, once on a new machine
and then once in every process, stands beside the figures. tsfresh is measured three ways: its ``extract_features`` on
a frame that is rolled already, the loop that it runs for each window inside, and nothing but its functions called one
after the other on ready arrays, which is as fast as it could ever be.

``minimal`` and ``efficient`` need tsflex, which nothing else here uses (Python 3.11 or 3.12; it has no wheel for 3.13):

    .venv/bin/python -m pip install --constraint constraints.txt --editable '.[benchmarks]'
"""

# ruff: noqa: PLC0415 - each worker imports what it measures, and nothing else takes part in its memory
from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from run import ROOT, machine

RESULT = ROOT / "benchmarks" / "results" / "features.json"
LENGTHS = (10, 60, 300)
EFFICIENT_LENGTH = 60
READINGS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
ASSETS = 50
ROWS = 60
"""Readings in a window of the growth table; a window ends at every reading."""
THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")
ROUNDING = 1e-12
"""A value below this share of the greatest in its window is what rounding left of zero; it is compared with that."""


def readings(n: int, seed: int = 0) -> Any:
    """Return a sensor with a daily swing, a slow walk and noise, 1440 readings a day, in its unit."""
    import numpy as np

    generator = np.random.default_rng(seed)
    swing = np.sin(np.arange(n) * (2 * np.pi / 1440))
    return 50 + 3 * swing + np.cumsum(generator.normal(0, 0.01, n)) + generator.normal(0, 0.5, n)


def rolled(n_windows: int, rows: int) -> tuple[Any, Any, Any]:
    """Return readings, and first and last positions of the windows that end at each of them once one is full."""
    import numpy as np

    last = np.arange(rows - 1, rows - 1 + n_windows, dtype=np.int64)
    return readings(rows - 1 + n_windows), last - rows + 1, last


def best(function: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """Return the least time of several runs in seconds of the core, and the last result.

    Only this process's own time counts, so that a busy machine says nearly the same as a quiet one.
    """
    shortest, found = float("inf"), None
    for _ in range(times):
        began = time.process_time()
        found = function()
        shortest = min(shortest, time.process_time() - began)
    return shortest, found


def worst(ours: dict[str, Any], theirs: dict[str, Any], scale: Any) -> dict[str, Any]:
    """Return the largest relative difference between two tables of the same features, and where it is.

    Parameters
    ----------
    scale : ndarray of shape (n_windows,)
        The greatest size of a reading in each window.
    """
    import numpy as np

    largest, at, beyond, holes = 0.0, "", 0, 0
    for name, expected in theirs.items():
        both = np.isfinite(expected) & np.isfinite(ours[name])
        holes += int((np.isfinite(expected) != np.isfinite(ours[name])).any())
        size = np.maximum(np.abs(expected), ROUNDING * scale)
        difference = float((np.abs(ours[name] - expected)[both] / size[both]).max()) if both.any() else 0.0
        beyond += difference > 1e-9
        if difference > largest:
            largest, at = difference, name
    return {
        "features": len(theirs),
        "largest": largest,
        "in": at,
        "features_beyond_1e-9": beyond,
        "features_with_other_blanks": holes,
    }


# What each worker measures.


def measure_minimal(n_windows: int) -> dict[str, Any]:
    """Measure the ten minimal features on windows of each length."""
    began = time.perf_counter()
    from wheeltapper.features import kernels
    from wheeltapper.features.kernels import _tsfresh

    settings = kernels.settings_of(kernels.known("minimal"))
    ready = _first_call(settings, began)
    return {"first_call": ready} | {
        str(rows): _side_by_side(settings, n_windows, rows, times=5, loop=_tsfresh.calculate) for rows in LENGTHS
    }


def measure_efficient(n_windows: int) -> dict[str, Any]:
    """Measure the efficient features on windows of one length."""
    began = time.perf_counter()
    from wheeltapper.features import kernels
    from wheeltapper.features.kernels import _tsfresh

    settings = kernels.settings_of(kernels.known("efficient"))
    ready = _first_call(settings, began)
    offered = set(kernels.offered())
    own = {name: name.partition("__")[0] in offered for name in kernels.names(settings)}
    found = _side_by_side(settings, n_windows, EFFICIENT_LENGTH, times=3, loop=_tsfresh.calculate)
    return {
        "first_call": ready,
        "features": len(own),
        "with_a_kernel": sum(own.values()),
        "calculators": len(settings),
        "calculators_with_a_kernel": len(offered & set(settings)),
        "without_a_kernel": sorted({name.partition("__")[0] for name, has in own.items() if not has}),
        str(EFFICIENT_LENGTH): found,
        "slowest": _slowest(settings, n_windows),
    }


def _first_call(settings: Any, began: float) -> float:
    """Return the seconds from the import to the first feature: compiling, or reading what was compiled before."""
    import numpy as np

    from wheeltapper.features import kernels

    for rows in (LENGTHS[-1], EFFICIENT_LENGTH):
        values, first, last = rolled(3, rows)
        kernels.compute(settings, values, first, last)
    # Single windows take other ways through some of the kernels.
    kernels.compute(settings, values, np.array([0]), np.array([8]))
    return time.perf_counter() - began


def _slowest(settings: Any, n_windows: int) -> dict[str, float]:
    """Return the five calculators that take longest, in microseconds a window."""
    from wheeltapper.features import kernels

    values, first, last = rolled(n_windows, EFFICIENT_LENGTH)
    taken = {
        calculator: best(lambda one=calculator: kernels.compute({one: settings[one]}, values, first, last), 2)[0]
        for calculator in settings
    }
    ranked = sorted(taken, key=lambda calculator: -taken[calculator])[:5]
    return {calculator: taken[calculator] / n_windows * 1e6 for calculator in ranked}


def _side_by_side(settings: Any, n_windows: int, rows: int, *, times: int, loop: Any) -> dict[str, Any]:
    """Measure everybody on the same windows; seconds become microseconds a window."""
    import numpy as np

    from wheeltapper.features import kernels

    values, first, last = rolled(n_windows, rows)
    ours, found = best(lambda: kernels.compute(settings, values, first, last), times)
    scale = np.abs(np.lib.stride_tricks.sliding_window_view(values, rows)).max(axis=1)
    peers = {
        "extract_features": _extract_features(settings, values, first, last),
        "its loop": _extraction_loop(settings, values, first, last),
        "its functions": _functions(settings, values, first, last, loop),
        "tsflex": _tsflex(settings, values, rows),
    }
    result: dict[str, Any] = {"windows": n_windows, "ours": {"microseconds": ours / n_windows * 1e6}}
    for peer, run in peers.items():
        seconds, table = best(run, min(times, 3))
        result[peer] = {
            "microseconds": seconds / n_windows * 1e6,
            "ratio": seconds / ours,
            "difference": worst(found, table, scale),
        }
    return result


def _extract_features(settings: Any, values: Any, first: Any, last: Any) -> Callable[[], dict[str, Any]]:
    """Return the documented way; the frame, rolled as ``roll_time_series`` would, is made before the clock starts."""
    import numpy as np
    import pandas as pd
    from tsfresh import extract_features

    rows = last[0] - first[0] + 1
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(len(first)), rows),
            "time": np.tile(np.arange(rows), len(first)),
            "x": values[(first[:, None] + np.arange(rows)).ravel()],
        }
    )

    def extract() -> dict[str, Any]:
        table = extract_features(
            frame,
            column_id="id",
            column_sort="time",
            column_value="x",
            default_fc_parameters=settings,
            n_jobs=0,
            disable_progressbar=True,
        )
        return {name.removeprefix("x__"): table[name].to_numpy(dtype=float) for name in table}

    return extract


def _extraction_loop(settings: Any, values: Any, first: Any, last: Any) -> Callable[[], dict[str, Any]]:
    """Return what tsfresh runs for every window, without the frames around it."""
    import numpy as np
    import pandas as pd
    from tsfresh.feature_extraction.extraction import _do_extraction_on_chunk

    windows = [
        (at, "x", pd.Series(values[one : end + 1])) for at, (one, end) in enumerate(zip(first, last, strict=True))
    ]

    def extract() -> dict[str, Any]:
        found: dict[str, list[float]] = {}
        for window in windows:
            for _, name, value in _do_extraction_on_chunk(window, settings, None, show_warnings=False):
                found.setdefault(name.removeprefix("x__"), []).append(value)
        return {name: np.array(column, dtype=float) for name, column in found.items()}

    return extract


def _functions(settings: Any, values: Any, first: Any, last: Any, loop: Any) -> Callable[[], dict[str, Any]]:
    """Return tsfresh's functions called one after the other, each on window after window."""
    from wheeltapper.features import kernels

    def extract() -> dict[str, Any]:
        return {
            kernels.name_of(calculator, one): column
            for calculator, many in settings.items()
            for one, column in zip(many or [{}], loop(calculator, many or [{}], values, first, last).T, strict=True)
        }

    return extract


def _tsflex(settings: Any, values: Any, rows: int) -> Callable[[], dict[str, Any]]:
    """Return tsflex with tsfresh's functions in it, as its documentation says."""
    import pandas as pd
    from tsflex.features import FeatureCollection, MultipleFeatureDescriptors
    from tsflex.features.integrations import tsfresh_settings_wrapper

    from wheeltapper.features import kernels

    collection = FeatureCollection(
        MultipleFeatureDescriptors(
            functions=tsfresh_settings_wrapper(dict(settings)), series_names="x", windows=rows, strides=1
        )
    )
    series = pd.Series(values, name="x")

    def extract() -> dict[str, Any]:
        table = collection.calculate(
            series, return_df=True, n_jobs=1, include_final_window=True, approve_sparsity=True, show_progress=False
        )
        columns = {name.split("__")[1]: table[name].to_numpy(dtype=float) for name in table}
        return {
            kernels.name_of(calculator, one): columns[key]
            for calculator, many in settings.items()
            for one in many or [{}]
            if (key := f"{calculator}_{one}" if one else calculator) in columns
        }

    return extract


def measure_growth(n_readings: int) -> dict[str, Any]:
    """Turn readings into feature rows asset by asset, as ``featurize`` does, and keep none of them."""
    import pandas as pd

    from wheeltapper.features.compute import compute, compute_asset
    from wheeltapper.features.plan import FeaturePlan

    sensors = {name: {"unit": "bar", "low": -1e6, "high": 1e6} for name in ("inlet", "outlet", "oil", "seal")}
    plan = FeaturePlan.model_validate(
        {
            "asset_type": {"name": "pump", "step": "1min", "sensors": sensors},
            "sets": ["statistics"],
            "windows": {"rows": ROWS},
        }
    )

    def of_asset(number: int, n: int) -> pd.DataFrame:
        columns = {name: readings(n, 10 * number + place) for place, name in enumerate(sensors)}
        moments = pd.date_range("2026-01-01", periods=n, freq="1min", tz="UTC", unit="us")
        return pd.DataFrame({"asset_id": f"pump-{number:02d}", "timestamp": moments, "regime": "normal", **columns})

    began = time.perf_counter()
    compute(plan, of_asset(0, 2 * ROWS))
    ready = time.perf_counter() - began
    before = _peak()
    seconds, core, rows = 0.0, 0.0, 0
    for number in range(ASSETS):
        own = of_asset(number, n_readings // ASSETS)
        began, core_began = time.perf_counter(), time.process_time()
        found = compute_asset(plan, own)
        seconds += time.perf_counter() - began
        core += time.process_time() - core_began
        rows += int(found["usable"].sum())
    return {
        "readings": n_readings,
        "sensors": len(sensors),
        "features": len(plan.columns),
        "window_rows": ROWS,
        "feature_rows": rows,
        "seconds": seconds,
        "core_seconds": core,
        "core_seconds_per_million": core / n_readings * 1e6,
        "first_call": ready,
        "peak_mib": _peak(),
        "peak_mib_before": before,
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)


WORKERS = {"minimal": measure_minimal, "efficient": measure_efficient, "growth": measure_growth}


def work(part: str, size: int) -> None:
    """Measure one part in this process and print it; the parent reads the last line."""
    warnings.simplefilter("ignore")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(json.dumps(WORKERS[part](size)))


def measure(part: str, size: int, kept: Path) -> dict[str, Any]:
    """Measure one part in a process of its own, on one core with one thread."""
    environment = os.environ | dict.fromkeys(THREADS, "1") | {"NUMBA_CACHE_DIR": str(kept)}
    command = [sys.executable, __file__, "--work", part, str(size)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"measuring {part} ended with code {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_twice(part: str, size: int) -> dict[str, Any]:
    """Measure one part with kernels that were compiled before, and say what compiling them took."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
        compiling = measure(part, 20, Path(folder))["first_call"]
        found = measure(part, size, Path(folder))
    return found | {"first_call_on_a_new_machine": compiling}


def save(name: str, content: Any) -> None:
    """Write one part of the results; the other parts stay as they are."""
    results = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    results |= {"machine": machine(), name: content}
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(_rounded(results), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Keep three digits of every measured number."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


def show(title: str, headings: list[str], lines: list[list[str]]) -> None:
    """Print a table."""
    widths = [max(len(line[place]) for line in [headings, *lines]) for place in range(len(headings))]
    print(f"\n{title}")
    for line in [headings, *lines]:
        cells = [line[0].ljust(widths[0]), *(text.rjust(wide) for text, wide in zip(line[1:], widths[1:], strict=True))]
        print("  ".join(cells))


def show_peers(title: str, found: dict[str, Any], lengths: list[int]) -> None:
    """Print who needs how long for one window, and how far the values lie from ours."""
    lines = []
    for rows in lengths:
        part = found[str(rows)]
        for peer in ("extract_features", "its loop", "its functions", "tsflex", "ours"):
            one = part[peer]
            line = [f"{rows} readings, {_TITLES[peer]}", f"{one['microseconds']:,.2f}"]
            if peer == "ours":
                lines.append([*line, "", "", "", "", ""])
            else:
                away = one["difference"]
                counts = [
                    str(away[name]) for name in ("features", "features_beyond_1e-9", "features_with_other_blanks")
                ]
                lines.append([*line, f"{one['ratio']:,.0f} ×", f"{away['largest']:.1e} {away['in']}", *counts])
    show(
        title,
        ["", "µs a window", "slower than ours", "largest difference", "features", "beyond 1e-9", "blank in one"],
        lines,
    )
    print("Differences are relative to the value, or to a 1e-12th of the window's greatest reading where that is more.")
    print(
        f"First feature after {found['first_call_on_a_new_machine']:.1f} s where kernels must be compiled, "
        f"after {found['first_call']:.1f} s afterwards (imports included)."
    )


_TITLES = {
    "extract_features": "tsfresh: extract_features",
    "its loop": "tsfresh: its loop over functions",
    "its functions": "tsfresh: its functions alone",
    "tsflex": "tsflex",
    "ours": "Wheeltapper",
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(WORKERS), help="minimal, efficient, growth; all by default")
    parser.add_argument(
        "--windows", type=int, help="windows that everybody computes; by default 3000 for minimal, 100 for efficient"
    )
    parser.add_argument("--readings", type=int, nargs="+", default=READINGS, help="sizes of the growth table")
    parser.add_argument("--dry", action="store_true", help="print only, keep nothing")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        work(asked.work[0], int(asked.work[1]))
        return
    unknown = sorted(set(asked.parts) - set(WORKERS))
    if unknown:
        parser.error(f"no part named {unknown}; there are {list(WORKERS)}")
    if {"minimal", "efficient"} & set(asked.parts) and importlib.util.find_spec("tsflex") is None:
        parser.error(
            "minimal and efficient compare with tsflex, which is not installed. Install it with: "
            "python -m pip install --constraint constraints.txt --editable '.[benchmarks]'"
        )

    def keep(name: str, content: dict[str, Any]) -> None:
        if not asked.dry:
            save(name, content)

    if "minimal" in asked.parts:
        found = measure_twice("minimal", asked.windows or 3000)
        keep("minimal", found)
        show_peers("tsfresh's 10 minimal features, one core", found, list(LENGTHS))
    if "efficient" in asked.parts:
        found = measure_twice("efficient", asked.windows or 100)
        keep("efficient", found)
        show_peers(f"tsfresh's {found['features']} efficient features, one core", found, [EFFICIENT_LENGTH])
        print(
            f"{found['with_a_kernel']} of {found['features']} features ({found['calculators_with_a_kernel']} of "
            f"{found['calculators']} calculators) have a kernel; not {', '.join(found['without_a_kernel']) or 'one'}."
        )
        slow = ", ".join(f"{name} {taken:,.0f}" for name, taken in found["slowest"].items())
        print(f"Slowest, in µs a window: {slow}.")
    if "growth" in asked.parts:
        with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as folder:
            measure("growth", 2 * ROWS * ASSETS, Path(folder))  # compiles, which takes memory of its own
            table = [measure("growth", size, Path(folder)) for size in sorted(asked.readings)]
        keep("growth", {str(one["readings"]): one for one in table})
        lines = [
            [
                f"{one['readings']:,}",
                *(f"{one[name]:,.2f}" for name in ("seconds", "core_seconds", "core_seconds_per_million")),
                f"{one['peak_mib']:,.0f}",
                f"{one['feature_rows']:,}",
            ]
            for one in table
        ]
        title = f"Readings of {ASSETS} assets with {table[0]['sensors']} sensors to {table[0]['features']} features"
        show(
            f"{title}, windows of {ROWS}, one ending at every reading",
            ["readings", "seconds", "core's seconds", "core's s a million", "peak MiB", "feature rows"],
            lines,
        )


if __name__ == "__main__":
    main()
