"""The last readings in order, on series small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Reach, Stretch

TANK = AssetType.model_validate({"name": "tank", "step": "1min", "sensors": {"level": {"unit": "m"}}})


def compute(options: dict[str, object], level: list[float]) -> np.ndarray:
    """Return one line of readings for each window of two, a minute apart."""
    last = np.arange(1, len(level))
    stretch = Stretch(60.0 * np.arange(len(level)), {"level": np.array(level, dtype=float)}, last - 1, last)
    return np.column_stack(list(build_set("sequence", options).compute(stretch, TANK).values()))


def test_the_last_readings_stand_in_order() -> None:
    """Of 1, 2, 4, 8, 16 the last four are 2, 4, 8, 16; the windows before lack what came before the first."""
    found = compute({"rows": 4}, [1, 2, 4, 8, 16])
    nan = np.nan
    np.testing.assert_array_equal(found, [[nan, nan, 1, 2], [nan, 1, 2, 4], [1, 2, 4, 8], [2, 4, 8, 16]])


def test_every_second_reading_looks_twice_as_far() -> None:
    """Of 0 to 7, every second one back from 7: 1, 3, 5, 7; and the set says that it looks at seven readings."""
    np.testing.assert_array_equal(compute({"rows": 4, "every": 2}, [*range(8)])[-1], [1, 3, 5, 7])
    assert build_set("sequence", {"rows": 4, "every": 2}).reach(TANK) == Reach(readings=7)


def test_columns_are_named_by_their_place() -> None:
    """Sixteen if nothing else is said, from at_0, the oldest, to at_15, the latest."""
    columns = build_set("sequence").names(TANK)
    assert columns == tuple(f"level__at_{place}" for place in range(16))


def test_a_missing_reading_is_missing_at_its_place_only() -> None:
    """A hole before the window leaves its place empty; one inside it leaves the window without a value."""
    found = compute({"rows": 4}, [1, np.nan, 4, 8, 16])
    np.testing.assert_array_equal(found[-1], [np.nan, 4, 8, 16])
    assert np.isnan(found[:2]).all()


@pytest.mark.parametrize("options", [{"rows": 3}, {"every": 0}])
def test_fewer_than_four_readings_are_no_sequence(options: dict[str, object]) -> None:
    """Three readings have no shape, and the same reading four times is none either."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        build_set("sequence", options)
