"""Measure what each part of the pipeline is worth: the same plant with and without it, over several seeds.

Or change nothing but the seed, for every baseline and candidate: what luck alone does to a leaderboard.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from math import inf
from statistics import fmean, stdev
from typing import Any

from prefect import task

from tasks import DEFAULTS
from tasks._ablation import SEEDS, STUDIES, Variant, contenders, trial, trial_of_all, variants
from wheeltapper import detectors, plants
from wheeltapper.config import Plant, PlugIn, Settings
from wheeltapper.errors import ConfigError
from wheeltapper.training import check_plant
from wheeltapper.training.candidate import baselines_of

_log = logging.getLogger("wheeltapper.ablate")


@task(name="plan ablation", **DEFAULTS)
def plan_ablation(plant: str, study: str, seeds: int, detector: str) -> list[dict[str, Any]]:
    """List the trials: every variant of every study asked for, with every seed."""
    known = check_plant.load(plant)
    chosen = (
        [study] if study != "all" else [one for one in STUDIES if one != "sampling" or known.source.name == "simulator"]
    )
    if study == SEEDS and detector:
        raise ConfigError(f"the study {SEEDS} tries every baseline and candidate of the plant; leave --detector out.")
    wanted = None if study == SEEDS else _wanted(known, detector).model_dump()
    return [
        {"study": one.study, "variant": one.name, "seed": known.seed + number, "detector": wanted}
        for name in chosen
        for one in variants(known, name)
        for number in range(seeds)
    ]


@task(name="ablation trial", task_run_name="{one[study]}: {one[variant]}, seed {one[seed]}", **DEFAULTS)
def run_trial(plant: str, one: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one trial; with all baselines and candidates it is one trial of each."""
    (variant,) = [known for known in variants(plants.load(plant), one["study"]) if known.name == one["variant"]]
    if one["study"] == SEEDS:
        return _tried_by_all(variant, one)
    found = trial(variant, PlugIn(**one["detector"]), one["seed"])
    _log.info(
        "%s: %s, seed %s: %s of %s faults", one["study"], one["variant"], one["seed"], found["found"], found["faults"]
    )
    return [{**one, **found}]


def _tried_by_all(variant: Variant, one: dict[str, Any]) -> list[dict[str, Any]]:
    """Try every baseline and candidate on the same ground; each is a line of its own."""
    wanted, baselines = contenders(variant.plant), baselines_of(variant.plant)
    tried = trial_of_all(variant, one["seed"])
    _log.info("seeds: seed %s, %d detectors", one["seed"], len(tried))
    return [
        {
            **one,
            "variant": label,
            "detector": wanted[label].model_dump(),
            "is_baseline": wanted[label] in baselines,
            **found,
        }
        for label, found in tried.items()
    ]


@task(name="sum up ablation", **DEFAULTS)
def sum_up(plant: str, tried: list[list[dict[str, Any]]], now: datetime) -> dict[str, Any]:
    """Return mean and standard deviation over the seeds, and keep them with every trial in the reports."""
    known = plants.load(plant)
    trials = [one for some in tried for one in some]
    names = [name for name in (*STUDIES, SEEDS) if any(one["study"] == name for one in trials)]
    found = {
        "plant": known.name,
        "measured": now.isoformat(),
        "detector": "" if SEEDS in names else trials[0]["detector"]["name"],
        "seeds": sorted({one["seed"] for one in trials}),
        "studies": {name: _lines(trials, name) for name in names},
        "trials": trials,
    }
    path = Settings().reports / known.name / ("seeds.json" if SEEDS in names else "ablations.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found | {"path": str(path)}


def _lines(trials: list[dict[str, Any]], study: str) -> list[dict[str, Any]]:
    mine = [one for one in trials if one["study"] == study]
    lines = []
    for name in dict.fromkeys(one["variant"] for one in mine):
        own = [one for one in mine if one["variant"] == name]
        lines.append({"variant": name, **_spread(own), **(_against_baselines(own, mine) if study == SEEDS else {})})
    return lines


def _against_baselines(own: list[dict[str, Any]], every: list[dict[str, Any]]) -> dict[str, Any]:
    """Count the seeds in which a candidate costs less than the cheapest baseline of the same seed; None for these."""
    if own[0]["is_baseline"]:
        return {"is_baseline": True, "beats_baselines": None}
    cheapest: dict[int, float] = {}
    for one in every:
        if one["is_baseline"] and one["cost_per_asset_week"] is not None:
            cheapest[one["seed"]] = min(one["cost_per_asset_week"], cheapest.get(one["seed"], inf))
    known = [one for one in own if one["cost_per_asset_week"] is not None and one["seed"] in cheapest]
    wins = sum(one["cost_per_asset_week"] < cheapest[one["seed"]] for one in known)
    return {"is_baseline": False, "beats_baselines": wins if known else None}


def _spread(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Return (mean, standard deviation) of each figure over those seeds in which it is defined."""
    spread: dict[str, Any] = {}
    for figure in (
        "vus_pr",
        "vus_pr_random",
        "range_f1",
        "false_alarms_per_week",
        "delay_minutes",
        "cost_per_asset_week",
    ):
        values = [one[figure] for one in trials if one[figure] is not None]
        spread[figure] = (fmean(values) if values else None, stdev(values) if len(values) > 1 else None)
    shares = [one["found"] / one["faults"] for one in trials if one["faults"]]
    spread["found_share"] = (fmean(shares) if shares else None, stdev(shares) if len(shares) > 1 else None)
    return spread | {"found": sum(one["found"] for one in trials), "faults": sum(one["faults"] for one in trials)}


def _wanted(plant: Plant, name: str) -> PlugIn:
    """Return the plant's candidate of this name, or any other detector with its own options; by default the first."""
    if not name:
        return plant.candidates[0]
    for one in plant.candidates:
        if one.name == name:
            return one
    detectors.build(name, plug_ins=plant.plug_ins)  # says the near miss, where there is none of this name
    return PlugIn(name=name)
