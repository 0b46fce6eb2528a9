"""Evaluate the live model: check its alarm budget, the plant's settings, and the share of new data."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import pandas as pd

from wheeltapper import tables
from wheeltapper.decisions import feedback
from wheeltapper.evaluation.budget_gate import keeps_budget
from wheeltapper.evaluation.judgement import Judgement
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.training.judging import judge_scores, summary
from wheeltapper.workspace import Workspace

NEW_SHARE = 0.5
"""Share of new readings, relative to those at training, from which retraining is worthwhile."""

_log = logging.getLogger("wheeltapper.evaluate")


@dataclass(frozen=True)
class Evaluation:
    """The decision to keep or retrain the champion, with reasons."""

    verdict: Literal["keep", "retrain"]
    reasons: tuple[str, ...]
    judgement: Judgement | None = None
    """The champion on the windows scored since training; None where there are none."""


def evaluate_champion(space: Workspace, settings: str, now: datetime) -> Evaluation:
    """Check the champion's alarm budget, the settings, and the share of new data.

    Parameters
    ----------
    settings : str
        Hash of the settings that a training would have now, from `Objective.settings`.
    """
    champion = live_bundle(space)
    if champion is None:
        return Evaluation("retrain", ("there is no champion yet",))
    if champion.provenance["settings"] != settings:
        return Evaluation("retrain", ("the plant's settings have changed since it was trained",))
    name = bundles.fingerprint(champion)
    reasons = feedback.outdated(space.store, name)
    judgement = _judge_since_training(space, name)
    if judgement is not None:
        budget = keeps_budget(judgement, space.plant.alarm_budget, promised=_promised(champion))
        if budget.passed is False:
            reasons.append(f"the alarm budget is not kept: {budget.reason}")
        _log.info("since training: %s", summary(judgement))
    share = _share_of_new(space, champion.provenance["known_until"], now)
    if share >= NEW_SHARE:
        reasons.append(f"readings have grown by {share:.0%} since it was trained")
    all_kept = "the champion keeps its promises"
    verdict: Literal["keep", "retrain"] = "retrain" if reasons else "keep"
    _log.info("%s: %s", verdict, reasons[0] if reasons else all_kept)
    return Evaluation(verdict, tuple(reasons or [all_kept]), judgement)


def _judge_since_training(space: Workspace, bundle: str) -> Judgement | None:
    scores = space.store.read(tables.SCORES)
    scores = scores[scores["bundle"] == bundle]
    if scores.empty:
        return None
    return judge_scores(space.plant, "champion", "live", scores, space.store.read(tables.FAULTS))


def _promised(champion: Bundle) -> tuple[float, float, float] | None:
    promise = champion.calibration.promise
    return promise.rate_with_interval() if promise else None


def _share_of_new(space: Workspace, known_until: dict[str, str], now: datetime) -> float:
    """Return the time of readings since training, as a share of the time before it."""
    readings = space.store.read(tables.READINGS, columns=["asset_id", "timestamp"])
    times: Any = readings.groupby("asset_id")["timestamp"]
    first, last = times.min(), times.max().clip(upper=pd.Timestamp(now))
    until = pd.to_datetime(pd.Series(known_until), utc=True).reindex(first.index).fillna(first)
    known_time, new_time = (until - first).sum(), (last - until).clip(lower=pd.Timedelta(0)).sum()
    return float(new_time / known_time) if known_time > timedelta(0) else 1.0
