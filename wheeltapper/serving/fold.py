"""Fold: what came in through live doors goes into the tables, by the same steps as the flows, each entry once.

The mark of the journal moves after everything is stored. A fold that is killed is done again from the mark before:
what it had stored already arrives again, which changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wheeltapper import faultpoints, tables
from wheeltapper.checks import TableCheck
from wheeltapper.decisions import ledger
from wheeltapper.features import job as jobs
from wheeltapper.features import table as feature_table
from wheeltapper.readings.delivery.cursor import DoorMark, read_mark, write_mark
from wheeltapper.readings.delivery.deliver import deliver_live
from wheeltapper.readings.health.table import update_flags
from wheeltapper.scoring import batch
from wheeltapper.serving import journal
from wheeltapper.serving.intake import as_delivered, decode
from wheeltapper.sources import Batch
from wheeltapper.sources.live.reading import LiveReading
from wheeltapper.workspace import OBJECTIVE, Workspace

DOOR = "live doors"
"""Origin of the readings that came in through a live door, and name of the mark in the table of deliveries."""
MOST_READINGS = 200_000
"""Readings of one fold, about."""


@dataclass(frozen=True)
class Checks:
    """What checks the tables before they are stored."""

    readings: TableCheck
    features: TableCheck
    scores: batch.CheckScores


def journal_folder(space: Workspace) -> Path:
    """Return where the journal of a plant's live doors lies."""
    return space.settings.home.resolve() / "journal" / space.plant.name


def fold(space: Workspace, checks: Checks, now: datetime) -> int:
    """Store what the journal holds beyond its mark, and bring features, scores and alarms up to date.

    Parameters
    ----------
    space : Workspace
    checks : Checks
    now : datetime with a time zone

    Returns
    -------
    int
        Number of the last entry that is in the tables now.

    Raises
    ------
    JournalError
        If an entry is damaged or missing.
    DataError
        If a table breaks a critical promise.
    """
    folder = journal_folder(space)
    with space.alone():
        mark = read_mark(space, DOOR)
        newest, readings = _next(folder, mark.entry)
        if newest == mark.entry:
            return newest
        before = space.store.version(tables.READINGS)
        deliver_live(space, [Batch(DOOR, as_delivered(readings, space.plant))], now, checks.readings)
        faultpoints.hit("fold.after_readings")
        follow_readings(space, checks)
        faultpoints.hit("fold.before_mark")
        is_by_others = mark.readings is not None and before != mark.readings
        after = space.store.version(tables.READINGS)
        write_mark(space, DOOR, DoorMark(newest, after, mark.others + is_by_others), now)
    journal.forget(folder, newest)
    return newest


def _next(folder: Path, mark: int) -> tuple[int, list[LiveReading]]:
    """Return the readings of the next entries, and the number of the last of these."""
    newest, readings = mark, list[LiveReading]()
    for entry in journal.entries(folder, mark):
        readings += decode(entry.content)[1]
        newest = entry.number
        if len(readings) >= MOST_READINGS:
            break
    return newest, readings


def follow_readings(space: Workspace, checks: Checks) -> None:
    """Bring flags, features, scores and alarms up to the readings, as the flows do."""
    update_flags(space)
    job = jobs.plan_job(space)
    if job.is_whole:
        parts = [feature_table.compute_part(space, job, part, checks.features) for part in job.parts]
        feature_table.store_parts(space, job, parts)
    else:
        feature_table.update(space, job, checks.features)
    if ledger.live(space.store, OBJECTIVE) is not None:
        batch.score_windows(space, checks.scores)
