"""The sql source on a real PostgreSQL (and SQLite): what is read, what is refused, and that no secret is told."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from tests.postgres import new_database, run, server
from wheeltapper import config, sources
from wheeltapper.config import PlugIn
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.readings import clean
from wheeltapper.readings.order import in_time
from wheeltapper.sources._database import Database
from wheeltapper.sources.sql import Sql

LONG = {"layout": "long", "sensor_column": "tag", "value_column": "value"}


@pytest.fixture(scope="module")
def url():
    """One database for this file; each test makes its own table."""
    return new_database()


def plant(folder="."):
    """Make a plant with sensors flow and temp."""
    text = "asset_type: {step: 1min, sensors: {flow: {unit: 1}, temp: {unit: °C}}}\nsource: simulator\n"
    text += "features: [latest]\ncandidates: [lof]"
    return config.parse(text, name="tiny", folder=Path(folder), where="tiny.yaml")


def batches(url, start=None, end=None, folder=".", **options):
    options = {"url": url, "time_column": "time", **options}
    if "query" not in options:
        options.setdefault("table", "readings")
        options.setdefault("asset_column", "asset")
    return list(Sql(**options).read(plant(folder), start, end))


def rows(url, **options):
    return pd.concat([batch.rows for batch in batches(url, **options)], ignore_index=True)


def refused(url, **options):
    with pytest.raises(SourceError) as caught:
        batches(url, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def table(url, columns, *values, name="readings"):
    """Make a table anew."""
    run(url, f"DROP TABLE IF EXISTS {name} CASCADE", f"CREATE TABLE {name} ({columns})")
    if values:
        run(url, f"INSERT INTO {name} VALUES {', '.join(values)}")


COLUMNS = "time timestamptz, asset text, flow float8, temp float8"


def test_rows_come_by_asset_and_time(url):
    """However the table is filled, each asset's rows come in time order, in pieces, in UTC, as float64."""
    table(
        url,
        COLUMNS,
        "('2026-01-05 01:01+01', 'b', 4, 1)",
        "('2026-01-05 00:01Z', 'a', 2, NULL)",
        "('2026-01-05 00:00Z', 'b', 3, 1)",
        "('2026-01-05 00:00Z', 'a', 1, 1)",
    )
    read = batches(url, chunk_rows=3)
    assert [len(batch.rows) for batch in read] == [3, 1]
    got = pd.concat([batch.rows for batch in read], ignore_index=True)
    assert list(got) == ["asset_id", "timestamp", "flow", "temp"]
    assert list(zip(got["asset_id"], got["timestamp"].dt.minute, got["flow"], strict=True)) == [
        ("a", 0, 1.0),
        ("a", 1, 2.0),
        ("b", 0, 3.0),
        ("b", 1, 4.0),
    ]
    assert got["temp"].isna().tolist() == [False, True, False, False]
    assert str(got["timestamp"].dtype) == "datetime64[us, UTC]"


def test_names_and_values_are_never_taken_for_sql(url):
    """A table, a column and an asset whose names are SQL, umlauts or quotes are only names."""
    columns = """"Zeit; --" timestamptz, "a""b" text, "%%(x)s" float8, "Größe" float8"""
    table(url, columns, "('2026-01-05Z', 'it''s Ü', 1, 2)", name='"Robert""; DROP"')
    got = rows(
        url,
        table='Robert"; DROP',
        time_column="Zeit; --",
        asset_column='a"b',
        columns={"%(x)s": "flow", "Größe": "temp"},
        end=datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert got[["asset_id", "flow", "temp"]].to_numpy().tolist() == [["it's Ü", 1.0, 2.0]]


@pytest.mark.parametrize("kind", ["numeric", "real", "integer", "text", "bigint"])
def test_numbers_of_every_type_become_float64(url, kind):
    """Decimals, floats, whole numbers and numbers kept as text are all the same numbers."""
    table(
        url, COLUMNS.replace("float8", kind), "('2026-01-05Z', 'a', '7', '12')", "('2026-01-05 00:01Z', 'a', NULL, '3')"
    )
    got = rows(url)
    assert got["temp"].tolist() == [12.0, 3.0]
    assert got["flow"].dtype == "float64"


def test_what_is_no_number_is_left_to_cleaning(url):
    """Text among numbers comes as it is and is put aside; infinity too."""
    table(
        url,
        COLUMNS.replace("float8", "text"),
        "('2026-01-05Z', 'a', 'n.b.', '1')",
        "('2026-01-05 00:01Z', 'a', '2', '1')",
    )
    (batch,) = batches(url)
    parsed = clean.parse(batch, plant())
    assert parsed.rows["flow"].tolist() == [2.0]
    assert parsed.rejected["reason"].tolist() == ["flow: 'n.b.' is not a number"]


@pytest.mark.parametrize(("kind", "zone"), [("timestamptz", None), ("timestamp", "Europe/Berlin")])
def test_start_and_end_are_asked_of_the_database(url, monkeypatch, kind, zone):
    """Only rows of the span leave the server: start is inside, end is outside, and so it is without a zone."""
    table(url, COLUMNS.replace("timestamptz", kind))
    hours = f"SELECT '2026-01-01'::{kind} + i * interval '1 h', 'a', i, i FROM generate_series(0, 999) i"
    run(url, f"INSERT INTO readings {hours}")
    sent, shape = [], Sql.shape
    monkeypatch.setattr(Sql, "shape", lambda self, data, *a, **k: sent.append(len(data)) or shape(self, data, *a, **k))
    start, end = datetime(2026, 1, 20, tzinfo=UTC), datetime(2026, 1, 21, tzinfo=UTC)
    got = rows(url, start=start, end=end, time_zone=zone)
    assert got["timestamp"].min() == start
    assert len(got) == 24
    assert sum(sent) == (24 if zone is None else 24 * 3), "a wall clock is asked for a day more on either side"


def test_a_watermark_brings_only_what_is_newer(url):
    """From the last stored time on, only that row and later ones come; rows without a time do not come again."""
    table(url, COLUMNS, "('2026-01-05 00:00Z', 'a', 1, 1)", "('2026-01-05 00:01Z', 'a', 2, 1)", "(NULL, 'a', 9, 1)")
    first = rows(url)
    assert len(first) == 3
    last = first["timestamp"].astype(str).iloc[1]
    run(url, "INSERT INTO readings VALUES ('2026-01-05 00:02Z', 'a', 3, 1)")
    assert rows(url, start=pd.Timestamp(last).to_pydatetime())["flow"].tolist() == [2.0, 3.0]
    assert batches(url, start=datetime(2026, 2, 1, tzinfo=UTC)) == []


def test_a_wall_clock_that_changes_is_told_row_by_row(url):
    """Without a zone, the hour that comes twice and the hour that never was are put aside; all others are right."""
    hours = [
        "2026-03-29 01:30",
        "2026-03-29 02:30",
        "2026-03-29 03:30",
        "2026-10-25 01:30",
        "2026-10-25 02:30",
        "2026-10-25 03:30",
    ]
    table(
        url,
        COLUMNS.replace("timestamptz", "timestamp"),
        *(f"('{hour}', 'a', {at}, 1)" for at, hour in enumerate(hours)),
    )
    (batch,) = batches(url, time_zone="Europe/Berlin")
    parsed = clean.parse(batch, plant())
    assert parsed.rows["timestamp"].dt.hour.tolist() == [0, 1, 23, 2]
    assert ["does not exist" in why or "happens twice" in why for why in parsed.rejected["reason"]] == [True, True]
    october = batches(url, time_zone="Europe/Berlin", start=datetime(2026, 10, 1, tzinfo=UTC))
    assert sum(len(batch.rows) for batch in october) == 3, "the unclear hour of October, not that of March"


def test_true_instants_do_not_care_for_clocks(url):
    """Timestamptz keeps both half past two apart, whatever zone the server shows them in."""
    run(url, f"ALTER DATABASE \"{sa.make_url(url).database}\" SET timezone TO 'Europe/Berlin'")
    table(url, COLUMNS, "('2026-10-25 02:30+02', 'a', 1, 1)", "('2026-10-25 02:30+01', 'a', 2, 1)")
    assert rows(url)["timestamp"].dt.strftime("%H:%M").tolist() == ["00:30", "01:30"]


def test_wall_clock_times_need_a_zone(url):
    """Without time_zone they are refused, with the option that is missing."""
    table(url, COLUMNS.replace("timestamptz", "timestamp"), "('2026-01-05 00:00', 'a', 1, 1)")
    assert "Set time_zone in the source" in refused(url)


def test_counts_and_text_are_times_too(url):
    """Milliseconds since 1970, dates, and text are read; a span of milliseconds is asked of the database."""
    table(url, COLUMNS.replace("timestamptz", "bigint"), "(1767571200000, 'a', 1, 1)", "(1767571260000, 'a', 2, 1)")
    assert rows(url, time_format="unix_ms", start=datetime(2026, 1, 5, 0, 1, tzinfo=UTC))["flow"].tolist() == [2.0]
    assert "set time_format: unix_ms" in refused(url)
    for kind in ("text", "date"):
        table(url, COLUMNS.replace("timestamptz", kind), "('2026-01-05', 'a', 1, 1)")
        assert rows(url, time_zone="UTC")["timestamp"].tolist() == [pd.Timestamp("2026-01-05", tz="UTC")]


def test_a_query_is_read_like_a_table(url):
    """A query with casts, colons, a per cent sign, a comment and a semicolon runs as it is written."""
    table(url, COLUMNS, "('2026-01-05 12:30Z', 'a', 1, 1)", "('2026-01-05 12:31Z', 'b', 2, 1)")
    query = "SELECT time, flow::float8, temp FROM readings WHERE time::text LIKE '%12:30%' -- :all;"
    (batch,) = batches(url, query=query, asset="pump")
    assert batch.rows[["asset_id", "flow"]].to_numpy().tolist() == [["pump", 1.0]]


def test_long_rows_become_wide(url):
    """Values of one instant stand in one row, in pieces of any size; other tags are left out."""
    values = [
        f"('2026-01-05 00:0{minute}Z', '{asset}', '{tag}', {minute})"
        for minute in range(4)
        for asset in "ab"
        for tag in ("flow", "T 1", "other")
    ]
    table(url, "time timestamptz, asset text, tag text, value float8", *values)
    whole = rows(url, columns={"T 1": "temp"}, **LONG)
    assert whole["temp"].tolist() == whole["flow"].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    for chunk_rows in (1, 3, 5):
        pd.testing.assert_frame_equal(rows(url, columns={"T 1": "temp"}, chunk_rows=chunk_rows, **LONG), whole)


def test_of_two_values_for_one_instant_the_second_stays(url):
    """Two values of one sensor at one instant are two readings, the second with all other values of the instant."""
    table(
        url,
        "time timestamptz, asset text, tag text, value float8",
        "('2026-01-05Z', 'a', 'flow', 1)",
        "('2026-01-05Z', 'a', 'flow', 2)",
        "('2026-01-05Z', 'a', 'temp', 3)",
        "('2026-01-05Z', 'a', NULL, 4)",
    )
    (batch,) = batches(url, **LONG)
    parsed = clean.parse(batch, plant())
    assert parsed.rows[["flow", "temp"]].to_numpy().tolist() == [[1.0, 3.0], [2.0, 3.0]]
    assert in_time(parsed.rows)["flow"].tolist() == [2.0]
    assert parsed.rejected["expectation"].tolist() == ["row_readable"]


def test_the_other_layout_is_suggested(url):
    """Long data read as wide, wide data read as long, and a tag that never occurs: the message says what would fit."""
    table(url, "time timestamptz, asset text, tag text, value float8", "('2026-01-05Z', 'a', 'flow', 1)")
    assert "set layout: long, sensor_column: tag, value_column: value" in refused(url)
    assert "never names 'temp' for sensor temp (it names: flow)" in refused(url, **LONG)
    table(url, COLUMNS, "('2026-01-05Z', 'a', 1, 1)")
    assert "set layout: wide" in refused(url, **LONG)


def test_a_fault_beyond_the_span_is_told_whole(url):
    """Reading from the middle of a fault tells when it really began and ended, also in the long layout."""
    minutes = [(minute, 1 <= minute <= 8) for minute in range(10)]
    table(url, COLUMNS + ", bad boolean", *(f"('2026-01-05 00:0{m}Z', 'a', 1, 1, {bad})" for m, bad in minutes))
    values = [f"('2026-01-05 00:0{m}Z', 'a', '{tag}', 1, {bad})" for m, bad in minutes for tag in ("flow", "temp")]
    table(url, "time timestamptz, asset text, tag text, value float8, bad boolean", *values, name="long")
    inside = {"start": datetime(2026, 1, 5, 0, 4, tzinfo=UTC), "end": datetime(2026, 1, 5, 0, 6, tzinfo=UTC)}
    for options in ({}, {"table": "long", **LONG}):
        read = batches(url, fault_column="bad", **inside, **options)
        assert sum(len(batch.rows) for batch in read) == 2
        faults = pd.concat([batch.faults for batch in read])
        assert faults[["start", "end"]].to_numpy().tolist() == [
            [pd.Timestamp("2026-01-05 00:01Z"), pd.Timestamp("2026-01-05 00:08Z")]
        ]


def test_no_such_table_column_or_row(url):
    """Each is refused with what is there and the near miss."""
    table(url, COLUMNS)
    assert "has no table 'reading'" in refused(url, table="reading")
    assert "Did you mean 'readings'?" in refused(url, table="reading")
    assert "has no column 'tim' for time_column" in refused(url, time_column="tim")
    assert "has no rows" in refused(url)
    assert "refused" in refused(url, query="SELECT nonsense FROM readings", asset="a")


def test_nothing_can_be_written(url):
    """A query that writes is refused by the database: the source only reads."""
    table(url, COLUMNS, "('2026-01-05Z', 'a', 1, 1)")
    run(
        url,
        "CREATE OR REPLACE FUNCTION wipe() RETURNS SETOF readings AS 'DELETE FROM readings RETURNING *' LANGUAGE sql",
    )
    assert "read-only transaction" in refused(url, query="SELECT * FROM wipe()", asset="a")
    assert len(rows(url)) == 1


def test_another_schema(url):
    """A table of another schema is named with it."""
    run(url, "CREATE SCHEMA IF NOT EXISTS plant")
    table(url, COLUMNS, "('2026-01-05Z', 'a', 5, 1)", name="plant.other")
    assert rows(url, table="plant.other")["flow"].tolist() == [5.0]


SECRET = "s3cr@t/:pw"


def test_the_password_is_never_told(url, monkeypatch, caplog):
    """It comes from the environment, works with any signs in it, and stands in no message, origin, log or repr."""
    run(
        url,
        "DROP ROLE IF EXISTS reader",
        f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'",
        "GRANT pg_read_all_data TO reader",
    )
    table(url, COLUMNS, "('2026-01-05Z', 'a', 5, 1)")
    monkeypatch.setenv("PLANT_PASSWORD", SECRET)
    place = sa.make_url(url)
    written = f"postgresql://reader:${{PLANT_PASSWORD}}@/{place.database}?host={place.query['host']}"
    caplog.set_level("DEBUG")
    (batch,) = batches(written)
    messages = [
        batch.origin,
        repr(Sql(url=written.replace("${PLANT_PASSWORD}", "plain-pw"), table="t", time_column="t")),
        refused("postgresql://reader:${PLANT_PASSWORD}@127.0.0.1:1/plant"),
        refused("postgresql://reader:plain-pw@127.0.0.1:1/plant"),
        refused(written, table="nothing"),
        refused("postgresql://reader:plain-pw@[/plant"),
        caplog.text,
    ]
    assert "127.0.0.1:1/plant" in messages[2]
    for message in messages:
        assert SECRET not in message
        assert "plain-pw" not in message
        assert "s3cr%40t" not in message


def test_what_a_driver_says_is_told_without_the_password():
    """Drivers may put what they were given into their messages, as it is or quoted."""
    place = Database(sa.make_url("postgresql+psycopg://reader:s3cr%40t@h/p"))
    assert place.reason(ValueError("no 's3cr@t' in\nreader:s3cr%40t@h")) == "no '***' in reader:***@h"


def test_an_unset_variable_is_named(monkeypatch):
    """The message says which one; nothing is connected to."""
    assert "the environment has no NO_SUCH_THING" in refused("postgresql://r:${NO_SUCH_THING}@h/p")


def test_a_whole_url_may_come_from_the_environment(url, monkeypatch):
    """As hosting providers hand it out."""
    table(url, COLUMNS, "('2026-01-05Z', 'a', 5, 1)")
    monkeypatch.setenv("DATABASE_URL", url)
    assert len(rows("${DATABASE_URL}")) == 1


def test_wrong_options_are_refused():
    """Each is a mistake in the plant's file, told without its values."""
    good = {"url": "sqlite://plain-pw", "table": "t", "time_column": "t"}
    for wrong in (
        {"query": "SELECT 1"},
        {"layout": "long"},
        {"value_column": "v"},
        {"asset": "a", "asset_column": "b"},
    ):
        with pytest.raises(ConfigError) as caught:
            sources.build(PlugIn(name="sql", options={**good, **wrong}))
        assert "plain-pw" not in str(caught.value) + str(caught.value.__cause__)


def lite(folder, *statements):
    with sqlite3.connect(folder / "plant.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return "sqlite:///plant.db"


def test_sqlite_is_read_from_beside_the_plant(tmp_path):
    """Times kept as text of any ISO form or with their zone are told apart correctly at the edges of a span."""
    texts = ["2026-01-05 00:00:00", "2026-01-05T00:01", "2026-01-05 01:02:00+01:00", "20260105T000300"]
    url = lite(
        tmp_path,
        "CREATE TABLE readings (time TIMESTAMP, asset TEXT, flow REAL, temp REAL)",
        *(f"INSERT INTO readings VALUES ('{text}', 'a', {at}, 1)" for at, text in enumerate(texts)),
    )
    options = {"folder": tmp_path, "time_zone": "UTC"}
    assert sorted(rows(url, **options)["flow"]) == [0, 1, 2, 3]
    for minute in range(5):
        edge = datetime(2026, 1, 5, 0, minute, tzinfo=UTC)
        for span, expected in (({"start": edge}, range(minute, 4)), ({"end": edge}, range(minute))):
            read = batches(url, **span, **options)
            assert sorted(flow for batch in read for flow in batch.rows["flow"]) == list(expected)


def test_no_sqlite_file_is_made(tmp_path):
    """A file that is not there is refused, not created empty."""
    assert "no file or folder 'plant.db'" in refused("sqlite:///plant.db", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_kinds_of_databases_say_what_they_need(tmp_path):
    """An unknown kind, and a driver that is not installed."""
    assert "no kind of database named 'nosuch'" in refused("nosuch://h/p")
    assert "pip install" in refused("mssql+pymssql://h/p")
    assert "url is no database URL" in refused("what is this")


def test_the_server_is_a_real_postgresql():
    """Nothing here is a mock."""
    assert server().get_uri().startswith("postgresql://")
