"""The tables' check: exact columns and dtypes come out, and what cannot be meant is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.tables import DTYPES, FEATURES, QUARANTINE, READINGS, SCORES, TABLES, Column, Table, microseconds

NOON = pd.Timestamp("2026-01-05 12:00", tz="UTC")


def readings(**more: Any) -> pd.DataFrame:
    """Return two readings of one pump, a minute apart."""
    frame = pd.DataFrame(
        {
            "timestamp": [NOON, NOON + pd.Timedelta("1min")],
            "asset_id": "pump-01",
            "pressure": [6, 7],
            "regime": "normal",
            "batch_id": "b",
            "origin": "file.csv",
            "ingested_at": NOON,
        },
        index=[5, 9],
    )
    return frame.assign(**more)


def test_fixed_columns_come_first_with_exact_dtypes() -> None:
    """Whole numbers become float64, times UTC microseconds, the index starts at 0; the caller's frame stays."""
    rows = readings()
    checked = READINGS.check(rows)
    assert list(checked.columns) == [*READINGS.names(), "pressure"]
    assert [str(dtype) for dtype in checked.dtypes] == [
        "str",
        DTYPES["time"],
        "str",
        "str",
        "str",
        DTYPES["time"],
        "float64",
    ]
    assert list(checked.index) == [0, 1]
    assert list(rows.index) == [5, 9]
    assert rows["pressure"].dtype == np.int64


def test_another_time_zone_is_the_same_instant() -> None:
    """Noon in Berlin is eleven o'clock in UTC."""
    berlin = pd.DatetimeIndex(["2026-01-05 12:00", "2026-01-05 12:01"], tz="Europe/Berlin")
    assert READINGS.check(readings(timestamp=berlin))["timestamp"].iloc[0] == NOON - pd.Timedelta("1h")


def test_missing_values_are_kept_where_they_may_be() -> None:
    """A sensor may be silent."""
    assert READINGS.check(readings(pressure=[np.nan, 7.0]))["pressure"].isna().tolist() == [True, False]
    assert READINGS.check(readings(pressure=[None, None]))["pressure"].isna().all()


NAIVE = pd.DatetimeIndex(["2026-01-05 12:00", "2026-01-05 12:01"])
REFUSED = {
    "a column is missing": (
        READINGS,
        readings().drop(columns="regime"),
        r"table readings needs column \['regime'\]; the rows have",
    ),
    "a column is unknown": (SCORES, SCORES.empty().assign(pressure=1.0), r"table scores has no column \['pressure'\]"),
    "a column came twice": (
        READINGS,
        pd.concat([readings(), readings()[["pressure"]]], axis=1),
        r"the rows have column \['pressure'\] more than once",
    ),
    "times without zone": (
        READINGS,
        readings(timestamp=NAIVE),
        "timestamp must be timestamps with a time zone, got date",
    ),
    "text for times": (
        READINGS,
        readings(timestamp=["12:00", "12:01"]),
        "timestamp must be timestamps with a time zone",
    ),
    "text for numbers": (
        READINGS,
        readings(pressure=["6", "7"]),
        "column pressure must be a number, got str such as '6'",
    ),
    "flags for numbers": (READINGS, readings(pressure=[True, False]), "column pressure must be a number, got bool"),
    "numbers for text": (READINGS, readings(asset_id=[1, 1]), "column asset_id must be a text, got int64 such as"),
    "an empty text": (
        READINGS,
        readings(regime=["normal", None]),
        r"column regime \(operating state\) may not be empty",
    ),
    "an empty time": (READINGS, readings(timestamp=[NOON, pd.NaT]), "column timestamp .* may not be empty"),
    "the key twice": (
        READINGS,
        readings(timestamp=NOON),
        r"1 rows repeat the key \('asset_id', 'timestamp'\), first \{'asset_id': 'pump-01', 'timestamp': Timestamp",
    ),
}


@pytest.mark.parametrize(
    ("table", "frame", "message"), [pytest.param(*case, id=name) for name, case in REFUSED.items()]
)
def test_what_cannot_be_meant_is_refused(table: Table, frame: pd.DataFrame, message: str) -> None:
    """The message names table and column."""
    with pytest.raises(DataError, match=message):
        table.check(frame)


@pytest.mark.parametrize("values", [["True", "False"], [1.0, 0.0], [1, 0]])
def test_only_flags_are_flags(values: list[Any]) -> None:
    """The text 'False' is not true: pandas alone would say so."""
    table = Table("t", ("a",), (Column("a", "count", "x"), Column("b", "flag", "y")))
    assert table.check(pd.DataFrame({"a": [1, 2], "b": [True, False]}))["b"].tolist() == [True, False]
    with pytest.raises(DataError, match="column b must be a flag"):
        table.check(pd.DataFrame({"a": [1, 2], "b": values}))


def test_half_a_row_is_no_count() -> None:
    """1.5 would silently become 1."""
    row = {"batch_id": "b", "row": 1.5, "origin": "f", "content": "{}", "expectation": "e", "reason": "r"}
    frame = pd.DataFrame([{**row, "ingested_at": NOON, "measured_at": NOON, "asset_id": None, "timestamp": None}])
    with pytest.raises(DataError, match="column row must be a count"):
        QUARANTINE.check(frame)
    assert QUARANTINE.check(frame.assign(row=1))["row"].tolist() == [1]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_an_empty_table_passes_its_own_check(table: Table) -> None:
    """Nothing is something that may be written and read."""
    checked = table.check(table.empty())
    assert list(checked.columns) == table.names()
    assert [str(dtype) for dtype in checked.dtypes] == [DTYPES[column.kind] for column in table.columns]
    assert set(table.key) <= set(table.names())
    assert table.time is None or table.time in table.names()


def test_features_may_have_any_columns() -> None:
    """Further columns are numbers, in the order in which they came."""
    frame = FEATURES.empty().assign(b__rate=pd.Series([], dtype="int64"), a=pd.Series([], dtype="float64"))
    assert list(FEATURES.check(frame).columns) == [*FEATURES.names(), "b__rate", "a"]


def test_microseconds_are_exact() -> None:
    """One microsecond after the epoch is 1, whatever the unit it was stored in."""
    times = pd.DatetimeIndex(["1970-01-01 00:00:00.000001"], tz="UTC")
    assert microseconds(times.as_unit("ns")).tolist() == [1]
    assert microseconds(pd.Series(times)).tolist() == [1]
