"""Features that belong to no sensor (the time of day), and features that look further back than their window."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import plugins
from wheeltapper.detectors import build
from wheeltapper.detectors._sequences import SequenceDetector
from wheeltapper.features.columns import Feature
from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import overlaps, why_masked
from wheeltapper.scoring import explanation

CALENDAR = ("calendar__hour_sin", "calendar__hour_cos", "calendar__weekday_sin", "calendar__weekday_cos")
SEEING = {name: kind for name in plugins.INSTALLED.names(plugins.DETECTORS) if not (kind := type(build(name))).needs}
DETECTORS = [
    name
    for name, kind in SEEING.items()
    if not name.startswith("always_")
    and not issubclass(kind, SequenceDetector)
    and name not in ("autoencoder", "random_score", "one_sensor", "last_value", "rate_of_change", "rules")
]
"""Those that look at every sensor of the mill with a clock; the last ones look at less, or at nothing."""


def test_the_plan_knows_what_belongs_to_no_sensor(the_mill: Any, clock_mill: Any) -> None:
    """The clock's five columns, and nothing else; a plant without a calendar has none. Reference row 002-19."""
    clock, machine = (FeaturePlan.of(mill.plant).features for mill in (clock_mill, the_mill))
    no_sensor = [feature.name for feature in clock if not feature.sensors]
    assert no_sensor == [*CALENDAR, "calendar__is_night"]
    assert {feature.shows for feature in clock if not feature.sensors} == {"phase"}
    assert all(feature.sensors for feature in machine)


@pytest.mark.parametrize("method", ["robust", "standard"])
def test_the_clock_is_not_scaled(method: Any) -> None:
    """A start-up always came at midnight: one at noon is 2 away on the circle, not a hundred usual deviations."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"asset_id": "a", "regime": ["startup"] * 60 + ["normal"] * 60})
    rows["flow"] = rng.normal(150, 10, 120)
    rows["calendar__hour_cos"] = np.where(rows["regime"] == "startup", 0.999 + 1e-4 * rng.random(120), -0.5)
    at_noon = rows.head(1).assign(calendar__hour_cos=-1.0)
    fitted = RegimeNormaliser(method).fit(rows, [Feature("calendar__hour_cos", (), "phase")])
    assert fitted.transform(at_noon)["calendar__hour_cos"].tolist() == [-1]
    scaled = RegimeNormaliser(method).fit(rows)
    assert abs(scaled.transform(at_noon)["calendar__hour_cos"].iloc[0]) > 100
    pd.testing.assert_series_equal(fitted.transform(rows)["flow"], scaled.transform(rows)["flow"])
    back = RegimeNormaliser(method).restore(fitted.state())
    pd.testing.assert_frame_equal(back.transform(rows), fitted.transform(rows))


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_clock_is_never_blamed(clock_mill: Any, detector: str) -> None:
    """At an hour that training never saw, sensors share what is unusual; the shares still add up to 1 or are 0."""
    bundle = clock_mill.fit(detector)
    rows = clock_mill.rows("validate")[lambda one: one["usable"]].iloc[::20].copy()
    rows["calendar__hour_sin"], rows["calendar__hour_cos"] = 0.0, -1.0
    rows["heat"] += 30.0
    found = explanation.shares(bundle, rows)
    assert list(found.columns) == ["speed", "load", "heat", "shake"]
    np.testing.assert_allclose(found.sum(axis=1)[lambda one: one > 0], 1.0)
    findings = explanation.explain(bundle, rows)
    assert findings[0].sensor == "heat"
    assert {one.sensor for one in findings} == set(found.columns)
    assert not any("calendar" in one.change for one in findings)


WORDS = [
    ("flow", Feature("x", ("flow",), "level", over=timedelta(hours=6)), 9.0, "flow unusually high over the last 6h"),
    ("flow", Feature("x", ("flow",), "statistic", words="band 1"), -9.0, "flow: band 1 unusually low"),
    ("flow", Feature("x", ("flow",), "statistic"), 9.0, "flow: x unusually high"),
    ("flow", Feature("x", ("flow",), "rate"), -9.0, "flow changes unusually fast"),
    ("flow", Feature("x", ("flow",), "spread", over=30), 9.0, "flow unusually restless over the last 30 readings"),
    ("flow", Feature("x", ("flow", "pressure", "speed"), "relation"), 9.0, "flow out of step with pressure and speed"),
    ("speed", Feature("x", ("flow", "pressure", "speed"), "relation"), 9.0, "speed out of step with flow and pressure"),
]


@pytest.mark.parametrize(("sensor", "feature", "away", "words"), WORDS)
def test_any_feature_can_be_told(sensor: str, feature: Feature, away: float, words: str) -> None:
    """A feature is named by what it shows, whatever its column is called."""
    assert explanation._manner(sensor, feature, pd.Series({"x": away})) == words


def test_a_look_back_reaches_into_the_fault(the_mill: Any, clock_mill: Any) -> None:
    """A window whose hour holds a fault is not learnt as normal, although its three readings are past it."""
    plan, rows = FeaturePlan.of(clock_mill.plant), clock_mill.features
    after = (rows["asset_id"] == "mill-1") & (rows["window_end"] == pd.Timestamp("2026-01-05 14:30", tz="UTC"))
    assert rows.loc[after, "usable"].all()
    assert not overlaps(rows[after], clock_mill.faults).any()  # the fault was over at 13:50
    assert overlaps(plan.reaching(rows[after]), clock_mill.faults).all()
    assert (
        why_masked(plan.reaching(rows[after]), clock_mill.faults, clock_mill.plant.window_reach) == "inside a fault"
    ).all()
    same = FeaturePlan.of(the_mill.plant).reaching(the_mill.features)
    pd.testing.assert_frame_equal(same, the_mill.features)


def test_training_leaves_them_out(clock_mill: Any) -> None:
    """Whatever the hour after a fault looked like, the bundle that is learnt is the same."""
    in_hour = clock_mill.features["window_end"].between("2026-01-05 02:25+00:00", "2026-01-05 03:15+00:00")
    wild = clock_mill.features.copy()
    wild.loc[
        in_hour & (wild["asset_id"] == "mill-1"), "load__max_1h"
    ] = -1e6  # of more high ones a median would not take notice
    expected, found = clock_mill.fit().normaliser.state(), clock_mill.fit(features=wild).normaliser.state()
    np.testing.assert_array_equal(found["centre"], expected["centre"])
    np.testing.assert_array_equal(found["scale"], expected["scale"])
