"""The silly ones: simple enough to check by eye."""

import numpy as np
import pandas as pd

from tests.unit.columns import of
from wheeltapper.detectors import baselines, build
from wheeltapper.features.columns import Feature


def ten_rows(**columns: float) -> pd.DataFrame:
    """Columns that swing between -v and +v: mean 0, standard deviation v."""
    swing = np.tile([-1.0, 1.0], 5)
    return pd.DataFrame({name: swing * size for name, size in columns.items()})


def test_k_sigma_says_how_many_deviations_the_worst_sensor_is_away():
    """Flow at 6 with a deviation of 2 is three, pressure at 1 with 0.5 is two: the score is three."""
    detector = build("k_sigma").fit(ten_rows(flow=2.0, pressure=0.5))
    row = pd.DataFrame({"flow": [6.0], "pressure": [1.0]})
    assert detector.score(row)[0] == 3.0
    assert detector.contributions(row).iloc[0].to_dict() == {"flow": 3.0, "pressure": 0.0}


def test_k_sigma_looks_at_latest_values_only():
    """A rolling feature far away changes nothing while the sensor itself is usual."""
    detector = build("k_sigma", features=of("flow", mean="level")).fit(ten_rows(flow=1.0, flow__mean=1.0))
    assert detector.score(pd.DataFrame({"flow": [1.0], "flow__mean": [99.0]}))[0] == 1.0


def test_k_sigma_looks_at_everything_where_there_is_no_latest_value():
    """Without a plain sensor column the rolling ones have to do."""
    features = of("flow", mean="level", std="spread")
    detector = build("k_sigma", features=features).fit(ten_rows(flow__mean=1.0, flow__std=2.0))
    assert detector.score(pd.DataFrame({"flow__mean": [4.0], "flow__std": [2.0]}))[0] == 4.0


def test_k_sigma_takes_a_constant_sensor_in_usual_deviations():
    """A sensor without a spread of its own is measured in the normaliser's unit, not divided by zero."""
    detector = build("k_sigma").fit(ten_rows(flow=0.0))
    assert detector.score(pd.DataFrame({"flow": [2.5]}))[0] == 2.5


def test_always_normal_never_and_always_anomalous_ever_exceeds_its_own_threshold():
    """Severity, which is score over threshold, is 0 for the one and 2 for the other."""
    rows = ten_rows(flow=1.0)
    silent, siren = (build(name).fit(rows) for name in ("always_normal", "always_anomalous"))
    np.testing.assert_array_equal(silent.score(rows) / silent.own_threshold, 0.0)
    np.testing.assert_array_equal(siren.score(rows) / siren.own_threshold, 2.0)


def test_random_score_is_spread_evenly_and_depends_on_seed_and_row_alone():
    """A thousand rows: every tenth of the range gets its share; the same row and seed give the same number again."""
    rows = pd.DataFrame({"flow": np.arange(1000.0), "pressure": 0.0})
    scores = build("random_score", seed=1).fit(rows).score(rows)
    counts, _ = np.histogram(scores, bins=10, range=(0, 1))
    assert counts.sum() == 1000
    assert counts.min() > 60
    assert counts.max() < 140
    np.testing.assert_array_equal(build("random_score", seed=1).fit(rows[:50]).score(rows), scores)
    assert abs(np.corrcoef(scores, build("random_score", seed=2).fit(rows).score(rows))[0, 1]) < 0.15


def test_random_score_does_not_tell_nought_from_minus_nought():
    """They are the same reading."""
    detector = build("random_score").fit(ten_rows(flow=1.0))
    assert len(set(detector.score(pd.DataFrame({"flow": [0.0, -0.0]})))) == 1


def test_one_sensor_watches_the_one_that_the_others_follow():
    """Flow and current follow pressure each in its own way, so pressure says most; only pressure counts."""
    random = np.random.default_rng(0)
    pressure = random.normal(size=300)
    noise = random.normal(size=(2, 300))
    rows = pd.DataFrame({"flow": pressure + noise[0], "pressure": pressure, "current": pressure + noise[1]})
    detector = build("one_sensor").fit(rows)
    far = pd.DataFrame({"flow": [99.0], "pressure": [rows["pressure"].mean()], "current": [-99.0]})
    assert detector.score(far)[0] < 1e-9
    assert detector.contributions(far.assign(pressure=9.0)).iloc[0].idxmax() == "pressure"


def test_last_value_looks_at_the_rate_where_there_is_one():
    """A rate of 6 with a usual one of 2 is three; a level far away has no say."""
    features = of("flow", rate="rate", mean="level")
    detector = build("last_value", features=features).fit(ten_rows(flow=1.0, flow__rate=2.0, flow__mean=1.0))
    row = pd.DataFrame({"flow": [50.0], "flow__rate": [6.0], "flow__mean": [0.0]})
    assert detector.score(row)[0] == 3.0
    assert detector.contributions(row).iloc[0].to_dict() == {"flow": 0.0, "flow__rate": 3.0, "flow__mean": 0.0}


def test_last_value_compares_with_the_mean_of_the_window_where_there_is_no_rate():
    """Latest minus mean swings by 2 in training; 50 and 46 are 4 apart, twice as much."""
    detector = build("last_value", features=of("flow", mean="level")).fit(ten_rows(flow=3.0, flow__mean=1.0))
    assert detector.score(pd.DataFrame({"flow": [50.0], "flow__mean": [46.0]}))[0] == 2.0


def test_last_value_compares_with_the_mean_over_the_fewest_readings():
    """Of looks back over 30 and over 9 readings the latter is nearer to the last value, whatever their order."""
    means = [Feature(f"mean_{rows}", ("flow",), "level", over=rows) for rows in (30, 9)]
    detector = build("last_value", features=means).fit(ten_rows(flow=3.0, mean_30=1.0, mean_9=1.0))
    row = {"flow": [9.0], "mean_30": [0.0], "mean_9": [9.0]}
    assert detector.score(pd.DataFrame(row))[0] == 0.0


def test_last_value_without_a_memory_forecasts_the_mean():
    """With latest values alone, or rolling spreads alone, it is the distance from the mean of training."""
    assert build("last_value").fit(ten_rows(flow=2.0)).score(pd.DataFrame({"flow": [6.0]}))[0] == 3.0
    spread = build("last_value", features=of("flow", std="spread")).fit(ten_rows(flow__std=2.0))
    assert spread.score(pd.DataFrame({"flow__std": [6.0]}))[0] == 3.0


def by_hour(hours: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    turn = 2 * np.pi * hours / 24
    return pd.DataFrame({**columns, "calendar__hour_sin": np.sin(turn), "calendar__hour_cos": np.cos(turn)})


def test_seasonal_compares_with_the_same_hour():
    """Flow is 5 at noon and 1 at midnight, ±1: 5 at midnight is four deviations off, at noon none."""
    hours = np.repeat([0.0, 12.0], 20)
    flow = np.where(hours == 12, 5.0, 1.0) + np.tile([-1.0, 1.0], 20)
    detector = build("seasonal").fit(by_hour(hours, flow=flow))
    asked = by_hour(np.array([0.0, 0.99, 12.0, 12.5]), flow=np.full(4, 5.0))
    np.testing.assert_allclose(detector.score(asked), [4.0, 4.0, 0.0, 0.0], atol=1e-9)
    assert detector.contributions(asked).iloc[0].to_dict() == {
        "flow": 4.0,
        "calendar__hour_sin": 0.0,
        "calendar__hour_cos": 0.0,
    }


def test_seasonal_gives_an_hour_that_it_never_saw_the_mean_of_all():
    """At six there were no rows: 3 is the mean of the day."""
    hours = np.repeat([0.0, 12.0], 20)
    flow = np.where(hours == 12, 5.0, 1.0) + np.tile([-1.0, 1.0], 20)
    detector = build("seasonal").fit(by_hour(hours, flow=flow))
    np.testing.assert_allclose(detector.score(by_hour(np.array([6.0]), flow=np.array([3.0]))), 0.0, atol=1e-9)


def test_seasonal_joins_only_where_the_hour_is_among_the_features():
    """A plant without the feature set calendar goes without it; all other baselines need nothing."""
    assert "seasonal" not in baselines(["flow", "flow__mean"])
    assert "seasonal" in baselines(["flow", "calendar__hour_sin", "calendar__hour_cos"])
    assert {"k_sigma", "last_value", "one_sensor", "random_score"} <= set(baselines(["flow"]))
