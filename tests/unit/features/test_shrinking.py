"""A shrunk plan gives what the whole plan gives, computed anew or taken from stored rows."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from wheeltapper.errors import DataError
from wheeltapper.features.compute import compute, select
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets.long_rolling import LongRolling

PUMP = {
    "name": "pump",
    "step": "1min",
    "sensors": {
        "flow": {"unit": "m³/h", "low": 0, "high": 250},
        "pressure": {"unit": "bar", "low": -1, "high": 12},
    },
    "twin": {"pressure": "0.1 * sqrt(flow - 100)"},
}
SETS = [
    "latest",
    "rolling",
    {"name": "long_rolling", "options": {"over": ["5min"], "what": ["mean"]}},
    {"name": "tsfresh", "options": {"settings": "efficient", "calculators": ["skewness", "autocorrelation", "length"]}},
    "twin",
]


def plan_of(*sets: object, **asset_type: object) -> FeaturePlan:
    return FeaturePlan.model_validate(
        {"asset_type": {**PUMP, **asset_type}, "sets": list(sets or SETS), "windows": {"rows": 3}}
    )


PLAN = plan_of()


def readings(seed: int = 0, n: int = 12) -> pd.DataFrame:
    """Return a pump's readings: some equal in a row, one missing, one so low that the twin has no root."""
    flow = np.random.default_rng(seed).normal(150, 10, n).round()
    flow[3:6] = 150.0
    flow[9], flow[7] = np.nan, 90.0
    moments = pd.date_range("2026-01-01", periods=n, freq="1min", tz="UTC", unit="us")
    return pd.DataFrame(
        {"asset_id": "p", "timestamp": moments, "regime": "normal", "flow": flow, "pressure": flow / 20}
    )


def test_only_promised_features_make_a_window_unusable() -> None:
    """A constant has no skewness and stays usable; a mean over five minutes that are not there yet does not."""
    rows = compute(PLAN, readings())
    constant = rows[rows["window_end"] == readings()["timestamp"][5]].iloc[0]
    assert np.isnan(constant["flow__skewness"])
    assert constant["usable"]
    assert rows["why_not"].iloc[0] == "no value for flow__mean_5min"
    assert set(PLAN.columns) - set(PLAN.promised) == {
        name for name in PLAN.columns if "twin" in name or name.split("__")[-1].startswith(("skew", "lag", "length"))
    }


@settings(derandomize=True, max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kept=st.sets(st.sampled_from(PLAN.columns), min_size=1))
def test_shrinking_changes_no_value(seed: int, kept: set[str]) -> None:
    """Whatever is kept: computed by the small plan, and taken from the whole plan's rows, it is the same table."""
    small, own = PLAN.shrink(kept), readings(seed)
    assert small.is_part_of(PLAN)
    whole = compute(PLAN, own)
    taken = select(small, whole)
    pd.testing.assert_frame_equal(taken, compute(small, own), check_exact=True)
    shared = whole["usable"].to_numpy()
    assert taken["usable"].to_numpy()[shared].all()
    pd.testing.assert_frame_equal(taken.loc[shared, list(small.columns)], whole.loc[shared, list(small.columns)])


def test_a_window_that_lacked_only_what_is_not_wanted_is_usable() -> None:
    """Without the mean over five minutes the first window is as good as any; one with a missing reading is not."""
    small = PLAN.shrink(["flow", "flow__skewness"])
    taken = select(small, compute(PLAN, readings()))
    assert taken["why_not"].tolist()[:2] == ["", ""]
    assert set(taken["why_not"]) == {"", "missing flow, pressure"}
    assert set(taken["plan"]) == {small.hash}


def test_rows_that_lack_a_feature_are_refused() -> None:
    """A plan cannot be served from rows that do not hold it; the message says which feature."""
    small = PLAN.shrink(["flow", "flow__skewness"])
    with pytest.raises(DataError, match=r"lack 1 of the 2 features of plan \w+, first flow__skewness"):
        select(small, compute(plan_of("latest"), readings()))


@pytest.mark.parametrize(
    "other",
    [
        plan_of("latest"),
        plan_of(*SETS, sensors={**PUMP["sensors"], "flow": {"unit": "l/s"}}),
        PLAN.model_copy(update={"windows": PLAN.windows.model_copy(update={"rows": 4})}),
    ],
    ids=["fewer features", "another unit", "other windows"],
)
def test_a_plan_is_no_part_of_another(other: FeaturePlan) -> None:
    """Columns of the same names are not enough: whatever decides a value must be the same."""
    assert not PLAN.shrink(["flow__skewness"]).is_part_of(other)
    assert PLAN.shrink(["flow__skewness"]).is_part_of(PLAN)


def test_what_came_later_and_is_not_used_changes_no_hash() -> None:
    """A hash that was written before there were twins, categories, conditioning and windows of a length still holds."""
    assert plan_of("latest", "rolling", twin={}).hash == "b3edbc484ca14775"
    assert plan_of("latest", "rolling").hash != "b3edbc484ca14775"


def test_a_set_may_say_what_was_before_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the value that computes what was computed before, an option is no part of the hash; with any other it is."""

    def hash_of(**options: object) -> str:
        return plan_of({"name": "long_rolling", "options": {"over": ["5min"], **options}}).hash

    known = [hash_of(whole=True), hash_of(whole=False)]
    monkeypatch.setattr(LongRolling, "later", LongRolling.later | {"whole": True})
    before, other = hash_of(whole=True), hash_of(whole=False)
    assert before not in known
    assert other == known[1]
