import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.selftest.obvious import inject_obvious


def readings(**sensors):
    rows = len(next(iter(sensors.values())))
    time = pd.date_range("2026-03-02", periods=rows, freq="1min", tz="UTC")
    return pd.DataFrame({"asset_id": "pump", "timestamp": time, **sensors})


def test_each_sensor_in_turn_then_all():
    """One twin a sensor, with the others untouched, and one with both stepped by eight scales."""
    clean = readings(pressure=[5.0, 6.0], flow=[50.0, 60.0])
    twins = inject_obvious(clean, {"pressure": 0.5, "flow": 10})
    assert list(twins) == ["pressure", "flow", "all"]
    assert twins["pressure"]["pressure"].tolist() == [9, 10]
    assert twins["pressure"]["flow"].tolist() == [50, 60]
    assert twins["all"]["flow"].tolist() == [130, 140]
    assert clean["pressure"].tolist() == [5, 6]


def test_step_goes_where_there_is_room():
    """A valve that is nearly open can only close; it never shows more than it can."""
    twins = inject_obvious(readings(valve=[95.0, 97.0]), {"valve": 5}, {"valve": (0, 100)})
    assert twins["valve"]["valve"].tolist() == [55, 57]


def test_step_stops_at_the_limit():
    """Room for three scales above and one below: up, as far as the sensor can show."""
    twins = inject_obvious(readings(level=[10.0, 20.0]), {"level": 10}, {"level": (0, 45)})
    assert twins["level"]["level"].tolist() == [45, 45]


def test_each_asset_has_its_own_direction():
    """One pump's valve is nearly shut, the other's nearly open."""
    both = pd.concat([readings(valve=[5.0]), readings(valve=[95.0]).assign(asset_id="other")], ignore_index=True)
    assert inject_obvious(both, {"valve": 5}, {"valve": (0, 100)})["valve"]["valve"].tolist() == [45, 55]


def test_reading_beyond_a_limit_is_not_pulled_back():
    """A reading above what the sensor should show stays where it is; a missing one stays missing."""
    twins = inject_obvious(readings(level=[1.0, 1.0, 12.0, np.nan]), {"level": 1}, {"level": (0, 10)})
    assert twins["level"]["level"].fillna(-1).tolist() == [9, 9, 12, -1]


def test_sensor_that_never_moved_is_left_out():
    """A constant has no scale; if all are constant there is nothing to test."""
    clean = readings(a=[1.0], b=[2.0])
    assert list(inject_obvious(clean, {"a": 0.0, "b": 1.0})) == ["b", "all"]
    with pytest.raises(DataError, match="ever moved"):
        inject_obvious(clean, {"a": 0.0, "b": float("nan")})


def test_wrong_input_is_refused():
    """A sensor that is not there, no readings, and a step of nothing."""
    with pytest.raises(DataError, match=r"1 rows have no \['c'\]"):
        inject_obvious(readings(a=[1.0]), {"c": 1.0})
    with pytest.raises(DataError, match="0 rows"):
        inject_obvious(readings(a=[1.0]).iloc[:0], {"a": 1.0})
    with pytest.raises(DataError, match="larger than 0"):
        inject_obvious(readings(a=[1.0]), {"a": 1.0}, size=0)
