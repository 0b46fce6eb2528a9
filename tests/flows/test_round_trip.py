"""One plant's readings through CSV, parquet and a real PostgreSQL: the stored table is the same, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from tests.postgres import new_database
from wheeltapper import plants, sources, tables
from wheeltapper.assets.pump import ASSET_TYPE
from wheeltapper.workspace import Workspace

NOW = datetime(2026, 2, 1, tzinfo=UTC)
SENSORS = list(ASSET_TYPE.sensors)
PLANT = "asset_type: pump\nsource: {source}\nfeatures: [latest]\ncandidates: [pca_residual]\n"
SIMULATED = "{simulator: {assets: 2, start: 2026-01-05, duration: 1d, step: 10min, anomaly_rate: 0.1}}"
COMMON = "time_column: 'Zeit (µs)', asset_column: Maschine, regime_column: regime, fault_column: fault, "
COMMON += "fault_kind_column: kind, columns: {{'Strom %s [A]': current}}"
LONG = "layout: long, sensor_column: 'Größe', value_column: Wert"
COLUMNS = COMMON.format()


@pytest.fixture(scope="module")
def readings() -> pd.DataFrame:
    """Simulate two pumps with faults; some values are missing, names are not ASCII, one asset has a quote in it."""
    plant = plants.parse(PLANT.format(source=SIMULATED), name="tiny", folder=Path(), where="tiny.yaml")
    batches = list(sources.build(plant.source).read(plant))
    rows = pd.concat([batch.rows for batch in batches], ignore_index=True)
    rows["fault"], rows["kind"] = 0, None
    for fault in pd.concat([batch.faults for batch in batches]).itertuples():
        inside = (rows["asset_id"] == fault.asset_id) & rows["timestamp"].between(fault.start, fault.end)
        rows.loc[inside, ["fault", "kind"]] = [1, fault.kind]
    assert rows["fault"].sum() > 3
    rows.loc[::7, SENSORS[0]] = np.nan
    rows["asset_id"] = rows["asset_id"].map(
        dict(zip(sorted(rows["asset_id"].unique()), ["Pümpe №1", "O'Brien; --"], strict=True))
    )
    renamed = {"asset_id": "Maschine", "timestamp": "Zeit (µs)", "current": "Strom %s [A]"}
    return rows.rename(columns=renamed).sort_values(["Maschine", "Zeit (µs)"], ignore_index=True)


def _long(rows: pd.DataFrame) -> pd.DataFrame:
    kept_columns = [column for column in rows if column not in [*SENSORS, "Strom %s [A]"]]
    long = rows.melt(kept_columns, var_name="Größe", value_name="Wert").dropna(subset="Wert")
    return long.sample(frac=1, random_state=1)  # a database has no order


def _csv(rows: pd.DataFrame, folder: Path) -> str:
    rows.to_csv(folder / "readings.csv", index=False)
    return f"{{csv_folder: {{path: readings.csv, {COLUMNS}}}}}"


def _parquet(rows: pd.DataFrame, folder: Path) -> str:
    rows.to_parquet(folder / "readings.parquet", row_group_size=50)
    return f"{{parquet: {{path: readings.parquet, chunk_rows: 70, {COLUMNS}}}}}"


def _parquet_long(rows: pd.DataFrame, folder: Path) -> str:
    _long(rows).to_parquet(folder / "long.parquet")
    return f"{{parquet: {{path: long.parquet, shuffled: true, {COLUMNS}, {LONG}}}}}"


def _url_of_parquet(rows: pd.DataFrame, folder: Path) -> str:
    (folder / "site=north").mkdir()
    rows.to_parquet(folder / "site=north" / "part.0.parquet")
    return f"{{parquet: {{path: '{folder.as_uri()}/**/*.parquet', {COLUMNS}}}}}"


def _postgres(rows: pd.DataFrame, folder: Path) -> str:
    url = _in_postgres(rows.sample(frac=1, random_state=1))
    return f"{{sql: {{url: '{url}', table: readings, chunk_rows: 70, {COLUMNS}}}}}"


def _postgres_long(rows: pd.DataFrame, folder: Path) -> str:
    url = _in_postgres(_long(rows))
    return f"{{sql: {{url: '{url}', table: readings, chunk_rows: 64, {COLUMNS}, {LONG}}}}}"


def _postgres_wall_clock(rows: pd.DataFrame, folder: Path) -> str:
    local = rows["Zeit (µs)"].dt.tz_convert("Europe/Berlin").dt.tz_localize(None)
    url = _in_postgres(rows.assign(**{"Zeit (µs)": local}))
    query = "SELECT * FROM readings WHERE \"Zeit (µs)\"::text LIKE '%:%' -- all"
    return f"""{{sql: {{url: '{url}', query: '{query.replace("'", "''")}', time_zone: Europe/Berlin, {COLUMNS}}}}}"""


def _sqlite(rows: pd.DataFrame, folder: Path) -> str:
    engine = sa.create_engine(f"sqlite:///{folder / 'plant.db'}")
    rows.to_sql("readings", engine, index=False)
    engine.dispose()
    return f"{{sql: {{url: 'sqlite:///plant.db', table: readings, time_zone: UTC, {COLUMNS}}}}}"


def _in_postgres(rows: pd.DataFrame) -> str:
    url = new_database()
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    rows.astype(object).where(rows.notna(), None).to_sql("readings", engine, index=False, dtype=_types(rows))
    engine.dispose()
    return url


def _types(rows: pd.DataFrame) -> dict[str, Any]:
    is_aware = isinstance(rows["Zeit (µs)"].dtype, pd.DatetimeTZDtype)
    numbers = {column: sa.Double() for column in rows if column in [*SENSORS, "Strom %s [A]", "Wert"]}
    return {**numbers, "Zeit (µs)": sa.DateTime(timezone=is_aware), "fault": sa.Integer(), "kind": sa.Text()}


WAYS = [_csv, _parquet, _parquet_long, _url_of_parquet, _postgres, _postgres_long, _postgres_wall_clock, _sqlite]


def _write_plant(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(PLANT.format(source=source), encoding="utf-8")
    monkeypatch.setenv("WHEELTAPPER_HOME", str(folder / "home"))
    return path


def _ingest(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **span: datetime) -> Workspace:
    """Do what the flow does, without a Prefect server."""
    from tasks.ingest import ingest_readings

    path = _write_plant(source, folder, monkeypatch)
    ingest_readings.fn(str(path), span.get("start"), span.get("end"), NOW)
    return Workspace.open(str(path))


@pytest.fixture(scope="module")
def expected(readings: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return the store after reading CSV."""
    folder = tmp_path_factory.mktemp("csv")
    with pytest.MonkeyPatch.context() as patch:
        return _ingest(_csv(readings, folder), folder, patch)


def test_what_is_expected_is_what_was_written(expected: Workspace, readings: pd.DataFrame) -> None:
    """The table that all others are held against has every row and every value."""
    stored = expected.store.read(tables.READINGS)
    assert len(stored) == len(readings) == 288
    for sensor in SENSORS:
        delivered = readings["Strom %s [A]" if sensor == "current" else sensor]
        np.testing.assert_array_equal(stored[sensor], delivered.to_numpy())


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS[1:])
def test_round_trip_is_the_same(
    way: Callable[[pd.DataFrame, Path], str],
    readings: pd.DataFrame,
    expected: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Readings and faults have the digest of those that came as CSV; nothing is put aside."""
    space = _ingest(way(readings, tmp_path), tmp_path, monkeypatch)
    for table in (tables.READINGS, tables.FAULTS, tables.QUARANTINE):
        assert space.store.digest(table) == expected.store.digest(table), table.name


@pytest.mark.slow
@pytest.mark.parametrize("way", [_parquet, _postgres, _postgres_wall_clock])
def test_two_halves_and_a_second_time_are_the_same(
    way: Callable[[pd.DataFrame, Path], str],
    readings: pd.DataFrame,
    expected: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ingesting up to an instant inside a fault, then from the watermark, then all again, changes nothing."""
    faulty = readings[readings["fault"] == 1]["Zeit (µs)"]
    cut = faulty.iloc[1].to_pydatetime()
    source = way(readings, tmp_path)
    _ingest(source, tmp_path, monkeypatch, end=cut)
    space = _ingest(source, tmp_path, monkeypatch, start=cut)
    for _ in range(2):
        for table in (tables.READINGS, tables.FAULTS):
            assert space.store.digest(table) == expected.store.digest(table), table.name
        space = _ingest(source, tmp_path, monkeypatch)


@pytest.mark.slow
def test_only_what_is_new_is_asked_for(
    readings: pd.DataFrame, expected: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From where the stored readings end (``--new``), a growing table ends as if it had been read at once."""
    from tasks.watch import find_start

    source = _postgres(readings, tmp_path)
    assert find_start.fn(str(_write_plant(source, tmp_path, monkeypatch))) is None
    _ingest(source, tmp_path, monkeypatch, end=datetime(2026, 1, 5, 12, tzinfo=UTC))
    start = find_start.fn(str(tmp_path / "tiny.yaml"))
    assert start == datetime(2026, 1, 4, 11, 50, tzinfo=UTC)
    space = _ingest(source, tmp_path, monkeypatch, start=start)
    assert space.store.digest(tables.READINGS) == expected.store.digest(tables.READINGS)


@pytest.mark.slow
def test_a_dry_run_finds_the_same_and_writes_nothing(
    readings: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``wheeltapper check`` says the same of a database as of the CSV file; it suspects only the pump's step."""
    from wheeltapper.readings.survey.survey import survey

    surveys = []
    for way in (_csv, _postgres, _postgres_long):
        path = _write_plant(way(readings, tmp_path), tmp_path, monkeypatch)
        surveys.append(survey(plants.load(str(path))))
    assert surveys[0]["rows"] == 288
    assert [suspicion["kind"] for suspicion in surveys[0]["suspicions"]] == ["step"]
    assert surveys[0] == surveys[1] == surveys[2]
    assert not (tmp_path / "home").exists()
