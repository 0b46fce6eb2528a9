"""Deliver a source's readings to the tables: check them, store what may be kept, and put the rest aside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from wheeltapper import faultpoints, memory, sources, tables
from wheeltapper.checks import TableCheck
from wheeltapper.errors import DataError, SourceError
from wheeltapper.readings import clean
from wheeltapper.readings.delivery import missing
from wheeltapper.readings.delivery.arrivals import settle, without_stored
from wheeltapper.readings.delivery.batches import Delivery, gather
from wheeltapper.readings.delivery.counts import Counts, most_frequent
from wheeltapper.readings.delivery.cursor import find_new, read_cursor, write_cursor
from wheeltapper.readings.delivery.earlier import EarlierDeliveries
from wheeltapper.readings.delivery.faults import DeliveredFaults
from wheeltapper.readings.delivery.fingerprints import digest
from wheeltapper.readings.delivery.quarantine import (
    instants,
    no_longer_kept,
    no_rejected,
    split_rejected,
    store_rejected,
)
from wheeltapper.readings.order import KEY, seconds_behind
from wheeltapper.sources import Batch, News
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

REASONS = 20
"""Reasons that a result names."""
LINES = 3
"""Reasons, and remarks on rows, that a summary names."""
LOST_FILES = 10
"""Files of which no row was kept that a summary names."""

OUT_OF_ORDER = "arrived after a later reading of its asset, and was sorted in"
REPEATED = "came again with the same values"
REPLACED = "was replaced by a later arrival, and is kept in the table of corrections"


@dataclass(frozen=True)
class Ingested:
    """The result of one delivery of readings."""

    rows: int
    """Rows that arrived."""
    kept: int
    """Readings that they are now: of several with the same asset and time the one that arrived last."""
    quarantined: int
    reasons: dict[str, int]
    """Broken promise → rows that were put aside for it; the most frequent ones."""
    lost_origins: tuple[str, ...]
    """Files of which no row was kept, as sentences."""
    notes: dict[str, int]
    """Remark on rows that are kept → how many rows; the most frequent ones."""
    readings: Ref
    """The table of readings afterwards."""

    def summary(self) -> list[str]:
        """Describe the result for people, line by line."""
        unnamed = len(self.lost_origins) - LOST_FILES
        if not self.rows:
            return ["nothing is new"]
        return [
            f"{self.kept:,} readings kept, {self.quarantined:,} put aside",
            *(f"  put aside: {why} ({count:,} rows)" for why, count in list(self.reasons.items())[:LINES]),
            *(f"  note: {sentence}" for sentence in self.lost_origins[:LOST_FILES]),
            *([f"  note: {unnamed} more files were put aside as a whole"] if unnamed > 0 else []),
            *(f"  note: {remark} ({count:,} rows)" for remark, count in self.notes.items()),
        ]


def deliver(
    space: Workspace, start: datetime | None, end: datetime | None, now: datetime, check: TableCheck
) -> Ingested:
    """Read a plant's source and store its readings, its faults, and the rows that are put aside.

    Parameters
    ----------
    space : Workspace
    start, end : datetime with a time zone, optional
        First instant to read, and first instant to leave out.
    now : datetime with a time zone
        When the rows are stored.
    check : TableCheck
        Checks the readings of a delivery before they are stored.

    Raises
    ------
    ConfigError
        If the tables hold the readings of another plant file of the same name.
    SourceError
        If the source has no readings in this time.
    DataError
        If a delivery breaks a critical promise, or not one row may be kept; rejected rows are in quarantine.
    """
    space.claim()
    run = _Run(space, now, check)
    source = sources.build(space.plant.source, space.plant.plug_ins)
    is_all = start is None and end is None
    news = source.read_new(space.plant, None, None) if is_all else News(source.read(space.plant, start, end), {})
    run.store_all(news.batches)
    _require_rows(space, run.counts, start, end)
    run.faults.store(space.store)
    if is_all:
        write_cursor(space, news.cursor, now)
    return run.result()


def deliver_new(space: Workspace, now: datetime, check: TableCheck) -> Ingested:
    """Store what is new in a plant's source since the last delivery, as `deliver`; nothing new is no error.

    Only readings that are not stored yet are checked. If the source knows that nothing is new, nothing is read.

    Parameters
    ----------
    space : Workspace
    now : datetime with a time zone
        When the rows are stored.
    check : TableCheck
        Checks the new readings of a delivery before they are stored.

    Raises
    ------
    ConfigError, SourceError
        As `deliver`.
    DataError
        If a delivery breaks a critical promise; the source is read from the same place next time.
    """
    space.claim()
    cursor = read_cursor(space)
    # With other settings, what is stored may have to be put aside: then it is checked again.
    run = _Run(space, now, check, skips_stored=cursor is not None)
    news = find_new(space, cursor, now)
    if not news.is_empty:
        run.store_all(news.batches)
    if run.faults.has_readings:
        run.faults.store(space.store)
    write_cursor(space, news.cursor, now)
    return run.result()


def deliver_live(space: Workspace, batches: Iterable[Batch], now: datetime, check: TableCheck) -> Ingested:
    """Store readings that came in through a live door, as `deliver` stores those of a source.

    Parameters
    ----------
    space : Workspace
    batches : iterable of Batch
        In the order in which they came in. What is stored already changes nothing.
    now : datetime with a time zone
        When the rows are stored.
    check : TableCheck
        Checks the readings of a delivery before they are stored.

    Raises
    ------
    DataError
        If a delivery breaks a critical promise.
    """
    space.claim()
    run = _Run(space, now, check)
    run.store_all(batches)
    return run.result()


@dataclass
class _Run:
    """Everything that the deliveries of one run share."""

    space: Workspace
    now: datetime
    check: TableCheck
    counts: Counts = field(default_factory=Counts)
    skips_stored: bool = False
    """Whether readings that are stored already are passed over."""
    earlier: EarlierDeliveries = field(default_factory=EarlierDeliveries)
    faults: DeliveredFaults = field(default_factory=DeliveredFaults)

    def store_all(self, batches: Iterable[Batch]) -> None:
        """Store the source's batches, delivery by delivery."""
        docs = self.space.reports / "data_docs"
        for number, delivery in enumerate(gather(self.space, batches), start=1):
            self.store(self._without_stored(delivery) if self.skips_stored else delivery, docs / f"readings_{number}")

    def result(self) -> Ingested:
        """Return what has become of all rows."""
        return Ingested(
            rows=self.counts.rows,
            kept=self.counts.kept,
            quarantined=self.counts.quarantined,
            reasons=most_frequent(self.counts.reasons, REASONS),
            lost_origins=tuple(self.counts.lost_origins()),
            notes=most_frequent(self.counts.notes, LINES),
            readings=self.space.store.ref(tables.READINGS),
        )

    def _without_stored(self, delivery: Delivery) -> Delivery:
        """Leave out the readings that are stored with the same values."""
        self.faults.add(delivery)
        rows = without_stored(self.space.store, pd.concat(delivery.readings, ignore_index=True))
        n_stored = sum(map(len, delivery.readings)) - len(rows)
        return replace(delivery, readings=[rows], faults=[], rows=delivery.rows - n_stored)

    def store(self, delivery: Delivery, docs: Path) -> None:
        """Check one delivery, and write quarantine and readings, each exactly once."""
        if not delivery.rows:
            return
        readings, rejected, failures = self._checked(delivery, docs)
        if not failures and len(readings) + len(rejected) != delivery.rows:
            raise DataError(
                f"{delivery.rows} rows arrived, {len(readings)} were kept and {len(rejected)} put aside: some are lost"
            )
        # A file may return to what it was before, so a write's name says what it follows; equal rows change nothing.
        name = digest(*sorted({*readings["batch_id"], *rejected["batch_id"]}))
        store_rejected(self.space.store, rejected, self.earlier, goes_on=delivery.last_origin, name=name)
        self._count(delivery, readings, rejected)
        if failures:
            raise DataError(f"{self.space.plant.name}: {'; '.join(failures)}")
        faultpoints.hit("ingest.after_quarantine")
        self._store_readings(delivery, readings, rejected, name)
        self.faults.add(delivery)
        memory.give_back()

    def _count(self, delivery: Delivery, readings: pd.DataFrame, rejected: pd.DataFrame) -> None:
        """Count what came, what was kept, and what is worth a remark."""
        self.counts.add(delivery.rows, readings, rejected)
        self.counts.notes += delivery.notes
        self.counts.notes[OUT_OF_ORDER] += int((seconds_behind(readings) > 0).sum())
        is_superseded = readings.duplicated(KEY, keep="last").to_numpy() | self.earlier.contain(readings)
        self.counts.superseded += int(is_superseded.sum())

    def _checked(self, delivery: Delivery, docs: Path) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
        """Return the readings of a delivery in the order of arrival, its rejected rows, and the promises it broke."""
        readings, broken, failures = self._split_by_promises(pd.concat(delivery.readings, ignore_index=True), docs)
        rejected = pd.concat([*delivery.rejected, broken], ignore_index=True)
        rejected = rejected.assign(ingested_at=pd.Timestamp(self.now), measured_at=instants(rejected["timestamp"]))
        rejected = tables.QUARANTINE.check(rejected)
        return readings, rejected, failures

    def _split_by_promises(self, rows: pd.DataFrame, docs: Path) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
        if rows.empty:
            return clean.without_delivered(rows), no_rejected(), ()
        # Rows are numbered through the whole delivery here: their own numbers repeat from batch to batch.
        numbered = clean.without_delivered(rows).assign(row=range(len(rows)))
        findings = self.check(numbered, self.space.plant, docs)
        readings, broken = split_rejected(rows, findings.rejected, self.space.plant)
        return clean.without_delivered(readings), broken, findings.failures

    def _store_readings(self, delivery: Delivery, readings: pd.DataFrame, rejected: pd.DataFrame, name: str) -> None:
        """Write readings, what they replace and what they lack, and delete stored ones that may no longer be kept."""
        store = self.space.store
        withdrawn = no_longer_kept(store, rejected, self.earlier)
        settled = settle(store, readings, withdrawn, self.now)
        self.counts.notes[REPLACED] += len(settled.corrections)
        self.counts.notes[REPEATED] += settled.repeated
        self.earlier.remember(readings)
        after = store.version(tables.READINGS)
        if len(settled.corrections):
            store.upsert(tables.CORRECTIONS, settled.corrections, txn=f"corrections:{name}:after {after}")
        faultpoints.hit("ingest.after_corrections")
        missing.store(store, delivery.missing, settled, withdrawn, txn=f"missing:{name}:after {after}")
        rows = settled.readings.drop(columns="row")
        if len(rows) or withdrawn is not None:
            store.upsert(tables.READINGS, rows, txn=f"readings:{name}:after {after}", drop=withdrawn)


def _require_rows(space: Workspace, counts: Counts, start: datetime | None, end: datetime | None) -> None:
    """Raise an error if no row arrived, or none was kept."""
    if not counts.rows:
        raise SourceError(
            f"{space.plant.name}: the source has no readings from {start or 'the beginning'} to {end or 'the end'}. "
            f"Look at what it has: wheeltapper check {space.to_type}"
        )
    if not counts.kept:
        reasons = most_frequent(counts.reasons, LINES)
        why = "; ".join(f"{reason} ({count:,} rows)" for reason, count in reasons.items())
        raise DataError(
            f"{space.plant.name}: all {counts.rows:,} rows were rejected and are in quarantine. Most often: {why}. "
            "Check limits, columns and time settings in the plant's YAML."
        )
