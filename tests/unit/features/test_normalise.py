"""Normalisation: each machine in each operating state by itself, learnt from training rows only."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from tests.unit.columns import restless
from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError, DataError, NotFittedError
from wheeltapper.features.compute import compute
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.plan import FeaturePlan


def rows_of(asset: str, regime: str, **features: object) -> pd.DataFrame:
    """Return feature rows of one asset in one regime."""
    return pd.DataFrame({"asset_id": asset, "regime": regime, **features})


def training(seed: int = 0) -> pd.DataFrame:
    """Return normal rows of two pumps in two regimes, 60 each, with levels and spreads of their own."""
    rng = np.random.default_rng(seed)
    levels = {
        ("a", "normal"): (100, 1),
        ("a", "startup"): (20, 5),
        ("b", "normal"): (500, 2),
        ("b", "startup"): (50, 4),
    }
    parts = [
        rows_of(asset, regime, flow=rng.normal(level, spread, 60), flow__rate=rng.normal(0, spread / 10, 60))
        for (asset, regime), (level, spread) in levels.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_robust_by_hand() -> None:
    """Of 0, 1, 2, 3, 4 the median is 2 and the quartiles 1 and 3: a row at 2 + 2/1.349 lies one deviation off."""
    rows = rows_of("a", "normal", flow=[0.0, 1, 2, 3, 4])
    fitted = RegimeNormaliser("robust", min_rows=2).fit(rows)
    found = fitted.transform(rows_of("a", "normal", flow=[2.0, 2 + 2 / 1.349]))
    assert found["flow"].tolist() == pytest.approx([0, 1])


def test_standard_by_hand() -> None:
    """Of 1 and 3 the mean is 2 and the deviation 1."""
    fitted = RegimeNormaliser("standard", min_rows=2).fit(rows_of("a", "normal", flow=[1.0, 3.0]))
    assert fitted.transform(rows_of("a", "normal", flow=[2.0, 5.0]))["flow"].tolist() == pytest.approx([0, 3])


def test_one_wild_row_does_not_move_robust() -> None:
    """A forgotten fault in the training rows ruins mean and deviation, not median and quartiles."""
    rows = training()
    rows.loc[0, "flow"] = 1e6
    at_105 = rows_of("a", "normal", flow=[105.0], flow__rate=[0.0])
    assert RegimeNormaliser("robust").fit(rows).transform(at_105)["flow"].iloc[0] > 3
    assert abs(RegimeNormaliser("standard").fit(rows).transform(at_105)["flow"].iloc[0]) < 1


@pytest.mark.parametrize("method", ["robust", "standard"])
def test_every_group_lies_around_zero(method: str) -> None:
    """Each machine in each regime has median about 0 and spread about 1, whatever its level was."""
    rows = training()
    z = RegimeNormaliser(method).fit(rows).transform(rows)  # type: ignore[arg-type]
    for at in rows.groupby(["asset_id", "regime"]).groups.values():
        assert z.loc[at].median().abs().max() < 0.3
        assert z.loc[at].std().between(0.6, 1.5).all()


def test_other_rows_teach_nothing() -> None:
    """What is learnt depends on the rows given to fit alone; other rows, however wild, leave no trace."""
    rows, test = training(), training(1)
    fitted = RegimeNormaliser().fit(rows)
    before = fitted.state()
    fitted.transform(test.assign(flow=1e9))
    fitted.fallbacks(test.assign(regime="storm"))
    for name, array in RegimeNormaliser().fit(training()).state().items():
        np.testing.assert_array_equal(before[name], array)
        np.testing.assert_array_equal(fitted.state()[name], array)


def test_an_asset_does_not_touch_another() -> None:
    """Other values of pump b change nothing about pump a's own groups."""
    rows = training()
    changed = rows.copy()
    changed.loc[changed["asset_id"] == "b", "flow"] += 1000
    ask = rows[rows["asset_id"] == "a"]
    one, other = RegimeNormaliser().fit(rows), RegimeNormaliser().fit(changed)
    pd.testing.assert_frame_equal(one.transform(ask), other.transform(ask))


def test_a_single_row_equals_the_row_in_a_batch() -> None:
    """A row is scaled the same alone, in a batch and in another order, to the last bit; its index stays."""
    fitted, rows = RegimeNormaliser().fit(training()), training(1)
    batch = fitted.transform(rows)
    shuffled = rows.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(fitted.transform(shuffled), batch.loc[shuffled.index])
    for place in (0, 77, 239):
        pd.testing.assert_frame_equal(fitted.transform(rows.iloc[[place]]), batch.iloc[[place]])


def test_unseen_groups_fall_back_and_say_so() -> None:
    """Asset in all regimes, then regime over all assets, then everything; never zeros, and never silently."""
    fitted = RegimeNormaliser().fit(
        pd.concat([training(), rows_of("a", "high_load", flow=[130.0] * 9, flow__rate=0.0)])
    )
    unknown = [("a", "high_load"), ("a", "off"), ("a", "off"), ("c", "startup"), ("c", "off"), ("a", "normal")]
    ask = pd.DataFrame(unknown, columns=["asset_id", "regime"]).assign(flow=60.0, flow__rate=0.0)
    told = fitted.fallbacks(ask)
    assert told.to_dict("split")["data"] == [
        ["a", "high_load", 1, "asset", "only 9 training rows, 50 are needed"],
        ["a", "off", 2, "asset", "regime not seen in training"],
        ["c", "off", 1, "all", "asset not seen in training"],
        ["c", "startup", 1, "regime", "asset not seen in training"],
    ]
    centre = fitted.centre(ask)["flow"]
    in_training = training()
    startup = in_training.loc[in_training["regime"] == "startup", "flow"]
    assert centre.iloc[3] == pytest.approx(startup.median())
    assert centre.iloc[0] == centre.iloc[1] == centre.iloc[2]
    assert (fitted.transform(ask)["flow"] != 0).all()


def test_the_own_asset_comes_before_the_same_regime_elsewhere() -> None:
    """Pump a was never in high load, pump b was: pump a is measured by itself, because machines differ more."""
    rows = pd.concat([training(), rows_of("b", "high_load", flow=np.linspace(590, 610, 60), flow__rate=0.0)])
    fitted = RegimeNormaliser().fit(rows)
    ask = rows_of("a", "high_load", flow=[120.0], flow__rate=0.0)
    assert fitted.fallbacks(ask)["used"].tolist() == ["asset"]
    own = rows.loc[rows["asset_id"] == "a", "flow"]
    assert fitted.centre(ask)["flow"].tolist() == pytest.approx([own.median()])


def test_no_fallback_is_an_empty_answer() -> None:
    """Where every row has its own group there is nothing to tell."""
    fitted = RegimeNormaliser().fit(training())
    assert len(fitted.fallbacks(training(1))) == 0


def test_centre_and_scale_explain_a_value() -> None:
    """Centre plus z times scale is the value in its own unit again."""
    fitted, rows = RegimeNormaliser().fit(training()), training(1)
    again = fitted.centre(rows) + fitted.transform(rows) * fitted.scale(rows)
    np.testing.assert_allclose(again, rows[["flow", "flow__rate"]], rtol=1e-12, atol=1e-12)
    centre, scale = fitted.centre_and_scale("a", "startup")
    at = rows.index[(rows["asset_id"] == "a") & (rows["regime"] == "startup")][0]
    assert centre.tolist() == fitted.centre(rows).loc[at].tolist()
    assert scale.tolist() == fitted.scale(rows).loc[at].tolist()


@pytest.mark.parametrize("method", ["robust", "standard"])
def test_a_constant_sensor_that_moves_is_large_and_finite(method: str) -> None:
    """A feature that stood at 50 and moves to 60 gives 20; one that stood at 0 and moves to 1 gives 100."""
    rows = rows_of("a", "normal", level=np.full(60, 50.0), flag=np.zeros(60))
    fitted = RegimeNormaliser(method).fit(rows)  # type: ignore[arg-type]
    z = fitted.transform(rows_of("a", "normal", level=[50.0, 60.0, 1e12], flag=[0.0, 1.0, 1e12]))
    assert z["level"].tolist() == pytest.approx([0, 20, 1000])
    assert z["flag"].tolist() == pytest.approx([0, 100, 1000])


def test_standing_still_in_one_regime_borrows_a_scale() -> None:
    """Current is 0 in every 'off' row; 40 A there are large but measured by 5 % of the usual spread of 2 A."""
    current = np.concatenate([np.tile([83.0, 85.0, 87.0], 20), np.zeros(60)])
    rows = pd.DataFrame({"asset_id": "a", "regime": ["normal"] * 60 + ["off"] * 60, "current": current})
    fitted = RegimeNormaliser("standard").fit(rows)
    usual = np.std([83.0, 85.0, 87.0])
    z = fitted.transform(rows_of("a", "off", current=[0.0, 40.0]))["current"]
    assert z.tolist() == pytest.approx([0, 40 / (0.05 * usual)])


def test_a_first_quiver_is_measured_by_the_level() -> None:
    """A set point stood at 50: changes of half a unit (1 % of it) make one deviation of restlessness, not fifty."""
    rows = rows_of("a", "normal", level=np.full(60, 50.0), level__restless_10_rows=np.zeros(60))
    features = restless("level")
    fitted = RegimeNormaliser().fit(rows, features)
    z = fitted.transform(rows_of("a", "normal", level=[50.0], level__restless_10_rows=[0.5**0.25]))
    assert z["level__restless_10_rows"].tolist() == pytest.approx([1.0])
    alone = RegimeNormaliser().fit(rows.drop(columns="level"), features).scale(rows)["level__restless_10_rows"]
    assert alone.iloc[0] == pytest.approx(0.01**0.25)


def test_a_quiver_in_a_regime_that_is_still_is_measured_by_the_others() -> None:
    """Off, a sensor that is restless by 2 elsewhere does not change at all: 2 there is one deviation."""
    wild = np.concatenate([np.tile([1.9, 2.0, 2.1], 20), np.zeros(60)])
    regimes = ["normal"] * 60 + ["off"] * 60
    rows = pd.DataFrame({"asset_id": "a", "regime": regimes, "flow": wild, "flow__restless_10_rows": wild})
    fitted = RegimeNormaliser().fit(rows, restless("flow"))
    z = fitted.transform(rows_of("a", "off", flow=[2.0], flow__restless_10_rows=[2.0]))
    assert z["flow__restless_10_rows"].tolist() == pytest.approx([1.0])
    assert z["flow"].iloc[0] > 100


def test_a_large_offset_keeps_its_small_deviation() -> None:
    """Meters at 1e6 and 5e6 that move by 1e-3 keep that scale: neither rounding nor the other meter hides it."""
    wobble = np.tile([-1e-3, 0.0, 1e-3], 20)
    rows = pd.concat([rows_of("a", "normal", meter=1e6 + wobble), rows_of("b", "normal", meter=5e6 + wobble)])
    scale = RegimeNormaliser().fit(rows).scale(rows)["meter"]
    np.testing.assert_allclose(scale, 2e-3 / 1.349, rtol=1e-4)


def test_rare_movement_is_not_a_constant() -> None:
    """Where more than half the rows are equal the quartiles coincide; the standard deviation takes over."""
    steps = np.where(np.arange(60) % 10 == 0, 1.0, 0.0)
    fitted = RegimeNormaliser("robust").fit(rows_of("a", "normal", steps=steps))
    assert fitted.scale(rows_of("a", "normal", steps=[0.0]))["steps"].tolist() == pytest.approx([steps.std()])


def test_results_are_cut() -> None:
    """Beyond the cut nothing more is said, with the sign kept; missing stays missing."""
    fitted = RegimeNormaliser(clip=10).fit(training())
    z = fitted.transform(rows_of("a", "normal", flow=[1e12, -1e12, np.nan], flow__rate=0.0))["flow"]
    assert z.tolist()[:2] == [10, -10]
    assert np.isnan(z.iloc[2])


def test_state_travels_as_plain_arrays() -> None:
    """Saved as npz without pickle and read back, it scales the same, falls back the same, and cuts the same."""
    fitted = RegimeNormaliser("standard", min_rows=10, clip=7).fit(training())
    file = io.BytesIO()
    np.savez(file, **fitted.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        back = RegimeNormaliser(**{**fitted.options, "clip": 99}).restore(dict(saved))
    ask = pd.concat([training(1), rows_of("a", "storm", flow=[1e6], flow__rate=0.0)], ignore_index=True)
    pd.testing.assert_frame_equal(back.transform(ask), fitted.transform(ask))
    pd.testing.assert_frame_equal(back.fallbacks(ask), fitted.fallbacks(ask))
    assert back.options == fitted.options


def test_a_state_that_does_not_fit_is_refused() -> None:
    """A missing array is named, and shapes must belong together."""
    state = RegimeNormaliser().fit(training()).state()
    with pytest.raises(DataError, match=r"\['scale'\] did not come"):
        RegimeNormaliser().restore({name: array for name, array in state.items() if name != "scale"})
    with pytest.raises(DataError, match=r"needs arrays of shape \(9, 2\)"):
        RegimeNormaliser().restore({**state, "scale": state["scale"][1:]})


def test_wrong_use_says_what_to_do() -> None:
    """Unfitted, unknown method, nothing to learn from, no finite value, no such column: each has its message."""
    rows = training()
    with pytest.raises(NotFittedError, match="call fit first"):
        RegimeNormaliser().transform(rows)
    with pytest.raises(ConfigError, match="Did you mean 'robust'"):
        RegimeNormaliser("robus")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="0 rows"):
        RegimeNormaliser().fit(rows.head(0))
    with pytest.raises(DataError, match="flow of a has no finite value in 1 training rows"):
        RegimeNormaliser().fit(rows.assign(flow=rows["flow"].mask(rows.index == 3)))
    with pytest.raises(DataError, match=r"lack \['flow'\]"):
        RegimeNormaliser().fit(rows).transform(rows.drop(columns="flow"))
    with pytest.raises(DataError, match="regime may not be empty"):
        RegimeNormaliser().fit(rows).transform(rows.assign(regime=None))


def test_ratios_of_a_healthy_pump_stay_small() -> None:
    """Pressure per flow in startup, running and at a standstill stays within tens, not 1e6, before any cut."""
    machine = AssetType.model_validate(
        {
            "name": "pump",
            "step": "1min",
            "sensors": {
                "flow": {"unit": "m³/h", "low": 0, "high": 250},
                "pressure": {"unit": "bar", "low": 0, "high": 12},
            },
            "ratios": [("pressure", "flow")],
        }
    )
    rng = np.random.default_rng(0)
    level = np.tile(np.concatenate([np.zeros(100), np.linspace(0, 1, 100), np.ones(300)]), 10)
    n = len(level)
    readings = pd.DataFrame(
        {
            "asset_id": "pump-01",
            "timestamp": pd.date_range("2026-01-05", periods=n, freq="1min", tz="UTC"),
            "regime": np.where(level == 0, "maintenance", np.where(level < 1, "startup", "normal")),
            "flow": np.maximum(150 * level + rng.normal(0, 4, n), 0),
            "pressure": np.maximum(6.5 * level + rng.normal(0, 0.2, n), 0),
        }
    )
    rows = compute(FeaturePlan.model_validate({"asset_type": machine, "sets": ["ratios"]}), readings)
    fitted = RegimeNormaliser(clip=1e12).fit(rows)
    assert fitted.transform(rows).abs().max().max() < 50
