"""The feature plan: validated when written, the same everywhere, and the one way from readings to rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config, plants, tables
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.compute import compute, compute_asset, empty, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan, build_set

SENSORS = {
    "flow": {"unit": "m³/h", "low": 0, "high": 250},
    "pressure": {"unit": "bar", "low": 0, "high": 12},
    "current": {"unit": "A", "low": 0, "high": 150},
}
MACHINE = {"name": "pump", "step": "1min", "sensors": SENSORS, "ratios": [("pressure", "flow")]}


def plan_of(**more: Any) -> FeaturePlan:
    """Return a plan of all four sets with windows of three readings, and whatever else is said."""
    sets = ["latest", "rolling", "rates", "ratios"]
    return FeaturePlan.model_validate({"asset_type": MACHINE, "sets": sets, "windows": {"rows": 3}, **more})


def readings(n: int = 12, asset: str = "pump-01", **more: Any) -> pd.DataFrame:
    """Return n readings of one pump, a minute apart; every number is different."""
    rng = np.random.default_rng(n)
    frame = pd.DataFrame(
        {
            "asset_id": asset,
            "timestamp": pd.date_range("2026-01-05", periods=n, freq="1min", tz="UTC"),
            "regime": "normal",
            "flow": rng.normal(150, 10, n),
            "pressure": rng.normal(6.5, 0.5, n),
            "current": rng.normal(85, 5, n),
        }
    )
    return frame.assign(**more)


def test_columns_come_in_the_order_of_the_sets() -> None:
    """All that the sets offer is in the plan, set by set, sensor by sensor."""
    assert plan_of(sets=["latest", "ratios"]).columns == ("flow", "pressure", "current", "pressure__per__flow")


def test_the_pump_station_has_27_features() -> None:
    """Six readings, twelve statistics of the window, six rates and three pairs. Reference row 001-16."""
    plant = plants.load("pump_station")
    assert len(FeaturePlan.of(plant).columns) == 27
    counts = [len(build_set(one.name, one.options).columns(plant.asset_type)) for one in plant.features]
    assert counts == [6, 12, 6, 3]


def test_a_plan_is_made_of_a_plant(tmp_path: Path) -> None:
    """The plant's sets, options, windows and default gap (three steps) are in its plan."""
    text = """
        asset_type: {description: a fan, step: 10s, sensors: {speed: {unit: rpm, description: of the wheel}}}
        source: {csv_folder: {path: .}}
        windows: {rows: 4, every: 2}
        features: [latest, rates: {per: hour}]
        candidates: [lof]
    """
    plan = FeaturePlan.of(config.parse(text, name="fans", folder=tmp_path, where="fans.yaml"))
    assert plan.columns == ("speed", "speed__rate")
    assert plan.sets[1].options == {"per": "hour"}
    assert (plan.windows.rows, plan.windows.every) == (4, 2)
    assert plan.max_gap == timedelta(seconds=30)
    assert plan.needed_before == timedelta(seconds=90)


def test_a_plan_travels_as_json() -> None:
    """Written and read back it is equal, has the same hash and computes the same; durations keep every microsecond."""
    plan = plan_of(asset_type={**MACHINE, "step": timedelta(seconds=1000, microseconds=500_001)})
    back = FeaturePlan.model_validate_json(plan.model_dump_json())
    assert back == plan
    assert back.hash == plan.hash
    assert back.asset_type.step == plan.asset_type.step
    pd.testing.assert_frame_equal(compute(back, readings()), compute(plan, readings()))


def test_default_options_are_written_out() -> None:
    """A later version with another default must still compute an old plan as it was."""
    assert plan_of(sets=["rates"]).sets[0].options == {"per": "minute"}


def test_the_hash_does_not_depend_on_order_or_words() -> None:
    """The order of sensors, a description and a default option that is written out change nothing."""
    turned = {**MACHINE, "sensors": dict(reversed(SENSORS.items())), "description": "the same pump"}
    same = plan_of(asset_type=turned, sets=["latest", "rolling", {"rates": {"per": "minute"}}, "ratios"])
    assert same.hash == plan_of().hash
    assert len(plan_of().hash) == 16
    assert int(plan_of().hash, 16) > 0


@pytest.mark.parametrize(
    "more",
    [
        {"windows": {"rows": 4}},
        {"windows": {"rows": 3, "every": 2}},
        {"windows": {"rows": 3, "max_gap": "1min"}},
        {"sets": ["latest", "rolling", "rates"]},
        {"sets": ["latest", "rolling", {"rates": {"per": "hour"}}, "ratios"]},
        {"asset_type": {**MACHINE, "step": "2min"}, "windows": {"rows": 3, "max_gap": "3min"}},
        {"asset_type": {**MACHINE, "sensors": {**SENSORS, "flow": {"unit": "m³/h", "low": 0, "high": 251}}}},
    ],
)
def test_the_hash_changes_with_what_counts(more: dict[str, Any]) -> None:
    """Whatever can change a value or a row changes the hash."""
    assert plan_of(**more).hash != plan_of().hash


def test_the_hash_says_the_default_gap() -> None:
    """Three steps written out are the same plan as three steps by default."""
    assert plan_of(windows={"rows": 3, "max_gap": "3min"}).hash == plan_of().hash


def test_rows_are_a_features_table() -> None:
    """The result keeps the table's promises: columns, dtypes, order, one row a window, the plan's hash."""
    plan = plan_of()
    rows = compute(plan, pd.concat([readings(6, "pump-02"), readings(5, "pump-01")]))
    pd.testing.assert_frame_equal(rows, tables.FEATURES.check(rows))
    assert rows["asset_id"].tolist() == ["pump-01"] * 3 + ["pump-02"] * 4
    assert rows["window_end"].iloc[0] == pd.Timestamp("2026-01-05 00:02", tz="UTC")
    assert rows["window_start"].iloc[0] == pd.Timestamp("2026-01-05 00:00", tz="UTC")
    assert set(rows["plan"]) == {plan.hash}
    assert rows["usable"].all()
    assert tuple(rows.columns[7:]) == plan.columns


def test_values_by_hand() -> None:
    """Flow 1, 2, 6 gives latest 6, mean 3, and a rate of 4 a minute."""
    rows = compute(plan_of(), readings(3, flow=[1.0, 2.0, 6.0]))
    assert rows.loc[0, ["flow", "flow__rolling_mean", "flow__rate"]].tolist() == pytest.approx([6, 3, 4])


def test_no_readings_give_the_empty_table() -> None:
    """Nothing to compute is no failure, and the columns are there; neither is a stretch too short for a window."""
    for n in (0, 2):
        rows = compute(plan_of(), readings(12).head(n))
        assert len(rows) == 0
        pd.testing.assert_frame_equal(rows, empty(plan_of()))


@pytest.mark.parametrize("every", [1, 4])
def test_reading_on_gives_the_same_rows(every: int) -> None:
    """Rows from any instant on are the same, bit for bit, if readings start `needed_before` earlier."""
    plan = plan_of(windows={"rows": 5, "every": every, "max_gap": "2min"})
    frame = readings(200)
    frame = frame[np.random.default_rng(3).random(200) > 0.25]  # gaps everywhere
    frame.loc[frame.index[60], "flow"] = np.nan
    frame.loc[frame.index[90:], "regime"] = "high_load"
    whole = compute(plan, frame)
    for minute in range(20, 190, 7):
        start = pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(minutes=minute)
        part = compute(plan, frame[frame["timestamp"] >= start - plan.needed_before])
        expected = whole[whole["window_end"] >= start].reset_index(drop=True)
        pd.testing.assert_frame_equal(part[part["window_end"] >= start].reset_index(drop=True), expected)
    assert len(whole) > 20


def test_what_may_not_be_used_says_why() -> None:
    """A missing value, an infinite one and an idle reading each mark the windows that hold them."""
    frame = readings(12)
    frame.loc[2, "flow"] = np.nan
    frame.loc[6, "current"] = np.inf
    frame.loc[10, "regime"] = "off"
    rows = compute(plan_of(), frame)
    expected = ["missing flow"] * 3 + [""] + ["missing current"] * 3 + [""] + ["regime off"] * 2
    assert rows["why_not"].tolist() == expected
    assert rows["usable"].tolist() == [text == "" for text in expected]
    assert rows["regime"].tolist()[-2:] == ["transition", "transition"]
    assert np.isfinite(rows.loc[rows["usable"], list(plan_of().columns)]).all().all()


def test_a_feature_without_a_value_makes_a_window_unusable() -> None:
    """Readings near the largest float overflow: the window is marked, and no infinity reaches the table."""
    rows = compute(plan_of(), readings(3, flow=[1e308, -1e308, 1e308]))
    assert rows["why_not"].tolist() == ["no value for flow__rolling_mean"]
    assert not np.isinf(rows[list(plan_of().columns)].to_numpy()).any()


def test_arrays_give_the_rows() -> None:
    """Arrays in, arrays out: who keeps only a window's readings gets that window's row of the table."""
    frame, plan = readings(5), plan_of()
    last = frame.tail(3)
    track = Track(
        micros=tables.microseconds(last["timestamp"]),
        sensors={name: last[name].to_numpy() for name in plan.sensors},
        regimes=last["regime"].to_numpy(dtype=object),
    )
    found, expected = rows_of(plan, track), compute(plan, frame).iloc[-1]
    assert found.ends.tolist() == [track.micros[-1]]
    assert found.starts.tolist() == [track.micros[0]]
    assert (found.regimes[0], found.why_not[0]) == ("normal", "")
    np.testing.assert_array_equal(found.values[0], expected[list(plan.columns)].to_numpy(dtype=float))


def test_arrays_may_ask_for_the_newest_windows_only() -> None:
    """Of the windows that end at minutes 2, 3 and 4, two end at minute 3 or later."""
    frame, plan = readings(5), plan_of()
    micros = tables.microseconds(frame["timestamp"])
    track = Track(micros, {name: frame[name].to_numpy() for name in plan.sensors}, np.array(["normal"] * 5, object))
    assert rows_of(plan, track, since=int(micros[3])).ends.tolist() == micros[3:].tolist()


def test_arrays_that_do_not_fit_are_refused() -> None:
    """Readings out of order, a column of another length, and a sensor that is not there each get their sentence."""
    flow = {"flow": np.array([1.0, 2.0])}
    with pytest.raises(DataError, match=r"after 60 µs came 60 µs\. Sort them"):
        Track(np.array([60, 60]), flow, np.array(["normal"] * 2, object))
    with pytest.raises(DataError, match="expected 3 values of regimes, one for each time, got 2"):
        Track(np.array([60, 61, 62]), flow, np.array(["normal"] * 2, object))
    with pytest.raises(DataError, match=r"needs sensor 'pressure'; the readings have \['flow'\]"):
        rows_of(plan_of(), Track(np.array([60, 61]), flow, np.array(["normal"] * 2, object)))


def test_shrinking_keeps_values() -> None:
    """A smaller plan has fewer sets and columns, the plan's order, its own hash and the same values."""
    plan = plan_of()
    small = plan.shrink(["flow__rate", "flow"])
    assert small.columns == ("flow", "flow__rate")
    assert [one.name for one in small.sets] == ["latest", "rates"]
    assert small.hash != plan.hash
    frame = readings()
    frame.loc[4, "current"] = np.nan
    kept = ["asset_id", "window_end", "usable", "why_not", *small.columns]
    pd.testing.assert_frame_equal(compute(small, frame)[kept], compute(plan, frame)[kept])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"sets": ["rollin"]}, r"no feature set named 'rollin'.*Did you mean 'rolling'"),
        ({"sets": [{"rates": {"pre": "hour"}}]}, r"unknown key 'pre'\. Did you mean 'per'"),
        ({"sets": [{"rates": {"per": "fortnight"}}]}, r"feature set rates: per: .*'second', 'minute' or 'hour'"),
        ({"sets": [{"latest": {"of": 3}}]}, r"unknown key 'of'.*Its options: none"),
        ({"sets": ["latest", "rolling", "latest"]}, r"latest gives column 'flow', which latest has already"),
        ({"asset_type": {**MACHINE, "ratios": []}, "sets": ["ratios"]}, r"give no column; add 'latest'"),
        ({"columns": ["flow", "flow_rate"]}, r"no feature named 'flow_rate'.*Did you mean 'flow__rate'"),
        ({"columns": ["flow", "flow"]}, r"named once"),
    ],
)
def test_a_wrong_plan_is_refused_when_written(more: dict[str, Any], message: str) -> None:
    """Unknown sets, options and columns get their near miss; collisions and empty plans their reason."""
    with pytest.raises(ConfigError, match=message):
        plan_of(**more)


def test_shrinking_to_the_unknown_is_refused() -> None:
    """A column that the plan does not have cannot be kept, and nothing cannot be a plan."""
    with pytest.raises(ConfigError, match=r"no feature 'flow__rates' to keep.*Did you mean 'flow__rate'"):
        plan_of().shrink(["flow__rates"])
    with pytest.raises(ConfigError, match="at least one"):
        plan_of().shrink([])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (readings().drop(columns="pressure"), r"needs column 'pressure'; the readings have"),
        (readings().drop(columns="regime"), r"needs column 'regime'"),
        (readings(flow="wet"), r"pump-01: sensor flow must be numbers"),
        (readings(regime=None), r"column regime may not be empty; it is in 12 rows"),
        (readings().assign(timestamp=lambda f: f["timestamp"].dt.tz_localize(None)), r"with a time zone"),
        (pd.concat([readings(), readings()]), r"pump-01 has 12 repeated timestamps, first 2026-01-05 00:00"),
    ],
)
def test_readings_that_do_not_fit_are_refused(frame: pd.DataFrame, message: str) -> None:
    """What is missing or cannot be is named; nothing is guessed."""
    with pytest.raises(DataError, match=message):
        compute(plan_of(), frame)


def test_one_asset_means_one() -> None:
    """compute_asset computes what compute does, and refuses a second asset."""
    frame = readings()
    pd.testing.assert_frame_equal(compute_asset(plan_of(), frame), compute(plan_of(), frame))
    with pytest.raises(DataError, match=r"one asset, got \['pump-01', 'pump-02'\]"):
        compute_asset(plan_of(), pd.concat([frame, readings(3, "pump-02")]))
