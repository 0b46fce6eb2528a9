"""The silly ones: simple enough to check by eye."""

import numpy as np
import pandas as pd

from wheeltapper.detectors import build


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
    detector = build("k_sigma").fit(ten_rows(flow=1.0, flow__mean=1.0))
    assert detector.score(pd.DataFrame({"flow": [1.0], "flow__mean": [99.0]}))[0] == 1.0


def test_k_sigma_looks_at_everything_where_there_is_no_latest_value():
    """Without a plain sensor column the rolling ones have to do."""
    detector = build("k_sigma").fit(ten_rows(flow__mean=1.0, flow__std=2.0))
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
