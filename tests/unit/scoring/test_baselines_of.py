"""Which baselines stand on top of a plant's leaderboard."""

from __future__ import annotations

from typing import Any

from wheeltapper.config import PlugIn
from wheeltapper.config.plant import Selection
from wheeltapper.training.candidate import baselines_of


def named(plant: Any) -> set[str]:
    return {one.name for one in baselines_of(plant)}


def test_seasonal_stays_out_where_the_hour_of_the_day_is_no_feature(the_mill: Any) -> None:
    """With the feature set calendar it joins; not where a selection of features may take the hour away again."""
    with_hours = the_mill.plant.model_copy(
        update={"features": (*the_mill.plant.features, PlugIn(name="calendar"))},
    )
    assert "seasonal" not in named(the_mill.plant)
    assert "seasonal" in named(with_hours)
    assert "seasonal" not in named(with_hours.model_copy(update={"select": Selection()}))
    assert {"k_sigma", "last_value", "one_sensor", "random_score"} <= named(the_mill.plant)
