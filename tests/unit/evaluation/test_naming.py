"""Naming: what found faults were called, counted beside what they were."""

import pandas as pd
import pytest

from wheeltapper.errors import DataError

PARTS = {"L": "machine", "B": "machine", "S": "sensor"}


def told(line, *said):
    """Let each alarm of a time line say a kind, what is broken, and which sensor."""
    names = pd.DataFrame(list(said), columns=["kind", "broken_part", "broken_sensor"])
    line.alarms[["kind", "broken_part", "broken_sensor"]] = names
    return line


def three_and_a_missed_one(draw):
    """Return a leak called a leak, a bearing called a stuck sensor, a sensor's fault not named, and a missed leak."""
    line = draw("0990099009900000", " LL  BB  SS  LL ")
    return told(line, ("L", "machine", ""), ("S:heat", "sensor", "heat"), ("", "", ""))


def test_both_matrices(draw):
    """By hand: two of three are told apart wrongly or not at all; the missed one is in the matrix and in no share."""
    one = three_and_a_missed_one(draw).judge(parts_of_kinds=PARTS).naming
    assert one.kinds == {"B": {"S": 1}, "L": {"L": 1, "missed": 1}, "S": {"unknown": 1}}
    assert one.parts == {"machine": {"machine": 1, "missed": 1, "sensor": 1}, "sensor": {"unknown": 1}}
    assert (one.found, one.part_right, one.part_wrong) == (3, 1, 1)
    assert (one.machine_found, one.machine_kind_right, one.sensor_found, one.sensor_right) == (2, 1, 1, 0)
    assert one.part_share == pytest.approx(1 / 3)
    assert one.machine_kind_share == 0.5
    # Wilson: 1 of 3 and 1 of 2, as tables give them.
    assert (one.part_share_low, one.part_share_high) == pytest.approx((0.0615, 0.7923), abs=1e-4)
    assert (one.machine_kind_share_low, one.machine_kind_share_high) == pytest.approx((0.0945, 0.9055), abs=1e-4)


def test_the_sensor_counts_beside_its_kind(draw):
    """The right sensor with the wrong kind, then the right kind at the wrong sensor."""
    parts = {"S:heat": "sensor"}
    for said, right, kind in (("X:heat", 1, 0), ("S:load", 0, 1)):
        line = told(draw("0990", " SS "), (said, "sensor", said[2:]))
        line.faults["kind"] = "S:heat"
        one = line.judge(parts_of_kinds=parts).naming
        assert (one.sensor_right, one.sensor_kind_right, one.part_right) == (right, kind, 1)
        assert one.kinds == {"S": {said[0]: 1}}


def test_the_first_alarm_of_a_fault_counts(draw):
    """A second alarm that knows better comes too late: somebody was already called out for the wrong reason."""
    line = told(draw("09900990", " LLLLLL "), ("B", "machine", ""), ("L", "machine", ""))
    one = line.judge(parts_of_kinds=PARTS).naming
    assert one.kinds == {"L": {"B": 1}}


def test_kinds_that_no_alarm_could_name_are_left_out(draw):
    """A fault that a person wrote down in words of her own is found or missed, never named right or wrong."""
    line = told(draw("0990099", " LL  QQ"), ("L", "machine", ""), ("", "", ""))
    assert line.judge(parts_of_kinds=PARTS).naming.kinds == {"L": {"L": 1}}
    assert line.judge(parts_of_kinds={}).naming is None
    assert line.judge().naming is None


def test_without_a_found_fault_there_is_no_share(draw):
    """Silence names nothing wrongly, and nothing rightly."""
    line = told(draw("0000", " LL "))
    one = line.judge(parts_of_kinds=PARTS).naming
    assert one.kinds == {"L": {"missed": 1}}
    assert (one.found, one.part_share, one.part_share_low, one.machine_kind_share) == (0, None, None, None)


def test_alarms_have_to_say_something(draw):
    """Alarms without the columns are a mistake of the caller."""
    with pytest.raises(DataError, match="kind"):
        draw("0990", " LL ").judge(parts_of_kinds=PARTS)


def test_the_record_survives_json(draw):
    """What is written into a run is read back as it was."""
    one = three_and_a_missed_one(draw).judge(parts_of_kinds=PARTS)
    assert type(one).model_validate(one.model_dump(mode="json")) == one
