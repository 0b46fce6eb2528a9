"""The same readings in any cut and order give the same tables: proven on whole plants, by digest.

Each plant learns from its first readings. The rest is brought to a copy of its home in each way: all at once, hour by
hour, single readings, shuffled within a day, with an hour that comes when all others are there, with an hour that is
wrong at first, and in looks that are killed at random moments and at chosen points. Flags, features, scores, and the
alarms that are not withdrawn (without their identifiers, which may keep an opening that late readings have moved) must
then have the same digests. The live core gets every reading of the rest by itself, and must say what the tables say.

    python benchmarks/any_cut.py                      all four plants whose data is there
    python benchmarks/any_cut.py skab power_meters    only these; the others keep their results
    python benchmarks/any_cut.py skab --way killed    one way only; nothing is written

What was found goes to ``benchmarks/results/any_cut.json``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import run
import yaml

sys.path.insert(0, str(run.ROOT))

from tests.flows import any_cut
from tests.flows.any_cut import Divided, Pace, PreparedPlant
from wheeltapper import datasets

SEED = 20261201
KILLS = 10


@dataclass(frozen=True)
class Case:
    """A plant of ``conf/``, shortened so that its rest can be brought in every way within minutes."""

    conf: str
    settings: Mapping[str, Any]
    """Settings in place of the plant's own; those of its source in place of some of the source's."""
    share: float
    """Share of each machine's time that it learns from."""
    pace: Pace
    assets: int | None = None
    """Machines that are taken; None for all."""

    def content(self) -> dict[str, Any]:
        """Return the plant's YAML with the other settings."""
        content = yaml.safe_load((run.ROOT / "conf" / f"{self.conf}.yaml").read_text(encoding="utf-8"))
        ((source, options),) = content["source"].items()
        content["source"] = {source: {**options, **self.settings.get("source", {})}}
        return content | {name: value for name, value in self.settings.items() if name != "source"}


HOURLY = Pace(timedelta(hours=1), timedelta(days=1))
CASES = {
    "pump_station": Case(
        "pump_station",
        {"source": {"assets": 3, "duration": "30d"}, "candidates": ["isolation_forest"]},
        0.7,
        HOURLY,
    ),
    "skab": Case("skab", {"candidates": ["pca_residual"]}, 0.75, Pace(timedelta(minutes=2), timedelta(hours=1)), 12),
    "power_meters": Case(
        "power_meters",
        {"source": {"assets": 20, "duration": "30d"}, "candidates": ["lof"]},
        0.934,
        HOURLY,
    ),
    "resampled": Case(
        "pump_station",
        {
            "source": {"assets": 2, "duration": "10d", "jitter": "50s", "gap_rate": 0.05, "missing_rate": 0.02},
            "cleaning": {
                "resample": "5min",
                "fill": {"pressure": "20min"},
                "smooth": {"current": {"by": "mean", "rows": 3}},
            },
            "candidates": ["pca_residual"],
        },
        0.8,
        HOURLY,
    ),
}
"""The rest of the pump station is nine days, so that what is late comes more than a week late; that of the other
simulated plants is two days. `resampled` is the pump station on a grid of five minutes."""


def prepare(name: str, case: Case, folder: Path) -> tuple[PreparedPlant, Divided]:
    """Let a plant learn from its first readings."""
    content = case.content()
    rows, faults = any_cut.read(content, name)
    taken = sorted(rows["asset_id"].unique())[: case.assets]
    divided = any_cut.divide(rows[rows["asset_id"].isin(taken)], faults[faults["asset_id"].isin(taken)], case.share)
    return any_cut.prepare(content, divided, name, folder), divided


def bring(base: PreparedPlant, rest: pd.DataFrame, case: Case, way: str, folder: Path) -> dict[str, Any]:
    """Bring the rest in one way; return what it took, and the digests of what came of it."""
    brought = base.copy(folder)
    began = time.monotonic()
    figures: dict[str, Any] = {}
    if way == "killed":
        killing = any_cut.Killing(brought, random.Random(SEED))
        killing.bring(any_cut.pieces(rest, case.pace.day / 2), KILLS, any_cut.POINTS)
        figures |= {"killed_at_random": killing.at_random, "killed_at_points": killing.at_points}
    else:
        deliveries = any_cut.WAYS[way](rest, case.pace, np.random.default_rng(SEED))
        seconds = brought.bring(deliveries, any_cut.PROMISES if way == "once" else any_cut.ACCEPT)
        figures |= {"deliveries": len(seconds), "core_seconds_median": round(float(np.median(seconds)), 2)}
    return figures | {"seconds": round(time.monotonic() - began, 1), "digests": any_cut.digests(brought)}


def examine(name: str, case: Case, ways: list[str]) -> dict[str, Any]:
    """Bring a plant's rest in all ways and compare; what differs is printed."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-benchmark-") as place:
        folder = Path(place)
        base, divided = prepare(name, case, folder / "base")
        reference = bring(base, divided.rest, case, "once", folder / "once")
        found: dict[str, Any] = {"once": reference}
        for way in ways:
            if way == "live":
                found[way] = live(base, PreparedPlant(folder / "once", name), divided.rest)
                continue
            found[way] = bring(base, divided.rest, case, way, folder / way)
            found[way]["is_equal"] = found[way]["digests"] == reference["digests"]
            for line in any_cut.differences(PreparedPlant(folder / "once", name), PreparedPlant(folder / way, name)):
                print(f"{name}, {way}: {line}")
        return {"plant": about(case, divided, PreparedPlant(folder / "once", name)), "ways": found}


def live(base: PreparedPlant, once: PreparedPlant, rest: pd.DataFrame) -> dict[str, Any]:
    """Bring the rest to the live core reading by reading, and compare it with the tables."""
    began = time.monotonic()
    unlike = any_cut.live_differences(base, once, rest)
    for line in unlike:
        print(f"{base.name}, live: {line}")
    return {"readings": len(rest), "seconds": round(time.monotonic() - began, 1), "is_equal": not unlike}


def about(case: Case, divided: Divided, once: PreparedPlant) -> dict[str, Any]:
    """Say what was used of a plant."""
    alarms = any_cut.standing_alarms(once.space)
    return {
        "conf": case.conf,
        "other_settings": dict(case.settings),
        "assets": int(divided.first["asset_id"].nunique()),
        "readings_learnt_from": len(divided.first),
        "readings_of_the_rest": len(divided.rest),
        "alarms": len(alarms),
        "alarms_of_the_rest": int((alarms["last_at"] >= divided.rest["timestamp"].min()).sum()),
        "piece_seconds": case.pace.hour.total_seconds(),
        "shuffled_within_seconds": case.pace.day.total_seconds(),
    }


def lines(name: str, found: dict[str, Any]) -> Iterator[str]:
    """Write a plant's results as a table."""
    for way, figures in found["ways"].items():
        verdict = {True: "equal", False: "DIFFERS"}[figures.get("is_equal", True)]
        numbers = [f"{key} {value}" for key, value in figures.items() if key not in ("digests", "is_equal")]
        yield f"{name:14} {way:10} {'reference' if way == 'once' else verdict:10} {', '.join(numbers)}"


def main() -> None:
    """Examine what was asked for; end with code 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("plants", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}")
    parser.add_argument("--way", help="only one way, for a try")
    asked = parser.parse_args()
    ways = [asked.way] if asked.way else [*(way for way in any_cut.WAYS if way != "once"), "live", "killed"]
    is_equal = True
    for plant in asked.plants:
        if plant in datasets.registry() and datasets.where(datasets.registry()[plant]) is None:
            print(f"{plant}: left out, its data is not here")
            continue
        found = examine(plant, CASES[plant], ways)
        print(*lines(plant, found), sep="\n", flush=True)
        is_equal = is_equal and all(figures.get("is_equal", True) for figures in found["ways"].values())
        if not asked.way:
            run.save(plant, found, RESULT)
    sys.exit(0 if is_equal else 1)


RESULT = run.RESULT.with_name("any_cut.json")


if __name__ == "__main__":
    main()
