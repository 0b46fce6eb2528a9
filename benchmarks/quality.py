"""How well the pipeline detects, with one default configuration, beside the best of plain baselines on raw readings.

Each plant says where its readings and labels come from, and how its time is cut; everything else (windows, features,
candidates, alarm rules, budget) is the default of `wheeltapper.config.Plant`, the same for all. The champion is the one
that the pipeline picks by itself on the validate part; every figure is of the test part, at which it looks once.

    python benchmarks/quality.py                        the plants of conf/ and conf/datasets/ whose data is here
    python benchmarks/quality.py skab path/to/my.yaml   these
    python benchmarks/quality.py --folder DATA          a plant is made for each CSV folder in DATA
    python benchmarks/quality.py --without-labels       pick the champion by the self-test, as if nobody knew a fault

The plain baselines are k-sigma, max |z|, sum of z², PCA residual and isolation forest on single readings, fitted on
the same train and calibrate parts. VUS-PR allows for labels that are off by up to 100 readings; random is beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
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

from tasks._ablation import read_all  # noqa: E402
from wheeltapper import config  # noqa: E402
from wheeltapper.config import Plant, Windows  # noqa: E402
from wheeltapper.errors import WheeltapperError  # noqa: E402
from wheeltapper.evaluation import leaderboard  # noqa: E402
from wheeltapper.evaluation.judgement import Judgement, judge  # noqa: E402
from wheeltapper.evaluation.ranking import rank_windows  # noqa: E402
from wheeltapper.features import parts  # noqa: E402
from wheeltapper.features.mask import overlaps, why_masked  # noqa: E402
from wheeltapper.features.plan import FeaturePlan  # noqa: E402
from wheeltapper.scoring import alarms  # noqa: E402
from wheeltapper.scoring.candidate import baselines_of, fit_candidate, guard, spacing  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "quality.json"
WINDOW = 100
"""Readings by which a label may be off, at most: VUS' widest buffer."""
KEPT = ("name", "folder", "description", "asset_type", "source", "cleaning", "parts", "costs", "seed")
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
        features = FeaturePlan.of(plant).compute(readings)
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
        spacing=spacing(plant),
        max_gap=plant.max_gap,
        tolerance=guard(plant),
        vus_window=WINDOW,
        seed=plant.seed,
    )


def plain_scores(table: Table) -> tuple[pd.DataFrame, Scores]:
    """Score single readings of the test part with the plain baselines, asset by asset or all together as the plant."""
    rows = table.rows("test")[["asset_id", "window_end"]]
    names = list(table.plant.asset_type.measured)
    readings = table.readings.merge(
        table.features[["asset_id", "window_end", "usable"]].assign(part=table.part),
        left_on=["asset_id", "timestamp"],
        right_on=["asset_id", "window_end"],
    )
    normal = why_masked(_as_windows(readings), table.faults, guard(table.plant)) == ""
    learn = readings[readings["part"].isin(["train", "calibrate"]) & normal.to_numpy()].dropna(subset=names)
    look = rows.merge(readings, on=["asset_id", "window_end"], how="left")
    found: dict[str, np.ndarray] = {}
    by_asset = len(learn) and learn.groupby("asset_id").size().min() >= 50 and table.plant.source.name != "pooled"
    for asset, own in look.groupby("asset_id"):
        mine = learn[learn["asset_id"] == asset]
        fitted_on = mine if by_asset and len(mine) >= 50 else learn
        for name, values in _plain(fitted_on[names].to_numpy(), own[names].to_numpy(), table.plant.seed).items():
            found.setdefault(name, np.full(len(look), np.nan))[own.index] = values
    return look, {name: pd.Series(values, index=look.index) for name, values in found.items()}


def _as_windows(readings: pd.DataFrame) -> pd.DataFrame:
    return readings.assign(window_start=readings["timestamp"], why_not="")


def _plain(learn: np.ndarray, look: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest

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
    own = rows.assign(score=score, window_start=rows["window_end"])
    ranking = rank_windows(own, overlaps(own, table.faults).to_numpy(), vus_window=WINDOW, seed=table.plant.seed)
    return ranking.vus_pr, ranking.vus_pr_random


def measure(name: str, *, without_labels: bool) -> dict[str, Any]:
    """Run one plant with the default configuration and return its figures."""
    began = time.perf_counter()
    plant = with_defaults(config.load(name))
    table = Table.of(plant)
    known = table.faults.iloc[:0] if without_labels else table.faults
    boards, tests, spent = {}, {}, {}
    for wanted in (*baselines_of(plant), *plant.candidates):
        start = time.perf_counter()
        bundle = fit_candidate(plant, wanted, table.features, table.part, known, {})
        boards[wanted.name] = judged(table, wanted.name, "validate", bundle.score(table.rows("validate")))
        tests[wanted.name] = judged(table, wanted.name, "test", bundle.score(table.rows("test")))
        spent[wanted.name] = round(time.perf_counter() - start, 1)
        print(
            f"  {wanted.name:<20} validate {_short(boards[wanted.name])}   test {_short(tests[wanted.name])}   {spent[wanted.name]} s"
        )
    baselines = {one.name for one in baselines_of(plant)}
    board = leaderboard.rank(boards.values(), baselines)
    champion = board.candidates[0].candidate
    rows, scores = plain_scores(table)
    plain = {name: _vus(table, rows, score)[0] for name, score in scores.items()}
    own = {name: one.vus_pr for name, one in tests.items() if name not in baselines}
    base = max((value for value in plain.values() if value is not None), default=None)
    mine = own[champion]
    hindsight = max((value for value in own.values() if value is not None), default=None)
    test = tests[champion]
    return {
        "plant": plant.name,
        "champion": champion,
        "vus_pr": mine,
        "random": test.vus_pr_random,
        "best_plain": base,
        "plain": plain,
        "closed": None if mine is None or base is None or base >= 1 else (mine - base) / (1 - base),
        "best_in_hindsight": hindsight,
        "candidates": own,
        "found": test.found,
        "faults": test.faults,
        "false_alarms_per_day": None
        if test.false_alarms_per_asset_week is None
        else test.false_alarms_per_asset_week / 7,
        "delay_minutes": test.delay_minutes_median,
        "budget_per_week": plant.alarm_budget,
        "achieved_per_week": test.false_alarms_per_asset_week,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _short(one: Judgement) -> str:
    vus = "–" if one.vus_pr is None else f"{one.vus_pr:.3f}"
    cost = "–" if one.cost_per_asset_week is None else f"{one.cost_per_asset_week:,.0f}"
    return f"VUS-PR {vus} {one.found}/{one.faults} cost {cost}"


def show(results: list[dict[str, Any]]) -> None:
    """Print a line a plant."""
    head = ("plant", "champion", "VUS-PR", "random", "best plain", "closed", "hindsight", "found", "false/day", "delay")
    print("\n" + "  ".join(f"{one:>12}" for one in head))
    for one in results:
        cells = [
            one["plant"][:12],
            one["champion"][:12],
            *(_cell(one[key], "{:.3f}") for key in ("vus_pr", "random", "best_plain")),
            _cell(one["closed"], "{:.0%}"),
            _cell(one["best_in_hindsight"], "{:.3f}"),
            f"{one['found']}/{one['faults']}",
            _cell(one["false_alarms_per_day"], "{:.2f}"),
            _cell(one["delay_minutes"], "{:.1f} min"),
        ]
        print("  ".join(f"{cell:>12}" for cell in cells))


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plants", nargs="*", help="names in conf/ or paths of YAML files; all by default")
    parser.add_argument("--without-labels", action="store_true", help="choose by the self-test")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file for the figures")
    asked = parser.parse_args()
    results = []
    for name in asked.plants or list(config.plant_files()):
        print(name)
        try:
            results.append(measure(name, without_labels=asked.without_labels))
        except WheeltapperError as error:
            print(f"  not measured: {error}")
    show(results)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
