"""The sets `statistics` and `tsfresh`: options, columns, and what is not computed for nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import ConfigError
from wheeltapper.features import kernels
from wheeltapper.features.compute import compute
from wheeltapper.features.plan import FeaturePlan, build_set

PUMP = {
    "name": "pump",
    "step": "1min",
    "sensors": {
        "flow": {"unit": "m³/h", "low": 0, "high": 250},
        "pressure": {"unit": "bar", "low": -1, "high": 12},
    },
}


def plan_of(*sets: object) -> FeaturePlan:
    return FeaturePlan.model_validate({"asset_type": PUMP, "sets": list(sets), "windows": {"rows": 3}})


def tsfresh(**options: object) -> dict[str, object]:
    return {"name": "tsfresh", "options": options}


def readings(*flow: float) -> pd.DataFrame:
    """Return readings a minute apart; the pressure is a seventh of the flow."""
    moments = pd.date_range("2026-01-01", periods=len(flow), freq="1min", tz="UTC", unit="us")
    values = np.array(flow)
    return pd.DataFrame(
        {"asset_id": "p", "timestamp": moments, "regime": "normal", "flow": values, "pressure": values / 7}
    )


def test_statistics_by_hand() -> None:
    """Of 1, 4, 1 the mean is 2, the median 1, the variance 2; the length is the window's."""
    found = compute(plan_of("statistics"), readings(1.0, 4.0, 1.0))
    wanted = {"mean": 2.0, "median": 1.0, "variance": 2.0, "length": 3.0, "sum_values": 6.0, "maximum": 4.0}
    assert {name: found[f"flow__{name}"].tolist() for name in wanted} == {name: [at] for name, at in wanted.items()}


def test_settings_have_as_many_features_as_tsfresh_says() -> None:
    """Ten, 777 and 783 of every sensor, each sensor's together."""
    for kind, count in {"minimal": 10, "efficient": 777, "comprehensive": 783}.items():
        columns = plan_of(tsfresh(settings=kind)).columns
        assert len(columns) == 2 * count
        assert all(column.startswith("flow__") for column in columns[:count])


def test_calculators_can_be_chosen() -> None:
    """Of the efficient settings only the quantiles; values are numpy's."""
    plan = plan_of(tsfresh(settings="efficient", calculators=["quantile"]))
    assert plan.columns[:2] == ("flow__quantile__q_0.1", "flow__quantile__q_0.2")
    assert len(plan.columns) == 2 * 8
    values = compute(plan, readings(1.0, 4.0, 2.0))[list(plan.columns[:2])]
    np.testing.assert_allclose(values, [np.quantile([1.0, 4.0, 2.0], [0.1, 0.2])])


def test_a_calculator_outside_the_settings_is_refused() -> None:
    """A typo gets the near miss, a costly one the settings that have it."""
    with pytest.raises(ConfigError, match=r"no calculator 'quantil'.*Did you mean 'quantile'"):
        build_set("tsfresh", {"settings": "efficient", "calculators": ["quantil"]})
    with pytest.raises(ConfigError, match=r"efficient settings have no calculator 'sample_entropy'.*'comprehensive'"):
        build_set("tsfresh", {"settings": "efficient", "calculators": ["sample_entropy"]})


def test_the_same_feature_twice_is_refused() -> None:
    """The set `statistics` and tsfresh's minimal settings are the same features."""
    with pytest.raises(ConfigError, match="gives column 'flow__sum_values', which statistics has already"):
        plan_of("statistics", "tsfresh")


def test_a_shrunk_plan_computes_only_what_it_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all features three are kept: the same values, and no other calculator is called, not even once read back."""
    some = ["c3", "kurtosis", "maximum", "mean_abs_change"]
    plan = plan_of(tsfresh(settings="efficient", calculators=some))
    own = readings(1.0, 4.0, 2.0, 8.0, 5.0)
    kept = ["flow__kurtosis", "flow__mean_abs_change", "pressure__maximum"]
    expected = compute(plan, own)[kept]
    asked = []
    computed = kernels.compute

    def listen(settings: kernels.Settings, *arrays: np.ndarray, blank: bool) -> dict[str, np.ndarray]:
        asked.append(sorted(settings))
        return computed(settings, *arrays, blank=blank)

    monkeypatch.setattr(kernels, "compute", listen)
    small = FeaturePlan.model_validate_json(plan.shrink(kept).model_dump_json())
    found = compute(small, own)[kept]
    assert asked == [["kurtosis", "mean_abs_change"], ["maximum"]]
    pd.testing.assert_frame_equal(found, expected)


def test_without_a_sensors_features_nothing_is_computed_of_it() -> None:
    """A plan may keep features of one sensor alone."""
    plan = plan_of(tsfresh()).shrink(["pressure__mean"])
    assert compute(plan, readings(7.0, 28.0, 7.0))["pressure__mean"].tolist() == [2.0]


def test_columns_carry_tsfreshs_names() -> None:
    """A table computed here has the columns and values of tsfresh's extract_features on the same windows."""
    from tsfresh import extract_features

    wanted = ["linear_trend", "c3", "fft_aggregated", "mean"]
    efficient = kernels.settings_of(kernels.known("efficient"))
    plan = plan_of(tsfresh(settings="efficient", calculators=wanted))
    own = readings(1.0, 4.0, 2.0, 8.0, 5.0, 7.0)
    table = compute(plan, own)
    long = pd.concat([own[at : at + 3][["flow", "pressure"]].assign(id=at) for at in range(4)])
    expected = extract_features(
        long,
        column_id="id",
        default_fc_parameters={name: efficient[name] for name in wanted},
        n_jobs=0,
        disable_progressbar=True,
    )
    np.testing.assert_allclose(table[list(plan.columns)], expected[list(plan.columns)], rtol=1e-9, atol=1e-12)
