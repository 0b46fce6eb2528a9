"""All conditioning of readings before windows are cut keeps the promises of windows: causal, bounded, one machine."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from tests.contracts.arriving import Following, by_end, in_disorder, in_order
from wheeltapper.features.compute import compute, rows_of
from wheeltapper.features.conditioning import Track
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.tables import microseconds

PUMP = {
    "name": "pump",
    "step": "1min",
    "sensors": {
        "flow": {"unit": "m³/h", "low": 0, "high": 250},
        "heat": {"unit": "°C", "low": 0, "high": 150},
        "energy": {"unit": "kWh", "counter": True},
    },
}
EPOCH = pd.Timestamp("2026-01-05", tz="UTC")
N = 80

OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "resample": {"resample": "150s"},
    "resample to the step": {"resample": "1min"},
    "fill": {"fill": {"flow": "3min", "heat": "9min"}},
    "mean": {"smooth": {"flow": {"by": "mean", "rows": 3}, "energy": {"by": "mean", "rows": 2}}},
    "median": {"smooth": {"heat": {"by": "median", "rows": 4}}},
    "all": {
        "resample": "2min",
        "fill": {"flow": "4min", "heat": "10min"},
        "smooth": {"flow": {"by": "median", "rows": 3}, "heat": {"by": "mean", "rows": 2}},
    },
}
WINDOWS: tuple[dict[str, Any], ...] = (
    {"rows": 3},
    {"rows": 2, "every": 3},
    {"length": "7min"},
    {"rows": 3, "max_gap": "400s"},
)

few = settings(derandomize=True, max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)
windows = st.sampled_from(WINDOWS)
every_option = pytest.mark.parametrize("option", OPTIONS)


def plan_of(option: str, how: dict[str, Any]) -> FeaturePlan:
    """Return a plan with this option whose windows are cut like this."""
    sets = ["latest", "rolling"]
    described = {"asset_type": PUMP, "sets": sets, "conditioning": OPTIONS[option], "windows": how}
    return FeaturePlan.model_validate(described)


def readings(seed: int, asset: str = "pump-01") -> pd.DataFrame:
    """Return readings that come when they like: early, late, after a gap; with holes, spikes and other regimes."""
    rng = np.random.default_rng(seed)
    pauses = rng.choice([5, 20, 60, 61, 119.999999, 180, 300, 1500], N, p=[0.1, 0.1, 0.4, 0.1, 0.1, 0.1, 0.05, 0.05])
    seconds = np.cumsum(pauses)
    heat = rng.normal(60, 3, N).round(1)
    heat[rng.random(N) < 0.2] = np.nan
    flow = rng.normal(150, 10, N)
    flow[rng.random(N) < 0.05] = np.nan
    flow[rng.random(N) < 0.05] = 1e12
    energy = np.cumsum(rng.random(N))
    energy[rng.random(N) < 0.1] = np.nan
    regimes = np.where(np.cumsum(rng.random(N) < 0.03) % 2, "high_load", "normal").astype(object)
    regimes[rng.random(N) < 0.03] = "off"
    return pd.DataFrame(
        {
            "asset_id": asset,
            "timestamp": EPOCH + pd.to_timedelta(seconds, unit="s").round("us"),
            "regime": regimes,
            "flow": flow,
            "heat": heat,
            "energy": energy,
        }
    )


def between(rows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Return the rows whose windows end in a span."""
    return rows[(rows["window_end"] >= start) & (rows["window_end"] < end)].reset_index(drop=True)


def test_the_readings_below_make_windows() -> None:
    """Each option leaves usable windows, and each changes something: otherwise the tests below would test nothing."""
    rows = {option: compute(plan_of(option, WINDOWS[0]), readings(1)) for option in OPTIONS}
    for option, option_rows in rows.items():
        assert option_rows["usable"].sum() >= 3, option
        assert option == "nothing" or not option_rows.drop(columns="plan").equals(rows["nothing"].drop(columns="plan"))


@every_option
@few
@given(seed=seeds, how=windows, begin=st.integers(5, N - 20), length=st.integers(1, 40))
def test_a_span_alone_gives_the_rows_of_the_whole(
    option: str, how: dict[str, Any], seed: int, begin: int, length: int
) -> None:
    """From `needed_before` the span to `needed_after` it is all that is needed, to the last bit."""
    plan, frame = plan_of(option, how), readings(seed)
    times = frame["timestamp"]
    start = times[begin] + pd.Timedelta(seconds=seed % 90)
    end = times[min(begin + length, N - 1)] - pd.Timedelta(seconds=seed % 70)
    needed = (times >= start - plan.needed_before) & (times < end + plan.needed_after)
    computed = between(compute(plan, frame[needed]), start, end)
    pd.testing.assert_frame_equal(computed, between(compute(plan, frame), start, end), check_exact=True)


@every_option
@few
@given(seed=seeds, how=windows, count=st.integers(1, N - 1))
def test_reading_on_changes_no_earlier_row(option: str, how: dict[str, Any], seed: int, count: int) -> None:
    """All rows of the first readings are among the rows of all; none is taken back and none changes."""
    plan, frame = plan_of(option, how), readings(seed)
    before, after = compute(plan, frame.head(count)), compute(plan, frame)
    kept = after[after["window_end"].isin(before["window_end"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, kept, check_exact=True)
    assert (before["window_end"] <= frame["timestamp"][count - 1]).all()


@every_option
@few
@given(seed=seeds, how=windows, count=st.integers(1, N - 1), value=st.floats(-1e12, 1e12, allow_subnormal=False))
def test_a_value_changes_nothing_before_it(
    option: str, how: dict[str, Any], seed: int, count: int, value: float
) -> None:
    """Other values and regimes from an instant on leave every window that ends before it as it was."""
    plan, frame = plan_of(option, how), readings(seed)
    changed = frame.copy()
    changed.loc[count:, ["flow", "heat", "energy"]] = value
    changed.loc[count:, "regime"] = "startup"
    instant = frame["timestamp"][count]
    computed, expected = (between(compute(plan, rows), EPOCH, instant) for rows in (changed, frame))
    pd.testing.assert_frame_equal(computed, expected, check_exact=True)


@every_option
@few
@given(seed=seeds, how=windows)
def test_a_gap_forgets(option: str, how: dict[str, Any], seed: int) -> None:
    """Other values before a gap change no window after it."""
    plan, frame = plan_of(option, how), readings(seed)
    pauses = frame["timestamp"].diff()
    gaps = frame.index[pauses > plan.max_gap + plan.step]
    for gap in gaps[:3]:
        changed = frame.copy()
        changed.loc[: gap - 1, ["flow", "heat", "energy"]] = 7.0
        changed.loc[: gap - 1, "regime"] = "off"
        since = frame["timestamp"][gap]
        computed, expected = (
            between(compute(plan, rows), since, pd.Timestamp.max.tz_localize("UTC")) for rows in (changed, frame)
        )
        pd.testing.assert_frame_equal(computed, expected, check_exact=True)
        assert (expected["window_start"] >= since).all()


@every_option
@few
@given(seed=seeds, how=windows)
def test_smoothing_is_causal_and_mixes_no_machines(option: str, how: dict[str, Any], seed: int) -> None:
    """Shuffled among the readings of another machine, a machine's rows are those of its own readings alone.

    Reference row 003-02.
    """
    plan, pump_rows = plan_of(option, how), readings(seed)
    other = readings(seed + 1, "pump-02").assign(flow=lambda frame: frame["flow"] * 1e6)
    mixed = pd.concat([pump_rows, other]).sample(frac=1, random_state=seed % 1000)
    computed = compute(plan, mixed)
    pd.testing.assert_frame_equal(
        computed[computed["asset_id"] == "pump-01"], compute(plan, pump_rows), check_exact=True
    )


@every_option
@settings(few, max_examples=4)
@given(seed=seeds, how=windows)
def test_one_reading_at_a_time_gives_the_rows_of_the_table(option: str, how: dict[str, Any], seed: int) -> None:
    """The last readings and each new one are enough to compute every row once, equal to the last bit."""
    plan, frame = plan_of(option, how), readings(seed)
    whole = compute(plan, frame)
    micros = microseconds(frame["timestamp"])
    sensors = {name: frame[name].to_numpy() for name in plan.sensors}
    regimes = frame["regime"].to_numpy(dtype=object)
    back = (plan.needed_before + plan.needed_after) // pd.Timedelta("1us")
    ends, values, reasons, next_end = [], [], [], int(micros[0])
    for place in range(N):
        kept = slice(int(np.searchsorted(micros, micros[place] - back)), place + 1)
        track = Track(micros[kept], {name: all_of[kept] for name, all_of in sensors.items()}, regimes[kept])
        new_rows = rows_of(
            plan, track, since=max(next_end, int(micros[place] - plan.needed_after // pd.Timedelta("1us")))
        )
        if len(new_rows.ends):
            ends.append(new_rows.ends)
            values.append(new_rows.values)
            reasons.extend(new_rows.why_not.tolist())
            next_end = int(new_rows.ends[-1]) + 1
    assert np.concatenate(ends).tolist() == microseconds(whole["window_end"]).tolist()
    np.testing.assert_array_equal(np.concatenate(values), whole[list(plan.columns)].to_numpy())
    assert reasons == whole["why_not"].tolist()


@every_option
@settings(few, max_examples=8)
@given(
    seed=seeds, how=windows, is_ordered=st.booleans(), longest=st.sampled_from([1, 6, 30]), stores_first=st.booleans()
)
def test_live_rows_are_those_of_the_whole_history(
    option: str, how: dict[str, Any], seed: int, is_ordered: bool, longest: int, stores_first: bool
) -> None:
    """After each delivery, late or repeated or corrected, windows are those of all readings so far, to the last bit."""
    plan, frame = plan_of(option, how), readings(seed)
    sensors = {name: frame[name].to_numpy(copy=True) for name in plan.sensors}
    track = Track(microseconds(frame["timestamp"]), sensors, frame["regime"].to_numpy(dtype=object))
    rng = np.random.default_rng(seed)
    following = Following(plan, stores_first)
    for number, arrived in enumerate((in_order if is_ordered else in_disorder)(track, rng, longest)):
        following.deliver(arrived)
        if number % 5 == 4:
            following.restart()
        assert following.windows == following.batch()
    assert following.windows == by_end(rows_of(plan, track))
