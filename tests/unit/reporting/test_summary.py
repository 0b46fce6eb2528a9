"""The sentences and table rows that the report derives from its figures."""

import pandas as pd
import pytest

from tests.unit.reporting.conftest import UNJUDGED, alarm_of, faults_of, judgement, scores_of
from wheeltapper import tables
from wheeltapper.reporting.text import summary


def test_baselines_stand_on_top():
    """In any order of the input: baselines first, then the given order, validate before test."""
    rows = [
        judgement("lof", part="test"),
        judgement("lof", part="validate"),
        judgement("pca", part="validate"),
        judgement("k_sigma", part="validate", is_baseline=True),
    ]
    boards = summary.by_part(rows)
    assert list(boards) == ["validate", "test"]
    assert [row["candidate"] for row in boards["validate"]] == ["k_sigma", "lof", "pca"]


def test_the_row_of_the_test_part_is_used():
    """The test part is used only once, after the choice, so its figures are the most reliable."""
    rows = [judgement("lof", part="test", found=1), judgement("lof", part="validate", found=3)]
    assert summary.row_of(rows, "lof")["found"] == 1
    assert summary.row_of(rows, "pca") is None


@pytest.mark.parametrize(
    ("rate", "low", "high", "sentence"),
    [
        (0.2, 0.1, 0.9, "the whole interval lies within it"),
        (0.5, 0.1, 1.8, "the upper end of the interval lies above it"),
        (1.5, 0.6, 3.0, "the budget lies within the interval"),
        (4.0, 2.0, 7.0, "The budget is exceeded"),
    ],
)
def test_the_budget_sentence_says_how_certain_it_is(rate, low, high, sentence):
    """Kept, perhaps kept, perhaps exceeded and exceeded are four different answers for a budget of 1."""
    row = judgement("lof", **dict(zip(_RATE, (rate, low, high), strict=True)))
    assert sentence in " ".join(summary.budget_sentences(row, 1.0, "pump"))


_RATE = [f"false_alarms_per_asset_week{end}" for end in ("", "_low", "_high")]


def test_without_known_faults_nothing_is_claimed():
    """Without known faults nothing is claimed about finding them, or about cost."""
    row = judgement("lof", **UNJUDGED)
    sentence = " ".join([*summary.finding_sentences(row), summary.cost_sentence(row)])
    assert "No fault is known" in sentence
    assert "could not be judged" in sentence
    assert "every alarm counts as false" in " ".join(summary.budget_sentences(row, 1.0, "pump"))


FAILED = {
    "failures": 8,
    "foreseen": 6,
    "foreseen_rate": 0.75,
    "foreseen_rate_low": 0.41,
    "foreseen_rate_high": 0.93,
    "lead_minutes_median": 600.0,
    "lead_minutes_median_low": 300.0,
    "lead_minutes_median_high": 900.0,
    "lead_minutes_min": 90.0,
}


def test_lead_times_count_to_the_failure():
    """How many failures had an alarm before them, the median time between, and the shortest."""
    (sentence,) = summary.lead_sentences(judgement("lof", **FAILED))
    assert "An alarm opened before 6 of 8 failures (75\u00a0%; 95\u00a0% interval 41\u00a0% to 93\u00a0%)" in sentence
    assert (
        "typically opened 10\u00a0h before the failure (median; 95\u00a0% interval 5\u00a0h to 15\u00a0h)" in sentence
    )
    assert "the shortest time was 90\u00a0min" in sentence
    assert sentence in summary.finding_sentences(judgement("lof", **FAILED))


def test_without_failures_there_is_no_lead_time():
    """No failure is known, or none happened; for failures without an alarm there is only the share."""
    assert summary.lead_sentences(judgement("lof")) == summary.lead_sentences(judgement("lof", failures=0)) == []
    missed = judgement("lof", failures=2, foreseen=0, foreseen_rate=0.0, foreseen_rate_low=0.0, foreseen_rate_high=0.66)
    assert "typically" not in summary.lead_sentences(missed)[0]


def test_returns_are_shown_with_their_formula():
    """Saved over spent, with both figures; empty where nothing was spent."""
    cost = {"without_detector": 20_000.0, "total": 12_850.0, "net_saving": 7150.0, "spent": 2650.0, "roi": 2.698}
    sentence = summary.returns_sentence(judgement("lof", cost=cost))
    assert "ROI: 7\u202f150 saved / 2\u202f650 spent on repairs and false alarms = 2.7" in sentence
    assert summary.returns_sentence(judgement("lof", cost=cost | {"roi": None})) == ""
    assert summary.returns_sentence(judgement("lof", cost=None)) == ""


def test_machines_are_counted_by_hand():
    """Two faults: an alarm opens one minute into the first, another alarm opens outside both."""
    scores = scores_of("p", [0.1, 2.0, 2.0, 0.1, *[0.1] * 6])
    faults = faults_of(("p", 1, 2, "wear"), ("p", 8, 9, "leak"), ("p", 20, 30, "wear"))  # the third: not scored
    alarms = pd.concat([alarm_of("p", 2, 2, "a1"), alarm_of("p", 5, 6, "a2")])
    (row,) = summary.machines(scores, faults, alarms, ["p"])
    assert (row["faults"], row["with_alarm"], row["alarms"], row["outside"]) == (2, 1, 2, 1)
    assert row["first_delay"] == 1.0
    assert row["anomalous"] == 0.2
    assert row["threshold_low"] == row["threshold_high"] == 2.0


def test_a_machine_without_scores_has_none():
    """Nothing scored is None, not zero percent."""
    (row,) = summary.machines(tables.SCORES.empty(), tables.FAULTS.empty(), tables.ALARMS.empty(), ["p"])
    assert row["windows"] == 0
    assert row["anomalous"] is None


NAMED = {
    "found": 22,
    "part_right": 20,
    "part_wrong": 1,
    "part_share_low": 0.72,
    "part_share_high": 0.97,
    "machine_found": 9,
    "machine_kind_right": 8,
    "machine_kind_share_low": 0.57,
    "machine_kind_share_high": 0.98,
    "sensor_found": 13,
    "sensor_right": 11,
    "sensor_kind_right": 9,
}


def test_naming_is_shown_with_counts_and_interval():
    """How often the alarm named machine or sensor correctly, with the interval, and how often wrongly."""
    part, kind, sensor = summary.naming_sentences(NAMED)
    assert "Found faults of a known kind: 22." in part
    assert "one of its sensors, in 20 of 22 (95\u00a0% interval 72\u00a0% to 97\u00a0%)" in part
    assert "It named the wrong part in 1," in part
    assert "8 of 9 (95\u00a0% interval 57\u00a0% to 98\u00a0%)" in kind
    assert "named the right sensor in 11, and the right kind of sensor fault in 9" in sensor
    assert summary.naming_sentences(NAMED | {"machine_found": 0, "sensor_found": 0}) == [part]
    assert "it is unknown" in summary.naming_sentences(NAMED | {"found": 0})[0]
