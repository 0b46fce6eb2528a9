"""Every row about data, cleaning, validation and judging has a test that bears its name, so that nobody loses one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

ROWS = {
    "000_01": "the fleet's table",
    "000_02": "five sensors with ranges",
    "000_03": "anomaly flag",
    "000_04": "kinds of failure",
    "000_05": "call for maintenance",
    "000_06": "status",
    "000_07": "risk of downtime",
    "000_08": "remaining life",
    "000_11": "filling in",
    "000_12": "circles of the clock",
    "000_13": "features per machine",
    "000_23": "lead time",
    "000_27": "counts of the quality check",
    "000_28": "confusion and importance, drawn",
    "000_31": "named figures",
    "001_02": "seed and length",
    "001_03": "normal values and limits",
    "001_04": "day and week",
    "001_05": "memory",
    "001_06": "operating states",
    "001_07": "signatures of faults",
    "001_08": "share of anomalies",
    "001_09": "labels and events",
    "001_10": "quality report",
    "001_11": "scaling per state",
    "001_12": "k sigma",
    "001_23": "windows right and wrong",
    "001_24": "time to detection",
    "001_25": "false alarms by state",
    "001_26": "cost by event",
    "001_27": "availability and time between failures",
    "001_28": "prices by kind",
    "001_29": "found by kind",
    "001_31": "net value and its formula",
    "001_36": "six figures",
    "001_46": "snapshots of bearings",
    "002_05": "fields",
    "002_06": "steps of preparation",
    "002_07": "power from a counter",
    "002_11": "machine by machine",
    "002_19": "hour and night",
    "003_01": "shuffled boilers",
    "003_02": "smoothing",
    "003_03": "missing and repeated",
    "003_04": "outliers",
    "003_05": "parts of the time",
    "003_06": "words as columns",
    "003_07": "parts of the data",
    "003_11": "figures of the data",
    "003_13": "forty degrees",
    "004_01": "generator as said",
    "004_05": "live distributions",
    "004_06": "rules",
    "004_07": "histograms and bars",
    "004_09": "without labels",
    "004_11": "shares measured",
}
"""Row of a reference system → what it is about, in few words."""


@cache
def _names() -> dict[str, str]:
    """Return each test function below this folder's parent → its file."""
    found = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found[node.name] = file.relative_to(TESTS).as_posix()
    return found


@pytest.mark.parametrize("row", ROWS)
def test_the_row_has_a_test_that_bears_its_name(row: str) -> None:
    """At least one test function is called test_<row>_…, here or in the tests of the part that it is about."""
    assert [name for name in _names() if name.startswith(f"test_{row}_")], f"nothing proves {row} ({ROWS[row]})"


def test_no_test_bears_the_name_of_a_row_that_cannot_be() -> None:
    """Rows are numbered from 01, or N1 for the next steps of 001, in systems 000 to 004."""
    rows = {match[1] for name in _names() if (match := re.match(r"test_(\d{3}_[0-9a-z]+)_", name))}
    assert len(rows) >= len(ROWS)
    strange = [row for row in rows if not re.fullmatch(r"00[0-4]_(0[1-9]|[1-4]\d|n[1-8])", row)]
    assert not strange
