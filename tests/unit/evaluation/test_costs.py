from datetime import timedelta

import numpy as np
import pytest

from wheeltapper.config import Costs, KindCosts
from wheeltapper.evaluation.costs import availability, break_down, price_events
from wheeltapper.evaluation.events import match
from wheeltapper.evaluation.exposure import is_in_fault, watched_rows

MINUTE = timedelta(minutes=1)
COSTS = Costs(missed_fault=1000, found_fault=200, false_alarm=50, delay_hour=60, alarm_hour=120)


def events_and_rows(line):
    rows = watched_rows(line.scores, spacing=MINUTE, max_gap=3 * MINUTE)
    return match(rows, line.alarms, line.faults, 0 * MINUTE), rows


@pytest.fixture
def busy(draw):
    """Draw a false alarm of two minutes, a fault found after three, one missed, and a lamp that burns one too long."""
    return draw("0990000000990000000", faults="       LLLL     BB ", alarms=" AA       AA       ")


def test_every_part_of_the_cost_can_be_counted_by_hand(busy):
    """One miss 1000, one repair 200, three minutes' delay 3, one false alarm 50, three wrong minutes 6."""
    cost = break_down(events_and_rows(busy)[0], COSTS)
    assert (cost.missed_faults, cost.found_faults, cost.delay) == pytest.approx((1000, 200, 3))
    assert (cost.false_alarms, cost.wrong_alarm_hours) == pytest.approx((50, 6))
    assert (cost.total, cost.without_detector, cost.net_saving) == pytest.approx((1259, 2000, 741))


def test_parts_and_events_add_up_to_the_total(busy):
    """The break-down sums to the total, and so do the prices of the single events. Reference row 001-26."""
    events, _ = events_and_rows(busy)
    cost, prices = break_down(events, COSTS), price_events(events, COSTS)
    parts = cost.missed_faults + cost.found_faults + cost.delay + cost.false_alarms + cost.wrong_alarm_hours
    assert parts == pytest.approx(cost.total)
    assert prices.faults.sum() + prices.alarms.sum() == pytest.approx(cost.total)


def test_found_late_never_costs_more_than_missed(draw):
    """Three minutes' delay at 60 000 an hour would cost 3000; silence would be cheaper, so it is capped at 1000."""
    events, _ = events_and_rows(draw("0000099", faults="  LLLL"))
    dear = COSTS.model_copy(update={"delay_hour": 60_000.0})
    assert break_down(events, dear).total == pytest.approx(1000 + 120 / 60)


def test_a_kind_may_have_its_own_price(busy):
    """Missed B costs 300, not 1000; unwatched, L costs its 1000 and B its 300; the events add up to the same."""
    events, _ = events_and_rows(busy)
    own = COSTS.model_copy(update={"by_kind": {"B": KindCosts(missed_fault=300, downtime_hours=4)}})
    cost, prices = break_down(events, own), price_events(events, own)
    assert (cost.missed_faults, cost.total, cost.without_detector) == pytest.approx((300, 559, 1300))
    assert prices.faults.tolist() == pytest.approx([203, 300])


def test_found_late_never_costs_more_than_missed_of_its_kind(draw):
    """Found after three minutes that would cost 3000, a fault of a cheap kind costs no more than its 300."""
    events, _ = events_and_rows(draw("0000099", faults="  LLLL"))
    changed = {"delay_hour": 60_000.0, "by_kind": {"L": KindCosts(missed_fault=300)}}
    assert price_events(events, COSTS.model_copy(update=changed)).faults.tolist() == [300]


def test_row_count_does_not_matter(draw):
    """Ten anomalous windows in a fault are one found fault, not ten. Reference row 001-26."""
    long, short = (events_and_rows(draw(text, faults="LLLLLLLLLL"))[0] for text in ("9999999999", "9000000000"))
    assert break_down(long, COSTS).total == break_down(short, COSTS).total == 200


def test_availability_is_a_share(draw):
    """Two of eight watched minutes were faulty: 75 %; a fault longer than the watch leaves 0, never less.

    Reference row 001-27.
    """
    for faults, share in (("  LL", 0.75), ("LLLLLLLLLLLLLL", 0.0)):
        line = draw("00000000", faults=faults)
        events, rows = events_and_rows(line)
        assert availability(rows, is_in_fault(rows, events.faults)) == pytest.approx(share)
    assert availability(rows.iloc[:0], np.zeros(0, dtype=bool)) is None


def test_roi_is_what_was_saved_for_what_was_spent(busy):
    """Saved 741; spent one repair 200, one false alarm 50 and 6 of burning: 741 / 256. Misses and delay are losses.

    Reference row 001-31.
    """
    cost = break_down(events_and_rows(busy)[0], COSTS)
    assert cost.spent == pytest.approx(256)
    assert cost.roi == pytest.approx(741 / 256)


def test_roi_of_false_alarms_alone_is_minus_one(draw):
    """All that was spent is lost: the missed fault would have cost the same unwatched."""
    cost = break_down(events_and_rows(draw("0990000000", faults="      BB"))[0], COSTS)
    assert cost.roi == pytest.approx(-1)


def test_silence_has_no_roi(draw):
    """It spends nothing: a quotient of nought and nought would be made up."""
    cost = break_down(events_and_rows(draw("0000000000", faults="      BB"))[0], COSTS)
    assert (cost.spent, cost.roi, cost.net_saving) == (0, None, 0)
