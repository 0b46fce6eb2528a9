"""Episodes, and the faults that are found in them, on a handful of windows."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from wheeltapper.config import AssetType, Sensor
from wheeltapper.selftest import sensitivity
from wheeltapper.selftest.episodes import CLEAN, Rehearsal, Slot, choose_slots
from wheeltapper.selftest.injections import STEP, Injection, Usual

MINUTE = 60_000_000
START = pd.Timestamp("2026-03-02", tz="UTC")


def windows(*ends: int, asset: str = "a") -> pd.DataFrame:
    return pd.DataFrame({"asset_id": asset, "window_end": [START + pd.Timedelta(minutes=end) for end in ends]})


def test_slots_lie_inside_normal_running_and_do_not_overlap() -> None:
    """Eleven minutes of windows, a pause, six more: two slots before it and one after it, newest first."""
    normal = windows(*range(11), *range(30, 36))
    slots = choose_slots(normal, 3 * MINUTE, MINUTE, timedelta(minutes=2), limit=9)
    begin = int(START.timestamp() * 1_000_000)
    assert [(slot.start - begin) // MINUTE for slot in slots] == [30, 5, 0]
    assert all((slot.stop - slot.start, slot.end - slot.stop) == (3 * MINUTE, MINUTE) for slot in slots)


def test_slots_come_from_all_assets_in_turn() -> None:
    """Of two assets with two slots each, three slots are taken: two of the one and one of the other."""
    normal = pd.concat([windows(*range(10)), windows(*range(10), asset="b")])
    slots = choose_slots(normal, 3 * MINUTE, MINUTE, timedelta(minutes=2), limit=3)
    assert [slot.asset_id for slot in slots] == ["a", "b", "a"]


def test_running_that_is_too_short_gives_no_slot() -> None:
    """Three minutes hold no fault of three minutes with one minute of windows after it."""
    assert choose_slots(windows(*range(4)), 3 * MINUTE, MINUTE, timedelta(minutes=2), limit=3) == []


INJECTIONS = (
    Injection("heat", "drift", 2.0),
    Injection("heat", "drift", 4.0),
    Injection("heat", STEP, 20.0),
    Injection("load", "drift", 4.0),
    Injection("load", STEP, 20.0),
)


@pytest.fixture
def rehearsal() -> Rehearsal:
    """Two slots of three windows; each fault once in each."""
    count = (len(INJECTIONS) + 1) * 2
    return Rehearsal(
        rows=pd.DataFrame(index=range(count * 3)),
        injection=np.repeat(np.arange(CLEAN, len(INJECTIONS)), 6),
        slot=np.tile(np.repeat([0, 1], 3), len(INJECTIONS) + 1),
        injections=INJECTIONS,
        slots=(Slot("a", 0, 1, 2), Slot("a", 3, 4, 5)),
        skipped=(),
        usual={"heat": Usual(60, 0.5), "load": Usual(1, 0.1)},
        window_minutes=5,
        asset_type=AssetType(
            name="m", step=timedelta(minutes=1), sensors={"heat": Sensor(unit="°C"), "load": Sensor(unit="A")}
        ),
    )


def test_a_peak_must_last(rehearsal: Rehearsal) -> None:
    """Of 1 9 4 only 4 lasts for two windows; of three equal values, that value does."""
    score = np.ones(len(rehearsal.rows))
    score[1], score[2] = 9, 4
    faulty, clean = sensitivity.lasting_peaks(rehearsal, score, hold=2)
    assert clean.tolist() == [4, 1]
    assert faulty.tolist() == [[1, 1]] * 5


def test_the_smallest_size_that_is_found_is_given_in_its_unit(rehearsal: Rehearsal) -> None:
    """A drift of 1 °C is found in one of two episodes, one of 2 °C in both; of the load nothing is."""
    found = np.array([[True, False], [True, True], [True, True], [False, False], [False, False]])
    heat, load = sensitivity.table(rehearsal, found)
    assert (heat["smallest"], [one["power"] for one in heat["sizes"]]) == ("2 °C", [0.5, 1.0])
    assert (load["sensor"], load["smallest"]) == ("load", None)
    assert sensitivity.alarm_share(rehearsal, found) == {"heat": 1.0, "load": 0.0}


def test_an_ignored_sensor_never_stands_out(rehearsal: Rehearsal) -> None:
    """Its faults score as the same episodes do without them, however high those are among the others."""
    faulty = np.array([[5.0, 5.0], [9.0, 9.0], [9.0, 9.0], [5.0, 5.0], [5.0, 5.0]])
    peaks = np.array([1.0, 2.0, 3.0])
    stands_out = sensitivity.chance_above_clean(rehearsal, faulty, np.array([5.0, 5.0]), clean_peaks=peaks)
    assert stands_out == {"heat": 1.0, "load": 0.5}


def test_the_figure_weighs_sensors_alike(rehearsal: Rehearsal) -> None:
    """Heat: one drift of two stands out; load: none. The step does not count: nobody could overlook it."""
    faulty = np.array([[1.0, 1.0], [9.0, 9.0], [9.0, 9.0], [1.0, 1.0], [9.0, 9.0]])
    assert sensitivity.figure(rehearsal, faulty, np.array([1.0, 2.0, 3.0])) == pytest.approx(0.25)
    assert sensitivity.figure(rehearsal, faulty, np.array([])) is None


def test_the_figure_is_the_mean_of_the_episodes(rehearsal: Rehearsal) -> None:
    """In the first episode one of two drifts of the heat and the load is found; in the second both drifts, no load."""
    faulty = np.array([[1.0, 9.0], [9.0, 9.0], [9.0, 9.0], [9.0, 1.0], [9.0, 9.0]])
    shares = sensitivity.found_by_episode(rehearsal, faulty, np.array([1.0, 2.0, 3.0]))
    assert shares is not None
    assert shares.tolist() == [0.75, 0.5]
    assert sensitivity.figure(rehearsal, faulty, np.array([1.0, 2.0, 3.0])) == pytest.approx(0.625)
