"""The features suite: what must hold before anything learns from feature rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from expectations import features
from wheeltapper import config
from wheeltapper.features.plan import FeaturePlan

PLANT = config.parse(
    "asset_type: {step: 1min, regimes: [normal, 'off'], sensors: {pressure: {unit: bar}}}\n"
    "source: simulator\nfeatures: [latest, rates]\ncandidates: [lof]",
    name="tiny",
    folder=Path(),
    where="tiny.yaml",
)
PLAN = FeaturePlan.of(PLANT)
LATEST, RATE = PLAN.columns


def frame(**columns):
    """Make three clean feature rows, then change columns."""
    ends = pd.date_range("2026-01-05 00:05", periods=3, freq="min", tz="UTC").astype("datetime64[us, UTC]")
    rows = pd.DataFrame(
        {
            "asset_id": ["a"] * 3,
            "window_start": ends - pd.Timedelta(minutes=4),
            "window_end": ends,
            "regime": ["normal"] * 3,
            "usable": [True] * 3,
            "why_not": [""] * 3,
            "plan": [PLAN.hash] * 3,
            LATEST: [1.0, 2.0, 3.0],
            RATE: [1.0, 1.5, 2.0],
        }
    )
    return rows.assign(**columns)


def test_clean_rows_keep_every_promise():
    """Nothing is put aside, nothing noted."""
    findings = features.check(frame(), PLANT, None)
    assert (findings.ok, findings.failures, findings.notes, len(findings.rejected)) == (True, (), (), 0)


def test_a_usable_row_that_is_not_finite_stops_the_batch():
    """The reason names the feature: a plan that gives infinity for a usable window is broken, not its readings."""
    findings = features.check(frame(**{RATE: [1.0, np.nan, np.inf]}), PLANT, None)
    assert findings.failures == (
        f"Every one of the 2 features of a usable row is a finite number. Not so for 2 of 3 rows, the first: "
        f"{RATE} is nan",
    )


def test_a_row_that_may_not_be_used_may_hold_anything():
    """NaN is expected where a window has a gap."""
    rows = frame(**{LATEST: [np.nan, 2.0, 3.0]}, usable=[False, True, True], why_not=["gap", "", ""])
    assert features.check(rows, PLANT, None).ok


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (frame().head(0), "at least one feature row"),
        (frame().drop(columns=RATE), f"Column {RATE}"),
        (frame(**{LATEST: ["1", "2", "3"]}), f"{LATEST} holds numbers"),
        (frame(window_end=frame()["window_end"].iloc[[0, 0, 1]].to_numpy()), "one feature row for the end"),
        (frame(window_start=frame()["window_end"] + pd.Timedelta("1s")), "does not end before it starts"),
        (frame(usable=[False, True, True]), "usable is False, why_not is ''"),
        (frame(why_not=["gap", "", ""]), "usable is True, why_not is 'gap'"),
        (frame(asset_id=["a", None, "a"]), "Every row has an asset"),
        (frame(regime=["normal", "party", "transition"]), "regime 'party' is none of normal, off, transition"),
        (frame(regime=["normal", "off", "normal"]), "usable is True in regime off for a"),
        (frame(plan=[PLAN.hash, "0123456789abcdef", PLAN.hash]), "the row follows plan 0123456789abcdef"),
    ],
    ids=[
        "empty",
        "no column",
        "text",
        "twice",
        "backwards",
        "no reason",
        "reason of a usable row",
        "no asset",
        "unknown regime",
        "usable while off",
        "two plans",
    ],
)
def test_what_stops_a_batch(rows, words):
    """A broken table is the pipeline's own mistake and must not be learnt from."""
    rows["window_end"] = pd.to_datetime(rows["window_end"], utc=True)
    findings = features.check(rows, PLANT, None)
    assert not findings.ok
    assert any(words in failure for failure in findings.failures)


WIDE = config.parse(
    "asset_type: {step: 1min, sensors: {" + ", ".join(f"s{number}: {{unit: bar}}" for number in range(8)) + "}}\n"
    "source: simulator\nfeatures: [latest, {tsfresh: {settings: efficient, calculators: [quantile, skewness]}}]\n"
    "candidates: [lof]",
    name="wide",
    folder=Path(),
    where="wide.yaml",
)
MANY = FeaturePlan.of(WIDE)


def wide_frame(**columns):
    """Make three clean rows of eighty features, then change columns."""
    values = pd.DataFrame(np.arange(3.0 * len(MANY.columns)).reshape(3, -1), columns=list(MANY.columns))
    return pd.concat([frame(plan=[MANY.hash] * 3).drop(columns=[LATEST, RATE]), values], axis=1).assign(**columns)


def test_many_features_promise_together():
    """Eighty features are checked by as many promises as nine hundred would be, and clean rows keep them."""
    assert len(MANY.columns) == 80 > features.WIDE
    assert len(features.promises(WIDE)) < 30
    findings = features.check(wide_frame(), WIDE, None)
    assert (findings.ok, findings.failures, findings.notes) == (True, (), ())


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (wide_frame().drop(columns=["s1", "s7__skewness"]), "2 of 80 feature columns are missing: s1, s7__skewness"),
        (wide_frame(s2=["1", "2", "3"]), "1 of 80 feature columns hold no float64: s2 holds str"),
        (wide_frame(s3=[1.0, np.nan, 2.0], s4=[1.0, np.inf, 2.0]), "the first: s3 is nan, s4 is inf"),
    ],
    ids=["no column", "text", "not finite"],
)
def test_the_first_offenders_of_many_are_named(rows, words):
    """Whoever reads the failure knows which columns to look at."""
    findings = features.check(rows, WIDE, None)
    assert not findings.ok
    assert any(words in failure for failure in findings.failures), findings.failures


@pytest.mark.parametrize("plant", [WIDE, None], ids=["many", "few"])
def test_features_that_may_lack_a_value_are_only_noted(plant):
    """A skewness without value stops nothing; where most windows have none, that is noted."""
    if plant is None:
        text = (
            "asset_type: {step: 1min, sensors: {s2: {unit: bar}}}\nsource: simulator\ncandidates: [lof]\n"
            "features: [{tsfresh: {settings: efficient, calculators: [skewness]}}]"
        )
        plant = config.parse(text, name="few", folder=Path(), where="few.yaml")
    plan = FeaturePlan.of(plant)
    rows = wide_frame(plan=[plan.hash] * 3)
    few = features.check(rows.assign(s2__skewness=[1.0, 2.0, np.nan]), plant, None)
    assert (few.ok, few.notes) == (True, ())
    many = features.check(rows.assign(s2__skewness=[1.0, np.nan, np.nan]), plant, None)
    unsure = len(plan.columns) - len(plan.promised)
    assert many.ok
    assert many.notes == (
        f"1 of {unsure} features that may lack a value have none in most usable rows and may not be learnt from: "
        "s2__skewness",
    )


def test_few_usable_windows_are_noted():
    """A plant that is mostly off is hard to watch, and the note says so."""
    rows = frame(usable=[False, False, True], why_not=["off", "off", ""])
    (note,) = features.check(rows, PLANT, None).notes
    assert note == "Not so: At least 50% of the windows are usable. It is 0.3333."
