"""Open a training run, and fit, calibrate and judge one candidate in it."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import pandas as pd
from prefect import task

from tasks import DEFAULTS, _search, _selftest
from tasks._training import LEARNT_FROM, TrainingTable, prepared, training_table, withhold
from wheeltapper import faultpoints, tables
from wheeltapper.config import PlugIn
from wheeltapper.errors import StoreError
from wheeltapper.evaluation.curves import window_curves
from wheeltapper.evaluation.judgement import Judgement, judge
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import overlaps
from wheeltapper.registry import Dataset
from wheeltapper.reporting.figures import comparison, timeline
from wheeltapper.scoring import alarms, diagnosis
from wheeltapper.scoring.bundle import Bundle, requirements
from wheeltapper.store import Ref
from wheeltapper.training.candidate import baselines_of, fit_candidate, guard, spacing
from wheeltapper.workspace import Workspace, labels

_log = logging.getLogger("wheeltapper.train")


@task(name="open training run", **DEFAULTS)
def open_training(plant: str) -> dict[str, Any]:
    """Check the tables, name the run by everything that it depends on, and find or create it in MLflow."""
    space = Workspace.open(plant)
    damage = space.store.verify()
    if damage:
        raise StoreError(
            f"{len(damage)} damaged files, first {damage[0].path}: {damage[0].what}. Nothing is trained on them."
        )
    withhold(space)
    refs = {name: space.store.ref(table).as_dict() for name, table in LEARNT_FROM.items()}
    digests = [refs[name]["digest"] for name in sorted(refs)]
    key = hashlib.sha256(json.dumps([space.plant.name, space.decides_by, *digests]).encode()).hexdigest()[:16]
    space.registry.prepare()
    space.registry.end_others(key)
    settings = space.plant.model_dump(mode="json", include={"normalise", "parts", "models", "alarm_budget", "seed"})
    if space.plant.search is not None:
        settings["search"] = space.plant.search.model_dump(mode="json", exclude={"over"})
    run_id = space.registry.parent_run(
        key,
        name=f"{space.plant.name} {key[:6]}",
        tags={"plant": space.plant.name, "wheeltapper.features": FeaturePlan.of(space.plant).hash},
        params=settings | {f"{name}_version": ref["version"] for name, ref in refs.items()},
    )
    named = labels((*baselines_of(space.plant), *space.plant.candidates))
    return {"key": key, "run_id": run_id, "refs": refs, "candidates": list(named)}


@task(name="train candidate", task_run_name="train {label}", **DEFAULTS)
def train_candidate(plant: str, training: dict[str, Any], label: str) -> dict[str, Any]:
    """Fit, calibrate and judge one candidate as one MLflow run; one that is finished already is only looked up."""
    space = Workspace.open(plant)
    wanted = labels((*baselines_of(space.plant), *space.plant.candidates))[label]
    run_id = space.registry.candidate_run(training["run_id"], f"{training['key']}:{label}", label)
    if space.registry.finished(run_id):
        _log.info("%s: trained before on the same data", label)
        return dict(space.registry.document(run_id, RESULT))
    try:
        return _train(space, training, label, wanted, run_id)
    except Exception:
        # Nobody is to find a run that seems to go on for ever; the next training takes both up again.
        for failed in (run_id, training["run_id"]):
            space.registry.finish(failed, "FAILED")
        raise


RESULT = "result.json"
"""The document of a candidate's run that everything else is read back from."""


def _train(space: Workspace, training: dict[str, Any], label: str, wanted: PlugIn, run_id: str) -> dict[str, Any]:
    """Fit, calibrate and judge one candidate, and write everything down; the run is finished last."""
    _log.debug("training %s", label)
    table = training_table(space, training["refs"])
    found = _search.search(space, training, label, wanted, run_id, table)
    chosen = PlugIn(name=wanted.name, options=found["chosen"]) if found else wanted
    bundle = fit_candidate(
        space.plant,
        chosen,
        table.features,
        table.part,
        table.faults,
        _provenance(space, training, table) | _search.in_short(found),
        table.flags,
        prepared(space, table),
    )
    scores = bundle.score(table.rows("validate"))
    rows = table.rows("validate")
    judgement = judge_scores(space, label, "validate", scores, table.faults, bundle, rows, table.flags)
    tested = _selftest.run(space, bundle, Ref.from_dict(training["refs"]["readings"]), table)
    folder = space.bundles / training["key"] / label.replace(" ", "_").replace("/", "_")
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left of an earlier attempt
    bundle_hash = bundle.write(folder)
    packages = [f"{name}=={version(name)}" for name in requirements(bundle.plan)]
    uri = space.registry.log_bundle(run_id, folder, list(bundle.plan.columns), packages, _example(table, bundle))
    result = {
        "label": label,
        "is_baseline": wanted in baselines_of(space.plant),
        "run_id": run_id,
        "bundle": bundle_hash,
        "model_uri": uri,
        "judgement": judgement.model_dump(mode="json"),
        "self_test": tested,
        "curves": _curves(scores, table.faults),
        "thresholds": bundle.calibration.threshold,
        "calibration": bundle.calibration.told(),
    } | ({"search": found} if found else {})
    _write_down(space, run_id, chosen, result, scores, table, training)
    faultpoints.hit("train.before_finish")
    space.registry.finish(run_id)
    _log.info("%s: %s", label, summary(judgement))
    return result


def judge_scores(
    space: Workspace,
    label: str,
    part: Literal["validate", "test", "live"],
    scores: pd.DataFrame,
    faults: pd.DataFrame,
    bundle: Bundle | None = None,
    features: pd.DataFrame | None = None,
    flags: pd.DataFrame | None = None,
) -> Judgement:
    """Fold scores into alarms, and judge both; with a bundle and its feature rows, what alarms look like as well.

    What the bundle's detectors have to say is among the notes.

    ``flags`` say which sensors repeat themselves: an alarm on one is then named so.
    """
    plant = space.plant
    folded, kinds = alarms.fold(scores, plant.alarms, plant.max_gap), None
    if bundle is not None and features is not None:
        told = diagnosis.name_alarms(bundle, features, folded, open_after=plant.alarms.open_after, flags=flags)
        folded = diagnosis.with_names(folded, told)
        kinds = diagnosis.parts_of_kinds(bundle.asset_type, faults["kind"].unique().tolist())
    judged = judge(
        label,
        part,
        scores,
        folded,
        faults,
        plant.costs,
        spacing=spacing(plant),
        max_gap=plant.max_gap,
        tolerance=guard(plant),
        vus_window=2 * plant.windows.usual_rows(plant.step),
        seed=plant.seed,
        parts_of_kinds=kinds,
        lead=plant.lead,
        failing_kinds=plant.failing_kinds,
    )
    said = [f"{label}: {note}" for note in bundle.notes] if bundle is not None else []
    return judged.model_copy(update={"notes": (*judged.notes, *said)})


def summary(judgement: Judgement) -> str:
    """Say a judgement in one line."""
    if not judgement.faults:
        return (
            f"{judgement.false_alarms} alarms on {judgement.asset_weeks:.1f} asset-weeks; no faults known to judge by"
        )
    cost = (
        f"{judgement.cost_per_asset_week:,.0f} {judgement.currency} per asset-week"
        if judgement.cost_per_asset_week is not None
        else ""
    )
    return f"{judgement.found} of {judgement.faults} faults, {judgement.false_alarms} false alarms, {cost}"


def _provenance(space: Workspace, training: dict[str, Any], table: TrainingTable) -> dict[str, Any]:
    """Write down what the bundle is made from. No clock, no path: the same inputs give the same bytes."""
    return {
        "plant": space.plant.name,
        "settings": space.decides_by,
        "run": training["key"],
        "seed": space.plant.seed,
        "digests": {name: ref["digest"] for name, ref in training["refs"].items()},
        "learned_until": {asset: str(when) for asset, when in table.cuts["validate_from"].items()},
        "known_until": {str(asset): str(when) for asset, when in table.last_seen().items()},
        "alarms": space.plant.alarms.model_dump(mode="json"),
        "packages": {name: version(name) for name in ("wheeltapper", *requirements(FeaturePlan.of(space.plant)))},
        "python": platform.python_version(),
    }


def _example(table: TrainingTable, bundle: Bundle) -> pd.DataFrame:
    rows = table.features.iloc[np.flatnonzero(table.features["usable"])[:3]]
    return bundle.complete(rows)[list(bundle.plan.columns)].reset_index(drop=True)


def _curves(scores: pd.DataFrame, faults: pd.DataFrame) -> dict[str, Any]:
    """Return ROC and precision-recall curves over the assets that have faults in this part, as VUS is averaged.

    Empty where there is only one class, or where a candidate gives every window the same score.
    """
    truth = overlaps(scores.assign(window_start=scores["window_end"]), faults)
    seen = truth.groupby(scores["asset_id"]).transform("any")
    judged = truth[seen].to_numpy()
    if judged.all() or not judged.any() or scores["score"].nunique() < 2:
        return {}
    return dict(window_curves(judged, scores.loc[seen, "score"].to_numpy()))


def _write_down(
    space: Workspace,
    run_id: str,
    wanted: PlugIn,
    result: dict[str, Any],
    scores: pd.DataFrame,
    table: TrainingTable,
    training: dict[str, Any],
) -> None:
    """Show the candidate in MLflow: parameters, figures, pictures, and what it was trained and judged on."""
    judgement = result["judgement"]
    pictures = {"scores.png": timeline.score_grid_figure(scores, table.faults, _alarms(space, scores), _assets(scores))}
    if judgement["confusion"] is not None:
        pictures["confusion.png"] = comparison.confusion_figure(judgement["confusion"])
    if judgement["naming"] is not None:
        pictures["kinds.png"] = comparison.naming_figure(judgement["naming"])
    if result["curves"]:
        pictures["roc.png"] = comparison.roc_figure({result["label"]: result["curves"]["roc"]})
        pictures["precision_recall.png"] = comparison.pr_figure(
            {result["label"]: result["curves"]["pr"]}, judgement["base_rate"]
        )
    space.registry.log(
        run_id,
        params={"detector": wanted.name} | {f"option.{name}": value for name, value in wanted.options.items()},
        metrics=_metrics(judgement),
        tags={"baseline": str(result["is_baseline"]).lower()},
        figures=pictures,
        documents={RESULT: result},
        datasets=_datasets(table, training),
    )


def _metrics(judgement: dict[str, Any]) -> dict[str, float]:
    """Return every single figure; those about names have ``naming_`` before them, those about costs ``cost_``."""
    told = {f"{of}_{name}": value for of in ("naming", "cost") for name, value in (judgement[of] or {}).items()}
    return {name: float(value) for name, value in (judgement | told).items() if isinstance(value, int | float)}


def _alarms(space: Workspace, scores: pd.DataFrame) -> pd.DataFrame:
    return alarms.fold(scores, space.plant.alarms, space.plant.max_gap)


def _assets(scores: pd.DataFrame) -> list[str]:
    return sorted(scores["asset_id"].unique())[:24]


def _datasets(table: TrainingTable, training: dict[str, Any]) -> list[Dataset]:
    ref = Ref.from_dict(training["refs"]["features"])
    columns = {name: "double" for name in table.features.columns if name not in tables.FEATURES.names()}
    source = f"delta table {ref.table}@v{ref.version}"
    return [
        Dataset(f"features {context}", ref.digest, source, context, int((table.part == context).sum()), columns)
        for context in ("train", "calibrate", "validate")
    ]
