"""Search a candidate's options before it is trained: one trial after the other, each a run of its own in MLflow."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tasks import _selftest
from tasks._selftest import Twins
from tasks._training import TrainingTable
from wheeltapper import faultpoints
from wheeltapper.config import Plant, PlugIn, Search
from wheeltapper.errors import DataError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Ref
from wheeltapper.training import search as searching
from wheeltapper.training import search_options
from wheeltapper.training.candidate import fit_candidate, spacing
from wheeltapper.training.folds import Fold, cut_folds
from wheeltapper.training.search import NAMES, STOPPED, Block, JudgedBy, Trial
from wheeltapper.workspace import Workspace, brief

_log = logging.getLogger("wheeltapper.train")

SEARCH, TRIAL = "search.json", "trial.json"
"""The documents of a candidate's run and of a trial's run."""


@dataclass(frozen=True)
class Ground:
    """What all trials of a training are judged on: the folds, and by what."""

    folds: tuple[Fold, ...]
    blocks: tuple[Block, ...]
    judged_by: JudgedBy
    twins: tuple[Twins, ...]
    """Of each fold, where its trials are judged by hearing; else none."""


@dataclass(frozen=True)
class Clock:
    """What a trial has to keep to, in seconds."""

    left: float
    """For the trial; endless for one that must come to its end."""
    prepared: float
    """What came before it and counts with it."""


def search(
    space: Workspace, training: dict[str, Any], label: str, wanted: PlugIn, run_id: str, table: TrainingTable
) -> dict[str, Any] | None:
    """Return what the search of one candidate tried and chose, and write it down; None where nothing is searched.

    Returns
    -------
    dict or None
        See `wheeltapper.training.search.told`; ``chosen`` are the options to train with.
    """
    settings = space.plant.search
    if settings is None or wanted.name not in settings.over:
        return None
    wished = search_options.of(space.plant, wanted)
    begun = time.monotonic()
    ground = _ground(space, settings, Ref.from_dict(training["refs"]["readings"]), table)
    prepared = time.monotonic() - begun

    def attempt(number: int, options: PlugIn, left: float) -> Trial:
        clock = Clock(left, prepared if number == 1 else 0.0)
        key = f"{training['key']}:{label}:{search_options.key(options, space.plant.plug_ins)}"
        tried = _attempt(space, ground, table, options, run_id, key, clock)
        place = f"{label}: trial {number} of {len(wished)}, {brief(options.options) or 'defaults'}"
        if tried.refused:
            _log.info("%s: refused, %s", place, tried.refused)
        elif tried.stopped:
            _log.info("%s: %s after %d of %d folds", place, STOPPED, len(tried.figures), len(ground.folds))
        else:
            _log.info("%s: %s %.3f", place, NAMES[ground.judged_by], tried.mean)
        return tried

    done = searching.attempt_in_time(wished, attempt, timedelta(minutes=settings.minutes))
    left = [one.options for one in wished[len(done) :]]
    asked = settings.model_dump(mode="json", include={"how", "minutes", "folds"})
    found = searching.told(done, left, ground.blocks, ground.judged_by, asked)
    space.registry.log(run_id, documents={SEARCH: found}, tags={"search.judged_by": ground.judged_by})
    _say(label, found, settings)
    return found


def in_short(found: dict[str, Any] | None) -> dict[str, Any]:
    """Return what a bundle says of the search that its options come from; nothing where there was none."""
    if found is None:
        return {}
    untried = len(found["left"]) + len(found["stopped"])
    return {"search": {"judged_by": found["judged_by"], "trials": len(found["trials"]), "left": untried}}


def _say(label: str, found: dict[str, Any], settings: Search) -> None:
    means = [one["mean"] for one in found["trials"]]
    is_compared = found["trials"][0]["as_written"]
    _log.info(
        "%s: chosen of %d: %s, %s %.3f%s",
        label,
        len(means),
        brief(found["chosen"]) or "defaults",
        NAMES[found["judged_by"]],
        max(means),
        f" (as written {means[0]:.3f})" if is_compared else " (as written it cannot be fitted)",
    )
    if found["left"] or found["stopped"]:
        _log.info(
            "%s: the search's %g minutes are used up, %d trials were not begun%s",
            label,
            settings.minutes,
            len(found["left"]),
            ", one was stopped" if found["stopped"] else "",
        )


def _attempt(
    space: Workspace, ground: Ground, table: TrainingTable, options: PlugIn, run_id: str, key: str, clock: Clock
) -> Trial:
    """Fit and judge one set of options on every fold, as a run of its own; a finished one is only looked up."""
    registry = space.registry
    trial_id = registry.trial_run(run_id, key, brief(options.options) or "defaults")
    if registry.finished(trial_id):
        return Trial.model_validate(registry.document(trial_id, TRIAL))
    begun, folds = time.monotonic(), len(ground.folds)
    figures: tuple[float | None, ...] = ()
    refused = ""
    try:
        figures = searching.judge_in_time(
            folds, lambda place: _figure(space.plant, ground, table, options, place), clock.left, time.monotonic
        )
    except DataError as error:  # these options do not fit this data; others may
        refused = str(error)
    except Exception:
        registry.finish(trial_id, "FAILED")
        raise
    seconds = round(time.monotonic() - begun, 3)
    tried = Trial(
        options=options.options,
        figures=figures,
        seconds=seconds,
        prepared=round(clock.prepared, 3),
        refused=refused,
        stopped=not refused and len(figures) < folds,
    )
    by_fold = {f"{ground.judged_by}.fold_{number}": one for number, one in enumerate(figures, start=1)}
    registry.log(
        trial_id,
        params={"detector": options.name} | {f"option.{name}": value for name, value in options.options.items()},
        metrics={name: one for name, one in by_fold.items() if one is not None}
        | ({f"{ground.judged_by}.mean": tried.mean} if tried.is_whole else {})
        | {"seconds": seconds},
        tags={"judged_by": ground.judged_by, "folds": str(len(figures))}
        | ({"refused": refused} if refused else {})
        | ({"stopped": STOPPED} if tried.stopped else {}),
        documents={TRIAL: tried.model_dump(mode="json")},
    )
    faultpoints.hit("search.before_finish")
    registry.finish(trial_id)
    return tried


def _figure(plant: Plant, ground: Ground, table: TrainingTable, options: PlugIn, place: int) -> float | None:
    """Fit and calibrate before one block, and return how well the block is ranked, or how much is heard in it."""
    fold = ground.folds[place]
    if ground.judged_by == "vus_pr" and ground.blocks[place].guessing is None:
        return None
    given = table.features, table.part, table.faults  # already in what is prepared
    bundle = fit_candidate(plant, options, *given, provenance={}, prepared=fold.ready)
    if ground.judged_by == "hearing":
        return _selftest.figure(bundle, ground.twins[place], plant.alarms)
    return searching.ranks(bundle.score(fold.block), table.faults, vus_window=_vus_window(plant), **_watch(plant))


_lock = threading.Lock()
_last: list[tuple[TrainingTable, Ground]] = []


def _ground(space: Workspace, settings: Search, readings: Ref, table: TrainingTable) -> Ground:
    """Cut the folds once for all candidates of a training, which train in threads of one process."""
    with _lock:
        if not _last or _last[0][0] is not table:
            _last[:] = [(table, _cut(space, settings, readings, table))]
        return _last[0][1]


def _cut(space: Workspace, settings: Search, readings: Ref, table: TrainingTable) -> Ground:
    plant = space.plant
    folds = cut_folds(plant, table.features, table.part, table.cuts, table.faults, table.flags, settings.folds)
    blocks = tuple(_block(plant, fold, table) for fold in folds)
    if any(one.guessing is not None for one in blocks):
        return Ground(folds, blocks, "vus_pr", ())
    return Ground(folds, blocks, "hearing", tuple(_twins(space, fold, readings) for fold in folds))


def _block(plant: Plant, fold: Fold, table: TrainingTable) -> Block:
    start, end = fold.span()
    chance = searching.guessing(
        fold.block, table.faults, vus_window=_vus_window(plant), seed=plant.seed, **_watch(plant)
    )
    return Block(
        start=start,
        end=end,
        fitted_on=len(fold.ready.train),
        windows=int(fold.block["usable"].sum()),
        guessing=chance,
    )


def _twins(space: Workspace, fold: Fold, readings: Ref) -> Twins:
    """Put known faults into the normal running of one block."""
    try:
        return _selftest.recent_twins(space, FeaturePlan.of(space.plant), fold.normal, readings.version)
    except DataError as error:
        raise DataError(f"fold {fold.number} of the search cannot be judged: {error}") from error


def _watch(plant: Plant) -> dict[str, timedelta]:
    return {"spacing": spacing(plant), "max_gap": plant.max_gap}


def _vus_window(plant: Plant) -> int:
    return 2 * plant.windows.usual_rows(plant.step)
