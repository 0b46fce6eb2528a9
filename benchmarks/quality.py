"""How well the pipeline detects, with one default configuration, beside the best of plain baselines on raw readings.

Each plant says where its readings and labels come from, and how its time is cut; everything else (windows, features,
candidates, alarm rules, budget) is the default of `wheeltapper.config.Plant`, the same for all. The champion is the one
that the pipeline picks by itself on the validate part; every figure is of the test part, at which it looks once.

    python benchmarks/quality.py                        the plants of conf/ and conf/datasets/ whose data is here
    python benchmarks/quality.py skab path/to/my.yaml   these
    python benchmarks/quality.py --folder DATA          plants are made of the labelled CSV files in DATA and below

The plain baselines are k-sigma, max |z|, sum of z², PCA residual and isolation forest on single readings, fitted on
the same train and calibrate parts. VUS-PR allows for labels that are off by up to 100 readings; random is beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from benchmarks._folder import in_folder  # noqa: E402
from wheeltapper import config, plants  # noqa: E402
from wheeltapper.config import Plant, PlugIn, Windows  # noqa: E402
from wheeltapper.errors import DataError, WheeltapperError  # noqa: E402
from wheeltapper.evaluation import leaderboard  # noqa: E402
from wheeltapper.evaluation.baseline_gate import beats_baselines  # noqa: E402
from wheeltapper.evaluation.judge import judge  # noqa: E402
from wheeltapper.evaluation.judgement import Judgement  # noqa: E402
from wheeltapper.evaluation.ranking import rank_windows  # noqa: E402
from wheeltapper.features.compute import compute  # noqa: E402
from wheeltapper.features.plan import FeaturePlan  # noqa: E402
from wheeltapper.readings.exclude import overlaps, why_masked  # noqa: E402
from wheeltapper.scoring import alarms  # noqa: E402
from wheeltapper.scoring.bundle import Bundle  # noqa: E402
from wheeltapper.selftest.examine import share_found  # noqa: E402
from wheeltapper.selftest.twins import twins_among  # noqa: E402
from wheeltapper.training import parts  # noqa: E402
from wheeltapper.training.ablation import read_all  # noqa: E402
from wheeltapper.training.candidate import baselines_of, fit_candidate  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "quality.json"
LOOKS = {"test": ("test",), "after_calibration": ("validate", "test")}
"""What is looked at: the test part alone, and everything that candidates have not learnt from (more faults; the
champion was picked on half of it)."""
SCORED = ("validate", "test")
"""Parts that nothing was fitted or calibrated on."""
WINDOW = 100
"""Readings by which a label may be off, at most: VUS' widest buffer."""
LEAST = 50
"""Readings of an asset's own that the plain baselines are fitted on; with fewer, on those of all."""
KEPT = ("name", "folder", "description", "asset_type", "source", "cleaning", "parts", "costs", "seed")
KEPT += ("lead", "ends_in_failure")
"""What a plant says of its data; all else is the default."""

Scores = dict[str, pd.Series]


@dataclass(frozen=True)
class Table:
    """A plant's readings, cut into windows and parts."""

    plant: Plant
    readings: pd.DataFrame
    faults: pd.DataFrame
    features: pd.DataFrame
    part: pd.Series

    @classmethod
    def of(cls, plant: Plant) -> Table:
        """Read, clean, cut."""
        readings, faults = read_all(plant)
        features = compute(FeaturePlan.of(plant), readings)
        cuts = parts.cuts(readings[["asset_id", "timestamp", "origin"]], plant)
        return cls(plant, readings, faults, features, parts.assign(features, cuts))

    def rows(self, part: str) -> pd.DataFrame:
        """Return the windows of one part that may be scored."""
        return self.features[(self.part == part) & self.features["usable"]]


def with_defaults(plant: Plant) -> Plant:
    """Return the plant with everything but its data as nobody had said anything."""
    left = {name: field.get_default() for name, field in Plant.model_fields.items() if name not in KEPT}
    return plant.model_copy(update=left | {"windows": Windows(max_gap=plant.windows.max_gap)})


def judged(table: Table, name: str, part: str, scores: pd.DataFrame) -> Judgement:
    """Judge as the pipeline does."""
    plant = table.plant
    return judge(
        name,
        part,  # type: ignore[arg-type]
        scores,
        alarms.fold(scores, plant.alarms, plant.max_gap),
        table.faults,
        plant.costs,
        spacing=plant.window_spacing,
        max_gap=plant.max_gap,
        tolerance=plant.window_reach,
        vus_window=WINDOW,
        seed=plant.seed,
        lead=plant.lead,
        failing_kinds=plant.failing_kinds,
    )


def plain_scores(table: Table, look: tuple[str, ...]) -> tuple[pd.DataFrame, Scores]:
    """Score single readings with the plain baselines, each asset by what is normal of its own where it has enough."""
    rows = pd.concat([table.rows(part) for part in look])[["asset_id", "window_end"]]
    rows = rows.sort_values(["asset_id", "window_end"], ignore_index=True)
    names = list(table.plant.asset_type.measured)
    readings = _at_windows(table)
    normal = why_masked(_as_windows(readings), table.faults, table.plant.window_reach, lead=table.plant.lead) == ""
    learn = readings[readings["part"].isin(["train", "calibrate"]) & normal.to_numpy()].dropna(subset=names)
    if learn.empty:
        raise DataError("no normal reading has a value of every sensor: there is nothing to put plain baselines on")
    look = rows.merge(readings, on=["asset_id", "window_end"], how="left")
    found: dict[str, np.ndarray] = {}
    for asset, own in look.groupby("asset_id"):
        mine = learn[learn["asset_id"] == asset]
        fitted_on = mine if len(mine) >= LEAST else learn
        for name, values in _plain(fitted_on[names].to_numpy(), own[names].to_numpy(), table.plant.seed).items():
            found.setdefault(name, np.full(len(look), np.nan))[own.index] = values
    return look, {name: pd.Series(values, index=look.index) for name, values in found.items()}


def _at_windows(table: Table) -> pd.DataFrame:
    """Return the reading at which each window ends; on a grid, the last one before."""
    ends = table.features[["asset_id", "window_end", "usable"]].assign(part=table.part)
    return pd.merge_asof(
        ends.sort_values("window_end", kind="stable"),
        table.readings.sort_values("timestamp", kind="stable"),
        left_on="window_end",
        right_on="timestamp",
        by="asset_id",
        tolerance=table.plant.max_gap,
    ).dropna(subset="timestamp", ignore_index=True)


def _as_windows(readings: pd.DataFrame) -> pd.DataFrame:
    return readings.assign(window_start=readings["timestamp"], why_not="")


def _plain(learn: np.ndarray, look: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    from sklearn.decomposition import PCA  # noqa: PLC0415 - after the threads are limited
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    centre, spread = learn.mean(axis=0), learn.std(axis=0)
    still = spread < 1e-9
    spread = np.where(still, 0.01 * np.maximum(1, np.abs(centre)), spread)
    z, z_learn = (np.clip((values - centre) / spread, -50, 50) for values in (look, learn))
    pca = PCA(0.9 if z.shape[1] > 1 else None).fit(z_learn)
    rest = z - pca.inverse_transform(pca.transform(z))
    forest = IsolationForest(random_state=seed).fit(learn)
    return {
        "k-sigma": (np.abs(z) > 3).sum(axis=1).astype(float),
        "max |z|": np.abs(z).max(axis=1),
        "sum of z²": (z**2).sum(axis=1),
        "PCA residual": (rest**2).sum(axis=1),
        "isolation forest": -forest.score_samples(look),
    }


def _vus(table: Table, rows: pd.DataFrame, score: pd.Series) -> tuple[float | None, float | None]:
    own = rows.assign(score=score, window_start=rows["window_end"]).dropna(subset=["score"])
    ranking = rank_windows(own, overlaps(own, table.faults).to_numpy(), vus_window=WINDOW, seed=table.plant.seed)
    return ranking.vus_pr, ranking.vus_pr_random


def measure(plant: Plant) -> dict[str, Any]:
    """Run one plant with the default configuration and return its figures."""
    began = time.perf_counter()
    table = Table.of(with_defaults(plant))
    wanted = (*baselines_of(table.plant), *table.plant.candidates)
    bundles = {one.name: _fit(table, one) for one in wanted}
    scores = {name: {part: one.score(table.rows(part)) for part in SCORED} for name, one in bundles.items()}
    baselines = {one.name for one in baselines_of(table.plant)}
    validated = {name: judged(table, name, "validate", own["validate"]) for name, own in scores.items()}
    has_faults = any(one.cost_per_asset_week is not None for one in validated.values())
    board = leaderboard.rank(validated.values(), baselines, None if has_faults else _self_tests(table, bundles))
    asked = {one.candidate: beats_baselines(one, board.baselines, board.self_test) for one in board.candidates}
    fit = [one for one in board.candidates if asked[one.candidate].passed is not False]
    champion = (fit or board.candidates)[0].candidate
    tested = judged(table, champion, "test", scores[champion]["test"])
    names = [name for name in scores if name not in baselines]
    return {
        "plant": plant.name,
        "champion": champion,
        "ranked_by": board.ranked_by,
        "is_refused": not fit,
        **{part: _against_plain(table, part, champion, {name: scores[name] for name in names}) for part in LOOKS},
        "found": tested.found,
        "faults": tested.faults,
        "false_alarms_per_day": _per_day(tested.false_alarms_per_asset_week),
        "delay_minutes": tested.delay_minutes_median,
        "budget_per_week": table.plant.alarm_budget,
        "achieved_per_week": tested.false_alarms_per_asset_week,
        "achieved_interval": [tested.false_alarms_per_asset_week_low, tested.false_alarms_per_asset_week_high],
        "seconds": round(time.perf_counter() - began, 1),
    }


def _fit(table: Table, wanted: PlugIn) -> Bundle:
    """Fit one candidate on the train part, and set its threshold."""
    began = time.perf_counter()
    bundle = fit_candidate(table.plant, wanted, table.features, table.part, table.faults, {})
    print(f"  {wanted.name:<20} {time.perf_counter() - began:6.1f} s", flush=True)
    return bundle


def _self_tests(table: Table, bundles: dict[str, Bundle]) -> dict[str, float]:
    """Return which share of moderate faults each bundle hears, as the pipeline asks where it knows of no real one."""
    plan = FeaturePlan.of(table.plant)
    later = table.features[table.part.isin(["calibrate", "validate"])]
    normal = later[
        why_masked(plan.reaching(later), table.faults, table.plant.window_reach, lead=table.plant.lead) == ""
    ]
    twins = twins_among(plan, table.readings, normal, table.plant.alarms)
    return {name: share_found(bundle, twins, table.plant.alarms) for name, bundle in bundles.items()}


def _against_plain(
    table: Table, look: str, champion: str, scores: dict[str, dict[str, pd.DataFrame]]
) -> dict[str, Any]:
    """Compare VUS-PR of champion, candidates and plain baselines on the same windows."""
    rows, plain = plain_scores(table, LOOKS[look])
    own = {
        name: _vus(table, rows, _aligned(rows, [parts[one] for one in LOOKS[look]])) for name, parts in scores.items()
    }
    simple = {name: _vus(table, rows, score)[0] for name, score in plain.items()}
    candidates = {name: value for name, (value, _) in own.items()}
    mine, random = own[champion]
    best = max((value for value in simple.values() if value is not None), default=None)
    return {
        "vus_pr": mine,
        "random": random,
        "best_plain": best,
        "closed": None if mine is None or best is None or best >= 1 else (mine - best) / (1 - best),
        "best_in_hindsight": max((value for value in candidates.values() if value is not None), default=None),
        "plain": simple,
        "candidates": candidates,
    }


def _aligned(rows: pd.DataFrame, scores: list[pd.DataFrame]) -> pd.Series:
    """Return the scores of these very windows, in their order."""
    every = pd.concat(scores)[["asset_id", "window_end", "score"]]
    found: pd.Series = rows.merge(every, on=["asset_id", "window_end"], how="left", validate="1:1")["score"]
    return found


def _per_day(per_week: float | None) -> float | None:
    return None if per_week is None else per_week / 7


def show(results: list[dict[str, Any]]) -> None:
    """Print a line a plant and look."""
    widths = (22, 18, 17, 7, 7, 11, 7, 10, 8, 10, 22, 10)
    head = (
        "plant",
        "champion",
        "part",
        "VUS-PR",
        "random",
        "best plain",
        "closed",
        "hindsight",
        "found",
        "false/day",
        "false/week (budget)",
        "delay",
    )
    print("\n" + "  ".join(f"{one:>{width}}" for one, width in zip(head, widths, strict=True)))
    for one in results:
        for look in LOOKS:
            is_test = look == "test"
            cells = [
                one["plant"],
                one["champion"] + (" (refused)" if one["is_refused"] else ""),
                look.replace("_", " "),
                *(_cell(one[look][key], "{:.3f}") for key in ("vus_pr", "random", "best_plain")),
                _cell(one[look]["closed"], "{:.0%}"),
                _cell(one[look]["best_in_hindsight"], "{:.3f}"),
                f"{one['found']}/{one['faults']}" if is_test else "",
                _cell(one["false_alarms_per_day"], "{:.2f}") if is_test else "",
                _achieved(one) if is_test else "",
                _cell(one["delay_minutes"], "{:.1f} min") if is_test else "",
            ]
            print("  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))
        if one["ranked_by"] == leaderboard.BY_SELF_TEST:
            print(f"{one['plant']}: no fault is known in the validate part, so candidates were ranked by the self-test")
    print("false/week: on the test part, with its interval, and the budget that was set")


def _achieved(one: dict[str, Any]) -> str:
    low, high = one["achieved_interval"]
    rate = one["achieved_per_week"]
    return "–" if rate is None else f"{rate:.2g} ({low:.2g}–{high:.2g}; {one['budget_per_week']:g})"


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _plants(asked: argparse.Namespace) -> Iterator[Plant]:
    if asked.folder:
        yield from in_folder(asked.folder)
    for name in asked.plants or ([] if asked.folder else config.plant_files()):
        try:
            yield plants.load(name)
        except WheeltapperError as error:
            print(f"{name}\n  not measured: {error}")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plants", nargs="*", help="names in conf/ or paths of YAML files; all by default")
    parser.add_argument("--folder", type=Path, help="make plants of the labelled CSV files in here and below")
    parser.add_argument(
        "--out", type=Path, help=f"JSON file for the figures; of all plants, {RESULT.relative_to(ROOT)} by default"
    )
    asked = parser.parse_args()
    results = []
    for plant in _plants(asked):
        print(plant.name)
        try:
            results.append(measure(plant))
        except WheeltapperError as error:
            print(f"  not measured: {error}")
    show(results)
    out = asked.out or (None if asked.plants or asked.folder else RESULT)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"figures: {out}")


if __name__ == "__main__":
    main()
