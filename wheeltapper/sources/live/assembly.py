"""Values that come one sensor at a time become readings on the plant's step."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Generic, TypeVar

from wheeltapper.sources.live.reading import LiveReading

NOT_MEASURED = "not measured"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_AHEAD = timedelta(minutes=1)
"""How far the clock of a device may be ahead of ours: clocks that are set over a network differ by far less."""

Token = TypeVar("Token")


@dataclass(frozen=True)
class TagValue:
    """One sensor's value at one instant."""

    asset_id: str
    sensor: str
    time: datetime
    """With a time zone."""
    value: float | str | None
    """As in `LiveReading.values`; None where the sensor has none."""
    why: str = ""
    """Why it has none."""


@dataclass(frozen=True)
class Assembled(Generic[Token]):
    """A reading that is to be taken in."""

    reading: LiveReading
    tokens: tuple[Token, ...]
    """Tokens of the values that were waiting for it: one for each value that was added, in order of arrival."""


@dataclass(frozen=True)
class Due(Generic[Token]):
    """What an assembly gives at an instant."""

    readings: tuple[Assembled[Token], ...] = ()
    """In order of time, asset by asset."""
    settled: tuple[Token, ...] = ()
    """Tokens of values that change no reading: they were known already."""
    values: tuple[TagValue, ...] = ()
    """All values that are new; to be given to `Assembly.restore` when it is started again."""


@dataclass
class _Cell(Generic[Token]):
    """One step of one asset."""

    deadline: int
    """When it is closed even if a sensor is missing; microseconds since 1970."""
    renewed: set[str] = field(default_factory=set)
    """Sensors that were measured in it."""
    tokens: list[Token] = field(default_factory=list)
    new: list[TagValue] = field(default_factory=list)
    """Values that came since the reading was given last."""
    handed_over: LiveReading | None = None
    """The reading as it was given last; None while the cell is open."""
    due_at: int | None = None
    """When it is to be given; None while nothing in it is new."""


@dataclass
class _Asset(Generic[Token]):
    """What is remembered of one asset."""

    instants: dict[str, list[int]] = field(default_factory=dict)
    """Sensor → instants of its values, sorted."""
    values: dict[tuple[str, int], TagValue] = field(default_factory=dict)
    ends: list[int] = field(default_factory=list)
    """Ends of the cells, sorted."""
    cells: dict[int, _Cell[Token]] = field(default_factory=dict)


class Assembly(Generic[Token]):
    """Collects single values into one reading for each asset and step.

    The cell (t − step, t] becomes the reading at t, on a grid that starts at the epoch: the same grid as that of
    ``cleaning.resample``. It holds the newest value of each sensor. A value that was not renewed is held until it is
    ``max_age`` old, counted at t.

    A cell is closed when t has come and all sensors were measured in it, else ``lateness`` after t, or ``lateness``
    after its first value arrived where that was later than t, so that a backlog is put together like a live stream. A
    value that comes after that gives the reading once more: a correction, and so do later readings that had held an
    older value.

    The order of arrival does not matter, nor does a value that arrives twice. Where two values have the same asset,
    sensor and instant, the later arrival counts.

    It reads no clock: whoever calls it says what time it is. A step without any value gives no reading, not even one of
    held values, for the machine was silent.

    Parameters
    ----------
    sensors : sequence of str
        All sensors of an asset.
    step, lateness : timedelta
    max_age : timedelta, optional
        By default nothing is held.
    corrected_for : timedelta, optional
        How long a closed cell is remembered, counted from the newest cell of the asset; by default ten times step plus
        lateness. Memory grows with it.
    """

    def __init__(
        self,
        sensors: Sequence[str],
        *,
        step: timedelta,
        lateness: timedelta,
        max_age: timedelta = timedelta(0),
        corrected_for: timedelta | None = None,
    ) -> None:
        self._sensors = tuple(sensors)
        self._step, self._lateness = step // _TICK, lateness // _TICK
        self._reach = max(self._step, max_age // _TICK)
        self._kept = (10 * (step + lateness) if corrected_for is None else corrected_for) // _TICK
        self._assets: dict[str, _Asset[Token]] = {}
        self._queue: list[tuple[int, str, int]] = []
        """Heap of (instant at which it is due, asset, end of the cell); entries whose cell has another one are void."""
        self._settled: list[Token] = []

    def add(self, tag: TagValue, token: Token, now: datetime) -> str:
        """Add a value that arrived at ``now``; its token comes back from `due` with the reading that holds the value.

        Returns
        -------
        str
            Why the value cannot be used: it is from the future, or its step is no longer remembered, so that a
            correction would lose the other sensors. Then it changes nothing, and its token is not kept. Empty where it
            can.
        """
        if tag.time > now + _AHEAD:
            return (
                f"its time {tag.time.isoformat()} lies in the future. Set the clock of the device, or of this machine"
            )
        asset = self._assets.setdefault(tag.asset_id, _Asset())
        instant = _micros(tag.time)
        end = self._end(instant)
        cell = asset.cells.get(end)
        if cell is None and asset.ends and end < asset.ends[-1] - self._kept:
            return (
                f"its time {tag.time.isoformat()} is more than {self._kept * _TICK} older than the newest of "
                f"{tag.asset_id}. Ingest it from a file or database, or set corrected_for"
            )
        if cell is None:
            cell = self._open(asset, end, _micros(now))
        if asset.values.get((tag.sensor, instant)) != tag:
            self._keep(asset, cell, tag, instant)
            cell.new.append(tag)
        elif cell.due_at is None:
            self._settled.append(token)
            return ""
        cell.tokens.append(token)
        self._schedule(tag.asset_id, end, cell)
        self._reopen_followers(tag.asset_id, asset, end)
        return ""

    def due(self, now: datetime) -> Due[Token]:
        """Return the readings whose cells are closed by ``now``, corrections included, and forget their tokens."""
        instant = _micros(now)
        readings: list[Assembled[Token]] = []
        values: list[TagValue] = []
        while self._queue and self._queue[0][0] <= instant:
            entry = heappop(self._queue)
            if self._is_void(*entry):
                continue
            _, asset_id, end = entry
            asset = self._assets[asset_id]
            cell = asset.cells[end]
            reading = self._reading(asset_id, asset, end)
            tokens = tuple(cell.tokens)
            values += cell.new
            cell.tokens, cell.new, cell.due_at = [], [], None
            if reading == cell.handed_over:
                self._settled.extend(tokens)
            else:
                cell.handed_over = reading
                readings.append(Assembled(reading, tokens))
        settled, self._settled = tuple(self._settled), []
        readings.sort(key=lambda assembled: (assembled.reading.time, assembled.reading.asset_id))
        return Due(tuple(readings), settled, tuple(values))

    def next_due(self) -> datetime | None:
        """Return the earliest instant at which `due` may give something; None while there is nothing to wait for."""
        if self._settled:
            return _EPOCH
        while self._queue and self._is_void(*self._queue[0]):
            heappop(self._queue)
        return _EPOCH + self._queue[0][0] * _TICK if self._queue else None

    def restore(self, values: Iterable[TagValue]) -> None:
        """Remember values whose readings were taken in before, by another assembly; nothing of them is given again."""
        for tag in values:
            if tag.sensor in self._sensors:
                asset = self._assets.setdefault(tag.asset_id, _Asset())
                end = self._end(_micros(tag.time))
                cell = asset.cells.get(end) or self._open(asset, end, end)
                self._keep(asset, cell, tag, _micros(tag.time))
        for asset_id, asset in self._assets.items():
            for end, cell in asset.cells.items():
                cell.handed_over = self._reading(asset_id, asset, end)

    def remembered(self) -> Iterator[TagValue]:
        """Yield the values of all readings that were given and may still be corrected or held."""
        for asset in self._assets.values():
            for tag in asset.values.values():
                cell = asset.cells.get(self._end(_micros(tag.time)))
                if cell is None or tag not in cell.new:
                    yield tag

    def _end(self, instant: int) -> int:
        """Return the end of the cell that an instant lies in."""
        return -(-instant // self._step) * self._step

    def _keep(self, asset: _Asset[Token], cell: _Cell[Token], tag: TagValue, instant: int) -> None:
        if (tag.sensor, instant) not in asset.values:
            insort(asset.instants.setdefault(tag.sensor, []), instant)
        asset.values[tag.sensor, instant] = tag
        cell.renewed.add(tag.sensor)

    def _is_void(self, due_at: int, asset_id: str, end: int) -> bool:
        cell = self._assets[asset_id].cells.get(end)
        return cell is None or cell.due_at != due_at

    def _open(self, asset: _Asset[Token], end: int, now: int) -> _Cell[Token]:
        cell: _Cell[Token] = _Cell(max(end, now) + self._lateness)
        asset.cells[end] = cell
        insort(asset.ends, end)
        self._forget(asset)
        return cell

    def _schedule(self, asset_id: str, end: int, cell: _Cell[Token]) -> None:
        """Say when a cell is to be given: at once where it is a correction, once it is complete, or at its deadline."""
        is_complete = len(cell.renewed) == len(self._sensors)
        due_at = end if cell.handed_over is not None or is_complete else cell.deadline
        if due_at != cell.due_at:
            cell.due_at = due_at
            heappush(self._queue, (due_at, asset_id, end))

    def _reopen_followers(self, asset_id: str, asset: _Asset[Token], end: int) -> None:
        """Look once more at those later cells that may hold the value; where nothing changes, `due` gives nothing."""
        for later in asset.ends[bisect_right(asset.ends, end) : bisect_left(asset.ends, end + self._reach)]:
            cell = asset.cells[later]
            if cell.handed_over is not None:
                self._schedule(asset_id, later, cell)

    def _newest(self, asset: _Asset[Token], sensor: str, end: int) -> TagValue | None:
        """Return a sensor's newest value that a cell may hold."""
        instants = asset.instants.get(sensor, [])
        place = bisect_right(instants, end) - 1
        if place < 0 or instants[place] <= end - self._reach:
            return None
        return asset.values[sensor, instants[place]]

    def _reading(self, asset_id: str, asset: _Asset[Token], end: int) -> LiveReading:
        values: dict[str, float | str] = {}
        missing: dict[str, str] = {}
        for sensor in self._sensors:
            tag = self._newest(asset, sensor, end)
            if tag is not None and tag.value is not None:
                values[sensor] = tag.value
            else:
                missing[sensor] = (tag.why if tag is not None else "") or NOT_MEASURED
        return LiveReading(asset_id, _EPOCH + end * _TICK, values, missing=missing)

    def _forget(self, asset: _Asset[Token]) -> None:
        """Forget cells that are too old to be corrected, and the values that only they can hold."""
        oldest = asset.ends[-1] - self._kept
        gone = bisect_left(asset.ends, oldest)
        waiting = (place for place, end in enumerate(asset.ends[:gone]) if asset.cells[end].due_at is not None)
        gone = next(waiting, gone)
        if not gone:
            return
        for end in asset.ends[:gone]:
            del asset.cells[end]
        del asset.ends[:gone]
        for sensor, instants in asset.instants.items():
            old = bisect_right(instants, asset.ends[0] - self._step - self._reach)
            for instant in instants[:old]:
                del asset.values[sensor, instant]
            del instants[:old]


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _TICK
