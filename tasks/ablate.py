"""Measure what each part of the pipeline is worth: the same plant with and without it, over several seeds."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from statistics import fmean, stdev
from typing import Any

from prefect import task

from tasks import DEFAULTS
from tasks._ablation import STUDIES, trial, variants
from wheeltapper import config, detectors
from wheeltapper.config import PlugIn, Settings

_log = logging.getLogger("wheeltapper.ablate")


@task(name="plan ablation", **DEFAULTS)
def plan_ablation(plant: str, study: str, seeds: int, detector: str) -> list[dict[str, Any]]:
    """List the trials: every variant of every study asked for, with every seed."""
    known = config.load(plant)
    chosen = (
        [study] if study != "all" else [one for one in STUDIES if one != "sampling" or known.source.name == "simulator"]
    )
    wanted = _wanted(known.candidates, detector)
    return [
        {"study": one.study, "variant": one.name, "seed": known.seed + number, "detector": wanted.model_dump()}
        for name in chosen
        for one in variants(known, name)
        for number in range(seeds)
    ]


@task(name="ablation trial", task_run_name="{one[study]}: {one[variant]}, seed {one[seed]}", **DEFAULTS)
def run_trial(plant: str, one: dict[str, Any]) -> dict[str, Any]:
    """Run one trial."""
    (variant,) = [known for known in variants(config.load(plant), one["study"]) if known.name == one["variant"]]
    found = trial(variant, PlugIn(**one["detector"]), one["seed"])
    _log.info(
        "%s: %s, seed %s: %s of %s faults", one["study"], one["variant"], one["seed"], found["found"], found["faults"]
    )
    return {**one, **found}


@task(name="sum up ablation", **DEFAULTS)
def sum_up(plant: str, trials: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Return mean and standard deviation over the seeds, and keep them with every trial in the reports."""
    known = config.load(plant)
    found = {
        "plant": known.name,
        "measured": now.isoformat(),
        "detector": trials[0]["detector"]["name"],
        "seeds": sorted({one["seed"] for one in trials}),
        "studies": {name: _lines(trials, name) for name in STUDIES if any(one["study"] == name for one in trials)},
        "trials": trials,
    }
    path = Settings().reports / known.name / "ablations.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return found | {"path": str(path)}


def _lines(trials: list[dict[str, Any]], study: str) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(one["variant"] for one in trials if one["study"] == study))
    return [{"variant": name, **_spread([one for one in trials if one["variant"] == name])} for name in names]


def _spread(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Return (mean, standard deviation) of each figure over those seeds in which it is defined."""
    spread: dict[str, Any] = {}
    for figure in ("vus_pr", "vus_pr_random", "false_alarms_per_week", "delay_minutes", "cost_per_asset_week"):
        values = [one[figure] for one in trials if one[figure] is not None]
        spread[figure] = (fmean(values) if values else None, stdev(values) if len(values) > 1 else None)
    shares = [one["found"] / one["faults"] for one in trials if one["faults"]]
    spread["found_share"] = (fmean(shares) if shares else None, stdev(shares) if len(shares) > 1 else None)
    return spread | {"found": sum(one["found"] for one in trials), "faults": sum(one["faults"] for one in trials)}


def _wanted(candidates: tuple[PlugIn, ...], name: str) -> PlugIn:
    """Return the plant's candidate of this name, or any other detector with its own options; by default the first."""
    if not name:
        return candidates[0]
    for one in candidates:
        if one.name == name:
            return one
    detectors.build(name)  # says the near miss, where there is none of this name
    return PlugIn(name=name)
