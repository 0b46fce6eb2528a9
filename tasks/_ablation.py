"""What an ablation takes away or changes, and one trial of it: read, fit, judge; nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pandas as pd

from wheeltapper import sources, tables
from wheeltapper.config import Plant, PlugIn, Windows, format_duration
from wheeltapper.errors import ConfigError
from wheeltapper.evaluation.judgement import Judgement, judge
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import clean
from wheeltapper.scoring import alarms
from wheeltapper.training import parts
from wheeltapper.training.candidate import baselines_of, fit_candidate, guard, spacing
from wheeltapper.training.preparation import Preparation, prepare
from wheeltapper.workspace import labels

STUDIES = {
    "scaling": "one scale for all regimes against a scale for each",
    "features": "the readings alone, then with rolling, rates and ratios, one after another",
    "sampling": "a reading every 10 s to every 5 min, the window as long as before",
}
SEEDS = "seeds"
"""The study that changes nothing but the seed, for every baseline and candidate. ``all`` leaves it out: it compares
detectors, the others parts of the pipeline."""
_SETS = ("latest", "rolling", "rates", "ratios")
_STEPS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300))


@dataclass(frozen=True)
class Variant:
    """One line of an ablation's table."""

    study: str
    name: str
    plant: Plant
    knows_regimes: bool = True
    """False: every window is scaled and judged as if there were one regime."""


def variants(plant: Plant, study: str) -> list[Variant]:
    """Return the lines of one study.

    Raises
    ------
    ConfigError
        If there is no such study, or the plant has nothing to vary in it.
    """
    if study == SEEDS:
        return [Variant(study, "as it is", plant)]
    if study == "scaling":
        scales = {"one scale for all regimes": False, "a scale for each regime": True}
        return [Variant(study, name, plant, knows) for name, knows in scales.items()]
    if study == "features":
        counts = range(1, len(_SETS) + 1)
        names = ["readings alone", *(f"+ {one}" for one in _SETS[1:])]
        sets = [tuple(PlugIn(name=one) for one in _SETS[:count]) for count in counts]
        return [
            Variant(study, name, plant.model_copy(update={"features": own}))
            for name, own in zip(names, sets, strict=True)
        ]
    if study == "sampling":
        if plant.source.name != "simulator":
            raise ConfigError(
                f"{plant.name} is not simulated: nobody can read it more often than it was. Leave sampling out."
            )
        return [Variant(study, f"every {format_duration(step)}", _sampled(plant, step)) for step in _STEPS]
    raise ConfigError(f"no study named '{study}'; there are {', '.join([*STUDIES, SEEDS])}.")


def contenders(plant: Plant) -> dict[str, PlugIn]:
    """Return every baseline, then every candidate, by the names that the leaderboard gives them."""
    return labels((*baselines_of(plant), *plant.candidates))


def trial(variant: Variant, detector: PlugIn, seed: int) -> dict[str, float | None]:
    """Simulate or read with one seed, fit on the train part, and judge all that follows the calibrate part.

    Nothing is chosen by the result, so validate and test part are judged as one: more faults, narrower figures.
    """
    return _tried(_ground(variant, seed), detector)


def trial_of_all(variant: Variant, seed: int) -> dict[str, dict[str, float | None]]:
    """Return for every baseline and candidate what `trial` returns; readings and features are made once."""
    ground = _ground(variant, seed)
    return {label: _tried(ground, detector) for label, detector in contenders(variant.plant).items()}


@dataclass(frozen=True)
class _Ground:
    """What detectors of one trial are tried on."""

    plant: Plant
    features: pd.DataFrame
    part: pd.Series
    faults: pd.DataFrame
    ready: Preparation


def _ground(variant: Variant, seed: int) -> _Ground:
    plant = variant.plant.model_copy(update={"seed": seed})
    readings, faults = read_all(plant)
    features = compute(FeaturePlan.of(plant), readings)
    if not variant.knows_regimes:
        features = features.assign(regime=pd.Series(["normal"] * len(features), dtype="str", index=features.index))
    cuts = parts.cuts(readings[["asset_id", "timestamp", "origin"]], plant)
    part = parts.assign(features, cuts)
    return _Ground(plant, features, part, faults, prepare(plant, features, part, faults))


def _tried(ground: _Ground, detector: PlugIn) -> dict[str, float | None]:
    """Fit one detector, and return its figures."""
    plant, features, part, faults = ground.plant, ground.features, ground.part, ground.faults
    bundle = fit_candidate(plant, detector, features, part, faults, {}, prepared=ground.ready)
    scores = bundle.score(features[part.isin(["validate", "test"])])
    return _figures(
        judge(
            detector.name,
            "test",
            scores,
            alarms.fold(scores, plant.alarms, plant.max_gap),
            faults,
            plant.costs,
            spacing=spacing(plant),
            max_gap=plant.max_gap,
            tolerance=guard(plant),
            vus_window=2 * plant.windows.usual_rows(plant.step),
            seed=plant.seed,
            lead=plant.lead,
            failing_kinds=plant.failing_kinds,
        )
    )


def _figures(judged: Judgement) -> dict[str, float | None]:
    return {
        "faults": judged.faults,
        "found": judged.found,
        "vus_pr": judged.vus_pr,
        "vus_pr_random": judged.vus_pr_random,
        "range_f1": judged.range_f1,
        "false_alarms_per_week": judged.false_alarms_per_asset_week,
        "delay_minutes": judged.delay_minutes_median,
        "cost_per_asset_week": judged.cost_per_asset_week,
    }


def read_all(plant: Plant) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return cleaned readings and known faults, straight from the source."""
    rows, faults = [], []
    latest: dict[str, Any] = {}
    origin = ""
    for batch in sources.build(plant.source).read(plant):
        parsed = clean.parse(batch, plant, latest if batch.origin == origin else None)
        origin, latest = batch.origin, parsed.latest
        rows.append(parsed.rows.drop(columns="row").assign(origin=batch.origin))
        faults.append(batch.faults)
    known = pd.concat(faults, ignore_index=True).drop_duplicates(list(tables.FAULTS.key), keep="last")
    return pd.concat(rows, ignore_index=True), tables.FAULTS.check(known)


def _sampled(plant: Plant, step: timedelta) -> Plant:
    """Let the simulator read at another step; windows last as long as before, two readings at least."""
    asset_type = plant.asset_type.model_copy(update={"step": step})
    rows = max(2, round(plant.windows.lasting(plant.step) / step))
    options = {**plant.source.options, "step": format_duration(step)}
    return plant.model_copy(
        update={
            "asset_type": asset_type,
            "source": PlugIn(name=plant.source.name, options=options),
            "windows": Windows(rows=rows, every=plant.windows.every),
        }
    )
