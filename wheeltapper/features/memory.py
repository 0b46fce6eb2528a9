"""Memory: the readings of one asset that the feature plan can still reach, so that live costs follow what is new.

Batch and live give the same rows: `AssetMemory.add` returns what `compute.rows_of` gives for the whole history, to the
last bit, whatever the order in which readings come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from wheeltapper.errors import DataError
from wheeltapper.features.compute import WindowRows, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.tail import Tail
from wheeltapper.features.tracks import (
    Arrivals,
    are_equal,
    empty,
    in_order,
    is_known,
    overlaid,
    part,
    places_in,
    select,
    within,
)
from wheeltapper.features.windows import Flags, Micros, ticks

__all__ = ["Arrivals", "AssetMemory", "Changed", "Earlier", "needed_since"]

_NONE_GONE = np.array([], dtype=np.int64)

Earlier = Callable[[int, int], Track]
"""Returns the stored readings of one asset from an instant (inclusive) to another (exclusive), in microseconds."""


@dataclass(frozen=True)
class Changed:
    """What new readings mean for the windows of one asset."""

    rows: WindowRows
    """The windows that are new or have other values than before, in time order."""
    gone: Micros
    """Ends of the windows that existed before and no longer do, rising."""
    is_in_order: bool
    """Whether nothing that existed before has changed: all readings were newer than those held, or known already."""


def needed_since(plan: FeaturePlan, newest: int) -> int:
    """Return from which instant on an `AssetMemory` must be given the stored readings, the newest one included.

    With them, every window that later readings complete has the values that the whole history gives. A reading that
    arrives late needs stored readings from `FeaturePlan.needed_before` and `FeaturePlan.needed_after` before it.

    Parameters
    ----------
    plan : FeaturePlan
    newest : int
        Time of the newest stored reading, in microseconds since the epoch.
    """
    return newest - ticks(plan.needed_before)


class AssetMemory:
    """The readings of one asset that its feature plan can still reach.

    Parameters
    ----------
    plan : FeaturePlan
    readings : Track, optional
        The stored readings, whose windows are known already: all of them from `needed_since` the newest on, or from
        earlier on. Without any, the asset is new: no reading of it is stored.

    Raises
    ------
    DataError
        If a sensor of the plan is not among the readings.

    Notes
    -----
    It holds readings of up to two reaches of the plan, so that a reading which is late by less than one reach needs no
    stored ones. It is not safe to use from several threads at once.
    """

    def __init__(self, plan: FeaturePlan, readings: Track | None = None) -> None:
        self._plan = plan
        self._reach, self._wait = ticks(plan.needed_before), ticks(plan.needed_after)
        self._tail = Tail(plan, empty(plan) if readings is None else in_order(plan, readings))
        if self._tail.newest is not None and self._tail.oldest is not None:
            self._tail.complete_since = min(self._tail.oldest, needed_since(plan, self._tail.newest))

    @property
    def plan(self) -> FeaturePlan:
        """The feature plan that it follows."""
        return self._plan

    @property
    def newest(self) -> int | None:
        """Time of the newest reading held, in microseconds since the epoch; None before the first."""
        return self._tail.newest

    @property
    def needed_since(self) -> int | None:
        """From which instant on a memory must be given readings to go on from here; None before the first."""
        return None if self.newest is None else needed_since(self._plan, self.newest)

    def add(self, readings: Track | Arrivals, earlier: Earlier | None = None) -> Changed:
        """Take new readings in, and return the windows that they complete or change.

        Parameters
        ----------
        readings : Track or Arrivals
            Readings in any order. Of several for one instant, and of a new and a held one, the later arrival counts.
        earlier : callable, optional
            ``earlier(start, end)`` returns the stored readings of the asset from ``start`` (inclusive) to ``end``
            (exclusive), in microseconds. It is called where a reading comes so late that its windows reach further back
            than what is held. Whether it returns the new readings, too, does not matter for the rows; if it does,
            ``gone`` may name instants at which there never was a window.

        Returns
        -------
        Changed
            On a grid, a window is returned once a later reading shows that its last cell is over.

        Raises
        ------
        DataError
            If a sensor of the plan is not among the readings, or a reading comes too late for what is held and
            ``earlier`` is not given. Nothing is taken in then.
        """
        newest = self._tail.newest
        if len(readings.micros) == 1 and (newest is None or readings.micros[0] > newest):
            return self._add_newest(readings, newest)
        arrived = in_order(self._plan, readings)
        newer_from = 0 if newest is None else int(np.searchsorted(arrived.micros, newest, side="right"))
        late, newer = self._unknown(part(arrived, slice(0, newer_from))), part(arrived, slice(newer_from, None))
        corrected, ends_gone = self._corrected(late, earlier)
        track = overlaid(overlaid(self._tail.track(), self._reachable(late)), newer)
        since = None if newest is None else newest + 1
        completed = [rows_of(self._plan, track, since)] if len(newer.micros) else []
        self._tail = Tail(self._plan, track, self._tail.complete_since)
        return Changed(_joined(self._plan, [*corrected, *completed]), ends_gone, is_in_order=not len(late.micros))

    def _add_newest(self, reading: Track | Arrivals, newest: int | None) -> Changed:
        """Take in one reading that is newer than all before; this is what a live asset does, and must be fast."""
        self._tail.append(reading)
        if self._tail.is_plain:
            rows = self._tail.newest_window()
        else:
            since = None if newest is None else newest + 1
            rows = rows_of(self._plan, self._tail.track(None if newest is None else newest - self._reach), since)
        return Changed(self._no_rows if rows is None else rows, _NONE_GONE, is_in_order=True)

    @cached_property
    def _no_rows(self) -> WindowRows:
        return _joined(self._plan, [])

    def _corrected(self, late: Track, earlier: Earlier | None) -> tuple[list[WindowRows], Micros]:
        """Return the windows that late readings change, and the ends of those that no longer exist."""
        rows: list[WindowRows] = []
        ends_gone = [np.array([], dtype=np.int64)]
        for begin, end in self._spans(late.micros):
            span = begin - self._reach, end + self._wait + 1
            tracks_before = self._stored(*span, late, earlier)
            after = overlaid(tracks_before[0], within(late, *span))
            rows_after = _until(rows_of(self._plan, after, begin), end)
            rows_before = [_until(rows_of(self._plan, before, begin), end) for before in tracks_before]
            is_as_before = np.logical_and.reduce([_is_in(rows_after, stored_rows) for stored_rows in rows_before])
            rows.append(_part_of_rows(rows_after, ~is_as_before))
            ends_before = np.concatenate([stored_rows.ends for stored_rows in rows_before])
            ends_gone.append(np.setdiff1d(ends_before, rows_after.ends))
        return rows, np.concatenate(ends_gone)

    def _spans(self, late: Micros) -> Iterator[tuple[int, int]]:
        """Yield from when to when windows may end that the late readings reach, in time order and apart."""
        if not len(late) or self._tail.newest is None:
            return
        begins, ends = late - self._wait, np.minimum(late + self._reach, self._tail.newest)
        # Spans that look at the same readings are computed at once.
        cuts = np.flatnonzero(begins[1:] - self._reach > ends[:-1] + self._wait) + 1
        for places in np.split(np.arange(len(late)), cuts):
            yield int(begins[places[0]]), int(ends[places[-1]])

    def _stored(self, begin: int, end: int, late: Track, earlier: Earlier | None) -> list[Track]:
        """Return the readings of a span as they may have been before the late ones came, from what is held and stored.

        A stored reading that equals a late one is either that one, stored just now, or an older one that it repeats.
        The two cannot be distinguished, so the span is returned without it and with it.
        """
        held_readings = within(self._tail.track(begin), begin, end)
        if self._tail.complete_since is None or begin >= self._tail.complete_since:
            return [held_readings]
        if earlier is None:
            at = int(late.micros[np.searchsorted(late.micros, begin + self._reach)])
            raise DataError(
                f"a reading of {_text(at)} is late, and the windows that it reaches need the readings from "
                f"{_text(begin)} on; the memory holds those from {_text(self._tail.complete_since)} on. "
                "Give the stored readings as `earlier`."
            )
        until = min(end, self._tail.complete_since)
        stored = within(in_order(self._plan, earlier(begin, until)), begin, until)
        is_late = is_known(stored, late)
        without = overlaid(select(stored, ~is_late), held_readings)
        return [without, overlaid(stored, held_readings)] if is_late.any() else [without]

    def _unknown(self, late: Track) -> Track:
        """Leave out the readings that are held just as they came: they change nothing."""
        return select(late, ~is_known(late, self._tail.track())) if len(late.micros) else late

    def _reachable(self, late: Track) -> Track:
        """Leave out the readings that lie before those held: no later reading needs them."""
        if self._tail.complete_since is None:
            return late
        return part(late, slice(int(np.searchsorted(late.micros, self._tail.complete_since)), None))


def _is_in(rows: WindowRows, other_rows: WindowRows) -> Flags:
    """Tell which windows are among others, with the same values to the last bit."""
    places, is_there = places_in(rows.ends, other_rows.ends)
    at = places[is_there]
    same = is_there.copy()
    same[is_there] = (
        (rows.starts[is_there] == other_rows.starts[at])
        & (rows.regimes[is_there] == other_rows.regimes[at])
        & (rows.why_not[is_there] == other_rows.why_not[at])
        & are_equal(rows.values[is_there], other_rows.values[at]).all(axis=1)
    )
    return same


def _until(rows: WindowRows, end: int) -> WindowRows:
    """Return the windows that end at an instant or before."""
    return _part_of_rows(rows, rows.ends <= end)


def _part_of_rows(rows: WindowRows, which: Flags) -> WindowRows:
    return WindowRows(
        ends=rows.ends[which],
        starts=rows.starts[which],
        regimes=rows.regimes[which],
        why_not=rows.why_not[which],
        values=rows.values[which],
    )


def _joined(plan: FeaturePlan, parts: list[WindowRows]) -> WindowRows:
    """Return the windows of all parts."""
    if len(parts) == 1:
        return parts[0]
    none = np.array([], dtype=np.int64)
    nothing = np.array([], dtype=object)
    blank = np.empty((0, len(plan.columns)))
    return WindowRows(
        ends=np.concatenate([none, *(part.ends for part in parts)]),
        starts=np.concatenate([none, *(part.starts for part in parts)]),
        regimes=np.concatenate([nothing, *(part.regimes for part in parts)]),
        why_not=np.concatenate([nothing, *(part.why_not for part in parts)]),
        values=np.concatenate([blank, *(part.values for part in parts)]),
    )


def _text(micros: int) -> str:
    """Write an instant as people do."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
