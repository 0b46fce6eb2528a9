"""Score feature rows with the live models, fold the scores into alarms, and explain each alarm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from prefect import task

from expectations import scores as promises
from tasks import DEFAULTS
from wheeltapper.scoring import batch
from wheeltapper.scoring.batch import Findings, Scored
from wheeltapper.workspace import Workspace


@task(name="score windows", **DEFAULTS)
def score_windows(plant: str) -> Scored:
    """Score every window that the live models were not trained on, and store scores and alarms, once each."""
    return batch.score_windows(Workspace.open(plant), _check)


def _check(
    scores: pd.DataFrame, *, title: str, regimes: tuple[str, ...], learned_until: Mapping[str, str], docs: Path
) -> Findings:
    """Check scores with the suite of `expectations.scores`."""
    return promises.check(scores, promises.Terms(title, regimes, learned_until), docs)
