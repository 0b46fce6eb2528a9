"""Earlier values and the change since then, on series small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Reach, Stretch

TANK = AssetType.model_validate({"name": "tank", "step": "1min", "sensors": {"level": {"unit": "m"}}})


def compute(
    options: dict[str, object], level: list[float], minutes: list[float] | None = None
) -> dict[str, list[float]]:
    """Return what lags computes of windows of two readings, a minute apart if nothing else is said."""
    seconds = 60 * np.array(range(len(level)) if minutes is None else minutes, dtype=float)
    last = np.arange(1, len(level))
    stretch = Stretch(seconds, {"level": np.array(level, dtype=float)}, last - 1, last)
    return {name: values.tolist() for name, values in build_set("lags", options).compute(stretch, TANK).items()}


def test_lags_without_back_fill() -> None:
    """Three readings before 8 stood 1, so it rose by 7; the first windows have nobody to ask and stay empty.

    Reference row 000-16.
    """
    found = compute({"rows": [1, 3]}, [1, 2, 4, 8])
    assert found["level__lag_1"] == [1, 2, 4]
    assert found["level__change_1"] == [1, 2, 4]
    np.testing.assert_array_equal(found["level__lag_3"], [np.nan, np.nan, 1])
    np.testing.assert_array_equal(found["level__change_3"], [np.nan, np.nan, 7])


def test_the_usual_lags() -> None:
    """Nothing said: 1, 3, 6 and 12 readings, and the set says that it looks at thirteen. Reference row 000-16."""
    lags = build_set("lags")
    assert [one for one in lags.names(TANK) if "lag" in one] == [f"level__lag_{rows}" for rows in (1, 3, 6, 12)]
    assert lags.reach(TANK) == Reach(readings=13)


def test_a_lag_of_time_takes_the_reading_that_was_there() -> None:
    """Two minutes before 0:05 the last reading was that of 0:02; before 0:01 there is none."""
    found = compute({"rows": [], "times": ["2min"]}, [1, 2, 4, 8], minutes=[0, 1, 2, 5])
    np.testing.assert_array_equal(found["level__lag_2min"], [np.nan, 1, 4])
    np.testing.assert_array_equal(found["level__change_2min"], [np.nan, 3, 4])


def test_a_missing_earlier_value_is_missing() -> None:
    """The value three readings ago did not come: no other one takes its place."""
    found = compute({"rows": [3]}, [np.nan, 2, 4, 8, 16])
    np.testing.assert_array_equal(found["level__lag_3"], [np.nan, np.nan, np.nan, 2])


@pytest.mark.parametrize("options", [{"rows": [0]}, {"rows": [-3]}, {"times": ["0s"]}])
def test_a_lag_looks_back(options: dict[str, object]) -> None:
    """Now is no lag, and the future least of all."""
    with pytest.raises(ConfigError, match="a lag must be at least one reading"):
        build_set("lags", options)
