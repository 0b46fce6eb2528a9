"""Search a candidate's options before it is trained: one trial after the other, each a run of its own in MLflow."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from wheeltapper import faultpoints
from wheeltapper.config import Plant, PlugIn, Search
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.selftest.examine import share_found
from wheeltapper.selftest.twins import Twins, recent_twins
from wheeltapper.training import search_options, trials
from wheeltapper.training.candidate import fit_candidate
from wheeltapper.training.folds import Fold, cut_folds
from wheeltapper.training.objective import Job
from wheeltapper.training.table import TrainingTable
from wheeltapper.training.trials import NAMES, STOPPED, Block, JudgedBy, Trial
from wheeltapper.workspace import Workspace, brief

_log = logging.getLogger("wheeltapper.train")

SEARCH, TRIAL = "search.json", "trial.json"
"""The documents of a candidate's run and of a trial's run."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out data of a search: the folds, and the figure that trials are judged by."""

    folds: tuple[Fold, ...]
    blocks: tuple[Block, ...]
    judged_by: JudgedBy
    twins: tuple[Twins, ...]
    """Twins of each fold, where trials are judged by the self-test; else empty."""


@dataclass(frozen=True)
class Clock:
    """Time limits of a trial, in seconds."""

    seconds_left: float
    """Time for the trial; infinite for a trial that must be completed."""
    prepared: float
    """Time of the preparation before it, which counts with it."""


def search(job: Job) -> dict[str, Any] | None:
    """Search the options of one candidate, and store the record; None where the plant does not search over it.

    Returns
    -------
    dict or None
        See `wheeltapper.training.trials.record`; ``chosen`` are the options to train with.
    """
    settings = job.plant.search
    if settings is None or job.candidate.name not in settings.over:
        return None
    combinations = search_options.of(job.plant, job.candidate)
    began = time.monotonic()
    held_out = job.shared.get(f"folds {job.training.key}", lambda: _cut(job, settings))
    prepared = time.monotonic() - began

    def attempt(number: int, options: PlugIn, seconds_left: float) -> Trial:
        clock = Clock(seconds_left, prepared if number == 1 else 0.0)
        trial = _attempt(job, held_out, options, clock)
        place = f"{job.label}: trial {number} of {len(combinations)}, {brief(options.options) or 'defaults'}"
        if trial.refused:
            _log.info("%s: refused, %s", place, trial.refused)
        elif trial.stopped:
            _log.info("%s: %s after %d of %d folds", place, STOPPED, len(trial.figures), len(held_out.folds))
        else:
            _log.info("%s: %s %.3f", place, NAMES[held_out.judged_by], trial.mean)
        return trial

    tried = trials.attempt_in_time(combinations, attempt, timedelta(minutes=settings.minutes))
    untried = [options.options for options in combinations[len(tried) :]]
    search_settings = settings.model_dump(mode="json", include={"how", "minutes", "folds"})
    record = trials.record(tried, untried, held_out.blocks, held_out.judged_by, search_settings)
    job.space.registry.log(job.run_id, documents={SEARCH: record}, tags={"search.judged_by": held_out.judged_by})
    _log_choice(job.label, record, settings)
    return record


def in_short(record: dict[str, Any] | None) -> dict[str, Any]:
    """Return the summary of a search for the bundle's provenance; empty where there was none."""
    if record is None:
        return {}
    untried = len(record["left"]) + len(record["stopped"])
    return {"search": {"judged_by": record["judged_by"], "trials": len(record["trials"]), "left": untried}}


def _log_choice(label: str, record: dict[str, Any], settings: Search) -> None:
    means = [trial["mean"] for trial in record["trials"]]
    is_compared = record["trials"][0]["as_written"]
    _log.info(
        "%s: chosen of %d: %s, %s %.3f%s",
        label,
        len(means),
        brief(record["chosen"]) or "defaults",
        NAMES[record["judged_by"]],
        max(means),
        f" (as written {means[0]:.3f})" if is_compared else " (as written it cannot be fitted)",
    )
    if record["left"] or record["stopped"]:
        _log.info(
            "%s: the search's %g minutes are used up, %d trials were not started%s",
            label,
            settings.minutes,
            len(record["left"]),
            ", one was stopped" if record["stopped"] else "",
        )


def _attempt(job: Job, held_out: HeldOut, options: PlugIn, clock: Clock) -> Trial:
    """Fit and judge one set of options on every fold, as a run of its own; the result of a finished run is read."""
    registry = job.space.registry
    key = f"{job.training.key}:{job.label}:{search_options.key(options, job.plant.plug_ins)}"
    run_id = registry.trial_run(job.run_id, key, brief(options.options) or "defaults")
    if registry.finished(run_id):
        return Trial.model_validate(registry.document(run_id, TRIAL))
    began, folds = time.monotonic(), len(held_out.folds)
    figures: tuple[float | None, ...] = ()
    refused = ""
    try:
        figures = trials.judge_in_time(
            folds,
            lambda place: _figure(job.plant, held_out, job.table, options, place),
            clock.seconds_left,
            time.monotonic,
        )
    except DataError as error:  # these options do not fit this data; others may
        refused = str(error)
    except Exception:
        registry.finish(run_id, "FAILED")
        raise
    trial = Trial(
        options=options.options,
        figures=figures,
        seconds=round(time.monotonic() - began, 3),
        prepared=round(clock.prepared, 3),
        refused=refused,
        stopped=not refused and len(figures) < folds,
    )
    _write_down(job, run_id, options, trial, held_out.judged_by)
    faultpoints.hit("search.before_finish")
    registry.finish(run_id)
    return trial


def _write_down(job: Job, run_id: str, options: PlugIn, trial: Trial, judged_by: JudgedBy) -> None:
    by_fold = {f"{judged_by}.fold_{number}": figure for number, figure in enumerate(trial.figures, start=1)}
    job.space.registry.log(
        run_id,
        params={"detector": options.name} | {f"option.{name}": value for name, value in options.options.items()},
        metrics={name: figure for name, figure in by_fold.items() if figure is not None}
        | ({f"{judged_by}.mean": trial.mean} if trial.is_whole else {})
        | {"seconds": trial.seconds},
        tags={"judged_by": judged_by, "folds": str(len(trial.figures))}
        | ({"refused": trial.refused} if trial.refused else {})
        | ({"stopped": STOPPED} if trial.stopped else {}),
        documents={TRIAL: trial.model_dump(mode="json")},
    )


def _figure(plant: Plant, held_out: HeldOut, table: TrainingTable, options: PlugIn, place: int) -> float | None:
    """Fit and calibrate before one block; return its VUS-PR, or the share of injected faults found."""
    fold = held_out.folds[place]
    if held_out.judged_by == "vus_pr" and held_out.blocks[place].guessing is None:
        return None
    rows = table.features, table.part, table.faults  # already in what is prepared
    bundle = fit_candidate(plant, options, *rows, provenance={}, prepared=fold.preparation)
    if held_out.judged_by == "hearing":
        return share_found(bundle, held_out.twins[place], plant.alarms)
    return trials.ranks(bundle.score(fold.block), table.faults, vus_window=_vus_window(plant), **_exposure(plant))


def _cut(job: Job, settings: Search) -> HeldOut:
    """Cut the folds, and choose the figure that trials are judged by."""
    plant, table = job.plant, job.table
    folds = cut_folds(plant, table.features, table.part, table.cuts, table.faults, table.flags, settings.folds)
    blocks = tuple(_block(plant, fold, table) for fold in folds)
    if any(block.guessing is not None for block in blocks):
        return HeldOut(folds, blocks, "vus_pr", ())
    version = job.training.readings.version
    return HeldOut(folds, blocks, "hearing", tuple(_twins(job.space, fold, version) for fold in folds))


def _block(plant: Plant, fold: Fold, table: TrainingTable) -> Block:
    start, end = fold.span()
    chance = trials.guessing(
        fold.block, table.faults, vus_window=_vus_window(plant), seed=plant.seed, **_exposure(plant)
    )
    return Block(
        start=start,
        end=end,
        fitted_on=len(fold.preparation.train),
        windows=int(fold.block["usable"].sum()),
        guessing=chance,
    )


def _twins(space: Workspace, fold: Fold, version: int) -> Twins:
    """Inject faults into the normal running of one block."""
    try:
        return recent_twins(space, FeaturePlan.of(space.plant), fold.normal, version)
    except DataError as error:
        raise DataError(f"fold {fold.number} of the search cannot be judged: {error}") from error


def _exposure(plant: Plant) -> dict[str, timedelta]:
    return {"spacing": plant.window_spacing, "max_gap": plant.max_gap}


def _vus_window(plant: Plant) -> int:
    return 2 * plant.windows.usual_rows(plant.step)
