"""Readings of machines that do not exist, with faults whose truth is known: to try things out before the own data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Self

from pydantic import Field, TypeAdapter, model_validator

from wheeltapper.config import AssetType, Duration, Instant, Plant, format_duration
from wheeltapper.config.sensor_faults import describe
from wheeltapper.errors import SourceError
from wheeltapper.simulation.fleet import Disturbances, Span, physics_of, simulate
from wheeltapper.sources import Batch, Cursor, Example, News, Source


class Simulator(Source):
    """A fleet of simulated machines of the plant's asset type; the plant's seed decides everything."""

    assets: int = Field(1, ge=1, description="number of machines")
    start: Instant = Field(description="time of the first reading (UTC where it names no zone)")
    duration: Duration = Field(description="how long they are watched")
    step: Duration | None = Field(None, description="time between two readings; the asset type's step by default")
    anomaly_rate: float = Field(0.0, ge=0, le=0.5, description="share of each machine's readings that lie in a fault")
    kinds: tuple[str, ...] | None = Field(
        None,
        description="fault kinds to use; all of the asset type's by default. Beside those, any sensor can be stuck, "
        "drift, dropout, spike, noise, clipped, unit_change or clock_skew, a counter reset: stuck or stuck:pressure",
    )
    overlap: bool = Field(False, description="let a machine have several faults at once")
    lookalike_rate: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of readings in what is no fault: load changes, restarts, maintenance and hot days",
    )
    missing_rate: float = Field(0.0, ge=0, lt=1, description="share of single sensor values that are missing")
    gap_rate: float = Field(0.0, ge=0, lt=1, description="share of readings that never come")
    gap: Duration | None = Field(None, description="how long they stay away on average; single readings by default")
    jitter: Duration = Field(timedelta(0), description="readings are stamped up to this much late; less than a step")
    one_at_a_time: bool = Field(False, description="at each instant one machine of the fleet is read, left to chance")

    @classmethod
    def example(cls) -> Example:
        """Return tiny data for contract tests; see `Source.example`."""
        from wheeltapper.sources._examples import SIMULATOR

        return SIMULATOR

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        for name in ("duration", "step"):
            value = getattr(self, name)
            if value is not None and value.total_seconds() <= 0:
                raise ValueError(f"{name} must be longer than nothing, got {format_duration(value)}")
        if self.gap is not None and self.gap_rate == 0:
            raise ValueError("gap says how long gaps are, but gap_rate is 0: there are none. Set gap_rate.")
        return self

    def check(self, plant: Plant) -> None:
        """Refuse fault kinds that the asset type does not have, and types without physics; see `Source.check`."""
        self._kinds(plant.asset_type)
        physics = physics_of(plant.asset_type, plant.plug_ins)
        if physics.label is not None and self.anomaly_rate > 0:
            raise SourceError(
                f"anomaly_rate is {self.anomaly_rate:g}, but the faults of {plant.asset_type.name} are a rule about "
                "its values and cannot be ordered. Leave anomaly_rate out."
            )
        step = self.step or plant.asset_type.step
        if not timedelta(0) <= self.jitter < step:
            raise SourceError(
                f"jitter must be shorter than a step of {format_duration(step)}, or readings overtake each other; got "
                f"{format_duration(self.jitter)}."
            )

    def read(self, plant: Plant, start: datetime | None = None, end: datetime | None = None) -> Iterator[Batch]:
        """Yield one batch for each machine.

        ``start`` and ``end`` cut rows out of the whole series; they never change them. The truth has every fault
        that touches the cut, in full length.

        Raises
        ------
        SourceError
            If the asset type cannot be simulated, a fault kind is unknown, faults do not fit, or the cut is empty.
        """
        span = Span(self.start, self.duration, self.step or plant.asset_type.step)
        disturbances = Disturbances(
            anomaly_rate=self.anomaly_rate,
            kinds=self._kinds(plant.asset_type),
            overlap=self.overlap,
            lookalike_rate=self.lookalike_rate,
            missing_rate=self.missing_rate,
            gap_rate=self.gap_rate,
            gap=self.gap,
            jitter=self.jitter,
            turns=self.assets if self.one_at_a_time else 0,
        )
        physics = physics_of(plant.asset_type, plant.plug_ins)
        begin, stop = self._cut(span, start, end)
        for number in range(1, self.assets + 1):
            readings, faults = simulate(
                plant.asset_type, span, seed=plant.seed, number=number, disturbances=disturbances, physics=physics
            )
            inside = (readings["timestamp"] >= begin) & (readings["timestamp"] < stop)
            if not inside.any():
                continue  # every reading of this machine fell into a gap
            touched = (faults["start"] < stop) & (faults["end"] >= begin)
            yield Batch(
                origin=f"simulation of {readings['asset_id'].iloc[0]}, seed {plant.seed}",
                rows=readings[inside].reset_index(drop=True),
                faults=faults[touched].reset_index(drop=True),
            )

    def read_new(self, plant: Plant, cursor: Cursor | None, since: datetime | None) -> News:  # noqa: ARG002
        """Return the readings after the last one of an earlier time; see `Source.read_new`."""
        span = Span(self.start, self.duration, self.step or plant.asset_type.step)
        until = span.at(span.readings)
        begin = None if cursor is None else datetime.fromisoformat(cursor["until"])
        is_empty = begin is not None and begin >= until
        batches = iter(()) if is_empty else self.read(plant, begin)
        return News(batches, {"until": until.isoformat()}, is_empty)

    def _kinds(self, asset_type: AssetType) -> tuple[str, ...]:
        """Return the fault kinds to use.

        Raises
        ------
        SourceError
            If the asset type has no such kind, or none at all although faults are asked for.
        """
        fault_kinds = list(asset_type.faults)
        for kind in self.kinds or ():
            describe(kind, asset_type)
        kinds = tuple(fault_kinds) if self.kinds is None else tuple(dict.fromkeys(self.kinds))
        if self.anomaly_rate > 0 and not kinds:
            raise SourceError(
                f"anomaly_rate is {self.anomaly_rate:g}, but there is no fault kind to use. "
                f"Name some in kinds (asset type {asset_type.name} has: {', '.join(fault_kinds) or 'none'}), "
                "or set anomaly_rate: 0."
            )
        return kinds

    def _cut(self, span: Span, start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
        """Return from when (inclusive) to when (exclusive) is read.

        Raises
        ------
        SourceError
            If nothing is left.
        """
        as_utc = TypeAdapter(Instant).validate_python
        begin = span.at(0) if start is None else as_utc(start)
        stop = span.at(span.readings) if end is None else as_utc(end)
        if span.row(begin) >= span.row(stop):
            raise SourceError(
                f"nothing to read from {start or 'the beginning'} to {end or 'the end'}: the simulation has "
                f"{span.readings} readings from {span.at(0)} to {span.at(span.readings - 1)}. "
                "Choose dates inside it, or simulate a longer duration."
            )
        return begin, stop
