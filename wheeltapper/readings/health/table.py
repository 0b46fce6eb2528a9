"""The table of flags, computed from all stored readings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from wheeltapper import faultpoints, tables
from wheeltapper.readings.health.flagging import HEALTH, WORDS, flag_readings, worst_first
from wheeltapper.readings.order import in_words
from wheeltapper.store import Ref
from wheeltapper.workspace import Workspace

GROUP_ROWS = 3_000_000
"""Readings in memory at once, about: assets are flagged in groups of this size."""

SHOWN = 3
"""Spans that a summary names; the report has more."""


@dataclass(frozen=True)
class Flagged:
    """The result of flagging all stored readings."""

    flags: Ref
    """The table of flags afterwards."""
    flagged: dict[str, int]
    """Kind of flag → spans of it."""
    sensor_spans: int
    """Spans in which a sensor does not measure, of all sensors and assets."""
    longest: tuple[str, ...]
    """The longest of them, as sentences."""

    def summary(self) -> list[str]:
        """Describe the result for people, line by line."""
        unnamed = self.sensor_spans - len(self.longest)
        return [
            *(f"  note: {sentence}" for sentence in self.longest),
            *([f"  note: {unnamed:,} more such spans are in the report"] if unnamed else []),
        ]


def flag_all(space: Workspace) -> Flagged:
    """Write the table of flags from all stored readings.

    All stored readings are read, even if few are new: a sensor is compared with its whole past.
    """
    asset_type, kinds = space.plant.asset_type, space.plant.cleaning.flags
    readings = space.store.ref(tables.READINGS)
    columns = ["asset_id", "timestamp", "regime", *asset_type.measured]
    parts = [
        flag_readings(space.store.read(tables.READINGS, columns=columns, assets=assets), asset_type, kinds)
        for assets in _asset_groups(space)
    ]
    flags = pd.concat(parts, ignore_index=True) if parts else tables.FLAGS.empty()
    faultpoints.hit("flag.before_write")
    # Readings may return to what they were before, so the name says what the rows follow; equal rows change nothing.
    settings = hashlib.sha256(f"{asset_type.model_dump_json()}|{kinds}".encode()).hexdigest()[:16]
    name = f"flags:{readings.digest}:{settings}:after {space.store.version(tables.FLAGS)}"
    ref = space.store.overwrite(tables.FLAGS, flags, txn=name)
    flagged = {str(kind): int(count) for kind, count in flags["kind"].value_counts().items()}
    spans = worst_first(flags[flags["kind"].isin(HEALTH)])
    return Flagged(ref, flagged, len(spans), tuple(_sentences(spans.head(SHOWN))))


def _asset_groups(space: Workspace) -> Iterator[list[str]]:
    """Yield the assets, as many at a time as have about `GROUP_ROWS` readings together."""
    assets = space.store.read(tables.READINGS, columns=["asset_id"])["asset_id"]
    group: list[str] = []
    rows = 0
    for asset, count in assets.value_counts().sort_index().items():
        if group and rows + count > GROUP_ROWS:
            yield group
            group, rows = [], 0
        group.append(str(asset))
        rows += int(count)
    if group:
        yield group


def _sentences(spans: pd.DataFrame) -> Iterator[str]:
    """Say of each span which sensor did not measure, how, and when."""
    for row in spans.to_dict("records"):
        start, end = row["start"], row["end"]
        first = f"{start:%Y-%m-%d %H:%M}"
        when = f"from {first} to {end:%Y-%m-%d %H:%M} ({in_words(end - start)})" if end > start else f"at {first}"
        yield f"{row['asset_id']} {row['sensor']} {WORDS[row['kind']]} {when}"
