"""Whether the alarm budget is kept: simulated normal years, one line a type of machine, detector and budget.

Nothing breaks in these years, so every alarm is a false one; in every second of them things happen that look like
faults and are none. A detector learns from the first 30 %, its threshold is set on the next 30 %, and the alarms of
the remaining 40 % are held against what the calibration promised for so many weeks.

    python benchmarks/budget.py                         pump and motor, 20 seeds, budgets 0.5, 1 and 2
    python benchmarks/budget.py --types pump --seeds 40 --first 0

The calibration was developed on the years 0 to 19, so the years that count begin at 100.

``inside`` counts the years whose achieved rate lies in the promised 95 % interval; ``spent`` is achieved over
budget, on average; ``halved`` is what is left of the alarms when the budget is cut to a half.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from wheeltapper import plants  # noqa: E402
from wheeltapper.config import Plant, PlugIn  # noqa: E402
from wheeltapper.evaluation.exposure import WEEK_HOURS, watched_rows  # noqa: E402
from wheeltapper.features.compute import compute  # noqa: E402
from wheeltapper.features.plan import FeaturePlan  # noqa: E402
from wheeltapper.readings.exclude import why_masked  # noqa: E402
from wheeltapper.scoring import alarms  # noqa: E402
from wheeltapper.training import parts  # noqa: E402
from wheeltapper.training.ablation import read_all  # noqa: E402
from wheeltapper.training.candidate import calibrated, fit_candidate  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "budget.json"
TYPES, DETECTORS, BUDGETS = ("pump", "motor"), ("mahalanobis", "isolation_forest"), (0.5, 1.0, 2.0)
FIRST = 100
LOOKALIKES = 0.02
"""Share of readings in what is no fault, in every second year."""
YEAR = """
asset_type: {kind}
seed: {seed}
source: {{simulator: {{assets: {assets}, start: 2026-01-05, duration: {days}d, step: 15min, lookalike_rate: {rate}}}}}
cleaning: {{resample: 15min}}
parts: {{by: fraction, train: 0.3, calibrate: 0.3, validate: 0.2, test: 0.2}}
"""


@dataclass(frozen=True)
class Year:
    """What one normal year with one budget came to; rates are false alarms per asset and week."""

    kind: str
    detector: str
    seed: int
    has_lookalikes: bool
    budget: float
    promised: float
    low: float
    high: float
    achieved: float
    asset_weeks: float

    @property
    def is_inside(self) -> bool:
        """Whether the achieved rate lies in the promised interval."""
        return self.low <= self.achieved <= self.high


def years(
    kind: str, seed: int, *, detectors: Sequence[str] = DETECTORS, assets: int = 3, days: int = 365
) -> Iterator[Year]:
    """Simulate a normal year of one type of machine, and try every detector with every budget on it."""
    has_lookalikes = seed % 2 == 1
    rate = LOOKALIKES if has_lookalikes else 0
    text = YEAR.format(kind=kind, seed=seed, assets=assets, days=days, rate=rate)
    plant = plants.parse(text, name="normal_year", folder=Path(), where="benchmarks/budget.py")
    readings, faults = read_all(plant)
    plan = FeaturePlan.of(plant)
    features = compute(plan, readings)
    part = parts.assign(plan.reaching(features), parts.cuts(readings[["asset_id", "timestamp", "origin"]], plant))
    normal = why_masked(plan.reaching(features), faults, plant.window_reach, lead=plant.lead) == ""
    after = features[part.isin(["validate", "test"])]
    for detector in detectors:
        bundle = fit_candidate(plant, PlugIn(name=detector), features, part, faults, {})
        for budget in BUDGETS:
            asked = plant.model_copy(update={"alarm_budget": budget})
            fitted = calibrated(bundle, asked, features[normal & (part == "calibrate")])
            promise = fitted.calibration.promise
            assert promise is not None
            count, weeks = _rung(asked, fitted.score(after))
            low, high = promise.interval(weeks)
            figures = (promise.rate, low, high, count / weeks, weeks)
            yield Year(kind, detector, seed, has_lookalikes, budget, *figures)


def _rung(plant: Plant, scores: pd.DataFrame) -> tuple[int, float]:
    """Return how many alarms opened, and in how many watched asset-weeks."""
    found = alarms.fold(scores, plant.alarms, plant.max_gap)
    rows = watched_rows(scores, spacing=plant.window_spacing, max_gap=plant.max_gap)
    return len(found), float(rows["hours"].sum()) / WEEK_HOURS


def lines(found: Sequence[Year]) -> list[dict[str, object]]:
    """Sum up each type, detector and budget over the seeds."""
    summed = []
    for kind, detector in dict.fromkeys((one.kind, one.detector) for one in found):
        own = [one for one in found if (one.kind, one.detector) == (kind, detector)]
        mean = {budget: float(np.mean([one.achieved for one in own if one.budget == budget])) for budget in BUDGETS}
        for budget in BUDGETS:
            at = [one for one in own if one.budget == budget]
            half = mean.get(budget / 2)
            summed.append(
                {
                    "type": kind,
                    "detector": detector,
                    "budget": budget,
                    "years": len(at),
                    "inside": sum(one.is_inside for one in at),
                    "achieved": mean[budget],
                    "promised_low": float(np.mean([one.low for one in at])),
                    "promised_high": float(np.mean([one.high for one in at])),
                    "spent": mean[budget] / budget,
                    "halved": half / mean[budget] if half is not None and mean[budget] > 0 else None,
                }
            )
    return summed


def show(summed: list[dict[str, object]]) -> None:
    """Print a line for each type, detector and budget."""
    print(
        f"\n{'type':<8}{'detector':<18}{'budget':>7}{'inside':>9}{'achieved':>10}{'promised':>14}{'spent':>7}{'halved':>8}"
    )
    for one in summed:
        halved = "–" if one["halved"] is None else f"{one['halved']:.2f}"
        promised = f"{one['promised_low']:.2f}–{one['promised_high']:.2f}"
        print(
            f"{one['type']:<8}{one['detector']:<18}{one['budget']:>7}{one['inside']:>5}/{one['years']:<3}"
            f"{one['achieved']:>10.2f}{promised:>14}{one['spent']:>7.2f}{halved:>8}"
        )
    inside, count = (sum(int(str(one[name])) for one in summed) for name in ("inside", "years"))
    print(f"\n{inside} of {count} years with a budget lie inside the promised interval ({inside / count:.1%})")


def main() -> None:
    """Simulate, count, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", nargs="*", default=TYPES, help="asset types that can be simulated")
    parser.add_argument("--seeds", type=int, default=20, help="years of each type")
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first year")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file for the figures")
    asked = parser.parse_args()
    found: list[Year] = []
    for kind in asked.types:
        for seed in range(asked.first, asked.first + asked.seeds):
            began = time.perf_counter()
            found += years(kind, seed)
            print(f"{kind}, seed {seed}: {time.perf_counter() - began:.1f} s", flush=True)
    summed = lines(found)
    show(summed)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"lines": summed, "years": [asdict(one) | {"is_inside": one.is_inside} for one in found]}
    asked.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
