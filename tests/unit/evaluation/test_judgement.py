import json

import numpy as np
import pytest
from pydantic import ValidationError

from wheeltapper.config import Costs, KindCosts
from wheeltapper.errors import DataError
from wheeltapper.evaluation.judgement import NO_FAULTS, Judgement

QUIET, FAULT = "0" * 40, " " * 20 + "L" * 10


def test_perfect_detector(draw):
    """It rings in the fault and nowhere else: all found at once, no false alarm, every curve full."""
    one = draw("0" * 20 + "9" * 10 + "0" * 10, FAULT).judge(vus_window=0)
    assert (one.faults, one.found, one.detection_rate, one.delay_minutes_median) == (1, 1, 1, 0)
    assert (one.alarms, one.false_alarms, one.alarm_fraction) == (1, 0, 0)
    assert (one.vus_pr, one.vus_roc, one.roc_auc, one.average_precision) == pytest.approx((1, 1, 1, 1))
    assert one.confusion.model_dump() == {"tp": 10, "fp": 0, "fn": 0, "tn": 30}
    assert one.cost.total == Costs().found_fault
    assert one.chance_found == pytest.approx(0.25)


def test_inverted_detector(draw):
    """The same scores upside down: missed, one false alarm, every curve below chance."""
    one = draw("9" * 20 + "0" * 10 + "9" * 10, FAULT).judge(vus_window=0)
    assert (one.found, one.false_alarms) == (0, 2)
    assert one.roc_auc == 0
    assert one.vus_pr < one.vus_pr_random
    assert one.cost.total > Costs().missed_fault


def test_always_on_costs_more_than_silence(draw):
    """Silence costs the missed fault; the lamp that always burns costs that and its alarm."""
    silent, always = draw(QUIET, FAULT).judge(), draw("9" * 40, FAULT).judge()
    assert silent.cost.total == Costs().missed_fault
    assert always.found == silent.found == 0
    assert always.cost_per_asset_week > silent.cost_per_asset_week
    assert always.alarm_fraction == 1


def test_random_score_is_reported_as_random(draw):
    """Without skill VUS-PR lies at its random value and ROC-AUC at one half."""
    random = np.random.default_rng(5)
    line = draw(
        "".join(str(digit) for digit in random.integers(0, 10, 4000)), " " * 1000 + "L" * 400 + " " * 200 + "B" * 300
    )
    one = line.judge(vus_window=20)
    assert one.vus_pr == pytest.approx(one.vus_pr_random, abs=0.04)
    assert one.roc_auc == pytest.approx(0.5, abs=0.04)
    assert one.chance_found > 0.99


def test_exposure_and_rates(draw):
    """Forty minutes are 40/10080 of a week; one false alarm in them is 252 a week, with a wide interval."""
    one = draw("0099" + "0" * 36, FAULT).judge()
    assert one.asset_weeks == pytest.approx(40 / 10080)
    assert one.false_alarms_per_asset_week == pytest.approx(252)
    assert one.false_alarms_per_asset_week_low == pytest.approx(252 * 0.02532, rel=1e-3)
    assert one.false_alarms_per_asset_week_high == pytest.approx(252 * 5.5716, rel=1e-3)
    assert one.cost_per_asset_week == pytest.approx(one.cost.total / one.asset_weeks)
    assert one.cost_per_asset_week_low <= one.cost_per_asset_week <= one.cost_per_asset_week_high


def test_kinds_have_their_own_line(draw):
    """Leak found after one minute, bearing missed. Reference row 001-29."""
    one = draw("0009000000", faults="  LLL BB")
    lines = {line.kind: line for line in one.judge().by_kind}
    assert (lines["L"].faults, lines["L"].found, lines["L"].median_delay_minutes) == (1, 1, 1)
    assert (lines["B"].faults, lines["B"].found, lines["B"].median_delay_minutes) == (1, 0, None)
    assert lines["B"].detection_rate_high == pytest.approx(0.7935, abs=1e-4)


def test_kinds_say_what_they_cost(draw):
    """A leak found at once costs its repair; the missed bearing its own price and its own four hours of standing."""
    costs = Costs(by_kind={"B": KindCosts(missed_fault=3000, downtime_hours=4)}, delay_hour=0)
    one = draw("0090000000", faults="  LLL BB").judge(costs=costs)
    lines = {line.kind: line for line in one.by_kind}
    assert (lines["L"].cost, lines["L"].cost_if_missed, lines["L"].downtime_hours) == (2000, 10_000, None)
    assert (lines["B"].cost, lines["B"].cost_if_missed, lines["B"].downtime_hours) == (3000, 3000, 4)
    assert sum(line.cost for line in one.by_kind) == one.cost.missed_faults + one.cost.found_faults + one.cost.delay


def test_costs_by_asset_week_add_up(draw):
    """What each asset and week cost is the total, and a quiet asset is there with nothing."""
    line = draw("0900000000", "     LL", asset="a") + draw("0000000000", asset="b")
    one = line.judge()
    assert one.cost_by_asset_week == pytest.approx({"a week 0": one.cost.total, "b week 0": 0})


def test_without_faults_nothing_is_made_up(draw):
    """No known fault: rates of alarms stay, everything that needs the truth is None, and the note says why."""
    one = draw("0099000000").judge()
    for name in ("cost", "cost_per_asset_week", "detection_rate", "chance_found", "vus_pr", "roc_auc", "confusion"):
        assert getattr(one, name) is None, name
    assert (one.alarms, one.false_alarms, one.faults) == (1, 1, 0)
    assert one.notes == (NO_FAULTS,)


def test_unobserved_fault_is_reported(draw):
    """Nobody watched during the fault: it is listed as such, not as missed."""
    one = draw("000     000", faults="    LL").judge()
    assert (one.faults, one.not_observed) == (0, 1)
    assert "1 of 1 faults have no watched window" in one.notes[1]


def test_same_input_same_record_and_json(draw):
    """The record is repeatable, survives JSON, and holds no NaN."""
    line = draw("0090000000", faults="  LL   BB")
    one, two = line.judge(), line.judge()
    assert one == two
    text = one.model_dump_json()
    assert Judgement.model_validate_json(text) == one
    assert json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} is no JSON"))


def test_nothing_scored_is_refused(draw):
    """Without a scored window there is no judgement, and no zero in its place."""
    with pytest.raises(DataError, match="no scored window"):
        draw("", faults="LL").judge()


def test_range_figures_are_of_observed_faults(draw):
    """Covered by half in one piece: recall 0.75, precision 1, and the same windows at random instants far below."""
    one = draw("0" * 25 + "9" * 5 + "0" * 20, FAULT).judge()
    assert (one.range_recall, one.range_precision) == (0.75, 1)
    assert one.range_f1 == pytest.approx(6 / 7)
    assert one.range_f1_random < one.range_f1
    assert one.range_f1_by_asset == {"pump": one.range_f1}


def test_intervals_by_event_and_by_asset_need_five(draw):
    """Five pumps, delays of 0 to 4 minutes: median and VUS-PR get intervals round them, and four pumps none."""
    texts = ["0" * (20 + late) + "9" * (10 - late) + "0" * 10 for late in range(5)]
    lines = [draw(text, FAULT, asset=f"pump-{late}") for late, text in enumerate(texts)]
    five, four = sum(lines[1:], lines[0]).judge(), sum(lines[2:], lines[1]).judge()
    assert 0 <= five.delay_minutes_median_low < five.delay_minutes_median < five.delay_minutes_median_high <= 4
    assert five.vus_pr_low < five.vus_pr < five.vus_pr_high
    assert (four.delay_minutes_median_low, four.vus_pr_low) == (None, None)


def test_what_was_saved_adds_up_by_event(draw):
    """Saved by each fault, less what false alarms cost, is the net saving: no row is counted."""
    one = draw("0990000000990000000", faults="       LLLL     BB ").judge()
    saved = sum(outcome.saved for outcome in one.outcomes)
    assert saved - one.cost.false_alarms - one.cost.wrong_alarm_hours == pytest.approx(one.cost.net_saving)
    assert [round(outcome.saved) for outcome in one.outcomes] == [7995, 0]  # a repair and three minutes; a miss


def test_mtbf_is_watched_time_over_faults(draw):
    """Forty minutes and two faults: twenty minutes between failures on average, a third of an hour.

    Reference row 001-27.
    """
    one = draw(QUIET, "    LL          BB").judge()
    assert one.mtbf_hours == pytest.approx(20 / 60)
    assert draw(QUIET).judge().mtbf_hours is None


def test_availability_outside_nought_and_one_cannot_be_recorded(draw):
    """A record that claims more than all of the time is refused, wherever it comes from."""
    good = draw(QUIET, FAULT).judge().model_dump()
    for share in (-0.1, 1.1):
        with pytest.raises(ValidationError, match="availability"):
            Judgement.model_validate(good | {"availability": share})


def test_records_of_earlier_versions_are_read(draw):
    """A result that knows no lead times, range figures or returns is still a judgement, with these left empty."""
    record = json.loads(draw("0090000000", faults="  LL   BB").judge().model_dump_json())
    new = (
        "range_",
        "lead_",
        "foreseen",
        "failures",
        "vus_pr_low",
        "vus_pr_high",
        "delay_minutes_median_",
        "window_",
        "false_alarms_by_",
    )
    old = {name: value for name, value in record.items() if not name.startswith(new)}
    old["outcomes"] = [{k: v for k, v in one.items() if k not in ("lead_minutes", "saved")} for one in old["outcomes"]]
    old["cost"] = {name: value for name, value in old["cost"].items() if name not in ("spent", "roi")}
    read = Judgement.model_validate(old)
    assert (read.found, read.cost.total) == (1, record["cost"]["total"])
    assert (read.range_f1, read.failures, read.cost.roi, read.outcomes[0].saved) == (None,) * 4
