"""Two files of five readings, one asset each; the second has a fault of three."""

from pathlib import Path

import pandas as pd

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source:
  parquet: {path: data, time_column: time, fault_column: broken}
features: [latest]
candidates: [lof]
"""


def _readings(*broken: int) -> pd.DataFrame:
    times = pd.date_range("2026-01-05", periods=5, freq="1min", tz="UTC")
    return pd.DataFrame({"time": times, "load": range(5), "broken": [i in broken for i in range(5)]})


def write_plant(folder: Path) -> str:
    _write(folder, a=_readings(), b=_readings(1, 2, 3))
    return PLANT


def _write(folder: Path, **files: pd.DataFrame) -> str:
    (folder / "data").mkdir()
    for name, rows in files.items():
        rows.to_parquet(folder / "data" / f"{name}.parquet")
    return PLANT


def _damaged(folder: Path) -> str:
    _write(folder, a=_readings())
    path = folder / "data" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    return PLANT


BROKEN = {
    "no folder": lambda folder: PLANT,
    "no file": _write,
    "no column": lambda folder: _write(folder, a=_readings().rename(columns={"load": "weight"})),
    "no rows": lambda folder: _write(folder, a=_readings().head(0)),
    "a damaged file": _damaged,
}
