"""A survey of a source before anything is written: who speaks, from when to when, how often, and what looks wrong.

Memory does not grow with the source: what needs all readings at once (deviations, outliers, suspicions) is told from a
thinned copy where there are very many, and the survey says so.
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
from wheeltapper.readings.plain_values import iso
from wheeltapper.readings.survey import suspicions
from wheeltapper.readings.survey.counting import AssetTally, Sample, SensorTally
from wheeltapper.sources import Batch, Suggestion

_MOST_REJECTED = 100_000
_LONGEST = 10
_TRIED = 10_000
"""Rows that a suggestion is tried on."""


def survey(plant: Plant) -> dict[str, Any]:
    """Read a plant's source without writing anything, and describe what is in it.

    Returns
    -------
    dict of plain JSON values
        ``rows``, ``assets`` (names), ``first``, ``last``, ``step_seconds``, ``gap_count``, ``gaps`` (the longest),
        ``by_asset``, ``faults``, ``rejected`` (promise → rows), ``reasons`` (promise → an example), ``sensors``,
        ``every`` (the sample's stride: 1 is all) and ``suspicions``. Where the source cannot be read, or hardly a row
        of it can be kept: ``problem`` and ``suggestion``.

    Raises
    ------
    ConfigError, SourceError, DataError
        If it cannot be read, and nothing better can be suggested.
    """
    try:
        found = _read(plant)
    except (ConfigError, SourceError, DataError) as error:
        suggestion = _suggest(plant, kept=0.0)
        if suggestion is None:
            raise
        return {"plant": plant.name, "problem": str(error), "suggestion": suggestion}
    aside = sum(found["rejected"].values())
    if aside > found["rows"]:
        found["suggestion"] = _suggest(plant, kept=found["rows"] / (aside + found["rows"]))
    return found


def _read(plant: Plant) -> dict[str, Any]:
    source = sources.build(plant.source, plant.plug_ins)
    source.check(plant)
    notes = _Notes(plant)
    origin, latest = "", dict[str, pd.Timestamp]()
    for batch in source.read(plant):
        # One file may come in several batches; its order is checked through all of them.
        parsed = clean.parse(batch, plant, latest if batch.origin == origin else None)
        origin, latest = batch.origin, parsed.latest
        notes.add(batch, parsed)
    if notes.rows + sum(notes.rejected.values()) == 0:
        raise DataError(f"{plant.name}: the source has no readings.")
    return {"plant": plant.name, **notes.told(), "caveats": list(source.caveats(plant))}


def _suggest(plant: Plant, *, kept: float) -> dict[str, Any] | None:
    """Ask the source for options that fit, and try them; None where they are not better than what is."""
    found = sources.suggest(plant)
    if found is None:
        return None
    told, share = _try(plant, found)
    if share <= kept and not found.notes:
        return None
    return {**asdict(found), "source": plant.source.name, "notes": list(found.notes), "trial": told}


def _try(plant: Plant, found: Suggestion) -> tuple[str, float]:
    """Read the first rows with the suggested options; return what came of it, and the share that could be kept."""
    wanted = plant.source.model_copy(update={"options": found.options})
    try:
        source = sources.build(wanted, plant.plug_ins)
        source.check(plant)
        batch = next(source.read(plant), None)
        if batch is None or not len(batch.rows):
            return "with these options nothing comes", 0.0
        head = Batch(batch.origin, batch.rows.head(_TRIED).reset_index(drop=True))
        parsed = clean.parse(head, plant)
    except (ConfigError, SourceError, DataError) as error:
        return f"tried on {found.origin}, they still end with: {error}", 0.0
    share = len(parsed.rows) / len(head.rows)
    said = f"tried on {batch.origin}: {len(parsed.rows):,} of the first {len(head.rows):,} readings can be kept"
    return said + (f"; the others: {parsed.rejected['reason'].iloc[0]}" if len(parsed.rejected) else ""), share


@dataclass
class _Notes:
    """What is remembered of all batches."""

    plant: Plant
    rows: int = 0
    faults: int = 0
    spans: pd.DataFrame = field(default_factory=tables.FAULTS.empty)
    rejected: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)
    aside: list[pd.DataFrame] = field(default_factory=list)
    back: int = 0
    _clock: _Clock = field(default_factory=lambda: _Clock())  # noqa: PLW0108 - it stands below
    assets: dict[str, AssetTally] = field(default_factory=dict)
    sensors: dict[str, SensorTally] = field(default_factory=dict)
    minutes: Any = field(default_factory=lambda: np.array([], dtype="int64"))
    sample: Sample = field(default_factory=Sample)

    def add(self, batch: Batch, parsed: clean.Parsed) -> None:
        """Take in one batch."""
        rows = parsed.rows
        self.rows += len(rows)
        self.faults += len(batch.faults)
        self.spans = pd.concat([self.spans, batch.faults], ignore_index=True) if len(batch.faults) else self.spans
        self._add_rejected(parsed.rejected)
        self.odd.update(parsed.notes)
        self.back += self._clock.steps_back(batch.origin, rows, parsed.rejected)
        for asset, own in rows.groupby("asset_id", sort=False):
            self.assets.setdefault(str(asset), AssetTally()).add(own["timestamp"])
        for name, sensor in self.plant.asset_type.sensors.items():
            self.sensors.setdefault(name, SensorTally()).add(rows[name], sensor.low, sensor.high)
        micros = tables.microseconds(rows["timestamp"])
        self.minutes = np.union1d(self.minutes, np.unique(micros // 60_000_000))
        self.sample.add(rows[["asset_id", "timestamp", *self.plant.asset_type.sensors]])

    def _add_rejected(self, rejected: pd.DataFrame) -> None:
        counts = rejected["expectation"].value_counts()
        self.rejected.update({str(name): int(count) for name, count in counts.items()})
        for name, own in rejected.groupby("expectation"):
            self.reasons.setdefault(str(name), str(own["reason"].iloc[0]))
        left = _MOST_REJECTED - sum(map(len, self.aside))
        self.aside.append(rejected[["timestamp", "expectation", "reason"]].head(max(0, left)))

    def told(self) -> dict[str, Any]:
        """Return the survey."""
        total = self.rows + sum(self.rejected.values())
        everybody = AssetTally.together(self.assets.values())
        longest = heapq.nlargest(_LONGEST, (gap for name, one in self.assets.items() for gap in one.long_pauses(name)))
        about = {
            "rows": self.rows,
            "assets": sorted(self.assets),
            "first": iso(everybody.first),
            "last": iso(everybody.last),
            "step_seconds": everybody.step(),
            "gap_count": sum(one.gaps() for one in self.assets.values()),
            "gaps": [{"asset_id": name, "until": until, "seconds": seconds} for seconds, until, name in longest],
            "duplicate_share": self.rejected["key_unique"] / total if total else 0.0,
            "backward_share": self.rejected["in_order"] / total if total else 0.0,
            "steps_back": self.back,
            "by_asset": {name: self.assets[name].told() for name in sorted(self.assets)},
            "faults": self.faults,
            "rejected": dict(self.rejected),
            "reasons": self.reasons,
            "notes": dict(self.odd),
            "every": self.sample.every,
        }
        rows = self.sample.rows()
        sensors = {
            name: {"unit": sensor.unit, **self.sensors[name].told(rows[name] if len(rows) else None)}
            for name, sensor in self.plant.asset_type.sensors.items()
        }
        return {**about, "sensors": sensors, "suspicions": [asdict(one) for one in self._suspicions(rows, about)]}

    def _suspicions(self, rows: pd.DataFrame, about: dict[str, Any]) -> Iterator[suspicions.Suspicion]:
        if rows.empty:
            return
        instants = pd.Series(self.minutes * 60_000_000).astype("datetime64[us]").dt.tz_localize("UTC")
        yield from suspicions.suspect(
            rows,
            self.plant,
            pd.concat(self.aside, ignore_index=True),
            backward_share=about["backward_share"],
            minutes=instants,
            faults=self.spans,
        )
        yield from suspicions.step(about["step_seconds"], self.plant.asset_type.step)


class _Clock:
    """Follows the time of each asset as it came, through the batches of a file."""

    def __init__(self) -> None:
        self._origin = ""
        self._last: dict[str, pd.Timestamp] = {}

    def steps_back(self, origin: str, rows: pd.DataFrame, rejected: pd.DataFrame) -> int:
        """Count where it went backwards in the next batch, also where what followed was only repeated."""
        if origin != self._origin:
            self._origin, self._last = origin, {}
        aside = rejected[rejected["expectation"].isin(["key_unique", "in_order"])]
        times = pd.to_datetime(aside["timestamp"], utc=True, errors="coerce", format="ISO8601")
        late = aside[["row", "asset_id"]].assign(timestamp=times.astype(rows["timestamp"].dtype))
        came = pd.concat([rows[["row", "asset_id", "timestamp"]], late]) if len(late) else rows
        came = came.sort_values("row", kind="stable")
        by_asset = came.groupby("asset_id", sort=False)["timestamp"]
        before = by_asset.shift().fillna(came["asset_id"].map(self._last).astype(rows["timestamp"].dtype))
        self._last |= {str(asset): time for asset, time in by_asset.last().items()}
        return int((came["timestamp"] < before).sum())
