"""Through the public doors: from a plant's text to readings that are kept, rows put aside, and known faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from expectations import readings as promises
from wheeltapper import check_plant, plants, sources
from wheeltapper.config import Plant
from wheeltapper.readings import clean
from wheeltapper.readings.order import in_time


@dataclass(frozen=True)
class Delivered:
    """The rows of a source after cleaning and after the suite of readings."""

    rows: pd.DataFrame
    """Readings that stay, in time order, with the file or simulation that they came from as ``origin``."""
    rejected: pd.DataFrame
    """Rows that were put aside, each with the promise that it broke."""
    faults: pd.DataFrame
    notes: tuple[str, ...]
    """The notes of the suite."""


def plant_of(text: str, folder: Path = Path()) -> Plant:
    """Make a plant as the command line does, plug-ins checked."""
    plant = plants.parse(text, name="tiny", folder=folder, where="tiny.yaml")
    check_plant.check_plug_ins(plant, where="tiny.yaml")
    return plant


def read(plant: Plant, *, check: bool = True) -> Delivered:
    """Read everything a plant's source has; ``check`` keeps the promises of readings, too."""
    kept, rejected, faults = [], [], []
    for batch in sources.build(plant.source, plant.plug_ins).read(plant):
        parsed = clean.parse(batch, plant)
        assert len(parsed.rows) + len(parsed.rejected) == len(batch.rows), "a row was lost"
        kept.append(clean.without_delivered(parsed.rows).assign(origin=batch.origin))
        rejected.append(parsed.rejected[["asset_id", "timestamp", "expectation", "reason"]])
        faults.append(batch.faults)
    rows = pd.concat(kept, ignore_index=True)
    rows = rows.assign(row=range(len(rows)))
    notes: tuple[str, ...] = ()
    if check:
        findings = promises.check(rows, plant, None)
        assert findings.ok, findings.failures
        broken = findings.rejected.set_index("row")
        names = rows.loc[broken.index, ["asset_id", "timestamp"]].astype("str")
        rejected.append(names.join(broken).reset_index(drop=True))
        rows, notes = rows.drop(index=broken.index).reset_index(drop=True), findings.notes
    return Delivered(in_time(rows), pd.concat(rejected, ignore_index=True), pd.concat(faults, ignore_index=True), notes)


def is_in_fault(rows: pd.DataFrame, faults: pd.DataFrame) -> pd.Series:
    """Tell of each row whether it lies inside a fault of its asset, both ends included."""
    inside = pd.Series(False, index=rows.index)
    for fault in faults.itertuples():
        inside |= (rows["asset_id"] == fault.asset_id) & rows["timestamp"].between(fault.start, fault.end)
    return inside
