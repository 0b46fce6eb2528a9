"""Curves of the latest value, and the mean that forgets: numbers that one can compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Stretch

TANK = AssetType.model_validate({"name": "tank", "step": "1s", "sensors": {"level": {"unit": "m"}}})


def compute(name: str, level: list[float], rows: int, **options: object) -> dict[str, list[float]]:
    """Return what a set computes of windows of some rows."""
    last = np.arange(rows - 1, len(level))
    stretch = Stretch(np.arange(len(level), dtype=float), {"level": np.array(level, float)}, last - rows + 1, last)
    return {name: one.tolist() for name, one in build_set(name, options).compute(stretch, TANK).items()}


def test_known_values() -> None:
    """Of −4: square 16, root 2, logarithm ln 5; of 0 nothing but 0. Reference row 000-14."""
    found = compute("elementwise", [9, -4, 0], rows=1)
    assert found["level__square"] == [81, 16, 0]
    assert found["level__sqrt_abs"] == [3, 2, 0]
    assert found["level__log1p_abs"] == pytest.approx([np.log(10), np.log(5), 0])


def test_only_what_is_asked_for() -> None:
    """One curve asked for is one column a sensor. Reference row 000-14."""
    assert compute("elementwise", [2], rows=1, what=["square"]) == {"level__square": [4]}


def test_span_five_by_hand() -> None:
    """With a span of 5 a reading has two thirds of the weight of the next one: (4·0 + 6·3 + 9·9) / 19.

    Reference row 000-17.
    """
    found = compute("ewm", [0, 3, 9], rows=3)
    assert found["level__ewm"] == pytest.approx([(4 * 0 + 6 * 3 + 9 * 9) / 19])


def test_what_left_the_window_is_forgotten() -> None:
    """After 1e12 has left the window, the mean of a constant is the constant. Reference row 000-17."""
    assert compute("ewm", [1e12, 0.5, 0.5, 0.5], rows=3)["level__ewm"][-1] == 0.5


def test_a_span_of_one_is_the_last_reading() -> None:
    """All weight on the last one; and a long window ends where weights no longer count."""
    assert compute("ewm", [1, 2, 7], rows=3, span=1)["level__ewm"] == [7]
    assert compute("ewm", [1e9] + [2.0] * 400, rows=401)["level__ewm"] == [2]
