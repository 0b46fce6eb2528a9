"""Tiny data for the contract tests of those sources in this folder that need no server."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from wheeltapper.sources import Example

_CSV = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source:
  csv_folder: {path: data, time_column: time, time_zone: UTC, fault_column: broken}
features: [latest]
candidates: [lof]
"""

_PARQUET = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source:
  parquet: {path: data, time_column: time, fault_column: broken}
features: [latest]
candidates: [lof]
"""

_SIMULATOR = """
asset_type: pump
source:
  simulator: {{assets: 2, start: 2026-01-05, duration: 2d, anomaly_rate: {rate}, kinds: {kinds}}}
features: [latest]
candidates: [lof]
"""


def _readings(*broken: int) -> pd.DataFrame:
    """Return five readings of one asset; those at the places that are named lie in a fault."""
    times = pd.date_range("2026-01-05", periods=5, freq="1min", tz="UTC")
    return pd.DataFrame({"time": times, "load": range(5), "broken": [int(place in broken) for place in range(5)]})


def _data(folder: Path) -> Path:
    path = folder / "data"
    path.mkdir()
    return path


def _csv(folder: Path, **files: pd.DataFrame | str) -> str:
    data = _data(folder)
    for name, rows in files.items():
        text = (
            rows if isinstance(rows, str) else rows.assign(time=rows["time"].dt.tz_localize(None)).to_csv(index=False)
        )
        (data / f"{name}.csv").write_text(text, encoding="utf-8")
    return _CSV


def _parquet(folder: Path, **files: pd.DataFrame) -> str:
    data = _data(folder)
    for name, rows in files.items():
        rows.assign(broken=rows["broken"] == 1).to_parquet(data / f"{name}.parquet")
    return _PARQUET


def _damaged_parquet(folder: Path) -> str:
    _parquet(folder, a=_readings())
    path = folder / "data" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    return _PARQUET


CSV_FOLDER = Example(
    plant=lambda folder: _csv(folder, a=_readings(), b=_readings(1, 2, 3)),
    broken={
        "no folder": lambda _: _CSV,
        "no file": _csv,
        "no column": lambda folder: _csv(folder, a=_readings().rename(columns={"load": "weight"})),
        "an empty file": lambda folder: _csv(folder, a=""),
    },
)
"""Two files of five readings, one asset each; the second has a fault of three."""

PARQUET = Example(
    plant=lambda folder: _parquet(folder, a=_readings(), b=_readings(1, 2, 3)),
    broken={
        "no folder": lambda _: _PARQUET,
        "no file": _parquet,
        "no column": lambda folder: _parquet(folder, a=_readings().rename(columns={"load": "weight"})),
        "no rows": lambda folder: _parquet(folder, a=_readings().head(0)),
        "a damaged file": _damaged_parquet,
    },
)
"""The same as Parquet files."""

SIMULATOR = Example(
    plant=lambda _: _SIMULATOR.format(rate=0.05, kinds="[cavitation]"),
    broken={
        "an unknown kind of fault": lambda _: _SIMULATOR.format(rate=0.05, kinds="[cavitatoin]"),
        "faults without a kind": lambda _: _SIMULATOR.format(rate=0.05, kinds="[]"),
        "a type that cannot be simulated": lambda _: _SIMULATOR.format(rate=0, kinds="[]").replace(
            "asset_type: pump", "asset_type: {step: 1min, sensors: {load: {unit: A}}}"
        ),
    },
)
"""Two pumps, two days."""
