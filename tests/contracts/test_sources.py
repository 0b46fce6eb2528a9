"""Promises of every source; a new file in wheeltapper/sources is tested here the day it appears.

A source brings tiny data, and what can be wrong with it, on its class: `Source.example`. For one that reads from a
server, a file in ``source_cases`` beside this one starts it and holds the example.
"""

import importlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from tests.contracts.plug_ins import PLUG_INS, names
from wheeltapper import plants, sources, tables
from wheeltapper.config import Plant, PlugIn
from wheeltapper.errors import ConfigError, SourceError
from wheeltapper.plugins import SOURCES
from wheeltapper.sources import Batch, Example

EVERY = names(SOURCES)


def _example(name: str) -> Example:
    example = sources.load(name, PLUG_INS).example()
    if example is None:
        example = importlib.import_module(f"tests.contracts.source_cases.{name}").EXAMPLE
    assert isinstance(example, Example), f"source '{name}' has no example to be checked on. {__doc__}"
    return example


def _plant(write: Callable[[Path], str], folder: Path) -> Plant:
    plant = plants.parse(write(folder), name="tiny", folder=folder, where="tiny.yaml")
    return plant.model_copy(update={"plugins": PLUG_INS.folder})


def _read(plant: Plant, **span: object) -> list[Batch]:
    return list(sources.build(plant.source, PLUG_INS).read(plant, **span))


def _rows(batches: list[Batch]) -> pd.DataFrame:
    """Return all rows, with times as UTC whatever form they came in."""
    rows = pd.concat([batch.rows for batch in batches], ignore_index=True)
    return rows.assign(timestamp=pd.to_datetime(rows["timestamp"], utc=True).astype("datetime64[us, UTC]"))


BROKEN = [pytest.param(name, what, id=f"{name}: {what}") for name in EVERY for what in _example(name).broken]


@pytest.fixture(params=EVERY)
def plant(request: pytest.FixtureRequest, tmp_path: Path) -> Plant:
    plant = _plant(_example(request.param).plant, tmp_path)
    assert plant.source.name == request.param
    return plant


@pytest.mark.parametrize("name", EVERY)
def test_every_option_is_described(name: str) -> None:
    """Each option says in words what it is for, and the class says what it reads."""
    kind = sources.load(name, PLUG_INS)
    assert kind.__doc__
    for option, field in kind.model_fields.items():
        assert field.description, option


@pytest.mark.parametrize("name", EVERY)
def test_an_unknown_option_is_refused(name: str) -> None:
    """A misspelt option is a mistake in the plant's file, and the message names it."""
    with pytest.raises(ConfigError, match="no_such_option"):
        sources.build(PlugIn(name=name, options={"no_such_option": 1}), PLUG_INS)


def test_batches_hold_the_promised_columns(plant: Plant) -> None:
    """Asset, time and all sensors come with every batch; regimes are the type's; the case has two assets."""
    batches = _read(plant)
    needed = ["asset_id", "timestamp", *plant.asset_type.sensors]
    for batch in batches:
        assert batch.origin
        assert len(batch.rows) > 0
        assert set(needed) <= set(batch.rows) <= {*needed, "regime", "defect"}
    rows = _rows(batches)
    assert rows["asset_id"].nunique() >= 2
    assert rows["timestamp"].notna().all()
    if "regime" in rows:
        assert set(rows["regime"]) <= set(plant.asset_type.regimes)


def test_faults_are_rows_of_their_table(plant: Plant) -> None:
    """Faults pass their table's check unchanged, belong to assets that were read, and end after they begin."""
    batches = _read(plant)
    faults = pd.concat([batch.faults for batch in batches], ignore_index=True)
    assert len(faults) > 0, "let the case have a fault"
    pd.testing.assert_frame_equal(tables.FAULTS.check(faults), faults)
    assert set(faults["asset_id"]) <= set(_rows(batches)["asset_id"])
    assert (faults["end"] >= faults["start"]).all()


def test_first_and_last_reading_of_a_fault_are_readings(plant: Plant) -> None:
    """A fault's start and end are the times of readings of its asset: both lie inside the fault."""
    batches = _read(plant)
    keys = set(_rows(batches)[["asset_id", "timestamp"]].itertuples(index=False, name=None))
    for fault in pd.concat([batch.faults for batch in batches]).itertuples():
        assert (fault.asset_id, fault.start) in keys
        assert (fault.asset_id, fault.end) in keys


def test_reading_twice_gives_the_same(plant: Plant) -> None:
    """The second read, also by a new source, gives the same batches in the same order."""
    for once, again in zip(_read(plant), _read(plant), strict=True):
        assert once.origin == again.origin
        pd.testing.assert_frame_equal(once.rows, again.rows)
        pd.testing.assert_frame_equal(once.faults, again.faults)


def test_what_is_new_is_everything_at_first_and_nothing_after_that(plant: Plant) -> None:
    """The first time brings what reading brings; a cursor is plain JSON, and with it only known rows come, if any."""
    first = sources.build(plant.source, PLUG_INS).read_new(plant, None, None)
    for new, read in zip(list(first.batches), _read(plant), strict=True):
        assert new.origin == read.origin
        pd.testing.assert_frame_equal(new.rows, read.rows)
        pd.testing.assert_frame_equal(new.faults, read.faults)
    cursor = json.loads(json.dumps(first.cursor))
    assert cursor == first.cursor
    since = _rows(_read(plant))["timestamp"].min().to_pydatetime()
    again = sources.build(plant.source, PLUG_INS).read_new(plant, cursor, since)
    batches = list(again.batches)
    assert not (again.is_empty and batches)
    known = set(_rows(_read(plant))[["asset_id", "timestamp"]].itertuples(index=False, name=None))
    for batch in batches:
        assert set(_rows([batch])[["asset_id", "timestamp"]].itertuples(index=False, name=None)) <= known


def test_start_is_inside_and_end_is_outside(plant: Plant) -> None:
    """Two halves cut at a reading's time are exactly the whole: the reading itself is in the second."""
    whole = _rows(_read(plant))
    middle = whole["timestamp"].sort_values().iloc[len(whole) // 2].to_pydatetime()
    before, after = _rows(_read(plant, end=middle)), _rows(_read(plant, start=middle))
    assert before["timestamp"].max() < middle
    assert after["timestamp"].min() == middle
    for half, same in ((before, whole["timestamp"] < middle), (after, whole["timestamp"] >= middle)):
        pd.testing.assert_frame_equal(half, whole[same].reset_index(drop=True))


def test_faults_of_a_cut_are_whole(plant: Plant) -> None:
    """Cut in the middle of a fault, both halves report it, from its true start to its true end."""
    faults = pd.concat([batch.faults for batch in _read(plant)], ignore_index=True)
    fault = faults.loc[(faults["end"] - faults["start"]).idxmax()]
    middle = (fault["start"] + (fault["end"] - fault["start"]) / 2).to_pydatetime()
    for span in ({"end": middle}, {"start": middle}):
        cut = pd.concat([batch.faults for batch in _read(plant, **span)], ignore_index=True)
        assert (cut == fault).all(axis=1).sum() == 1, span


def test_a_span_without_readings_gives_none(plant: Plant) -> None:
    """Long before the first reading there is nothing: no batch, or a SourceError that says so."""
    first = _rows(_read(plant))["timestamp"].min().to_pydatetime()
    try:
        batches = _read(plant, start=first - timedelta(days=2), end=first - timedelta(days=1))
    except SourceError as error:
        assert str(error)
    else:
        assert batches == []


@pytest.mark.parametrize(("name", "what"), BROKEN)
def test_what_cannot_be_read_is_a_source_error(name: str, what: str, tmp_path: Path) -> None:
    """A mistake in the data or the options ends in a SourceError with a message, never in silence."""
    plant = _plant(_example(name).broken[what], tmp_path)
    with pytest.raises(SourceError) as refused:
        _read(plant)
    assert len(str(refused.value)) > 20


@pytest.mark.parametrize("name", EVERY)
def test_an_example_says_what_can_go_wrong(name: str) -> None:
    """Every source has at least one way to fail that is tried."""
    assert _example(name).broken
