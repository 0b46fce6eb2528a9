"""The table of flags follows the table of readings: what is new is examined, what it changes is written.

For each asset a `Memory` keeps where its examination stands. New readings go on from there. Where a reading is late,
corrected or deleted, its asset is examined again from an earlier remembered moment, or from its beginning. Without a
memory everything is computed from the readings, in bounded pieces of time, and only what differs is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from wheeltapper import faultpoints, tables
from wheeltapper.errors import StoreError
from wheeltapper.readings.health import spans
from wheeltapper.readings.health.examination import Examination
from wheeltapper.readings.health.flagging import HEALTH
from wheeltapper.readings.health.memory import DAY, Memory, MemoryFolder, Remembered, is_worth_keeping, thin_out
from wheeltapper.readings.health.stored_readings import StoredReadings, first_changes, instant
from wheeltapper.store import Ref, Store
from wheeltapper.workspace import Workspace

EVER = -(2**62)
"""Earlier than any reading, in microseconds since 1970."""


@dataclass(frozen=True)
class Flagged:
    """The table of flags after an update."""

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


def update_flags(space: Workspace) -> Flagged:
    """Bring the table of flags up to the stored readings; the work follows what is new in them."""
    store = space.store
    folder = MemoryFolder(store.folder / "cache" / "flags", space.plant.asset_type, space.plant.cleaning.flags)
    memory = _trusted(folder, store)
    readings, flags = store.ref(tables.READINGS), store.ref(tables.FLAGS)
    if memory is None or memory.readings != (readings.version, readings.digest) or memory.flags[1] != flags.digest:
        memory = _Update(store, folder, memory, space.plant.asset_type.measured).run(readings, flags)
    health = sum(memory.counts.get(kind, 0) for kind in HEALTH)
    return Flagged(store.ref(tables.FLAGS), memory.counts, health, tuple(spans.sentences(memory.longest)))


def _trusted(folder: MemoryFolder, store: Store) -> Memory | None:
    """Return the memory if the versions that it belongs to are those that it was made for."""
    memory = folder.load()
    if memory is None:
        return None
    try:
        is_same = all(
            store.digest(table, version) == digest
            for table, (version, digest) in ((tables.READINGS, memory.readings), (tables.FLAGS, memory.flags))
        )
    except StoreError:  # the tables are older than the memory, or others altogether
        return None
    return memory if is_same else None


@dataclass
class _Update:
    """One update of the table of flags."""

    store: Store
    folder: MemoryFolder
    memory: Memory | None
    sensors: tuple[str, ...]
    assets: dict[str, Remembered] = field(default_factory=dict)
    """The assets that are examined."""
    old: list[pd.DataFrame] = field(default_factory=list)
    """Flags of the table that may be others now."""
    new: list[pd.DataFrame] = field(default_factory=list)
    """Flags that take their place."""
    before: pd.DataFrame | None = None
    """All flags that the memory belongs to, where the table holds others by now."""

    def run(self, readings: Ref, flags: Ref) -> Memory:
        """Examine what is new, write the flags that differ, and remember."""
        try:
            self._go_back(flags)
        except StoreError:  # a version that the memory belongs to is no longer on the disk
            self.memory = None
            self._begin_anew(flags)
        self._examine()
        old, new = _joined(self.old), _joined(self.new)
        after = self._write(readings, flags, old, new)
        faultpoints.hit("flag.after_write")
        return self._remember(readings, after, old, new)

    def _go_back(self, flags: Ref) -> None:
        """Choose where the examination of each asset goes on, and collect the flags that may change."""
        if self.memory is None:
            self._begin_anew(flags)
            return
        base, digest = self.memory.flags
        changes = first_changes(self.store, self.memory.readings[0])
        remembered_assets = self.memory.assets
        self.assets = {name: remembered_assets.get(name) or Remembered(self.folder.begin()) for name in changes}
        back: dict[str, Examination] = {}
        for name, remembered in self.assets.items():
            stands_at = self.folder.before(remembered, changes[name])
            if stands_at is remembered.now:
                self.old.append(_with_asset(name, stands_at.growing()))
            else:
                remembered.now = back[name] = stands_at or self.folder.begin()
        if back:
            self.old.append(self._questioned(back, base))
        if digest != flags.digest:
            self.before = self.store.read(tables.FLAGS, version=base)

    def _begin_anew(self, flags: Ref) -> None:
        """Put all flags in question; every asset is examined from its first reading."""
        self.assets, self.before = {}, None
        self.old = [self.store.read(tables.FLAGS, version=flags.version)]

    def _questioned(self, back: dict[str, Examination], base: int) -> pd.DataFrame:
        """Return the flags of some assets that their examinations have not settled."""
        bounds: dict[tuple[str, str, str], int] = {}
        for asset, examination in back.items():
            next_time = EVER if examination.until is None else examination.until + 1
            for sensor, kind, time in examination.unsettled():
                bounds[asset, sensor, kind] = next_time if time is None else time
        start = min(bounds.values())
        flags = self.store.read(
            tables.FLAGS, version=base, assets=sorted(back), start=None if start == EVER else instant(start)
        )
        keys = zip(flags["asset_id"], flags["sensor"], flags["kind"], strict=True)
        return flags[tables.microseconds(flags["start"]) >= [bounds.get(key, EVER) for key in keys]]

    def _examine(self) -> None:
        """Go through the readings that are new to the assets, in order of time."""
        readings = StoredReadings(self.store, self.sensors)
        until = (
            None if self.memory is None else {name: remembered.now.until for name, remembered in self.assets.items()}
        )
        for asset, rows in readings.after(until):
            remembered = self.assets.setdefault(asset, Remembered(self.folder.begin()))
            self._advance(asset, remembered, rows, readings.newest)
        for asset, remembered in self.assets.items():
            self.new.append(_with_asset(asset, remembered.now.growing()))

    def _advance(self, asset: str, remembered: Remembered, rows: pd.DataFrame, newest: int) -> None:
        """Examine an asset's next readings; keep the examination at moments that a late reading may go back to."""
        times = tables.microseconds(rows["timestamp"])
        begin = 0
        for place in [0, *(np.flatnonzero(np.diff(times // DAY)) + 1)]:
            until = remembered.now.until if place == 0 else int(times[place - 1])
            if is_worth_keeping(until, int(times[place]), newest):
                self._advance_part(asset, remembered, rows.iloc[begin:place])
                begin = place
                remembered.earlier[int(remembered.now.until or 0)] = self.folder.keep(remembered.now)
        self._advance_part(asset, remembered, rows.iloc[begin:])
        remembered.earlier = thin_out(remembered.earlier, newest)

    def _advance_part(self, asset: str, remembered: Remembered, rows: pd.DataFrame) -> None:
        if len(rows):
            self.new.append(_with_asset(asset, remembered.now.advance(rows)))

    def _write(self, readings: Ref, flags: Ref, old: pd.DataFrame, new: pd.DataFrame) -> Ref:
        """Write the flags that differ. A run that was killed may have written some or all of them already."""
        if self.before is not None:
            new = _joined([self.before[~_keys(self.before).isin(_keys(old))], new])
            old = self.store.read(tables.FLAGS)
        drop, differing = _differences(old, new)
        faultpoints.hit("flag.before_write")
        if drop.empty and differing.empty:
            return self.store.ref(tables.FLAGS)
        # Readings may return to what they were before, so the name says what the rows follow.
        name = f"flags:{readings.digest}:{self.folder.settings}:after {flags.version}"
        made_from = {tables.READINGS.name: readings.version}
        return self.store.upsert(tables.FLAGS, differing, drop=drop, txn=name, made_from=made_from)

    def _remember(self, readings: Ref, flags: Ref, old: pd.DataFrame, new: pd.DataFrame) -> Memory:
        before = self.memory
        counts = spans.recount(before.counts, old, new) if before else spans.count(new)
        longest = spans.longest_after(before.longest, old, new, counts) if before else spans.longest(new)
        if longest is None:
            longest = spans.longest(self.store.read(tables.FLAGS))
        assets = ({} if before is None else before.assets) | self.assets
        assets = {name: remembered for name, remembered in sorted(assets.items()) if remembered.now.until is not None}
        refs = (readings.version, readings.digest), (flags.version, flags.digest)
        memory = Memory(*refs, assets, counts, longest)
        self.folder.save(memory)
        return memory


def _with_asset(asset: str, flags: pd.DataFrame) -> pd.DataFrame:
    return flags.assign(asset_id=asset) if len(flags) else flags


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put flags into one frame, checked."""
    filled = [part for part in parts if len(part)]
    return tables.FLAGS.check(pd.concat(filled, ignore_index=True)) if filled else tables.FLAGS.empty()


def _keys(flags: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(flags[list(tables.FLAGS.key)])


def _differences(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the keys of old flags that are gone, and the new flags that were not there exactly so."""
    before, after = _keys(old), _keys(new)
    place = before.get_indexer(after)
    is_same = place >= 0
    for column in ("end", "count", "detail"):
        is_same[is_same] = np.asarray(old[column].array[place[is_same]] == new[column].array[is_same], dtype=bool)
    return old.loc[~before.isin(after), list(tables.FLAGS.key)], new[~is_same]
