"""tsfresh's ten minimal features in one pass: its values to the last bit, each window on its own."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from wheeltapper.features.kernels import _tsfresh, minimal

few = settings(derandomize=True, max_examples=60, deadline=None)
numbers = st.floats(-1e12, 1e12, allow_subnormal=False)
repeated = st.sampled_from([0.0, -0.0, 0.1, -0.1, 2.0, 1e12])
series = st.one_of(
    arrays(np.float64, st.integers(1, 300), elements=numbers),
    arrays(np.float64, st.integers(1, 300), elements=repeated),
)


def rolled(n: int, rows: int, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows of ``rows`` readings that end at every ``every``-th of n readings."""
    last = np.arange(rows - 1, n, every, dtype=np.int64)
    return last - rows + 1, last


def ten(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    return np.column_stack(list(minimal.together(values, first, last).values()))


def tsfreshs(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return what tsfresh itself says of the same windows."""
    return np.hstack([_tsfresh.calculate(name, [{}], values, first, last) for name in minimal.NAMES])


def test_by_hand() -> None:
    """The window 3, −4, 1, 0 has sum 0, median 0.5, variance 6.5 and the greatest size 4."""
    found = minimal.together(np.array([9.0, 3.0, -4.0, 1.0, 0.0]), np.array([1]), np.array([4]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "sum_values": [0.0],
        "median": [0.5],
        "mean": [0.0],
        "length": [4.0],
        "standard_deviation": [np.sqrt(6.5)],
        "variance": [6.5],
        "root_mean_square": [np.sqrt(6.5)],
        "maximum": [3.0],
        "absolute_maximum": [4.0],
        "minimum": [-4.0],
    }


def test_they_are_tsfreshs_minimal_features() -> None:
    """The ten are those of tsfresh's MinimalFCParameters, no more and no less."""
    assert set(minimal.NAMES) == set(minimal.KERNELS) == set(_tsfresh.settings("minimal"))


@few
@given(values=series, rows=st.integers(1, 300), every=st.integers(1, 9))
def test_equal_to_tsfresh(values: np.ndarray, rows: int, every: int) -> None:
    """Any readings, any length, any step give tsfresh's own values, to the last bit."""
    first, last = rolled(len(values), min(rows, len(values)), every)
    np.testing.assert_array_equal(ten(values, first, last), tsfreshs(values, first, last))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 127, 128, 129, 256, 257, 1000, 2049])
def test_equal_to_tsfresh_at_the_ends_of_numpys_blocks(rows: int) -> None:
    """Numpy adds up to 7, 128 and more values in different orders; each is followed."""
    values = np.random.default_rng(rows).normal(5, 1, rows + 20)
    first, last = rolled(len(values), rows)
    np.testing.assert_array_equal(ten(values, first, last), tsfreshs(values, first, last))


@few
@given(values=series, seed=st.integers(0, 2**32 - 1))
def test_windows_may_differ_in_length_and_come_in_any_order(values: np.ndarray, seed: int) -> None:
    """Windows that grow, shrink, jump ahead and back, or repeat are each computed as if they were alone."""
    generator = np.random.default_rng(seed)
    first = generator.integers(0, len(values), 12)
    last = np.array([generator.integers(start, len(values)) for start in first], dtype=np.int64)
    for order in (np.arange(12), np.lexsort((last, first))):
        found = ten(values, first[order], last[order])
        alone = [ten(values[first[at] : last[at] + 1], np.array([0]), np.array([last[at] - first[at]])) for at in order]
        assert found.tobytes() == np.concatenate(alone).tobytes()


def test_the_sign_of_zero_is_not_remembered() -> None:
    """Among zeros of both signs a window's median is the same zero, whatever windows came before it."""
    values = np.random.default_rng(1).choice([0.0, -0.0, 1.0, -1.0], 200)
    first, last = rolled(200, 9)
    alone = [ten(values[one : end + 1], np.array([0]), np.array([8])) for one, end in zip(first, last, strict=True)]
    assert ten(values, first, last).tobytes() == np.concatenate(alone).tobytes()


def test_nothing_is_remembered() -> None:
    """After a spike of 1e15 the windows that no longer hold it are as if it had never been."""
    values = np.random.default_rng(0).normal(0.001, 1e-6, 60)
    spiked = values.copy()
    spiked[10] = 1e15
    first, last = rolled(60, 5)
    assert ten(spiked, first, last)[11:].tobytes() == ten(values, first, last)[11:].tobytes()
    assert ten(spiked, first, last)[6:11].tobytes() != ten(values, first, last)[6:11].tobytes()


def test_no_window_gives_no_value() -> None:
    """Without windows every feature is there, and empty."""
    none = np.array([], dtype=np.int64)
    assert [values.shape for values in minimal.together(np.array([1.0]), none, none).values()] == [(0,)] * 10
