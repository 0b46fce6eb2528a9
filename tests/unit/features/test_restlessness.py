"""Restlessness: changes from one reading to the next, within one operating state, on a root's scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features import restless
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Stretch

TANK = AssetType.model_validate({"name": "tank", "step": "1h", "sensors": {"level": {"unit": "m"}}})


def compute(rows: int, level: Any, regimes: Any = None) -> Any:
    """Return the restlessness of windows of two readings, an hour apart."""
    values = np.array(level, dtype=float)
    last = np.arange(1, len(values))
    states = None if regimes is None else np.array(regimes, dtype=object)
    stretch = Stretch(3600.0 * np.arange(len(values)), {"level": values}, last - 1, last, states)
    return build_set("restlessness", {"rows": [rows]}).compute(stretch, TANK)[f"level__restless_{rows}_rows"]


def test_three_readings_by_hand() -> None:
    """Of 1, 2, 5, 5 the last three readings change by 3 and by 0: 4.5 on average of their squares."""
    np.testing.assert_allclose(compute(3, [1, 2, 5, 5]) ** 8, [1, (1 + 9) / 2, (9 + 0) / 2])


def test_the_usual_looks_back() -> None:
    """Ten readings and sixty; the longer one says how far back the set reaches."""
    usual = build_set("restlessness")
    assert usual.names(TANK) == ("level__restless_10_rows", "level__restless_60_rows")
    assert usual.reach(TANK).readings == 60


def test_stuck_is_nothing_and_noise_is_much() -> None:
    """At the same mean: a frozen sensor has exactly 0, one of three times the noise 3 to the fourth root as much."""
    noise = np.random.default_rng(0).normal(size=3000)
    calm, wild = compute(60, 5 + noise)[60:], compute(60, 5 + 3 * noise)[60:]
    np.testing.assert_allclose(wild, calm * 3**0.25)
    assert (compute(60, np.full(100, 5.0)) == 0).all()


def test_a_jump_counts_for_one_change_of_many() -> None:
    """A level that moves for good is as restless as it was as soon as the jump is no longer looked at."""
    level = np.tile([0.0, 1.0], 20) + np.repeat([0.0, 50.0], 20)
    found = compute(5, level)
    assert found[15] == found[-1] == 1
    assert found[19] > 2


def test_a_change_of_state_is_no_restlessness() -> None:
    """Changes across start-ups are left out, and those of the other state do not count where there are own ones."""
    states = ["off"] * 3 + ["normal"] * 3
    found = compute(6, [0, 0.5, 1, 80, 83, 86], regimes=states) ** 4
    np.testing.assert_allclose(found[[0, 1]], 0.5)  # off
    np.testing.assert_allclose(found[2], 0.5)  # the first reading of normal running: the state before it must do
    np.testing.assert_allclose(found[[3, 4]], 3)  # normal


def test_states_that_never_last_are_taken_together() -> None:
    """Where no two readings in a row share a state, all changes count: better than nothing."""
    np.testing.assert_allclose(compute(3, [1, 3, 5], regimes=["off", "normal", "off"]) ** 4, 2)


def test_a_missing_reading_is_no_change() -> None:
    """The readings on both sides of a hole are not compared; a window that holds the hole has no value."""
    found = compute(5, [1, 2, np.nan, 7, 8])
    assert np.isnan(found[[1, 2]]).all()
    np.testing.assert_allclose(found[[0, 3]], 1)


def test_one_reading_cannot_change() -> None:
    """A look back at a single reading is refused."""
    with pytest.raises(ConfigError, match="at least 2 readings"):
        build_set("restlessness", {"rows": [1]})


def test_a_reading_that_no_machine_sends_hides_nothing() -> None:
    """1e200 is some logger's word for nothing: its square would be infinite, and sixty windows without a value."""
    found = compute(10, [1.0, 2.0, 1e200, 2.0, 1.0])
    assert np.isfinite(found).all()
    assert found[1] > 1e15


def test_as_spread_is_the_deviation_of_independent_readings() -> None:
    """Readings that deviate by 2 m, however they are looked at."""
    level = np.random.default_rng(0).normal(10, 2, 20_000)
    assert float(restless.as_spread(compute(5000, level)[-1])) == pytest.approx(2, rel=0.03)
