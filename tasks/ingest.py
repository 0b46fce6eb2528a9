"""Take readings from the source, check them, and store what may be kept; the rest is put aside with its reason."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from prefect import task

from expectations import readings as promises
from tasks import RETRIED
from wheeltapper import faultpoints, sources, tables
from wheeltapper.config import Plant
from wheeltapper.errors import DataError, SourceError
from wheeltapper.readings import clean
from wheeltapper.sources import Batch
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.ingest")

DELIVERY_ROWS = 1_000_000
"""Batches are stored together up to about this many rows: fewer, larger commits at bounded memory."""

PERSON = "person"
"""Origin of faults that a person has confirmed: no source may take them away."""


@dataclass
class Delivery:
    """Checked batches on their way into the store, and what became of their rows."""

    kept: list[pd.DataFrame] = field(default_factory=list)
    aside: list[pd.DataFrame] = field(default_factory=list)
    faults: list[pd.DataFrame] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """What is odd about rows that are kept → how many rows."""
    rows: int = 0


@dataclass
class Tally:
    """How many rows came, how many were put aside, and why."""

    rows: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    kept_of: Counter[str] = field(default_factory=Counter)
    """Origin → readings of it that were kept."""
    aside_of: dict[str, Counter[str]] = field(default_factory=dict)
    """Origin → reason → rows of it that were put aside."""

    def add(self, rows: int, kept: pd.DataFrame, aside: pd.DataFrame) -> None:
        """Count one delivery."""
        self.rows += rows
        self.quarantined += len(aside)
        self.kept_of.update(kept["origin"].value_counts().to_dict())
        for origin, own in aside.groupby("origin")["expectation"]:
            self.aside_of.setdefault(str(origin), Counter()).update(own.value_counts().to_dict())
        self.reasons.update({str(name): int(count) for name, count in aside["expectation"].value_counts().items()})

    def lost(self) -> list[str]:
        """Say of which files not one row was kept, and why not: it is a machine that nobody watches."""
        whole = {origin: why for origin, why in self.aside_of.items() if not self.kept_of[origin]}
        return [
            f"not one row of {origin} was kept: {why.total():,} put aside, most often {why.most_common(1)[0][0]}"
            for origin, why in sorted(whole.items())
        ]

    def most(self, count: int) -> dict[str, int]:
        """Return the most frequent reasons."""
        return dict(sorted(self.reasons.items(), key=lambda one: (-one[1], one[0]))[:count])


@dataclass
class Truth:
    """What the source knows about faults, and the time of each asset that it speaks of."""

    faults: list[pd.DataFrame] = field(default_factory=list)
    spans: list[pd.DataFrame] = field(default_factory=list)

    def add(self, delivery: Delivery) -> None:
        """Take in one delivery."""
        self.faults += [faults for faults in delivery.faults if len(faults)]
        self.spans += [_spans(rows) for rows in delivery.kept]

    def known(self) -> pd.DataFrame:
        """Return all faults; one that was cut between two batches comes whole with the later one."""
        if not self.faults:
            return tables.FAULTS.empty()
        together = pd.concat(self.faults, ignore_index=True)
        return together.drop_duplicates(list(tables.FAULTS.key), keep="last")

    def span(self) -> pd.DataFrame:
        """Return first and last timestamp of each asset."""
        return pd.concat(self.spans).groupby(level=0).agg({"min": "min", "max": "max"})


@dataclass
class Memory:
    """What this run has done so far, so that a later delivery neither overwrites it nor repeats it."""

    batches: set[str] = field(default_factory=set)
    came: Counter[str] = field(default_factory=Counter)
    """Origin → its batches so far."""
    aside: Counter[int] = field(default_factory=Counter)
    """Row that was put aside, by its hash → how often it came."""
    keys: list[NDArray[np.uint64]] = field(default_factory=list)
    spans: list[pd.DataFrame] = field(default_factory=list)

    def keep(self, rows: pd.DataFrame) -> None:
        """Remember the keys of readings that were kept."""
        self.keys.append(_hashes(rows[list(tables.READINGS.key)]).to_numpy())
        self.spans.append(_spans(rows))

    def holds(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Say which rows have the key of a reading that an earlier delivery of this run has brought."""
        again = np.zeros(len(rows), dtype=bool)
        if self.spans:
            ends = rows["asset_id"].map(pd.concat(self.spans).groupby(level=0)["max"].max())
            inside = (rows["timestamp"] <= ends).to_numpy(dtype=bool)  # time mostly goes on: nothing to look up
            keys = _hashes(rows.loc[inside, list(tables.READINGS.key)])
            again[inside] = np.isin(keys.to_numpy(), np.concatenate(self.keys))
        return again


@task(name="ingest readings", **RETRIED)
def ingest_readings(plant: str, start: datetime | None, end: datetime | None, now: datetime) -> dict[str, object]:
    """Read, check and store; return what came and where it is.

    Raises
    ------
    ConfigError
        If the tables hold the readings of another plant file of the same name.
    DataError
        If not one row may be kept; they are all in quarantine.
    """
    space = Workspace.open(plant)
    space.claim()
    tally = Tally()
    truth = Truth()
    memory = Memory()
    for number, delivery in enumerate(_deliveries(space, start, end, memory)):
        _store(space, delivery, now, number, tally, memory)
        truth.add(delivery)
        tally.notes += delivery.notes
    if not tally.rows:
        raise SourceError(
            f"{space.plant.name}: the source has no readings from {start or 'the beginning'} to {end or 'the end'}. "
            f"Look at what it has: wheeltapper check {space.to_type}"
        )
    if tally.quarantined == tally.rows:
        why = "; ".join(f"{reason} ({count:,} rows)" for reason, count in tally.most(3).items())
        raise DataError(
            f"{space.plant.name}: all {tally.rows:,} rows were rejected and are in quarantine. Most often: {why}. "
            "Check limits, columns and time settings in the plant's YAML."
        )
    _store_faults(space, truth)
    kept = tally.rows - tally.quarantined
    _log.info("%s readings kept, %s put aside", f"{kept:,}", f"{tally.quarantined:,}")
    for reason, count in tally.most(3).items():
        _log.info("  put aside: %s (%s rows)", reason, f"{count:,}")
    lost = tally.lost()
    for said in lost[:10]:
        _log.info("  note: %s", said)
    if lost[10:]:
        _log.info("  note: %d more files were put aside as a whole", len(lost) - 10)
    for said, count in sorted(tally.notes.items(), key=lambda one: (-one[1], one[0]))[:3]:
        _log.info("  note: %s (%s rows)", said, f"{count:,}")
    counts = {"rows": tally.rows, "kept": kept, "quarantined": tally.quarantined}
    return {"counts": counts, "reasons": tally.most(20), "readings": space.store.ref(tables.READINGS).as_dict()}


def _spans(rows: pd.DataFrame) -> pd.DataFrame:
    """Return each asset's first and last timestamp as columns min and max."""
    return rows.groupby("asset_id")["timestamp"].agg(["min", "max"])


def _deliveries(space: Workspace, start: datetime | None, end: datetime | None, memory: Memory) -> Iterator[Delivery]:
    """Read and clean batch by batch, gathered into deliveries."""
    delivery = Delivery()
    source = sources.build(space.plant.source, space.plant.plug_ins)
    origin, latest = "", dict[str, pd.Timestamp]()
    for batch in source.read(space.plant, start, end):
        _log.debug("reading %s", batch.origin)
        # One file may come in several batches; its order is checked through all of them.
        parsed = clean.parse(batch, space.plant, latest if batch.origin == origin else None)
        origin, latest = batch.origin, parsed.latest
        origin_id = _batch_id(space, batch, memory.came[batch.origin])
        memory.came[batch.origin] += 1
        delivery.kept.append(parsed.rows.assign(batch_id=origin_id, origin=batch.origin))
        delivery.aside.append(parsed.rejected.assign(batch_id=origin_id, origin=batch.origin))
        delivery.faults.append(batch.faults)
        delivery.notes.update(parsed.notes)
        delivery.rows += len(batch.rows)
        if delivery.rows >= DELIVERY_ROWS:
            yield delivery
            delivery = Delivery()
    if delivery.rows:
        yield delivery


def _batch_id(space: Workspace, batch: Batch, place: int) -> str:
    """Name a batch by its content and by what is expected of it: the same delivery twice has the same name.

    Its place among the batches of its file keeps two apart that hold the same.
    """
    content = pd.util.hash_pandas_object(clean.settle(batch.rows), index=False).to_numpy().tobytes()
    return _digest(space.accepts_by, batch.origin, str(place), hashlib.sha256(content).hexdigest())


def _store(space: Workspace, delivery: Delivery, now: datetime, number: int, tally: Tally, memory: Memory) -> None:
    """Check one delivery against the promises and write quarantine, readings and faults, each exactly once."""
    # Files may come in any order: within each, order was checked when it was read.
    rows = pd.concat(delivery.kept).sort_values(["asset_id", "timestamp"], kind="stable", ignore_index=True)
    rows, twice = _part(rows, _delivered_before(rows, memory), space.plant)
    kept, broken, failures = _keep_promises(space, rows, space.reports / "data_docs" / f"readings_{number + 1}")
    aside = _quarantine(pd.concat([*delivery.aside, twice, broken], ignore_index=True), now)
    if not failures and len(kept) + len(aside) != delivery.rows:
        raise DataError(f"{delivery.rows} rows came, {len(kept)} were kept and {len(aside)} put aside: some are lost")
    # A file may return to what it was before, so a write's name says what it follows; equal rows change nothing.
    name = _digest(*sorted({*rows["batch_id"], *aside["batch_id"]}))
    new = aside[~_aside_before(space, aside, memory)]
    if len(new):
        after = space.store.version(tables.QUARANTINE)
        space.store.upsert(tables.QUARANTINE, new, txn=f"quarantine:{name}:after {after}")
    tally.add(delivery.rows, kept, aside)
    if failures:
        raise DataError(f"{space.plant.name}: {'; '.join(failures)}")
    faultpoints.hit("ingest.after_quarantine")
    readings = kept.drop(columns="row").assign(ingested_at=pd.Timestamp(now))
    gone = _no_longer_kept(space, aside, readings, memory)
    memory.keep(kept)
    after = space.store.version(tables.READINGS)
    space.store.upsert(tables.READINGS, readings, txn=f"readings:{name}:after {after}", drop=gone)


def _store_faults(space: Workspace, truth: Truth) -> None:
    """Write what the source knows about faults; what it no longer says of the same time was corrected away."""
    faults = tables.FAULTS.check(truth.known())
    key = list(tables.FAULTS.key)
    stored = space.store.read(tables.FAULTS)
    own = truth.span().reindex(stored["asset_id"])
    touched = (stored["start"].array <= own["max"].array) & (stored["end"].array >= own["min"].array)
    spoken_of = stored[np.asarray(touched, dtype=bool) & (stored["origin"] != PERSON).to_numpy()]
    both = spoken_of[key].merge(faults[key], on=key, how="left", indicator=True)
    gone = both.loc[both["_merge"] == "left_only", key]
    name = _digest(faults.to_json(orient="records", date_format="iso", double_precision=15))
    after = space.store.version(tables.FAULTS)
    space.store.upsert(tables.FAULTS, faults, txn=f"faults:{name}:after {after}", drop=gone if len(gone) else None)


def _keep_promises(space: Workspace, rows: pd.DataFrame, docs: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return rows that may be kept, rows for quarantine, and what is wrong with the delivery as a whole."""
    if rows.empty:
        return clean.without_what_came(rows), tables.QUARANTINE.empty().drop(columns="ingested_at"), []
    # Rows are numbered through the whole delivery here: their own numbers repeat from batch to batch.
    numbered = clean.without_what_came(rows).assign(row=range(len(rows)))
    findings = promises.check(numbered, space.plant, docs)
    for note in findings.notes:
        _log.info("  note: %s", note)
    kept, broken = _part(rows, findings.rejected, space.plant)
    return clean.without_what_came(kept), broken, list(findings.failures)


def _delivered_before(rows: pd.DataFrame, memory: Memory) -> pd.DataFrame:
    """Find readings that an earlier delivery of this run had already: as within a delivery, the first one stays."""
    places = np.flatnonzero(memory.holds(rows))
    came = rows.iloc[places]
    reasons = [
        f"{asset} has several readings at {time.isoformat()}"
        for asset, time in zip(came["asset_id"], came["timestamp"], strict=True)
    ]
    return pd.DataFrame({"row": places, "expectation": "key_unique", "reason": reasons})


def _aside_before(space: Workspace, aside: pd.DataFrame, memory: Memory) -> NDArray[np.bool_]:
    """Say which rows are in quarantine from another run, which read other days, or the file before it grew.

    Two equal rows of a file are two rows: as many are known as that run put aside.
    """
    means = ["origin", "timestamp", "content", "expectation", "reason"]
    memory.batches |= set(aside["batch_id"])
    stored = space.store.read(tables.QUARANTINE, columns=["batch_id", *means])
    others = _hashes(stored.loc[~stored["batch_id"].isin(memory.batches), means])
    keys = _hashes(aside[means])
    place = keys.groupby(keys).cumcount() + keys.map(memory.aside).fillna(0)
    memory.aside.update(keys.tolist())
    return (place < keys.map(others.value_counts()).fillna(0)).to_numpy(dtype=bool)


def _part(rows: pd.DataFrame, rejected: pd.DataFrame, plant: Plant) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate the rows that broke a promise; ``rejected.row`` is their place in ``rows``."""
    if rejected.empty:
        return rows, tables.QUARANTINE.empty().drop(columns="ingested_at")
    places = rejected["row"].to_numpy()
    broken = rows.iloc[places]
    content = clean.as_it_came(broken.drop(columns=["row", "batch_id", "origin"]), plant)
    aside = broken[["batch_id", "row", "origin", "asset_id"]].assign(
        timestamp=broken["timestamp"].astype(str),
        content=clean.write_content(content).to_numpy(),
        expectation=rejected["expectation"].to_numpy(),
        reason=rejected["reason"].to_numpy(),
    )
    return rows.drop(index=rows.index[places]).reset_index(drop=True), aside


def _quarantine(aside: pd.DataFrame, now: datetime) -> pd.DataFrame:
    return tables.QUARANTINE.check(aside.assign(ingested_at=pd.Timestamp(now)))


def _no_longer_kept(space: Workspace, aside: pd.DataFrame, kept: pd.DataFrame, memory: Memory) -> pd.DataFrame | None:
    """Find stored readings that the same file now delivers as rows that may not be kept (limits were tightened)."""
    times = pd.to_datetime(aside["timestamp"], utc=True, errors="coerce", format="ISO8601").astype(
        kept["timestamp"].dtype
    )
    keys = aside.assign(timestamp=times).dropna(subset=["timestamp", "asset_id"])[["asset_id", "timestamp", "origin"]]
    keys = keys[clean.is_possible(keys["timestamp"])]
    keys = keys[~memory.holds(keys)]
    if keys.empty or space.store.version(tables.READINGS) is None:
        return None
    end = keys["timestamp"].max() + pd.Timedelta(microseconds=1)
    columns = ["asset_id", "timestamp", "origin"]
    stored = space.store.read(tables.READINGS, columns=columns, start=keys["timestamp"].min(), end=end)
    both = stored.merge(keys.drop_duplicates(), on=columns)[["asset_id", "timestamp"]]
    return both if len(both) else None


def _hashes(rows: pd.DataFrame) -> pd.Series[int]:
    """Return a number for each row, the same for the same content."""
    return pd.util.hash_pandas_object(rows, index=False)


def _digest(*texts: str) -> str:
    return hashlib.sha256("|".join(texts).encode()).hexdigest()[:16]
