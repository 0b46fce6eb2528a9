"""The cursor: up to where a plant's source was read. It moves after the readings are stored, never before."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

import pandas as pd

from wheeltapper import sources, tables
from wheeltapper.readings.delivery.fingerprints import digest
from wheeltapper.readings.delivery.watermark import find_start
from wheeltapper.sources import Cursor, News
from wheeltapper.workspace import Workspace


def find_new(space: Workspace, cursor: Cursor | None, now: datetime) -> News:
    """Return what the source has beyond a cursor; all that may be new if there is none."""
    source = sources.build(space.plant.source, space.plant.plug_ins)
    return source.read_new(space.plant, cursor, find_start(space, now))


def read_cursor(space: Workspace) -> Cursor | None:
    """Return up to where the source was read with its present settings; None if it was not."""
    stored = space.store.read(tables.DELIVERIES)
    stored = stored[(stored["source"] == space.plant.source.name) & (stored["settings"] == space.accepts_by)]
    if stored.empty:
        return None
    cursor: Cursor = json.loads(stored["cursor"].iloc[0])
    return cursor


def write_cursor(space: Workspace, cursor: Cursor, now: datetime) -> None:
    """Record up to where the source was read; all of its readings up to there must be stored."""
    row = {
        "source": space.plant.source.name,
        "settings": space.accepts_by,
        "cursor": json.dumps(cursor, sort_keys=True, ensure_ascii=False),
    }
    after = space.store.version(tables.DELIVERIES)
    rows = pd.DataFrame([{**row, "delivered_at": pd.Timestamp(now)}])
    space.store.upsert(tables.DELIVERIES, rows, txn=f"cursor:{digest(*row.values())}:after {after}")


@dataclass(frozen=True)
class DoorMark:
    """How far the journal of a plant's live doors is in the tables."""

    entry: int = 0
    """Number of the last entry whose readings are stored; 0 before the first."""
    readings: int | None = None
    """Version of the table of readings with them."""
    others: int = 0
    """How often something else was found to have changed the readings between two folds."""


def read_mark(space: Workspace, door: str) -> DoorMark:
    """Return how far the journal of a plant's live doors is in the tables."""
    stored = space.store.read(tables.DELIVERIES)
    stored = stored[(stored["source"] == door) & (stored["settings"] == "")]
    return DoorMark(**json.loads(stored["cursor"].iloc[0])) if len(stored) else DoorMark()


def write_mark(space: Workspace, door: str, mark: DoorMark, now: datetime) -> None:
    """Record how far the journal of a plant's live doors is in the tables: all entries up to there must be stored."""
    cursor = json.dumps(asdict(mark), sort_keys=True)
    row = {"source": door, "settings": "", "cursor": cursor, "delivered_at": pd.Timestamp(now)}
    after = space.store.version(tables.DELIVERIES)
    space.store.upsert(tables.DELIVERIES, pd.DataFrame([row]), txn=f"mark:{door}:{mark.entry}:after {after}")
