"""Two files of five readings, one asset each; the second has a fault of three."""

from pathlib import Path

PLANT = """
asset_type: {step: 1min, sensors: {load: {unit: A}}}
source:
  csv_folder:
    path: data
    time_column: time
    time_zone: UTC
    fault_column: broken
features: [latest]
candidates: [lof]
"""
FAULTY = "time,load,broken\n" + "".join(f"2026-01-05 00:0{i}:00,{i},{int(1 <= i <= 3)}\n" for i in range(5))
HEALTHY = "time,load,broken\n" + "".join(f"2026-01-05 00:0{i}:00,{i},0\n" for i in range(5))


def write_plant(folder: Path) -> str:
    _write(folder, a=HEALTHY, b=FAULTY)
    return PLANT


def _write(folder: Path, **files: str) -> None:
    (folder / "data").mkdir()
    for name, text in files.items():
        (folder / "data" / f"{name}.csv").write_text(text, encoding="utf-8")


def _no_folder(folder: Path) -> str:
    return PLANT


def _no_file(folder: Path) -> str:
    _write(folder)
    return PLANT


def _no_column(folder: Path) -> str:
    _write(folder, a=HEALTHY.replace("load", "weight"))
    return PLANT


def _empty_file(folder: Path) -> str:
    _write(folder, a="")
    return PLANT


BROKEN = {"no folder": _no_folder, "no file": _no_file, "no column": _no_column, "an empty file": _empty_file}
