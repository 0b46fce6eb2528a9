from datetime import timedelta

import pandas as pd
import pytest

from wheeltapper.errors import DataError
from wheeltapper.evaluation.events import match
from wheeltapper.evaluation.exposure import watched_rows

MINUTE = timedelta(minutes=1)


def events(line, tolerance=0, lead=0):
    rows = watched_rows(line.scores, spacing=MINUTE, max_gap=3 * MINUTE)
    return match(rows, line.alarms, line.faults, tolerance * MINUTE, lead * MINUTE)


def found(result):
    return result.faults["is_found"].tolist()


def delays(result):
    return (result.faults["delay_hours"] * 60).round(6).tolist()


def lead_minutes(result):
    return (result.faults["lead_hours"] * 60).round(6).tolist()


def false(result):
    return result.alarms["is_false"].tolist()


def wrong_minutes(result):
    return (result.alarms["wrong_hours"] * 60).round(6).tolist()


def test_alarm_inside_a_fault_finds_it(draw):
    """The fault starts at minute 3, the alarm at minute 5: found, two minutes late, nothing wrong."""
    result = events(draw("0000099900", faults="   LLLLL", alarms="     AAA"))
    assert (found(result), delays(result)) == ([True], [2])
    assert (false(result), wrong_minutes(result)) == ([False], [0])


def test_alarm_elsewhere_is_false(draw):
    """An alarm at minute 1 says nothing about a fault at minute 6."""
    result = events(draw("0990000000", faults="      LL"))
    assert (found(result), false(result), wrong_minutes(result)) == ([False], [True], [2])


def test_lamp_that_is_always_on_finds_nothing(draw):
    """It is one false alarm, and wrong for all eight minutes outside the fault."""
    result = events(draw("9999999999", faults="    LL"))
    assert (found(result), false(result), wrong_minutes(result)) == ([False], [True], [8])


def test_lamp_that_a_pause_put_out_was_never_out(draw):
    """A pause closes the alarm; the next one opens inside the fault, but no normal window lies between."""
    line = draw("999          9999", faults="              L", alarms="AAA          AAAA")
    assert found(events(line)) == [False]
    assert len(events(line).alarms) == 1


def test_lamp_that_went_out_may_find_the_next_fault(draw):
    """One normal window between them is enough: the second alarm is news."""
    result = events(draw("9990999", faults="    LLL"))
    assert (found(result), false(result)) == ([True], [True, False])


def test_tolerance_forgives_an_early_alarm(draw):
    """Two minutes early: false without tolerance, found without delay with two minutes of it."""
    line = draw("0099900000", faults="    LL")
    assert (found(events(line)), false(events(line))) == ([False], [True])
    result = events(line, tolerance=2)
    assert (found(result), delays(result), false(result), wrong_minutes(result)) == ([True], [0], [False], [0])


def test_tolerance_forgives_a_late_alarm(draw):
    """The alarm opens a minute after the fault's end."""
    line = draw("0000009000", faults="    LL")
    assert found(events(line)) == [False]
    assert (found(events(line, tolerance=1)), delays(events(line, tolerance=1))) == ([True], [2])


def test_alarm_of_another_asset_does_not_help(draw):
    """Pump b rings while pump a is broken."""
    line = draw("000000", faults="  LL", asset="a") + draw("009900", asset="b")
    assert (found(events(line)), false(events(line))) == ([False], [True])


def test_fault_is_found_once(draw):
    """Two alarms in one fault are one found fault, timed by the first, and no false alarm."""
    result = events(draw("0900900000", faults="LLLLLL"))
    assert (found(result), delays(result), false(result)) == ([True], [1], [False, False])


def test_one_alarm_may_find_two_faults_at_once(draw):
    """Somebody who is called while two things are broken finds both."""
    line = draw("00009000", faults="  LLLLL") + draw("", faults="   BBB")
    assert found(events(line)) == [True, True]


def test_alarm_that_burns_on_is_wrong_from_the_end(draw):
    """Opened inside the fault, still on four minutes after its end: true, with four wrong minutes."""
    result = events(draw("0009999990", faults="  LLL"))
    assert (false(result), wrong_minutes(result)) == ([False], [4])


def test_fault_without_a_window_is_not_observed(draw):
    """Nobody looked between minutes 3 and 8: the fault counts for nobody."""
    result = events(draw("000     000", faults="    LL"))
    assert result.faults["is_observed"].tolist() == [False]
    assert result.chance is None


def test_faults_of_other_parts_are_left_out(draw):
    """A fault before the first window, and one of an asset that was not scored, are not even 'not observed'."""
    line = draw("      0000", faults="LL") + draw("", faults="LLLLLLLL", asset="other")
    assert events(line).faults.empty


def test_fault_that_is_still_there_counts(draw):
    """A fault that runs past the last window, or has no end yet, is found like any other. Reference row 001-24."""
    line = draw("00009", faults="   LLLLL")
    assert found(events(line)) == [True]
    line.faults["end"] = line.faults["end"].astype("datetime64[us, UTC]").mask([True])
    assert found(events(line)) == [True]


def test_delay_counts_from_the_first_window(draw):
    """A fault older than the part is not held against the detector: nobody watched yet."""
    result = events(draw("     0090", faults="LLLLLLLLL"))
    assert delays(result) == [2]


def test_open_alarm_ends_with_its_last_anomalous_window(draw):
    """An alarm without a closing time is as long as its anomalous windows so far."""
    line = draw("0009900", faults="      L", alarms="   AA")
    line.alarms["closed_at"] = line.alarms["closed_at"].mask([True])
    assert wrong_minutes(events(line)) == [2]


def test_alarm_outside_the_watch_is_left_out(draw):
    """An alarm without a watched window inside rang for another part."""
    line = draw("     0000", faults="      L", alarms="AA")
    assert events(line).alarms.empty


def test_chance_level_is_what_random_alarms_would_find(draw):
    """The fault fills a quarter of the watch: one random alarm finds it in 1/4, two in 7/16 of the cases.

    Reference row 001-24.
    """
    assert events(draw("90000000", faults="    LL")).chance == pytest.approx(1 / 4)
    assert events(draw("90900000", faults="    LL")).chance == pytest.approx(7 / 16)
    assert events(draw("00000000", faults="    LL")).chance == 0


def test_wrong_tables_are_refused(draw):
    """A negative tolerance, a fault that ends before it starts and a missing column are named."""
    line = draw("0000", faults=" L")
    with pytest.raises(DataError, match="must not be negative"):
        events(line, tolerance=-1)
    with pytest.raises(DataError, match="the lead must not be negative"):
        events(line, lead=-1)
    with pytest.raises(DataError, match="1 faults end before they start, first of pump"):
        backwards = line.faults.assign(end=line.faults["start"] - pd.Timedelta(minutes=1))
        events(type(line)(line.scores, line.alarms, backwards))
    with pytest.raises(DataError, match=r"alarms need column \['closed_at'\]"):
        events(type(line)(line.scores, line.alarms.drop(columns="closed_at"), line.faults))


def test_early_alarm_that_stands_finds_the_fault(draw):
    """It opens five minutes before the record and still burns when it begins: found at once, nothing false or wrong."""
    line = draw("0000000099999990000", faults="             LLLL")
    assert (found(events(line)), false(events(line))) == ([False], [True])
    result = events(line, lead=5)
    assert (found(result), delays(result), false(result), wrong_minutes(result)) == ([True], [0], [False], [0])


def test_lead_has_an_end(draw):
    """Five minutes early is false where four are granted."""
    result = events(draw("0000000099999990000", faults="             LLLL"), lead=4)
    assert (found(result), false(result), wrong_minutes(result)) == ([False], [True], [5])


def test_early_alarm_that_goes_out_was_withdrawn(draw):
    """It is over two minutes before the fault begins: a false alarm like any other, with or without a lead."""
    result = events(draw("0000000099900000000", faults="             LLLL"), lead=10)
    assert (found(result), false(result), wrong_minutes(result)) == ([False], [True], [3])


def test_lead_does_not_help_a_lamp_that_is_always_on(draw):
    """A lead longer than the whole watch: it is still one false alarm, wrong for all ten minutes before the fault."""
    result = events(draw("9" * 14, faults="          LLLL"), lead=60)
    assert (found(result), false(result), wrong_minutes(result)) == ([False], [True], [10])


def test_lead_does_not_help_a_lamp_that_was_off_for_a_moment(draw):
    """One quiet window at the beginning, three loud ones until the alarm opens: it was not quiet before, so no news."""
    line = draw("0" + "9" * 13, faults="          LLLL", alarms="   " + "A" * 11)
    assert (found(events(line, lead=60)), false(events(line, lead=60))) == ([False], [True])


def test_lead_does_not_help_a_lamp_that_flickers(draw):
    """Every other window rings: only alarms inside the fault are right, and none of the others foretold it."""
    result = events(draw("90909090909090", faults="          LLLL"), lead=60)
    assert false(result) == [True] * 5 + [False] * 2
    assert delays(result) == [0]


def test_early_alarm_is_about_the_next_fault_only(draw):
    """It burns through two faults within its lead: the first is found, the second was never announced."""
    result = events(draw("0000000099999999999", faults="            LL  BB"), lead=20)
    assert (found(result), false(result)) == ([True, False], [False])


def test_alarm_inside_a_fault_foretells_no_other(draw):
    """It opens in one fault and burns into the next: it is about the one it opened in."""
    result = events(draw("0000000099999999999", faults="       LLL    BB"), lead=20)
    assert (found(result), delays(result)) == ([True, False], [1, pytest.approx(float("nan"), nan_ok=True)])


def test_early_alarm_may_outlive_the_part(draw):
    """The watch ends before the fault begins: the alarm that still burns is not false, the fault another part's."""
    result = events(draw("0000000999", faults="            LLLL"), lead=10)
    assert (false(result), wrong_minutes(result), len(result.faults)) == ([False], [0], 0)


def test_earliest_standing_alarm_counts(draw):
    """Of a withdrawn alarm, an early one that stands and one inside, the second finds the fault."""
    line = draw("0000009000000990000000", faults="              LLLLLL", alarms="      A      AA   A")
    result = events(line, lead=10)
    assert false(result) == [True, False, False]
    assert (lead_minutes(result), delays(result)) == ([6], [0])


def test_lead_time_ends_with_the_fault(draw):
    """Opened two minutes after the start, the alarm comes five minutes before the end; the onset does not matter."""
    assert lead_minutes(events(draw("00000900000", faults="   LLLLLLLL"))) == [5]


def test_lead_time_of_an_alarm_that_comes_after_the_end_is_negative(draw):
    """The tolerance forgives it, but nobody was warned before."""
    assert lead_minutes(events(draw("0000009000", faults="    LL"), tolerance=2)) == [-1]


def test_what_is_missed_or_not_over_has_no_lead_time(draw):
    """Nobody knows when a fault without an end will be one."""
    line = draw("00009", faults="   LLLLL")
    line.faults["end"] = line.faults["end"].astype("datetime64[us, UTC]").mask([True])
    assert events(line).faults["lead_hours"].isna().all()
    assert events(draw("00000", faults="   L")).faults["lead_hours"].isna().all()


def test_chance_counts_the_lead(draw):
    """With two minutes of lead a fault of two in eight minutes is about half of them."""
    assert events(draw("90000000", faults="    LL"), lead=2).chance == pytest.approx(1 / 2)
