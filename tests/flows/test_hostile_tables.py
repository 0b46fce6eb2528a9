"""Hostile tables at the door: no row is lost, nothing unreadable is kept, and no traceback is shown."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.ingest import ingest_readings
from wheeltapper import config, plants, tables
from wheeltapper.errors import DataError, SourceError, WheeltapperError
from wheeltapper.readings import clean
from wheeltapper.readings.delivery import batches
from wheeltapper.readings.order import in_time
from wheeltapper.readings.plain_values import settle
from wheeltapper.sources import Batch
from wheeltapper.store import Store

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SENSORS = ["temperature", "pressure"]
LIMITS = {"temperature": (0, 100), "pressure": (0, 20)}
PLANT = """\
description: Two machines of a line.
asset_type:
  step: 1min
  sensors:
    temperature: {unit: °C, low: 0, high: 100}
    pressure: {unit: bar, low: 0, high: 20}
source:
  csv_folder: {path: data, time_column: time, asset_column: asset, SOURCE}
windows: {rows: 5, every: 1}
features: [latest]
candidates: [pca_residual]
"""
HEADER = "time,asset,temperature,pressure"

FEW = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def row(minute: int, asset: str = "a", temperature: Any = 20, pressure: Any = 5, day: int = 5) -> str:
    """Write one line of a file."""
    return f"2026-01-{day:02d}T{minute // 60:02d}:{minute % 60:02d}:00Z,{asset},{temperature},{pressure}"


# ---------------------------------------------------------------- tables as any source may hand them over


class Door:
    """A plant in a folder of its own, whose files are taken in without any server."""

    def __init__(self, folder: Path, source: str = "") -> None:
        self.folder = folder
        self.plant = folder / "line.yaml"
        self.plant.write_text(PLANT.replace("SOURCE", source or 'files: "*.csv"'), encoding="utf-8")
        (folder / "data").mkdir()

    def bring(self, content: str | bytes, name: str = "f") -> None:
        """Write a file; text as UTF-8."""
        data = content if isinstance(content, bytes) else content.encode()
        (self.folder / "data" / f"{name}.csv").write_bytes(data)

    def take_in(self, start: datetime | None = None, end: datetime | None = None) -> dict[str, int]:
        """Ingest; return how many rows came, were kept and were put aside."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WHEELTAPPER_HOME", str(self.folder / "home"))
            ingested = ingest_readings.fn(str(self.plant), start, end, NOW)
        return {name: getattr(ingested, name) for name in ("rows", "kept", "quarantined")}

    @property
    def store(self) -> Store:
        """The tables, read anew."""
        return Store(self.folder / "home" / "store", "line", period=plants.load(str(self.plant)).period)

    def kept(self) -> pd.DataFrame:
        """Return the readings."""
        return self.store.read(tables.READINGS)

    def aside(self) -> pd.DataFrame:
        """Return the quarantine."""
        return self.store.read(tables.QUARANTINE)

    def corrections(self) -> pd.DataFrame:
        """Return the readings that were replaced."""
        return self.store.read(tables.CORRECTIONS)

    def state(self) -> dict[str, Any]:
        """Return version and content of each table that ingest writes."""
        store = self.store
        return {
            table.name: (store.version(table), store.digest(table))
            for table in (tables.READINGS, tables.CORRECTIONS, tables.QUARANTINE, tables.FAULTS)
        }


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """Return an empty plant."""
    return Door(tmp_path)


def check_readings(rows: pd.DataFrame) -> None:
    """Check what holds for every reading that was kept."""
    values = rows[SENSORS].to_numpy()
    assert values.dtype == "float64"
    assert not np.isinf(values).any()
    assert not np.isnan(values).all(axis=1).any()
    assert str(rows["timestamp"].dtype) == "datetime64[us, UTC]"
    assert not rows.duplicated(["asset_id", "timestamp"]).any()
    assert (rows["asset_id"].str.strip() != "").all()


def check_aside(rows: pd.DataFrame) -> None:
    """Check what holds for every row that was put aside: it can be read again, and says why."""
    for content in rows["content"]:
        assert isinstance(json.loads(content, parse_constant=_no_constant), dict)
    assert rows["expectation"].ne("").all()
    assert rows["reason"].ne("").all()
    assert not rows["reason"].str.contains("Traceback").any()
    for column in ("content", "reason", "asset_id", "timestamp"):
        pa.array([None if pd.isna(value) else value for value in rows[column]], pa.string())


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def check_message(error: WheeltapperError) -> None:
    """Check that a refusal is a sentence or two for people."""
    text = str(error)
    assert 20 < len(text) < 1500
    assert "Traceback" not in text
    assert 'File "' not in text


CELLS: list[Any] = [
    *(None, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), Decimal("NaN"), Decimal("sNaN"), "", " ", "NaN", "null"),
    *(
        1,
        2.5,
        -0.0,
        True,
        np.True_,
        np.int8(3),
        np.float16(1.5),
        np.float32(2.5),
        Decimal("3.5"),
        Fraction(1, 3),
        1 + 2j,
    ),
    *(
        float("inf"),
        -np.inf,
        Decimal("-Infinity"),
        Decimal("1e400"),
        2**70,
        10**400,
        10**5000,
        -(2**63),
        "1e999",
        "-inf",
    ),
    *(
        "12",
        " 5 ",
        "１２",
        "٣",
        "1_000",
        "0x10",
        "1,5",
        "++5",
        "9" * 5000,
        "=cmd|' /C calc'!A0",
        "🚂",
        "\u202e12",
        "a\x00b",
    ),
    *("a\nb", "\u2028", "\ud800", "../../etc/passwd", "n" * 5000, "e\u0301", "é", b"12", b"\xff\xfe", bytearray(b"1")),
    *(
        memoryview(b"ab"),
        [1, 2],
        [],
        [None],
        (1,),
        {"a": [1]},
        {1},
        np.array([1, 2]),
        np.array(5.0),
        np.array([[np.nan]]),
    ),
    *(date(2026, 1, 1), timedelta(1), np.timedelta64(5, "s"), np.datetime64("2026"), np.datetime64("99999-01-01")),
    *(pd.Period("2026-01"), pd.Interval(0, 1), datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
    *(
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59),
        pd.Timestamp("2026-03-29T03:30", tz="Europe/Paris"),
    ),
    *("2026-01-05T00:00:00Z", "2026-01-05T02:00:00+02:00", "2026-01-05 00:00:00", "2026-01-05", "20260105T000000Z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-05T24:00:00Z", "2016-12-31T23:59:60Z"),
    *("2026-01-05T00:00:00+99:99", "2026-01-05T00:00:00.123456789Z", "-0001-01-01T00:00:00Z", "10000-01-01T00:00:00Z"),
    *("normal", "off", "Normal", np.str_("5")),
]

CLEAN: dict[str, Callable[[int], list[Any]]] = {
    "asset_id": lambda count: ["a"] * count,
    "timestamp": lambda count: [f"2026-01-05T{n // 60:02d}:{n % 60:02d}:00Z" for n in range(count)],
    "temperature": lambda count: [20.0] * count,
    "pressure": lambda count: [5.0] * count,
    "regime": lambda count: ["normal"] * count,
    "defect": lambda count: [""] * count,
}


def _times(count: int) -> pd.Series[Any]:
    return pd.Series(pd.date_range("2026-03-29", periods=count, freq="min", tz="UTC")).dt.as_unit("us")


def _repeat(values: list[Any], dtype: Any) -> Callable[[int], pd.Series[Any]]:
    return lambda count: pd.Series((values * count)[:count], dtype=dtype)


DTYPES: list[Callable[[int], pd.Series[Any]]] = [
    _repeat([1, None, 3], "Int64"),
    _repeat([True, None], "boolean"),
    _repeat([True, False], "bool"),
    _repeat(["1", None, "", "x"], "str"),
    _repeat(["1", None, "x"], "category"),
    _repeat([1, 2, None], "category"),
    _repeat([1.0, np.inf, np.nan], "float16"),
    _repeat([1, 2**64 - 1], "uint64"),
    _repeat([1j, 2], "complex"),
    _repeat(["1", None], pd.ArrowDtype(pa.large_string())),
    _repeat([1.5, None, float("nan"), np.inf], pd.ArrowDtype(pa.float64())),
    _repeat([Decimal("1.5"), None], pd.ArrowDtype(pa.decimal128(9, 2))),
    _repeat([True, None], pd.ArrowDtype(pa.bool_())),
    _repeat([[1], None, [2, 3]], pd.ArrowDtype(pa.list_(pa.int64()))),
    _repeat([b"1", None, b"\xff"], pd.ArrowDtype(pa.binary())),
    _repeat([None], pd.ArrowDtype(pa.null())),
    _repeat([date(2026, 1, 1)], pd.ArrowDtype(pa.date32())),
    lambda count: pd.Series(pd.arrays.SparseArray(np.ones(count))),
    lambda count: pd.Series(pd.period_range("2026", periods=count, freq="D")),
    lambda count: pd.Series(pd.interval_range(0, count)),
    lambda count: pd.Series(np.full(count, b"a")),
    lambda count: pd.Series(np.full(count, 10**14, dtype="M8[s]")).dt.tz_localize("UTC"),
    lambda count: pd.Series(pd.to_timedelta(np.arange(count), unit="s")),
    lambda count: _times(count).dt.tz_convert("Europe/Berlin"),
    lambda count: _times(count).dt.as_unit("ns"),
    lambda count: _times(count).dt.tz_localize(None),
    lambda count: _times(count).astype(object),
    lambda count: _times(count).astype(pd.ArrowDtype(pa.timestamp("us", "UTC"))),
]


@st.composite
def hostile_frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a table: some clean columns, some of strange types, some of mixed values, and wrong or repeated names."""
    count = draw(st.sampled_from([0, 1, 2, 30]))
    columns = {}
    for name, tidy in CLEAN.items():
        kind = draw(
            st.sampled_from(["clean", "mixed", "mixed", "typed", "absent" if name in ("regime", "defect") else "clean"])
        )
        if kind == "typed":
            columns[name] = draw(st.sampled_from(DTYPES))(count)
        elif kind != "absent":
            columns[name] = _objects(tidy(count))
            for place in draw(st.sets(st.integers(0, count - 1), max_size=count)) if count and kind == "mixed" else ():
                columns[name].iat[place] = draw(st.sampled_from(CELLS))
    frame = pd.DataFrame(columns)
    wrong = draw(st.sampled_from([*["none"] * 6, "repeated sensor", "repeated other", "odd names", "missing"]))
    if wrong == "repeated sensor":
        frame = pd.concat([frame, frame[["pressure"]]], axis="columns")
    if wrong == "repeated other":
        frame = pd.concat([frame.assign(more=1), frame.assign(more="x")[["more"]]], axis="columns")
    if wrong == "odd names":
        frame = frame.join(pd.DataFrame({5: [1] * count, (1, 2): "x", None: 1, "row": "r", "batch_id": None}))
    if wrong == "missing":
        frame = frame.drop(columns="temperature")
    frame.index = pd.Index(draw(st.sampled_from([range(count), [7] * count, list("ab" * count)[:count]])))
    return frame


def _objects(values: list[Any]) -> pd.Series[Any]:
    """Return an object column that holds exactly these values."""
    column = pd.Series([None] * len(values), dtype=object)
    for place, value in enumerate(values):
        column.iat[place] = value
    return column


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> config.Plant:
    """Return the plant that the tables below belong to."""
    return plants.load(str(Door(tmp_path_factory.mktemp("line")).plant))


def check_parsed(frame: pd.DataFrame, plant: config.Plant) -> clean.Parsed:
    """Clean a table and check what must hold always."""
    parsed = clean.parse(Batch("source", frame), plant)
    assert sorted([*parsed.rows["row"], *parsed.rejected["row"]]) == list(range(len(frame)))
    ordered = in_time(parsed.rows)
    check_readings(ordered)
    check_aside(parsed.rejected)
    assert all(times.is_monotonic_increasing for _, times in ordered.groupby("asset_id")["timestamp"])
    return parsed


@pytest.mark.slow
@settings(FEW, max_examples=120)
@given(frame=hostile_frames())
def test_every_row_of_any_table_is_kept_or_put_aside(line: config.Plant, frame: pd.DataFrame) -> None:
    """Any mix of types, names and values is either cleaned row by row, or refused in words; the same each time."""
    try:
        check_parsed(frame, line)
    except DataError as error:
        check_message(error)
        assert {"temperature", "pressure"} & set(str(error).split("'"))
        return
    settled = settle(frame)
    assert settle(settled).equals(settled)
    pd.util.hash_pandas_object(settled)


@pytest.mark.parametrize("column", list(CLEAN))
def test_every_hostile_value_costs_at_most_its_own_row(line: config.Plant, column: str) -> None:
    """Hostile values stand in every second row: all rows between them stay."""
    frame = pd.DataFrame({name: _objects(tidy(2 * len(CELLS))) for name, tidy in CLEAN.items()})
    values = frame[column].tolist()
    values[1::2] = CELLS
    frame[column] = _objects(values)
    assert set(range(0, len(frame), 2)) <= set(check_parsed(frame, line).rows["row"])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([None], "temperature: '[None]' is not a number"),
        (np.datetime64("2026"), "is not a number"),
        (10**400, "is not a number"),
        (b"\xff", "is not a number"),
        ("\ud800", "temperature: '\\ud800' is not a number"),
        ("9" * 5000 + "x", "…' (5,001 letters) is not a number"),
    ],
)
def test_what_looks_like_a_number_or_like_nothing_is_named(line: config.Plant, value: Any, reason: str) -> None:
    """A list with nothing in it is not a missing value, and a year is not a temperature: the reason quotes it."""
    frame = pd.DataFrame({name: _objects(tidy(2)) for name, tidy in CLEAN.items()})
    frame["temperature"] = _objects([20.0, value])
    (written,) = check_parsed(frame, line).rejected["reason"]
    assert reason in written
    assert len(written) < 300


def test_times_that_no_clock_means_are_put_aside(line: config.Plant) -> None:
    """A time zone may push the year 9999 to 10000: three times outside 1900 to 2200 are rows in quarantine."""
    frame = pd.DataFrame({name: tidy(4) for name, tidy in CLEAN.items()})
    frame["timestamp"] = [
        "0001-01-01T00:00:00+14:00",
        frame["timestamp"][1],
        "9999-12-31T23:59:59-14:00",
        "2200-01-01T00:00Z",
    ]
    parsed = check_parsed(frame, line)
    assert list(parsed.rows["row"]) == [1]
    assert parsed.rejected["reason"].str.endswith("outside the years 1900 to 2200").all()


# ---------------------------------------------------------------- files, through the whole of ingest

LINES = [
    *(
        "",
        "  ",
        ",,,",
        ",",
        ";;;",
        '"',
        "\x00",
        "a,b",
        HEADER,
        "\ufeff" + row(3),
        row(4) + ",1,2,3",
        row(5, "🚂/é.x\\y"),
    ),
    *(
        row(6, "../../etc/passwd"),
        row(7, '"a\nb"'),
        row(8, "n" * 3000),
        row(9, "=cmd|' /C calc'!A0", "=1+1"),
        row(10, "a\x00b"),
    ),
    *(row(11, temperature="inf"), row(12, temperature="1e999"), row(13, temperature="warm"), row(14, temperature=101)),
    *(
        row(15, pressure=-1e-13),
        row(16, "", 1),
        row(17, "a", "", ""),
        row(18, "a", "NaN", "null"),
        row(18),
        row(18, "b"),
        row(2),
    ),
    *(
        "0001-01-01T00:00:00+14:00,a,1,1",
        "9999-12-31T23:59:59-14:00,a,1,1",
        "2026-13-05,a,1,1",
        ",a,1,1",
        "1767571200,a,1,1",
    ),
    *(
        "2026-03-29T02:30:00,a,1,1",
        "2026-10-25T02:30:00,a,1,1",
        "2026-10-25T02:30:00+02:00,a,1,1",
        "2026-10-25T02:30:00+01:00,a,2,2",
    ),
    *(
        row(20, "x\u2028y", 999),
        row(21, "\x85", 999),
        row(22, '"q""q"'),
        row(23, 'q"q'),
        row(24, "e\u0301"),
        row(24, "é"),
    ),
]


@st.composite
def hostile_files(draw: st.DrawFn) -> bytes:
    """Draw a file: clean rows and rubbish in any order, line ends of any kind, perhaps other letters or no rows."""
    lines = draw(st.lists(st.sampled_from(LINES), max_size=60))
    clean = [row(60 + minute, asset) for minute in range(4) for asset in "ab"]
    body = draw(st.permutations([*lines, *clean])) if draw(st.booleans()) else [*clean, *lines]
    head = draw(
        st.sampled_from([HEADER, HEADER, HEADER, "\ufeff" + HEADER, f" {HEADER.replace(',', ' , ')}", f"\n\n{HEADER}"])
    )
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join([head, *body, draw(st.sampled_from(["", end, '"']))])
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16"])), "surrogatepass")


@pytest.mark.slow
@settings(FEW, max_examples=8)
@given(content=hostile_files(), chunk_rows=st.sampled_from([3, 500_000]))
def test_every_row_of_any_file_is_stored_once(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, chunk_rows: int
) -> None:
    """A file is refused in words, or each of its rows is a reading, put aside or superseded; again changes nothing."""
    door = Door(tmp_path_factory.mktemp("any"), f"time_zone: Europe/Berlin, chunk_rows: {chunk_rows}")
    door.bring(content)
    try:
        counts = door.take_in()
    except WheeltapperError as error:
        check_message(error)
        return
    kept, aside = door.kept(), door.aside()
    assert len(kept) + len(aside) <= counts["rows"]
    assert (len(kept), len(aside)) == (counts["kept"], counts["quarantined"])
    assert not kept.duplicated(["asset_id", "timestamp"]).any()
    check_readings(kept)
    check_aside(aside)
    for sensor, (low, high) in LIMITS.items():
        assert kept[sensor].dropna().between(low, high).all()
    before = door.state()
    door.take_in()
    assert door.state() == before


REFUSED: dict[str, str | bytes] = {
    "empty": "",
    "blank lines": "\n\n  \n",
    "only a header": HEADER + "\n",
    "only separators": ",,,\n,,,\n",
    "a column twice": f"{HEADER},pressure\n{row(0)},1\n",
    "a column missing": "time,asset,temperature\n2026-01-05T00:00:00Z,a,1\n",
    "another separator": HEADER.replace(",", ";") + "\n" + row(0).replace(",", ";"),
    "a NUL before the header": f"\x00{HEADER}\n{row(0)}\n",
    "latin-1": f"{HEADER}\n{row(0, 'für')}\n".encode("latin-1"),
    "UTF-16": f"{HEADER}\n{row(0)}\n".encode("utf-16"),
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00",
    "a row of 9 MB": f"{HEADER}\n{row(0, 'x' * 9_000_000)}\n",
    "a header of 200 000 letters": "x" * 200_000 + f"\n{row(0)}\n",
    "no time zone": f"{HEADER}\n2026-01-05 00:00:00,a,1,1\n",
    "all rows rejected": f"{HEADER}\n{row(0, temperature='NaN', pressure='')}\n",
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_a_file_without_readings_is_refused_in_words(door: Door, content: str | bytes) -> None:
    """Nothing of it can be kept: one message of a sentence or two, and no reading."""
    door.bring(content)
    with pytest.raises((SourceError, DataError)) as caught:
        door.take_in()
    check_message(caught.value)
    assert door.kept().empty


def test_a_field_longer_than_a_page_costs_its_row(door: Door) -> None:
    """A row of two fields, one of them 200 000 letters long, is put aside; the rows around it stay."""
    door.bring("\n".join([HEADER, row(0), f"2026-01-05T00:01:00Z,{'x' * 200_000}", row(2)]))
    assert door.take_in() == {"rows": 3, "kept": 2, "quarantined": 1}
    assert len(door.aside()["reason"][0]) < 300


def test_the_hours_of_a_clock_change_are_told_apart_or_put_aside(tmp_path: Path) -> None:
    """Berlin's 02:30 of 29 March does not exist, that of 25 October happens twice; with an offset it is clear."""
    door = Door(tmp_path, "time_zone: Europe/Berlin")
    times = [
        "03-29T01:59:00",
        "03-29T02:30:00",
        "03-29T03:00:00",
        "10-25T02:30:00",
        "10-25T02:30:00+02:00",
        "10-25T02:30:00+01:00",
    ]
    door.bring("\n".join([HEADER, *(f"2026-{time},a,20,5" for time in times)]))
    door.take_in()
    assert [str(time)[5:16] for time in door.kept()["timestamp"]] == [
        "03-29 00:59",
        "03-29 01:00",
        "10-25 00:30",
        "10-25 01:30",
    ]
    assert [("does not exist" in reason, "happens twice" in reason) for reason in door.aside()["reason"]] == [
        (True, False),
        (False, True),
    ]


def test_quarantine_keeps_every_digit(door: Door) -> None:
    """A value of 1e-20 beside one outside its limits stands in quarantine as it came, not rounded to 0."""
    door.bring("\n".join([HEADER, row(0), row(1, temperature=1e-20, pressure=500.12345678901234)]))
    door.take_in()
    content = json.loads(door.aside()["content"][0])
    assert (content["temperature"], content["pressure"]) == (1e-20, 500.12345678901234)


# ---------------------------------------------------------------- the same again, and in another order


@pytest.fixture
def small_deliveries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Store after every few rows, as happens with millions of them."""
    monkeypatch.setattr(batches, "DELIVERY_ROWS", 4)
    return None


def test_two_pieces_of_a_file_that_are_equal_are_one_reading(tmp_path: Path) -> None:
    """Nine rows of one timestamp, read three at a time: two pieces are equal, and nothing was replaced."""
    door = Door(tmp_path, "chunk_rows: 3")
    door.bring("\n".join([HEADER, *[row(0)] * 9]))
    assert door.take_in() == {"rows": 9, "kept": 1, "quarantined": 0}
    assert (len(door.kept()), len(door.corrections())) == (1, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("small_deliveries")
def test_a_duplicate_in_a_later_delivery_does_not_delete_the_first(tmp_path: Path) -> None:
    """The same nine rows in three deliveries: the row that the first one kept is still there."""
    door = Door(tmp_path, "chunk_rows: 3")
    door.bring("\n".join([HEADER, *[row(0)] * 9]))
    assert door.take_in() == {"rows": 9, "kept": 1, "quarantined": 0}
    assert (len(door.kept()), len(door.corrections())) == (1, 0)
    before = door.state()
    door.take_in()
    assert door.state() == before


@pytest.mark.slow
@pytest.mark.parametrize("deliveries", ["one", "several"])
def test_of_two_files_that_disagree_the_later_one_wins(
    door: Door, deliveries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File 2 says 30 °C where file 1 said 20: however they are cut into deliveries, 30 stays and 20 was replaced."""
    monkeypatch.setattr(batches, "DELIVERY_ROWS", 4 if deliveries == "several" else 100)
    door.bring("\n".join([HEADER, *(row(minute) for minute in range(6))]), "1")
    door.bring("\n".join([HEADER, *(row(minute, temperature=30) for minute in (4, 5, 6))]), "2")
    assert door.take_in() == {"rows": 9, "kept": 7, "quarantined": 0}
    assert list(door.kept()["temperature"]) == [20] * 4 + [30] * 3
    replaced = door.corrections()
    assert [json.loads(content)["temperature"] for content in replaced["content"]] == [20, 20]
    assert (set(replaced["origin"]), set(replaced["by_origin"])) == ({"1.csv"}, {"2.csv"})
    before = door.state()
    door.take_in()
    assert door.state() == before


def days(bad: bool = True) -> list[str]:
    """Return three days of two assets, with two equal bad rows a day."""
    lines = [row(60 * hour, asset, day=day) for day in (5, 6, 7) for hour in range(3) for asset in "ab"]
    return lines + [row(600, "a", "hot", day=day) for day in (5, 6, 7) for _ in range(2) if bad]


def day(number: int) -> datetime:
    """Return a midnight."""
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.mark.slow
def test_taking_a_day_in_again_changes_nothing(door: Door) -> None:
    """After everything one day is taken in again, and the file grows by a day: its bad rows are in quarantine once."""
    door.bring("\n".join([HEADER, *days()]))
    door.take_in()
    before = door.state()
    door.take_in(day(6), day(7))
    assert door.state() == before
    door.bring("\n".join([HEADER, *days(), row(0, day=8), row(1, temperature="hot", day=8)]))
    counts = door.take_in()
    assert len(door.aside()) == counts["quarantined"] == 7
    assert len(door.kept()) == counts["kept"]


@pytest.mark.slow
def test_days_in_any_order_give_the_same_tables(tmp_path: Path) -> None:
    """At once, day by day from the last, or asset by asset: the same readings, and as many rows put aside."""
    results = []
    for name, spans, files in (
        ("whole", [(None, None)], {"f": days()}),
        ("backwards", [(day(7), day(8)), (day(5), day(6)), (day(6), day(7)), (None, None)], {"f": days()}),
        ("assets", [(None, None)], {asset: [line for line in days() if f",{asset}," in line] for asset in "ba"}),
    ):
        (tmp_path / name).mkdir()
        door = Door(tmp_path / name)
        for file, lines in files.items():
            door.bring("\n".join([HEADER, *lines]), file)
        for span in spans:
            door.take_in(*span)
        results.append((door.store.digest(tables.READINGS), len(door.kept()), len(door.aside())))
    assert results == [(results[0][0], 18, 6)] * 3


def test_rows_in_any_order_are_all_accounted_for(door: Door) -> None:
    """Shuffled rows: all are readings, the same as of a sorted file."""
    lines = [row(minute) for minute in range(40)]
    random.Random(7).shuffle(lines)
    door.bring("\n".join([HEADER, *lines]))
    assert door.take_in() == {"rows": 40, "kept": 40, "quarantined": 0}
    shuffled = door.state()["readings"]
    door.bring("\n".join([HEADER, *sorted(lines)]))
    door.take_in()
    assert door.state()["readings"] == shuffled


@pytest.mark.slow
@pytest.mark.parametrize("count", [50_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_many_rows_of_one_timestamp(door: Door, count: int) -> None:
    """A logger whose clock stands still: all rows are one reading."""
    door.bring(f"{HEADER}\n" + f"{row(0)}\n" * count)
    assert door.take_in() == {"rows": count, "kept": 1, "quarantined": 0}
    assert (len(door.kept()), len(door.aside()), len(door.corrections())) == (1, 0, 0)
