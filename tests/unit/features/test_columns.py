"""Columns say which sensors they are made of and what they show; what they cannot say is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.unit.columns import restless
from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features.columns import MEANINGS, Feature, describe, level_of, restlessness_of, that_show
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.features.sets.latest import Latest

LATEST = Feature("flow", ("flow",), "latest")
MEAN = Feature("flow__rolling_mean", ("flow",), "level")
LONG_MEAN = Feature("flow__mean_60_rows", ("flow",), "level", over=60)
RATIO = Feature("flow__per__speed", ("flow", "speed"), "relation")
MACHINE = AssetType.model_validate(
    {"name": "fan", "step": "1min", "sensors": {"flow": {"unit": "m³/h"}, "speed": {"unit": "rpm"}}}
)


@pytest.mark.parametrize(
    ("sensors", "shows", "message"),
    [
        (("flow",), "levle", r"column 'x' shows 'levle'; expected one of .*Did you mean 'level'"),
        (("flow",), "relation", r"'relation', which needs two or more sensors; got \['flow'\]"),
        (("flow", "flow"), "relation", "two or more sensors"),
        (("flow", "speed"), "rate", r"'rate', which needs one sensor; got \['flow', 'speed'\]"),
        ((), "level", "needs one sensor"),
        (("flow",), "phase", r"'phase', which needs no sensor; got \['flow'\]"),
    ],
)
def test_a_description_that_no_reader_could_use_is_refused(sensors: Any, shows: Any, message: str) -> None:
    """The message says what was expected, what came, and what to do."""
    with pytest.raises(ConfigError, match=message):
        Feature("x", sensors, shows)


def test_a_column_that_nobody_described_is_a_sensor_of_its_name() -> None:
    """A plain table of sensor values can be fitted and scored."""
    assert describe(["speed", "flow__per__speed"], [RATIO]) == (Feature("speed", ("speed",), "latest"), RATIO)


def test_the_level_is_the_newest_reading_or_the_mean_of_the_window() -> None:
    """Whatever the order of the columns; a mean over a longer look back is none."""
    assert level_of("flow", [LONG_MEAN, MEAN, LATEST]) == LATEST
    assert level_of("flow", [LONG_MEAN, MEAN]) == MEAN
    assert level_of("flow", [LONG_MEAN, RATIO]) is None
    assert level_of("speed", [LATEST, MEAN]) is None


def test_restlessness_over_the_fewest_readings_comes_first() -> None:
    """Nine before ten before sixty, and of the sensor that is asked for."""
    features = [*restless("flow", rows=60), *restless("flow", "speed", rows=10), *restless("flow", rows=9)]
    assert [feature.over for feature in restlessness_of("flow", features)] == [9, 10, 60]


def test_features_are_found_by_what_they_show_and_of_which_sensor() -> None:
    """A relation is found from either of its sensors."""
    assert that_show([LATEST, RATIO], "relation", "speed") == [RATIO]
    assert that_show([LATEST, RATIO], "latest") == [LATEST]


def test_a_description_travels_as_json() -> None:
    """Written and read back it is equal, a look back in time included."""
    adapter = TypeAdapter(tuple[Feature, ...])
    features = (LATEST, RATIO, LONG_MEAN, Feature("flow__mean_6h", ("flow",), "level", over=timedelta(hours=6)))
    assert adapter.validate_json(adapter.dump_json(features)) == features


def test_the_plan_describes_its_columns_and_so_does_what_is_left_of_it() -> None:
    """In the order of the columns; a plan that was read back describes them alike."""
    plan = FeaturePlan.model_validate({"asset_type": MACHINE, "sets": ["latest", "rolling"], "windows": {"rows": 3}})
    assert tuple(feature.name for feature in plan.features) == plan.columns
    assert plan.shrink(["flow__rolling_mean", "flow"]).features == (LATEST, MEAN)
    assert FeaturePlan.model_validate_json(plan.model_dump_json()).features == plan.features


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("flow", r"columns\(\) of feature set latest must return .*Feature for each column; got 'flow'"),
        (Feature("x", ("flwo",), "latest"), r"column 'x' is made of sensor 'flwo', which fan does not have.*'flow'"),
    ],
)
def test_a_set_that_does_not_describe_its_columns_is_refused(
    column: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name alone, or a sensor that the machine does not have: the plan is not written."""
    monkeypatch.setattr(Latest, "columns", lambda self, asset_type: (column,))
    with pytest.raises(ConfigError, match=message):
        FeaturePlan.model_validate({"asset_type": MACHINE, "sets": ["latest"]})


def test_the_documentation_has_every_meaning() -> None:
    """docs/features.md says of each value what it means, in the words of the code."""
    text = (Path(__file__).parents[3] / "docs" / "features.md").read_text(encoding="utf-8")
    for shows, meaning in MEANINGS.items():
        assert f"| `{shows}` | {meaning} |" in text
