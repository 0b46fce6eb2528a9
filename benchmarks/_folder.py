"""Plants made of labelled CSV files that nobody has described: what `quality.py --folder` measures."""

from __future__ import annotations

import glob
import json
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper import plants
from wheeltapper.config import Plant
from wheeltapper.sources._cells import NO_KIND

LABELS = ("label", "labels", "anomaly", "is_anomaly", "anomaly_flag", "fault", "is_fault", "failure", "attack")
TIMES = ("timestamp", "time", "datetime", "date_time", "date")
NO_SENSORS = ("changepoint", "index", *TIMES)
"""Columns of numbers that no machine has measured."""
FILES = ("*.csv", "*.csv.gz")
QUIET = 200
"""Rows before the first fault from which each file of a folder teaches by itself."""
PEEKED = 1000
"""Rows by which a file's layout is told."""


def in_folder(folder: Path) -> Iterator[Plant]:
    """Make a plant of the CSV files of each folder that share their columns; each file is a machine.

    Where a folder holds files of several kinds, their plants are numbered.

    Numbers are sensors; a column that is named like one of `LABELS` says whether a row lies in a fault (a number that
    is not 0, or a word other than normal). Others that are named like something that a person wrote down afterwards
    (`NO_SENSORS`) are looked at by nobody. Where a column of `TIMES` holds instants, readings lie there, and the usual
    step is the median of theirs; else rows are in order, and a minute apart for want of anything better, which is said.
    Files of one experiment after another are laid side by side, as the calendar cannot cut them into parts.
    """
    for here in sorted({path.parent for kind in FILES for path in folder.rglob(kind)}):
        alike: dict[tuple[str, ...], list[Path]] = {}
        for path in sorted(path for kind in FILES for path in here.glob(kind)):
            alike.setdefault(tuple(sorted(_peek(path)[0].columns)), []).append(path)
        for number, paths in enumerate(alike.values(), start=1):
            yield from _of_files(here, here.name if len(alike) == 1 else f"{here.name}_{number}", paths)


def _of_files(here: Path, name: str, paths: list[Path]) -> Iterator[Plant]:
    """Make a plant of files with the same columns, if one of them says what was faulty."""
    first, separator = _peek(paths[0])
    labels = [column for column in first.columns if str(column).lower() in LABELS]
    numbers = first.select_dtypes("number").columns
    columns = [str(column) for column in numbers if column not in labels and str(column).lower() not in NO_SENSORS]
    if not labels or not columns:
        print(f"{name}: no column named {', '.join(LABELS)}, or no numbers; left out")
        return
    named = {column: f"s{place}" for place, column in enumerate(columns)}
    time, step = _clock(first)
    quiet = min(_before_faults(path, separator, labels[0]) for path in paths)
    teaches_by_rows = len(paths) > 1 and quiet >= QUIET
    if time is not None and not teaches_by_rows and not _run_together(paths, separator, time):
        print(f"{name}: its files are of different times; they are laid side by side, {step.total_seconds():g} s a row")
        time = None
    elif time is None:
        print(f"{name}: no column of instants, so rows count as a minute apart: delays and rates are of that minute")
    is_told = pd.api.types.is_numeric_dtype(first[labels[0]]) or pd.api.types.is_bool_dtype(first[labels[0]])
    content: dict[str, Any] = {
        "asset_type": {"step": f"{step.total_seconds():g}s", "sensors": {one: {"unit": "1"} for one in named.values()}},
        "source": {
            "csv_folder": {
                "path": str(here.resolve()),
                "files": [glob.escape(path.name) for path in paths],
                "separator": separator,
                **({"time_column": time, "time_zone": "UTC"} if time else {"first": "2000-01-01"}),
                "columns": named,
                "fault_column" if is_told else "fault_kind_column": labels[0],
            }
        },
    }
    if teaches_by_rows:
        # Short experiments: what precedes the first fault of any of them teaches.
        content["parts"] = {"by": "first_rows", "train": int(0.6 * quiet), "calibrate": int(0.4 * quiet)}
    plant = re.sub(r"\W+", "_", f"d_{name}")
    print(f"{plant}: {', '.join(path.name for path in paths)}")
    yield plants.parse(json.dumps(content), name=plant, folder=here, where=str(here))


def _clock(rows: pd.DataFrame) -> tuple[str | None, timedelta]:
    """Return the column of instants, and the usual step between two of them; none, and a minute, without one."""
    for column in rows.select_dtypes(exclude="number").columns:
        if str(column).lower() in TIMES:
            instants = pd.to_datetime(rows[column], errors="coerce", utc=True)
            step = instants.diff().median()
            if instants.notna().all() and step > timedelta(0):
                return str(column), step.to_pytimedelta()
    return None, timedelta(minutes=1)


def _run_together(paths: list[Path], separator: str, time: str) -> bool:
    """Tell whether the files are of machines that ran at the same time, rather than of one experiment after another.

    Only then can their time be cut into parts by the calendar.
    """
    read = [pd.read_csv(path, sep=separator, usecols=[time])[time] for path in paths]
    instants = [pd.to_datetime(one, errors="coerce", utc=True) for one in read]
    common = min(one.max() for one in instants) - max(one.min() for one in instants)
    return bool(common >= 0.5 * max(one.max() - one.min() for one in instants))


def _before_faults(path: Path, separator: str, label: str) -> int:
    """Return how many rows of a file precede its first fault; of a file without one, more than any other's."""
    faulty = np.flatnonzero(_is_faulty(pd.read_csv(path, sep=separator, usecols=[label])[label]))
    return int(faulty[0]) if len(faulty) else sys.maxsize


def _is_faulty(labels: pd.Series) -> NDArray[np.bool_]:
    if pd.api.types.is_numeric_dtype(labels) or pd.api.types.is_bool_dtype(labels):
        return np.asarray(labels.fillna(0) != 0)
    return ~labels.fillna("").astype(str).str.strip().str.lower().isin(["", *NO_KIND]).to_numpy(dtype=bool)


def _peek(path: Path) -> tuple[pd.DataFrame, str]:
    """Return the first rows of a file, and what separates its columns."""
    for separator in (",", ";", "\t"):
        rows = pd.read_csv(path, sep=separator, nrows=PEEKED)
        if rows.shape[1] > 1:
            return rows, separator
    return rows, ","
