"""Lead times: to the failure, measured fault by fault, and only where a fault ends in one."""

from datetime import timedelta

import pytest

MINUTE = timedelta(minutes=1)


def test_lead_time_runs_to_the_failure(draw):
    """Starts at 3, alarm at 5, fails at 10: five minutes ahead; two minutes of delay are another figure.

    Reference row 000-23.
    """
    one = draw("0000099999900", faults="   WWWWWWWW").judge(failing_kinds=["W"])
    assert (one.failures, one.foreseen, one.lead_minutes_median, one.lead_minutes_min) == (1, 1, 5, 5)
    assert one.delay_minutes_median == 2
    assert one.outcomes[0].lead_minutes == 5


def test_an_early_alarm_adds_to_the_lead_time(draw):
    """Opened three minutes before the record, eleven before the failure; the delay is nought."""
    one = draw("000000009999999999999", faults="           WWWWWWWWW").judge(failing_kinds=["W"], lead=3 * MINUTE)
    assert (one.lead_minutes_median, one.delay_minutes_median, one.false_alarms) == (11, 0, 0)


def test_the_share_counts_every_failure(draw):
    """One seen coming, one missed, one heard only after it had failed: one of three, and the median is the one's."""
    line = draw("0009990000000000000900000", faults="  WWWW   WWW    WWW", alarms="   AAA             A")
    one = line.judge(failing_kinds=["W"], tolerance=MINUTE)
    assert (one.found, one.failures, one.foreseen) == (2, 3, 1)
    assert one.foreseen_rate == pytest.approx(1 / 3)
    assert (one.foreseen_rate_low, one.foreseen_rate_high) == pytest.approx((0.0615, 0.7923), abs=1e-4)
    assert [outcome.lead_minutes for outcome in one.outcomes] == [2, None, -1]
    assert one.lead_minutes_median == one.lead_minutes_min == 2


def test_other_kinds_have_no_lead_time(draw):
    """A leak that somebody stops ends in no failure, however early it was found."""
    one = draw("0099000090000", faults="  WWWW  LLL").judge(failing_kinds=["W"])
    assert (one.failures, one.foreseen) == (1, 1)
    assert [outcome.lead_minutes for outcome in one.outcomes] == [3, None]


def test_where_nothing_is_said_to_fail_nothing_is_made_up(draw):
    """No kind is named: every figure is empty, none is nought."""
    one = draw("0099000000000", faults="  WWWW").judge()
    assert (one.failures, one.foreseen, one.foreseen_rate, one.lead_minutes_median) == (None,) * 4


def test_a_kind_that_no_fault_has_is_pointed_out(draw):
    """A typing error in ends_in_failure would otherwise pass for a plant without failures."""
    one = draw("0099000000000", faults="  WWWW").judge(failing_kinds=["Wear"])
    assert (one.failures, one.foreseen_rate) == (0, None)
    assert "Correct ends_in_failure" in one.notes[-1]


def test_the_median_has_an_interval_from_five_failures_on(draw):
    """Leads of 1 to 5 minutes: the median of 3 lies between the least and the greatest; four failures give none."""
    texts = ["0" * place + "9" * (6 - place) + "0" * 6 for place in range(1, 6)]
    lines = [draw(text, faults="WWWWWWW", asset=f"pump-{place}") for place, text in enumerate(texts)]
    five = sum(lines[1:], lines[0]).judge(failing_kinds=["W"])
    assert five.lead_minutes_median == 3
    assert 1 <= five.lead_minutes_median_low < 3 < five.lead_minutes_median_high <= 5
    four = sum(lines[2:], lines[1]).judge(failing_kinds=["W"])
    assert four.lead_minutes_median_low is None


def test_a_fault_that_is_not_over_has_not_failed_yet(draw):
    """Its kind ends in a failure, but nobody knows when: it counts as found, and in no share of failures."""
    line = draw("0009999", faults="   WWWWWWWW")
    line.faults["end"] = line.faults["end"].astype("datetime64[us, UTC]").mask([True])
    one = line.judge(failing_kinds=["W"])
    assert (one.found, one.failures, one.foreseen_rate, one.outcomes[0].lead_minutes) == (1, 0, None, None)
