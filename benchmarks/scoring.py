"""What scoring costs: our detectors beside scikit-learn, Keras and LiteRT on the same rows, in one run on one core.

Two simulated pumps give the rows, with the features of the pump station. Four questions:

    forest       one row and 1 000 rows through 100, 200 and 350 trees: ours and scikit-learn's, grown from one seed,
                 so that they are the same trees
    autoencoder  one row through the network: in NumPy as we do, by Keras's ``model(x)``, and by LiteRT
    bundle       the whole of ``Bundle.score``: fill, normalise, score, calibrate, compare with the smallest effects
    scorer       the same for windows that come as plain numbers, and its parts: to fill and scale, the detector, and
                 the rest, which is calibration and smallest effects; one window, a thousand, and a table of a million

    python benchmarks/scoring.py                   all four; takes some minutes
    python benchmarks/scoring.py --calls 20 --dry  a quick look that keeps nothing

Everybody is called in turn, ten calls in a row, two hundred in all, so that a busy moment meets all alike. The first
figures are the core's time (without the waiting for other programs); the clock's time stands beside it. A busy machine
still doubles both, so the load is kept with the figures. They go to ``benchmarks/results/scoring.json``. Compiling, and
everybody's first call, come before the clock starts.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(_name, "1")
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from features import _rounded, show  # noqa: E402
from run import machine  # noqa: E402
from sklearn.ensemble import IsolationForest  # noqa: E402

from wheeltapper import detectors, plants  # noqa: E402
from wheeltapper.config import PlugIn  # noqa: E402
from wheeltapper.detectors._tensorflow import open_tensorflow  # noqa: E402
from wheeltapper.features.compute import compute  # noqa: E402
from wheeltapper.features.impute import Imputer  # noqa: E402
from wheeltapper.features.plan import FeaturePlan  # noqa: E402
from wheeltapper.scoring.bundle import POOLED, Bundle  # noqa: E402
from wheeltapper.training import parts  # noqa: E402
from wheeltapper.training.ablation import read_all  # noqa: E402
from wheeltapper.training.candidate import fit_candidate  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "scoring.json"
TREES, ROWS, SEED = (100, 200, 350), (1, 1000), 42
IN_A_ROW = 10
MAX_SAMPLES = 256
CANDIDATES: dict[str, dict[str, Any]] = {
    "isolation_forest": {"n_estimators": 200},
    "autoencoder": {"epochs": 20},
    "pca_residual": {},
    "mahalanobis": {},
    "k_sigma": {},
    "lof": {},
}
MANY = 1_000_000
PLANT = """
asset_type: pump
seed: 42
source: {simulator: {assets: 2, start: 2026-01-05, duration: 10d}}
windows: {rows: 5, every: 1}
features: [latest, rolling, rates, ratios]
parts: {by: fraction, train: 0.4, calibrate: 0.25, validate: 0.2, test: 0.15}
"""
Call = Callable[[], Any]


def fitted() -> tuple[dict[str, Bundle], pd.DataFrame]:
    """Return a bundle of each candidate, and usable feature rows that none of them was fitted on."""
    plant = plants.parse(PLANT, name="two_pumps", folder=Path(), where="benchmarks/scoring.py")
    readings, faults = read_all(plant)
    features = compute(FeaturePlan.of(plant), readings)
    part = parts.assign(features, parts.cuts(readings[["asset_id", "timestamp", "origin"]], plant))
    bundles = {
        name: fit_candidate(plant, PlugIn(name=name, options=options), features, part, faults, {})
        for name, options in CANDIDATES.items()
    }
    later = features[part.isin(["validate", "test"]) & features["usable"]]
    return bundles, later.groupby("asset_id").head(ROWS[-1] // 2).reset_index(drop=True)


def timed(calls: dict[str, Call], times: int) -> dict[str, dict[str, float]]:
    """Call everybody in turn, some calls in a row, again and again; return milliseconds of the core and of the clock.

    Each burst begins with what the others have left in the processor's caches, and that counts too.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(max(1, times // IN_A_ROW)):
        for name, call in calls.items():
            taken[name] += [_once(call) for _ in range(IN_A_ROW)]
    return {name: _summed(np.array(own) * 1e3) for name, own in taken.items()}


def _once(call: Call) -> tuple[float, float]:
    core, clock = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - core, time.perf_counter() - clock


def _summed(own: Any) -> dict[str, float]:
    core, clock = own.T
    return {
        "median_ms": float(np.median(core)),
        "p95_ms": float(np.quantile(core, 0.95)),
        "clock_median_ms": float(np.median(clock)),
        "clock_p95_ms": float(np.quantile(clock, 0.95)),
    }


def beside(calls: dict[str, Call], times: int, *, rows: int) -> dict[str, Any]:
    """Return what everybody takes, how many times as long as ours (the first), and how far the scores lie apart."""
    scores = {name: np.asarray(call()) for name, call in calls.items()}  # everybody's first call
    found: dict[str, Any] = timed(calls, times)
    ours, *others = calls
    for name in others:
        found[name]["ratio"] = found[name]["median_ms"] / found[ours]["median_ms"]
        found[name]["difference"] = float(np.abs(scores[name] - scores[ours]).max())
    return {"rows": rows, **found}


# What is measured.


def measure_forest(train: pd.DataFrame, later: pd.DataFrame, times: int) -> list[dict[str, Any]]:
    """Measure forests of several sizes on one row and on many."""
    lines = []
    for trees in TREES:
        options = {"n_estimators": trees, "max_samples": MAX_SAMPLES}
        ours = detectors.build("isolation_forest", options, seed=SEED).fit(train)
        theirs = IsolationForest(**options, random_state=SEED).fit(train.to_numpy())
        for rows in ROWS:
            frame = later.iloc[:rows]
            values = frame.to_numpy()
            calls: dict[str, Call] = {
                "ours": lambda frame=frame, one=ours: one.score(frame),
                "scikit-learn": lambda values=values, one=theirs: -one.score_samples(values),
            }
            lines.append({"trees": trees, **beside(calls, times, rows=rows)})
    return lines


def measure_autoencoder(train: pd.DataFrame, later: pd.DataFrame, times: int) -> list[dict[str, Any]]:
    """Measure the network on one row and on many; Keras and LiteRT hold the very same network."""
    ours = detectors.build("autoencoder", CANDIDATES["autoencoder"], seed=SEED)
    kept: list[Any] = []
    train_it = ours._train
    ours._train = lambda values: kept.append(train_it(values)) or kept[0]  # type: ignore[attr-defined]
    ours.fit(train)
    model = kept[0][0]
    lines = []
    for rows in ROWS:
        frame = later.iloc[:rows]
        values = frame.to_numpy()
        asked = np.clip(values, ours.low_, ours.high_).astype(np.float32)
        calls: dict[str, Call] = {"ours": lambda frame=frame: ours.score(frame)}
        for name, redraw in {"keras": _keras(model), "litert": _litert(model, asked.shape)}.items():
            calls[name] = lambda redraw=redraw, values=values, asked=asked: ((values - redraw(asked)) ** 2).mean(axis=1)
        lines.append(beside(calls, times, rows=rows))
    return lines


def _keras(model: Any) -> Callable[[Any], Any]:
    return lambda asked: model(asked, training=False).numpy()


def _litert(model: Any, shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return the network converted for LiteRT, with room for as many rows as will come."""
    tf, _ = open_tensorflow()
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # LiteRT moves into a package of its own; TensorFlow still brings it
        converted = tf.lite.TFLiteConverter.from_keras_model(model).convert()
        interpreter = tf.lite.Interpreter(model_content=converted, num_threads=1)
    (into,), (out,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(into["index"], shape)
    interpreter.allocate_tensors()

    def redraw(asked: Any) -> Any:
        interpreter.set_tensor(into["index"], asked)
        interpreter.invoke()
        return interpreter.get_tensor(out["index"])

    return redraw


def measure_bundle(bundles: dict[str, Bundle], later: pd.DataFrame, times: int) -> list[dict[str, Any]]:
    """Measure the whole way from feature rows to severities."""
    lines = []
    for rows in ROWS:
        calls = {name: (lambda one=one, rows=rows: one.score(later.iloc[:rows])) for name, one in bundles.items()}
        for call in calls.values():
            call()
        found = timed(calls, times)
        lines += [{"detector": name, "rows": rows, "ours": found[name]} for name in bundles]
    return lines


def measure_scorer(bundles: dict[str, Bundle], later: pd.DataFrame, times: int) -> list[dict[str, Any]]:
    """Measure windows of one asset that come as plain numbers, and the parts of it."""
    lines = []
    imputer = Imputer.fit(later[list(bundles["pca_residual"].columns)])
    with_holes = {"pca_residual, with holes": replace(bundles["pca_residual"], imputer=imputer)}
    for name, bundle in (bundles | with_holes).items():
        for rows in ROWS:
            windows = later[later["asset_id"] == later["asset_id"].iloc[0]]
            windows = windows.loc[windows.index.repeat(2)].iloc[:rows]
            values, regimes = windows[list(bundle.columns)].to_numpy(), windows["regime"].to_numpy(dtype=object)
            if name in with_holes:
                values = np.where(np.arange(values.shape[1]) % 9 == 0, np.nan, values)
            lines.append(
                {
                    "detector": name,
                    "rows": rows,
                    **_parts_of(bundle, str(windows["asset_id"].iloc[0]), regimes, values, times),
                }
            )
    return lines


def _parts_of(bundle: Bundle, asset: str, regimes: Any, values: Any, times: int) -> dict[str, Any]:
    """Return what a scorer takes for windows, and what its parts do; the rest is calibration and smallest effects."""
    scorer, detector = bundle.scorer, bundle.detectors[POOLED]
    inputs = scorer.inputs(asset, regimes, values)
    calls: dict[str, Call] = {
        "whole": lambda: scorer.score(asset, regimes, values),
        "fill and scale": lambda: scorer.inputs(asset, regimes, values),
        "detector": lambda: detector.score_array(inputs),
    }
    for call in calls.values():
        call()
    found = timed(calls, times)
    parts = {name: found[name]["median_ms"] for name in ("fill and scale", "detector")}
    return {"ours": found["whole"], "parts_ms": parts | {"rest": found["whole"]["median_ms"] - sum(parts.values())}}


def measure_table(bundles: dict[str, Bundle], later: pd.DataFrame) -> list[dict[str, Any]]:
    """Measure a table of a million windows, once."""
    table = pd.concat([later] * (MANY // len(later)), ignore_index=True)
    lines = []
    for name, bundle in bundles.items():
        core, clock = _once(lambda bundle=bundle: bundle.score(table))
        lines.append({"detector": name, "rows": len(table), "core_s": core, "clock_s": clock})
    return lines


def measure(times: int) -> dict[str, Any]:
    """Measure everything."""
    bundles, later = fitted()
    bundle = bundles["isolation_forest"]
    inputs = bundle.inputs(bundle.rows_of_plan(later))
    half = inputs.iloc[::-1].reset_index(drop=True)
    return {
        "machine": machine(),
        "load_before": round(os.getloadavg()[0], 1),
        "calls": times,
        "features": inputs.shape[1],
        "forest": measure_forest(half, inputs, times),
        "autoencoder": measure_autoencoder(half, inputs, times),
        "bundle": measure_bundle(bundles, later, times),
        "scorer": measure_scorer(bundles, later, times),
        "table": measure_table(bundles, later),
    }


def _lines(name: str, one: dict[str, Any]) -> list[list[str]]:
    lines = []
    for who in ("ours", "scikit-learn", "keras", "litert"):
        if who in one:
            own = one[who]
            figures = [own[key] for key in ("median_ms", "p95_ms", "clock_median_ms", "clock_p95_ms")]
            more = [f"{own['ratio']:,.1f} ×", f"{own['difference']:.1e}"] if "ratio" in own else ["", ""]
            rows = f"{one['rows']:,} row{'s' * (one['rows'] > 1)}"
            lines.append([f"{name}, {rows}, {who}", *(f"{figure:.3f}" for figure in figures), *more])
    return lines


def tell(found: dict[str, Any]) -> None:
    """Print everything."""
    headings = ["", "core, ms", "p95", "clock, ms", "p95", "as long as ours", "largest difference"]
    lines = [line for one in found["forest"] for line in _lines(f"{one['trees']} trees", one)]
    lines += [line for one in found["autoencoder"] for line in _lines("autoencoder", one)]
    lines += [line for one in found["bundle"] for line in _lines(f"Bundle.score, {one['detector']}", one)]
    about = found["machine"]
    where = f"one of {about['cores']} cores, {about['system']}, Python {about['python']}, load {found['load_before']}"
    show(f"Medians and 95 % of {found['calls']} calls, {found['features']} features, {where}", headings, lines)


def tell_scorer(found: dict[str, Any]) -> None:
    """Print what the scorer and its parts take."""
    lines = []
    for one in found["scorer"]:
        rows = f"{one['rows']:,} window{'s' * (one['rows'] > 1)}"
        figures = [one["ours"]["median_ms"], one["ours"]["p95_ms"], *one["parts_ms"].values()]
        lines.append([f"{one['detector']}, {rows}", *(f"{1000 * figure:,.1f}" for figure in figures)])
    headings = ["Scorer.score", "core, µs", "p95", "fill and scale", "detector", "calibration, effects"]
    show("Windows of one asset that come as plain numbers", headings, lines)
    tables = [[one["detector"], f"{one['rows']:,}", f"{one['core_s']:.2f}"] for one in found["table"]]
    show("A table of many windows through Bundle.score", ["", "windows", "core, s"], tables)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="times that everybody is called")
    parser.add_argument("--dry", action="store_true", help="print only, keep nothing")
    asked = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    found = measure(asked.calls)
    tell(found)
    tell_scorer(found)
    if not asked.dry:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(_rounded(found), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
