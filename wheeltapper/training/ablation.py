"""Ablation: measure the effect of each part of the pipeline by removing it, over several seeds; no model is stored.

The study `SEEDS` changes only the seed, for every baseline and candidate. It shows how much luck changes a leaderboard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from wheeltapper import detectors, sources, tables
from wheeltapper.config import Plant, PlugIn, Windows, format_duration
from wheeltapper.errors import ConfigError
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings import clean
from wheeltapper.readings.order import in_time
from wheeltapper.training import parts
from wheeltapper.training.candidate import baselines_of, fit_candidate
from wheeltapper.training.judging import judge_scores
from wheeltapper.training.preparation import Preparation, prepare
from wheeltapper.workspace import labels

STUDIES = {
    "scaling": "one scale for all regimes against a scale for each",
    "features": "the readings alone, then with rolling, rates and ratios, one after another",
    "sampling": "a reading every 10 s to every 5 min, the window as long as before",
}
SEEDS = "seeds"
"""The study that changes only the seed, for every baseline and candidate. ``all`` leaves it out, because it compares
detectors and not parts of the pipeline."""
FIGURES = ("vus_pr", "vus_pr_random", "range_f1", "false_alarms_per_week", "delay_minutes", "cost_per_asset_week")
"""Figures whose mean and spread are reported."""
_SETS = ("latest", "rolling", "rates", "ratios")
_STEPS = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300))


@dataclass(frozen=True)
class Variant:
    """One line of an ablation's table."""

    study: str
    name: str
    plant: Plant
    knows_regimes: bool = True
    """False: all windows are scaled and judged as one regime."""


@dataclass(frozen=True)
class Trial:
    """One variant with one seed, before it is run."""

    study: str
    variant: str
    seed: int
    detector: PlugIn | None
    """None: every baseline and candidate of the plant."""


@dataclass(frozen=True)
class Outcome:
    """Result of one detector in one trial."""

    study: str
    variant: str
    seed: int
    detector: PlugIn
    faults: int
    found: int
    vus_pr: float | None
    vus_pr_random: float | None
    range_f1: float | None
    false_alarms_per_week: float | None
    delay_minutes: float | None
    cost_per_asset_week: float | None
    is_baseline: bool | None = None
    """None where only one detector is tried."""

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        content = asdict(self) | {"detector": self.detector.model_dump()}
        if self.is_baseline is None:
            del content["is_baseline"]
        return content


def plan_trials(plant: Plant, study: str, seeds: int, detector: str) -> list[Trial]:
    """List the trials: every variant of every requested study, with every seed.

    Parameters
    ----------
    study : str
        One of `STUDIES`, ``all`` of them, or `SEEDS`.
    detector : str
        Name of the detector that is fitted; empty for the plant's first candidate.

    Raises
    ------
    ConfigError
        If there is no such study or detector, or the plant has nothing to vary in it.
    """
    if study == SEEDS and detector:
        raise ConfigError(f"the study {SEEDS} tries every baseline and candidate of the plant; leave --detector out.")
    is_simulated = plant.source.name == "simulator"
    studies = [name for name in STUDIES if name != "sampling" or is_simulated] if study == "all" else [study]
    chosen = None if study == SEEDS else _detector(plant, detector)
    return [
        Trial(name, variant.name, plant.seed + number, chosen)
        for name in studies
        for variant in variants(plant, name)
        for number in range(seeds)
    ]


def run_trial(plant: Plant, trial: Trial) -> list[Outcome]:
    """Simulate or read with one seed, fit on the train part, and judge all that follows the calibrate part.

    The result chooses nothing, so validate and test part are judged together: more faults give narrower intervals. With
    all baselines and candidates, readings and features are computed once.
    """
    (variant,) = [candidate for candidate in variants(plant, trial.study) if candidate.name == trial.variant]
    trial_data = _trial_data(variant, trial.seed)
    if trial.detector is not None:
        return [_outcome(trial, trial.variant, trial.detector, _judged(trial_data, trial.detector), None)]
    baselines = baselines_of(plant)
    contenders = labels((*baselines, *plant.candidates))
    return [
        _outcome(trial, label, detector, _judged(trial_data, detector), detector in baselines)
        for label, detector in contenders.items()
    ]


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
        names = ["readings alone", *(f"+ {name}" for name in _SETS[1:])]
        sets = [tuple(PlugIn(name=name) for name in _SETS[:count]) for count in counts]
        return [
            Variant(study, name, plant.model_copy(update={"features": features}))
            for name, features in zip(names, sets, strict=True)
        ]
    if study == "sampling":
        if plant.source.name != "simulator":
            raise ConfigError(
                f"{plant.name} is not simulated, so its readings cannot be taken more often. Leave sampling out."
            )
        return [Variant(study, f"every {format_duration(step)}", _sampled(plant, step)) for step in _STEPS]
    raise ConfigError(f"no study named '{study}'; there are {', '.join([*STUDIES, SEEDS])}.")


def sum_up(plant: Plant, outcomes: Sequence[Outcome], now: datetime, folder: Path) -> dict[str, Any]:
    """Return mean and standard deviation over the seeds, and write them with every trial into a folder.

    Returns
    -------
    dict
        ``plant``, ``measured``, ``detector``, ``seeds``, ``studies`` (study → lines), ``trials`` and ``path``.
    """
    names = [name for name in (*STUDIES, SEEDS) if any(outcome.study == name for outcome in outcomes)]
    summary = {
        "plant": plant.name,
        "measured": now.isoformat(),
        "detector": "" if SEEDS in names else outcomes[0].detector.name,
        "seeds": sorted({outcome.seed for outcome in outcomes}),
        "studies": {name: _lines([outcome for outcome in outcomes if outcome.study == name], name) for name in names},
        "trials": [outcome.as_dict() for outcome in outcomes],
    }
    path = folder / ("seeds.json" if SEEDS in names else "ablations.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return summary | {"path": str(path)}


def read_all(plant: Plant) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return cleaned readings and known faults, straight from the source."""
    rows, faults = [], []
    for batch in sources.build(plant.source, plant.plug_ins).read(plant):
        parsed = clean.parse(batch, plant)
        rows.append(parsed.rows.drop(columns="row").assign(origin=batch.origin))
        faults.append(batch.faults)
    all_faults = pd.concat(faults, ignore_index=True).drop_duplicates(list(tables.FAULTS.key), keep="last")
    return in_time(pd.concat(rows, ignore_index=True)), tables.FAULTS.check(all_faults)


@dataclass(frozen=True)
class _TrialData:
    """Data that the detectors of one trial are fitted and judged on."""

    plant: Plant
    features: pd.DataFrame
    part: pd.Series
    faults: pd.DataFrame
    preparation: Preparation


def _trial_data(variant: Variant, seed: int) -> _TrialData:
    plant = variant.plant.model_copy(update={"seed": seed})
    readings, faults = read_all(plant)
    features = compute(FeaturePlan.of(plant), readings)
    if not variant.knows_regimes:
        features = features.assign(regime=pd.Series(["normal"] * len(features), dtype="str", index=features.index))
    part = parts.assign(features, parts.cuts(readings[parts.needed(plant)], plant))
    return _TrialData(plant, features, part, faults, prepare(plant, features, part, faults))


def _judged(data: _TrialData, detector: PlugIn) -> Judgement:
    """Fit one detector, and judge it."""
    plant, features, part, faults = data.plant, data.features, data.part, data.faults
    bundle = fit_candidate(plant, detector, features, part, faults, {}, prepared=data.preparation)
    scores = bundle.score(features[part.isin(["validate", "test"])])
    return judge_scores(plant, detector.name, "test", scores, faults)


def _outcome(trial: Trial, variant: str, detector: PlugIn, judged: Judgement, is_baseline: bool | None) -> Outcome:
    return Outcome(
        study=trial.study,
        variant=variant,
        seed=trial.seed,
        detector=detector,
        faults=judged.faults,
        found=judged.found,
        vus_pr=judged.vus_pr,
        vus_pr_random=judged.vus_pr_random,
        range_f1=judged.range_f1,
        false_alarms_per_week=judged.false_alarms_per_asset_week,
        delay_minutes=judged.delay_minutes_median,
        cost_per_asset_week=judged.cost_per_asset_week,
        is_baseline=is_baseline,
    )


def _sampled(plant: Plant, step: timedelta) -> Plant:
    """Change the step of the simulator; windows last as long as before, with at least two readings."""
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


def _lines(outcomes: Sequence[Outcome], study: str) -> list[dict[str, Any]]:
    lines = []
    for name in dict.fromkeys(outcome.variant for outcome in outcomes):
        of_variant = [outcome for outcome in outcomes if outcome.variant == name]
        compared = _against_baselines(of_variant, outcomes) if study == SEEDS else {}
        lines.append({"variant": name, **_spread(of_variant), **compared})
    return lines


def _against_baselines(of_variant: Sequence[Outcome], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Count the seeds in which a candidate costs less than the cheapest baseline of its seed; None for baselines."""
    if of_variant[0].is_baseline:
        return {"is_baseline": True, "beats_baselines": None}
    cheapest: dict[int, float] = {}
    for outcome in outcomes:
        if outcome.is_baseline and outcome.cost_per_asset_week is not None:
            cheapest[outcome.seed] = min(outcome.cost_per_asset_week, cheapest.get(outcome.seed, inf))
    pairs = [
        (outcome.cost_per_asset_week, cheapest[outcome.seed])
        for outcome in of_variant
        if outcome.cost_per_asset_week is not None and outcome.seed in cheapest
    ]
    wins = sum(cost < baseline for cost, baseline in pairs)
    return {"is_baseline": False, "beats_baselines": wins if pairs else None}


def _spread(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return (mean, standard deviation) of each figure over the seeds in which it is defined."""
    spread: dict[str, Any] = {
        name: _mean_and_deviation([getattr(outcome, name) for outcome in outcomes]) for name in FIGURES
    }
    shares = [outcome.found / outcome.faults for outcome in outcomes if outcome.faults]
    spread["found_share"] = _mean_and_deviation(shares)
    found_count, faults = sum(outcome.found for outcome in outcomes), sum(outcome.faults for outcome in outcomes)
    return spread | {"found": found_count, "faults": faults}


def _mean_and_deviation(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    defined = [value for value in values if value is not None]
    return fmean(defined) if defined else None, stdev(defined) if len(defined) > 1 else None


def _detector(plant: Plant, name: str) -> PlugIn:
    """Return the plant's candidate of this name, or any other detector with its own options; by default the first."""
    if not name:
        return plant.candidates[0]
    for candidate in plant.candidates:
        if candidate.name == name:
            return candidate
    detectors.build(name, plug_ins=plant.plug_ins)  # raises with the near miss if there is no such detector
    return PlugIn(name=name)
