"""What should the sensors read?"""

import numpy as np
import pandas as pd

from wheeltapper.detectors import build
from wheeltapper.detectors.state_estimation import _chosen, _evenly


def on_a_curve(n_rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Pressure is the square of flow: a curve that no straight pattern follows."""
    flow = np.random.default_rng(seed).uniform(-1.5, 1.5, n_rows)
    return pd.DataFrame({"flow": flow, "pressure": flow**2 - 0.75})


def test_a_row_beside_the_curve_is_heard_though_each_value_is_usual():
    """Flow 0 and pressure 1 were both seen often, never together."""
    detector = build("state_estimation").fit(on_a_curve())
    beside = pd.DataFrame({"flow": [0.0], "pressure": [1.0]})
    assert detector.score(beside)[0] > 4 * detector.score(on_a_curve(seed=1)).max()


def test_what_resembles_nothing_on_record_is_taken_for_the_mean():
    """A thousand deviations away, no state is alike: the residual is the whole distance from the mean."""
    train = on_a_curve()
    detector = build("state_estimation").fit(train)
    far = pd.DataFrame({"flow": [1000.0], "pressure": [0.0]})
    np.testing.assert_allclose(detector._estimates(far.to_numpy() - detector.centre_), 0.0, atol=1e-12)
    assert detector.contributions(far).iloc[0].idxmax() == "flow"


def test_the_estimate_is_the_solution_of_the_equation():
    """With the memory written out, the estimate is what the formula gives step by step."""
    train = on_a_curve(60)
    detector = build("state_estimation", {"states": 12, "ridge": 0.5}).fit(train)
    x = train.to_numpy()[:1] - detector.centre_
    memory = detector.memory_
    between = ((memory[:, None] - memory[None]) ** 2).sum(axis=2)
    width = np.median(np.sqrt(between[np.triu_indices(12, 1)]))
    alike = np.exp(-between / (2 * width**2)) + 0.5 * np.eye(12)
    similarity = np.exp(-((memory - x) ** 2).sum(axis=1) / (2 * width**2))
    np.testing.assert_allclose(detector._estimates(x)[0], memory.T @ np.linalg.inv(alike) @ similarity, atol=1e-10)


def test_the_memory_takes_the_extremes_and_then_evenly_along_the_length():
    """Of twenty rows on a line with one dent, the smallest and largest of both columns are in."""
    values = np.column_stack([np.arange(20.0), np.zeros(20)])
    values[7, 1], values[12, 1] = 5.0, -5.0
    chosen = _chosen(values, 10).tolist()
    assert {0, 19, 7, 12} <= set(chosen)
    assert len(chosen) == 10
    assert _chosen(values, 50).tolist() == list(range(20))


def test_a_few_of_many_are_taken_evenly():
    """Three of nine: the first, the middle, the last."""
    assert _evenly(np.arange(9), 3).tolist() == [0, 4, 8]
