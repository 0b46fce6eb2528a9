"""Ask whether the champion still does what it was promoted for."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from prefect import task

from tasks import DEFAULTS
from tasks.train import judge_scores, summary
from wheeltapper import tables
from wheeltapper.decisions import feedback
from wheeltapper.evaluation.budget_gate import keeps_budget
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.live_model import live_bundle
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.evaluate")

NEW_SHARE = 0.5
"""New readings, as a share of those that the champion was made from, that make training again worth while."""


@task(name="evaluate champion", **DEFAULTS)
def evaluate_champion(plant: str, now: datetime) -> dict[str, Any]:
    """Return ``keep`` or ``retrain`` with reasons, and how the champion did on what it scored since training."""
    space = Workspace.open(plant)
    champion = live_bundle(space)
    if champion is None:
        return {"verdict": "retrain", "reasons": ["there is no champion yet"], "judgement": None}
    if champion.provenance["settings"] != space.decides_by:
        return {
            "verdict": "retrain",
            "reasons": ["the plant's settings have changed since it was trained"],
            "judgement": None,
        }
    scores = _scored(space, bundles.fingerprint(champion))
    reasons = feedback.outdated(space.store, bundles.fingerprint(champion))
    judgement = None
    if len(scores):
        judgement = judge_scores(space, "champion", "live", scores, space.store.read(tables.FAULTS))
        promise = champion.calibration.promise
        promised = promise.stated() if promise else None
        budget = keeps_budget(judgement, space.plant.alarm_budget, promised=promised)
        if budget.passed is False:
            reasons.append(f"the alarm budget is not kept: {budget.reason}")
        _log.info("since training: %s", summary(judgement))
    share = _share_of_new(space, champion.provenance["known_until"], now)
    if share >= NEW_SHARE:
        reasons.append(f"readings have grown by {share:.0%} since it was trained")
    verdict = "retrain" if reasons else "keep"
    _log.info("%s: %s", verdict, reasons[0] if reasons else "the champion keeps its promises")
    return {
        "verdict": verdict,
        "reasons": reasons or ["the champion keeps its promises"],
        "judgement": judgement.model_dump(mode="json") if judgement else None,
    }


def _scored(space: Workspace, bundle: str) -> pd.DataFrame:
    scores = space.store.read(tables.SCORES)
    return scores[scores["bundle"] == bundle]


def _share_of_new(space: Workspace, known_until: dict[str, str], now: datetime) -> float:
    """Return for how long readings have gone on since training, as a share of the time known then."""
    times = space.store.read(tables.READINGS, columns=["asset_id", "timestamp"]).groupby("asset_id")["timestamp"]
    first, last = times.min(), times.max().clip(upper=pd.Timestamp(now))
    until = pd.to_datetime(pd.Series(known_until), utc=True).reindex(first.index).fillna(first)
    known, since = (until - first).sum(), (last - until).clip(lower=pd.Timedelta(0)).sum()
    return float(since / known) if known > timedelta(0) else 1.0
