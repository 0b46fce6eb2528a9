"""Ingest: check and store the readings of a source; rows that fail go to quarantine with a reason."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import pandas as pd
from prefect import task

from expectations import readings as promises
from tasks import RETRIED
from wheeltapper.checks import Findings
from wheeltapper.config import Plant
from wheeltapper.readings.delivery.deliver import Ingested, deliver, deliver_new
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.ingest")


@task(name="ingest readings", **RETRIED)
def ingest_readings(
    plant: str, start: datetime | None, end: datetime | None, now: datetime, new: bool = False
) -> Ingested:
    """Read, check and store the readings of a plant's source: all, those of a span, or only what is new."""
    space = Workspace.open(plant)
    is_new = new and start is None and end is None
    ingested = deliver_new(space, now, _check) if is_new else deliver(space, start, end, now, _check)
    for line in ingested.summary():
        _log.info("%s", line)
    return ingested


def _check(rows: pd.DataFrame, plant: Plant, docs: Path | None) -> Findings:
    """Check the readings of one delivery, and log the notes."""
    findings = promises.check(rows, plant, docs)
    for note in findings.notes:
        _log.info("  note: %s", note)
    return findings
