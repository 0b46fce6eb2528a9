"""Features of highs and lows: tsfresh's values, window by window."""

import numpy as np
import pytest

from tests.unit.features.kernels.reference import alone, check
from wheeltapper.features.kernels import peaks


@pytest.mark.parametrize("name", sorted(peaks.KERNELS))
def test_values_are_those_of_tsfresh(name: str) -> None:
    """Every calculator gives what tsfresh gives, on every awkward series and on overlapping windows."""
    check(peaks.KERNELS[name], name)


def test_peaks_by_hand() -> None:
    """In 0 3 1 5 1 2 0 the 3, 5 and 2 top their neighbours; only the 5 tops two on either side."""
    x = np.array([0.0, 3.0, 1.0, 5.0, 1.0, 2.0, 0.0])
    assert alone(peaks.number_peaks, x, [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}]).tolist() == [3.0, 1.0, 1.0, 0.0]


def test_a_peak_needs_its_neighbours_inside_the_window() -> None:
    """The 5 is a peak of the readings, but not of a window that ends with it."""
    x = np.array([0.0, 1.0, 5.0, 1.0, 0.0])
    found = peaks.number_peaks(x, np.array([0, 0, 2]), np.array([4, 2, 4]), [{"n": 1}, {"n": 2}])
    assert found.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_crossings_by_hand() -> None:
    """−1 2 0 3 goes over 0 three times: 0 itself counts as below."""
    assert alone(peaks.number_crossing_m, np.array([-1.0, 2.0, 0.0, 3.0]), [{"m": 0}, {"m": 5}]).tolist() == [3.0, 0.0]


def test_places_and_strikes_by_hand() -> None:
    """1 4 4 0 (mean 2.25): highest at ¼ and up to ¾, lowest at ¾ and up to the end, two readings above in a row."""
    x = np.array([1.0, 4.0, 4.0, 0.0])
    assert [alone(peaks.KERNELS[name], x, [{}])[0] for name in peaks.NAMES] == [0.25, 0.75, 0.75, 1, 2, 1, 2, 2]
