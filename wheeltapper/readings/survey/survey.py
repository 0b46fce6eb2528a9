"""A survey of a source before anything is written: its assets, their time spans and steps, and what looks wrong.

Memory does not grow with the source: figures that need all readings at once (deviations, outliers, suspicions) are
computed from a sample if there are very many readings, and the survey says so (``every``).
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper import sources, tables
from wheeltapper.config import Plant
from wheeltapper.errors import ConfigError, DataError, SourceError
from wheeltapper.readings import clean
from wheeltapper.readings.order import KEY, in_time
from wheeltapper.readings.plain_values import iso
from wheeltapper.readings.survey import suspicions
from wheeltapper.readings.survey.counting import AssetTimes, Sample, SensorValues
from wheeltapper.readings.survey.suspicions import UNORDERED
from wheeltapper.sources import Batch, Suggestion

_MOST_REJECTED = 100_000
_LONGEST = 10
_TRIED = 10_000
"""Rows that suggested options are tried on."""


def survey(plant: Plant) -> dict[str, Any]:
    """Read a plant's source without writing anything, and describe its readings.

    Returns
    -------
    dict of plain JSON values
        ``rows``, ``assets`` (names), ``first``, ``last``, ``step_seconds``, ``gap_count``, ``gaps`` (the longest),
        ``by_asset``, ``faults``, ``rejected`` (promise → rows), ``reasons`` (promise → an example), ``repeated`` (rows
        of an instant that has a row already), ``late`` (rows behind an earlier one of their asset), ``sensors``,
        ``every`` (the sample's stride: 1 is all) and ``suspicions``. If the source cannot be read: ``problem`` and
        ``suggestion``; if fewer than half of its rows can be kept, a ``suggestion`` as well.

    Raises
    ------
    ConfigError, SourceError, DataError
        If the source cannot be read, and no other options can be suggested.
    """
    try:
        surveyed = _read(plant)
    except (ConfigError, SourceError, DataError) as error:
        suggestion = _suggest(plant, share_kept=0.0)
        if suggestion is None:
            raise
        return {"plant": plant.name, "problem": str(error), "suggestion": suggestion}
    rejected = sum(surveyed["rejected"].values())
    if rejected > surveyed["rows"]:
        surveyed["suggestion"] = _suggest(plant, share_kept=surveyed["rows"] / (rejected + surveyed["rows"]))
    return surveyed


def _read(plant: Plant) -> dict[str, Any]:
    source = sources.build(plant.source, plant.plug_ins)
    source.check(plant)
    totals = _Totals(plant)
    for batch in source.read(plant):
        totals.add(batch, clean.parse(batch, plant))
    if totals.rows + sum(totals.rejected.values()) == 0:
        raise DataError(f"{plant.name}: the source has no readings.")
    return {"plant": plant.name, **totals.as_dict(), "caveats": list(source.caveats(plant))}


def _suggest(plant: Plant, *, share_kept: float) -> dict[str, Any] | None:
    """Ask the source for options that fit, and try them; None if they are not better than the present ones."""
    suggestion = sources.suggest(plant)
    if suggestion is None:
        return None
    trial, share = _try(plant, suggestion)
    if share <= share_kept and not suggestion.notes:
        return None
    return {**asdict(suggestion), "source": plant.source.name, "notes": list(suggestion.notes), "trial": trial}


def _try(plant: Plant, suggestion: Suggestion) -> tuple[str, float]:
    """Read the first rows with the suggested options; return the outcome as a sentence, and the share of rows kept."""
    suggested = plant.source.model_copy(update={"options": suggestion.options})
    try:
        source = sources.build(suggested, plant.plug_ins)
        source.check(plant)
        batch = next(source.read(plant), None)
        if batch is None or not len(batch.rows):
            return "with these options there are no readings", 0.0
        head = Batch(batch.origin, batch.rows.head(_TRIED).reset_index(drop=True))
        parsed = clean.parse(head, plant)
    except (ConfigError, SourceError, DataError) as error:
        return f"tried on {suggestion.origin}, they still end with: {error}", 0.0
    share = len(parsed.rows) / len(head.rows)
    outcome = f"tried on {batch.origin}: {len(parsed.rows):,} of the first {len(head.rows):,} readings can be kept"
    return outcome + (f"; the others: {parsed.rejected['reason'].iloc[0]}" if len(parsed.rejected) else ""), share


@dataclass
class _Totals:
    """Counts and figures of all batches so far."""

    plant: Plant
    rows: int = 0
    faults: int = 0
    spans: pd.DataFrame = field(default_factory=tables.FAULTS.empty)
    rejected: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)
    rejected_rows: list[pd.DataFrame] = field(default_factory=list)
    """The first rows that were rejected, and those that are late or repeated."""
    repeated: int = 0
    late: int = 0
    steps_back: int = 0
    _clock: _Clock = field(default_factory=lambda: _Clock())  # noqa: PLW0108 - it stands below
    assets: dict[str, AssetTimes] = field(default_factory=dict)
    sensors: dict[str, SensorValues] = field(default_factory=dict)
    minutes: Any = field(default_factory=lambda: np.array([], dtype="int64"))
    sample: Sample = field(default_factory=Sample)

    def add(self, batch: Batch, parsed: clean.Parsed) -> None:
        """Add one batch."""
        arrived = self._clock.follow(batch.origin, parsed.rows)
        self.repeated += int(arrived["is_repeated"].sum())
        self.late += int(arrived["is_late"].sum())
        self.steps_back += int(arrived["steps_back"].sum())
        self._keep_times(arrived)
        rows = in_time(parsed.rows)
        self.rows += len(arrived) - int(arrived["is_repeated"].sum())
        self.faults += len(batch.faults)
        self.spans = pd.concat([self.spans, batch.faults], ignore_index=True) if len(batch.faults) else self.spans
        self._add_rejected(parsed.rejected)
        self.remarks.update(parsed.notes)
        for asset, times in arrived[~arrived["is_repeated"]].groupby("asset_id", sort=False):
            self.assets.setdefault(str(asset), AssetTimes()).add(times["timestamp"], ~times["is_late"])
        for name, sensor in self.plant.asset_type.sensors.items():
            self.sensors.setdefault(name, SensorValues()).add(rows[name], sensor.low, sensor.high)
        micros = tables.microseconds(rows["timestamp"])
        self.minutes = np.union1d(self.minutes, np.unique(micros // 60_000_000))
        self.sample.add(rows[["asset_id", "timestamp", *self.plant.asset_type.sensors]])

    def _add_rejected(self, rejected: pd.DataFrame) -> None:
        counts = rejected["expectation"].value_counts()
        self.rejected.update({str(name): int(count) for name, count in counts.items()})
        for name, reasons in rejected.groupby("expectation")["reason"]:
            self.reasons.setdefault(str(name), str(reasons.iloc[0]))
        self._keep(rejected[["timestamp", "expectation", "reason"]])

    def _keep_times(self, arrived: pd.DataFrame) -> None:
        """Keep the times of late and repeated rows: they may show a clock that was set back."""
        unordered = arrived[arrived["is_late"] | arrived["is_repeated"]].head(_MOST_REJECTED)
        times = pd.Series([iso(time) for time in unordered["timestamp"]], dtype="str")
        self._keep(pd.DataFrame({"timestamp": times, "expectation": UNORDERED, "reason": ""}))

    def _keep(self, rows: pd.DataFrame) -> None:
        free = _MOST_REJECTED - sum(map(len, self.rejected_rows))
        self.rejected_rows.append(rows.head(max(0, free)))

    def as_dict(self) -> dict[str, Any]:
        """Return the survey as plain JSON values."""
        total = self.rows + self.repeated + sum(self.rejected.values())
        every_asset = AssetTimes.together(self.assets.values())
        gaps = (gap for name, times in self.assets.items() for gap in times.long_pauses(name))
        longest = heapq.nlargest(_LONGEST, gaps)
        about = {
            "rows": self.rows,
            "assets": sorted(self.assets),
            "first": iso(every_asset.first),
            "last": iso(every_asset.last),
            "step_seconds": every_asset.step(),
            "gap_count": sum(times.gaps() for times in self.assets.values()),
            "gaps": [{"asset_id": name, "until": until, "seconds": seconds} for seconds, until, name in longest],
            "repeated": self.repeated,
            "duplicate_share": self.repeated / total if total else 0.0,
            "late": self.late,
            "backward_share": self.late / total if total else 0.0,
            "steps_back": self.steps_back,
            "by_asset": {name: self.assets[name].as_dict() for name in sorted(self.assets)},
            "faults": self.faults,
            "rejected": dict(self.rejected),
            "reasons": self.reasons,
            "notes": dict(self.remarks),
            "every": self.sample.every,
        }
        rows = self.sample.rows()
        sensors = {
            name: {"unit": sensor.unit, **self.sensors[name].as_dict(rows[name] if len(rows) else None)}
            for name, sensor in self.plant.asset_type.sensors.items()
        }
        return {
            **about,
            "sensors": sensors,
            "suspicions": [asdict(suspicion) for suspicion in self._suspicions(rows, about)],
        }

    def _suspicions(self, rows: pd.DataFrame, about: dict[str, Any]) -> Iterator[suspicions.Suspicion]:
        if rows.empty:
            return
        instants = pd.Series(self.minutes * 60_000_000).astype("datetime64[us]").dt.tz_localize("UTC")
        yield from suspicions.suspect(
            rows,
            self.plant,
            pd.concat(self.rejected_rows, ignore_index=True),
            backward_share=about["backward_share"],
            minutes=instants,
            faults=self.spans,
        )
        yield from suspicions.step(about["step_seconds"], self.plant.asset_type.step)


class _Clock:
    """Follows the time of each asset in the order of delivery, through the batches of a file."""

    def __init__(self) -> None:
        self._origin = ""
        self._newest: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def follow(self, origin: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Return asset_id and timestamp of the next batch's rows, and what their arrival shows.

        ``is_repeated``: the instant has a row already; ``is_late``: a newer row came before, and it is not repeated;
        ``steps_back``: it is older than the row before.
        """
        if origin != self._origin:
            self._origin, self._newest, self._last = origin, {}, {}
        assets = rows["asset_id"]
        micros = pd.Series(tables.microseconds(rows["timestamp"]), index=rows.index)
        by_asset = micros.groupby(assets, sort=False)
        newest_before = assets.map(self._newest).astype("float64")
        newest_here = by_asset.cummax().groupby(assets, sort=False).shift()
        newest = pd.concat([newest_before, newest_here], axis="columns").max(axis="columns")
        before = by_asset.shift().fillna(assets.map(self._last).astype("float64"))
        is_repeated = rows.duplicated(KEY) | (micros == newest_before)
        self._last |= {str(asset): int(time) for asset, time in by_asset.last().items()}
        for asset, time in by_asset.max().items():
            self._newest[str(asset)] = max(int(time), self._newest.get(str(asset), int(time)))
        return rows[KEY].assign(
            is_repeated=is_repeated, is_late=(micros < newest) & ~is_repeated, steps_back=micros < before
        )
