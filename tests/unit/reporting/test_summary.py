"""What the figures mean, in sentences."""

import pandas as pd
import pytest

from tests.unit.reporting.conftest import UNJUDGED, alarm_of, faults_of, judgement, scores_of
from wheeltapper import tables
from wheeltapper.reporting.text import summary


def test_baselines_stand_on_top():
    """Whatever order came: baselines first, then the given order, validate before test."""
    rows = [
        judgement("lof", part="test"),
        judgement("lof", part="validate"),
        judgement("pca", part="validate"),
        judgement("k_sigma", part="validate", is_baseline=True),
    ]
    boards = summary.by_part(rows)
    assert list(boards) == ["validate", "test"]
    assert [row["candidate"] for row in boards["validate"]] == ["k_sigma", "lof", "pca"]


def test_the_champion_is_told_by_its_test_part():
    """The part that was looked at once is the honest one."""
    rows = [judgement("lof", part="test", found=1), judgement("lof", part="validate", found=3)]
    assert summary.own_row(rows, "lof")["found"] == 1
    assert summary.own_row(rows, "pca") is None


@pytest.mark.parametrize(
    ("rate", "low", "high", "said"),
    [
        (0.2, 0.1, 0.9, "so is the whole interval"),
        (0.5, 0.1, 1.8, "reaches above it"),
        (1.5, 0.6, 3.0, "the interval includes it"),
        (4.0, 2.0, 7.0, "The budget is broken"),
    ],
)
def test_the_budget_is_told_with_its_certainty(rate, low, high, said):
    """Kept, kept perhaps, broken perhaps and broken are four different answers for a budget of 1."""
    row = judgement("lof", **dict(zip(_RATE, (rate, low, high), strict=True)))
    assert said in " ".join(summary.budget_sentences(row, 1.0, "pump"))


_RATE = [f"false_alarms_per_asset_week{end}" for end in ("", "_low", "_high")]


def test_no_known_fault_is_no_perfect_record():
    """Without known faults nothing is claimed about finding them, or about cost."""
    row = judgement("lof", **UNJUDGED)
    said = " ".join([*summary.finding_sentences(row), summary.cost_sentence(row)])
    assert "No fault is known" in said
    assert "could not be judged" in said
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


def test_lead_times_are_told_to_the_failure():
    """How many failures had an alarm before, typically how long before, and what the least was."""
    (said,) = summary.lead_sentences(judgement("lof", **FAILED))
    assert "6 of 8 failures had an alarm before (75\u00a0%; 95\u00a0% interval 41\u00a0% to 93\u00a0%)" in said
    assert (
        "typically 10\u00a0h before it (median; 95\u00a0% interval 5\u00a0h to 15\u00a0h), 90\u00a0min at the least"
        in said
    )
    assert said in summary.finding_sentences(judgement("lof", **FAILED))


def test_without_failures_no_lead_time_is_told():
    """Nothing is known to fail, or nothing did; and of failures that nobody foresaw there is only the share."""
    assert summary.lead_sentences(judgement("lof")) == summary.lead_sentences(judgement("lof", failures=0)) == []
    missed = judgement("lof", failures=2, foreseen=0, foreseen_rate=0.0, foreseen_rate_low=0.0, foreseen_rate_high=0.66)
    assert "typically" not in summary.lead_sentences(missed)[0]


def test_returns_are_told_with_their_formula():
    """Saved over spent, with both beside it; nothing where nothing was spent."""
    cost = {"without_detector": 20_000.0, "total": 12_850.0, "net_saving": 7150.0, "spent": 2650.0, "roi": 2.698}
    said = summary.returns_sentence(judgement("lof", cost=cost))
    assert "ROI: 7\u202f150 saved / 2\u202f650 spent on repairs and false alarms = 2.7" in said
    assert summary.returns_sentence(judgement("lof", cost=cost | {"roi": None})) == ""
    assert summary.returns_sentence(judgement("lof", cost=None)) == ""


def test_machines_are_counted_by_hand():
    """Two faults, an alarm one minute into the first, another outside: one heard, one outside, after 60 s."""
    scores = scores_of("p", [0.1, 2.0, 2.0, 0.1, *[0.1] * 6])
    faults = faults_of(("p", 1, 2, "wear"), ("p", 8, 9, "leak"), ("p", 20, 30, "wear"))  # the third: not scored
    alarms = pd.concat([alarm_of("p", 2, 2, "a1"), alarm_of("p", 5, 6, "a2")])
    (row,) = summary.machines(scores, faults, alarms, ["p"])
    assert (row["faults"], row["heard"], row["alarms"], row["outside"]) == (2, 1, 2, 1)
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


def test_names_are_told_with_what_they_rest_on():
    """How often machine was told from sensor, with the interval, and what of the rest was wrong."""
    part, kind, sensor = summary.naming_sentences(NAMED)
    assert "22 found faults" in part
    assert "rightly in 20 of 22 (95\u00a0% interval 72\u00a0% to 97\u00a0%)" in part
    assert "in 1 it named the wrong one of the two" in part
    assert "8 of 9 (95\u00a0% interval 57\u00a0% to 98\u00a0%)" in kind
    assert "the right sensor was named in 11, and what it suffers in 9" in sensor
    assert summary.naming_sentences(NAMED | {"machine_found": 0, "sensor_found": 0}) == [part]
    assert "nobody can say" in summary.naming_sentences(NAMED | {"found": 0})[0]
