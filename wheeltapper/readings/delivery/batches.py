"""Batches of a source, cleaned and gathered into deliveries of about a million rows."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pandas as pd

from wheeltapper.readings import clean
from wheeltapper.readings.delivery.fingerprints import digest, row_hashes
from wheeltapper.readings.plain_values import settle
from wheeltapper.sources import Batch
from wheeltapper.workspace import Workspace

_log = logging.getLogger("wheeltapper.ingest")

DELIVERY_ROWS = 1_000_000
"""Batches are stored together up to about this many rows: fewer, larger commits at bounded memory."""


@dataclass
class Delivery:
    """Cleaned batches that are stored together."""

    readings: list[pd.DataFrame] = field(default_factory=list)
    """Rows of `clean.Parsed.rows` with the columns batch_id and origin, batch by batch."""
    rejected: list[pd.DataFrame] = field(default_factory=list)
    """Rows of `clean.Parsed.rejected` with the same two columns."""
    missing: list[pd.DataFrame] = field(default_factory=list)
    """Rows of `clean.Parsed.missing` with the column batch_id."""
    faults: list[pd.DataFrame] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """Remark on rows that are kept → how many rows."""
    rows: int = 0
    """Rows that arrived."""
    last_origin: str = ""
    """The file or query of the last batch: more of it may come in the next delivery."""

    def add(self, batch: Batch, parsed: clean.Parsed, batch_id: str) -> None:
        """Add one batch and the result of its cleaning."""
        self.readings.append(parsed.rows.assign(batch_id=batch_id, origin=batch.origin))
        self.rejected.append(parsed.rejected.assign(batch_id=batch_id, origin=batch.origin))
        self.missing.append(parsed.missing.assign(batch_id=batch_id))
        self.faults.append(batch.faults)
        self.notes.update(parsed.notes)
        self.rows += len(batch.rows)
        self.last_origin = batch.origin


def gather(space: Workspace, batches: Iterable[Batch]) -> Iterator[Delivery]:
    """Clean the batches of a plant's source one after the other, and gather them into deliveries."""
    delivery = Delivery()
    batches_by_origin = Counter[str]()
    for batch in batches:
        _log.debug("reading %s", batch.origin)
        parsed = clean.parse(batch, space.plant)
        delivery.add(batch, parsed, _batch_id(space, batch, batches_by_origin[batch.origin]))
        batches_by_origin[batch.origin] += 1
        if delivery.rows >= DELIVERY_ROWS:
            yield delivery
            delivery = Delivery()
    if delivery.rows:
        yield delivery


def _batch_id(space: Workspace, batch: Batch, place: int) -> str:
    """Name a batch by its content and by the settings it is checked with: the same delivery twice has the same name.

    Its place among the batches of its file keeps two batches apart that hold the same.
    """
    content = row_hashes(settle(batch.rows)).tobytes()
    return digest(space.accepts_by, batch.origin, str(place), hashlib.sha256(content).hexdigest())
