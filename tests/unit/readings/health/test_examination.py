"""An asset's examination goes on where it stopped: a series has the same flags in any number of pieces."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.readings.health.plants import KINDS, TYPE, readings
from wheeltapper import tables
from wheeltapper.readings.health import states, unusual
from wheeltapper.readings.health.examination import Examination
from wheeltapper.readings.health.flagging import WORDS, flag_readings
from wheeltapper.readings.health.trailing import trailing_order

SEEDS = range(12)


def in_pieces(rows: pd.DataFrame, longest: int, chance: np.random.Generator) -> pd.DataFrame:
    """Return the flags of readings that come in pieces, with the examination written down and read between them."""
    examination = Examination.begin(TYPE, KINDS)
    parts = []
    place = 0
    while place < len(rows):
        size = int(chance.integers(1, longest + 1))
        parts.append(examination.advance(rows.iloc[place : place + size]))
        place += size
        written = states.encode(states.dump(examination))
        examination = states.restore(Examination.begin(TYPE, KINDS), states.decode(written))
    flags = pd.concat([*parts, examination.growing()], ignore_index=True).assign(asset_id="a")
    return tables.FLAGS.check(flags).sort_values(list(tables.FLAGS.key), ignore_index=True)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("longest", [60, 1500])
def test_pieces_change_nothing(seed: int, longest: int) -> None:
    """Whether readings come at once or hour by hour, the flags are equal, texts included."""
    rows = readings(seed)
    pieces = in_pieces(rows, longest, np.random.default_rng(seed))
    pd.testing.assert_frame_equal(pieces, flag_readings(rows, TYPE, KINDS))


@pytest.mark.slow
def test_one_reading_at_a_time_changes_nothing() -> None:
    """The same, reading by reading."""
    rows = readings(3, 900)
    pieces = in_pieces(rows, 1, np.random.default_rng(1))
    pd.testing.assert_frame_equal(pieces, flag_readings(rows, TYPE, KINDS))


def test_these_readings_have_every_kind_of_flag() -> None:
    """Otherwise the tests of pieces would prove little."""
    found = {kind for seed in SEEDS for kind in flag_readings(readings(seed), TYPE, KINDS)["kind"]}
    assert found == set(WORDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_settled_flags_stay(seed: int) -> None:
    """What an examination calls settled is in the flags of any series that goes on from there, and nothing else is."""
    rows = readings(seed)
    whole = flag_readings(rows, TYPE, KINDS)
    for until in (400, 1100, 1777, 2500):
        examination = Examination.begin(TYPE, KINDS)
        settled = examination.advance(rows.iloc[:until])
        later = int((examination.until or 0) + 1)
        bounds = {(sensor, kind): time for sensor, kind, time in examination.unsettled()}
        limits = [bounds.get(key) or later for key in zip(whole["sensor"], whole["kind"], strict=True)]
        before = whole[tables.microseconds(whole["start"]) < limits].drop(columns="asset_id")
        expected = settled.sort_values(["sensor", "kind", "start"], ignore_index=True)
        pd.testing.assert_frame_equal(before.reset_index(drop=True), expected[list(before.columns)])


@pytest.mark.parametrize("digits", [1, 9])
def test_few_values_are_ordered_like_many(digits: int) -> None:
    """Without compiled code quartiles and median deviation are the same to the last bit, from any value on."""
    values = np.round(np.random.default_rng(digits).normal(size=300), digits)
    limits = unusual.bounds(values, KINDS)
    order = trailing_order(values, unusual.ROWS, unusual.LEAST)
    for kind, expected in {"iqr": unusual.iqr_bounds(order), "hampel": unusual.hampel_bounds(order)}.items():
        np.testing.assert_array_equal(limits[kind], expected)
        for first in (1, 29, 30, 59, 60, 61, 250):
            rest = unusual.bounds(values[first:], [kind], values[:first])[kind]
            np.testing.assert_array_equal(rest, np.stack(expected)[:, first:])


def test_damaged_bytes_are_refused() -> None:
    """One bit of a written state that is another one is found out."""
    data = bytearray(states.encode(states.dump(Examination.begin(TYPE, KINDS))))
    data[len(data) // 2] ^= 1
    with pytest.raises(states.DamagedStateError, match="SHA-256"):
        states.decode(bytes(data))
