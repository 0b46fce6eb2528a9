"""Single values become readings on the plant's step, in whatever order they come."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wheeltapper.sources.live.assembly import Assembly, TagValue

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def at(seconds):
    return START + seconds * SECOND


def assembly(**options):
    options = {"step": 10 * SECOND, "lateness": 5 * SECOND, **options}
    return Assembly(("flow", "temp"), **options)


def flow(seconds, value=1.0, asset="pump", why=""):
    return TagValue(asset, "flow", at(seconds), value, why)


def temp(seconds, value=20.0, asset="pump"):
    return TagValue(asset, "temp", at(seconds), value)


def due(of, seconds):
    """Return (second, values, missing, tokens) of each reading that is due."""
    return [
        ((each.reading.time - START) / SECOND, dict(each.reading.values), dict(each.reading.missing), each.tokens)
        for each in of.due(at(seconds)).readings
    ]


def test_a_complete_step_is_given_at_its_end():
    parts = assembly()
    parts.add(flow(3), "a", at(3))
    parts.add(temp(7), "b", at(7))
    assert parts.next_due() == at(10)
    assert due(parts, 9.9) == []
    assert due(parts, 10) == [(10, {"flow": 1.0, "temp": 20.0}, {}, ("a", "b"))]
    assert parts.next_due() is None


def test_a_value_at_the_end_of_a_step_belongs_to_it():
    parts = assembly()
    parts.add(flow(10), "a", at(10))
    parts.add(temp(10), "b", at(10.2))
    assert due(parts, 10.2) == [(10, {"flow": 1.0, "temp": 20.0}, {}, ("a", "b"))]


def test_a_step_without_a_sensor_waits_for_it_and_then_says_that_it_is_missing():
    parts = assembly()
    parts.add(flow(3), "a", at(3))
    assert parts.next_due() == at(15)
    assert due(parts, 14) == []
    assert due(parts, 15) == [(10, {"flow": 1.0}, {"temp": "not measured"}, ("a",))]


def test_the_newest_value_counts_and_not_the_last_to_arrive():
    parts = assembly()
    parts.add(temp(1), "a", at(1))
    parts.add(flow(8, 8.0), "b", at(8))
    parts.add(flow(4, 4.0), "c", at(9))
    assert due(parts, 10) == [(10, {"flow": 8.0, "temp": 20.0}, {}, ("a", "b", "c"))]


def test_a_late_value_corrects_its_reading():
    parts = assembly()
    parts.add(flow(3), "a", at(3))
    due(parts, 15)
    parts.add(temp(4), "b", at(40))
    assert due(parts, 40) == [(10, {"flow": 1.0, "temp": 20.0}, {}, ("b",))]


def test_what_came_twice_is_settled_and_gives_no_reading():
    parts = assembly()
    parts.add(flow(3), "a", at(3))
    parts.add(temp(3), "b", at(3))
    due(parts, 10)
    parts.add(flow(3), "again", at(11))
    given = parts.due(at(11))
    assert (given.readings, given.settled) == ((), ("again",))


def test_what_comes_twice_before_its_reading_waits_for_it():
    parts = assembly()
    parts.add(flow(3), "a", at(3))
    parts.add(flow(3), "again", at(4))
    assert parts.due(at(14)).settled == ()
    assert due(parts, 15) == [(10, {"flow": 1.0}, {"temp": "not measured"}, ("a", "again"))]


def test_a_value_is_held_up_to_its_age():
    parts = assembly(max_age=30 * SECOND)
    parts.add(temp(5), "a", at(5))
    for second in (15, 25, 35):
        parts.add(flow(second), "b", at(second))
    given = due(parts, 60)
    assert [(second, values.get("temp")) for second, values, _, _ in given] == [
        (10, 20),
        (20, 20),
        (30, 20),
        (40, None),
    ]


def test_a_late_value_also_corrects_the_readings_that_held_an_older_one():
    parts = assembly(max_age=30 * SECOND)
    parts.add(temp(5, 20.0), "a", at(5))
    parts.add(flow(15), "b", at(15))
    parts.add(flow(25), "c", at(25))
    due(parts, 60)
    parts.add(temp(14, 21.0), "late", at(61))
    assert [(second, values["temp"], tokens) for second, values, _, tokens in due(parts, 61)] == [
        (20, 21.0, ("late",)),
        (30, 21.0, ()),
    ]


def test_a_sensor_that_says_why_it_has_no_value_holds_no_older_one():
    parts = assembly(max_age=60 * SECOND)
    parts.add(flow(5), "a", at(5))
    parts.add(temp(5), "b", at(5))
    due(parts, 10)
    parts.add(flow(12, None, why="status: offline"), "c", at(12))
    assert due(parts, 25) == [(20, {"temp": 20.0}, {"flow": "status: offline"}, ("c",))]


def test_a_backlog_waits_for_its_parts_like_a_live_stream():
    parts = assembly()
    parts.add(flow(3), "a", at(1000))
    assert due(parts, 1004) == []
    parts.add(temp(3), "b", at(1004))
    assert due(parts, 1004) == [(10, {"flow": 1.0, "temp": 20.0}, {}, ("a", "b"))]


def test_a_value_that_is_too_old_or_from_the_future_is_refused_with_the_reason():
    parts = assembly(corrected_for=60 * SECOND)
    parts.add(flow(1000), "a", at(1000))
    due(parts, 1010)
    assert "more than 0:01:00 older than the newest of pump" in parts.add(flow(900), "b", at(1010))
    assert "lies in the future" in parts.add(flow(1100), "c", at(1010))
    assert parts.add(flow(900, asset="other"), "d", at(1010)) == ""
    assert [second for second, *_ in due(parts, 1020)] == [900]


def test_a_reading_that_is_not_given_yet_is_not_forgotten():
    parts = assembly(corrected_for=10 * SECOND)
    parts.add(flow(10), "a", at(1000))
    parts.add(flow(500), "b", at(1000))
    parts.add(flow(1000), "c", at(1000))
    assert [(second, tokens) for second, _, _, tokens in due(parts, 1010)] == [
        (10, ("a",)),
        (500, ("b",)),
        (1000, ("c",)),
    ]


def test_memory_does_not_grow_with_time():
    parts = assembly(max_age=30 * SECOND)
    for second in range(0, 50_000, 5):
        parts.add(flow(second), second, at(second))
        parts.add(temp(second), second, at(second))
        parts.due(at(second))
    pump = parts._assets["pump"]
    assert len(pump.cells) < 20
    assert len(pump.values) < 100
    assert len(parts._queue) < 20


values = st.lists(
    st.builds(
        TagValue,
        st.sampled_from(("pump", "fan")),
        st.sampled_from(("flow", "temp")),
        st.integers(0, 60).map(at),
        st.one_of(st.none(), st.integers(0, 5).map(float)),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda tag: (tag.asset_id, tag.sensor, tag.time),
)


def readings_of(messages, arrivals, **options):
    """Return the reading that counts for each asset and instant: the last one; and check that every token came back."""
    parts = assembly(**options)
    readings, tokens = {}, []
    for number, (tag, arrival) in enumerate(zip(messages, arrivals, strict=True)):
        assert parts.add(tag, number, at(arrival)) == ""
        given = parts.due(at(arrival))
        for each in given.readings:
            readings[each.reading.asset_id, each.reading.time] = each.reading
            tokens += each.tokens
        tokens += given.settled
    for each in (given := parts.due(at(10_000))).readings:
        readings[each.reading.asset_id, each.reading.time] = each.reading
        tokens += each.tokens
    assert sorted([*tokens, *given.settled]) == list(range(len(messages)))
    assert parts.next_due() is None
    return readings


@given(values, st.sampled_from((0, 25, 60)), st.data())
def test_any_order_and_any_doubling_give_the_same_readings(messages, max_age, data):
    doubled = data.draw(st.lists(st.sampled_from(messages), max_size=20))
    shuffled = data.draw(st.permutations([*messages, *doubled]))
    arrivals = sorted(data.draw(st.lists(st.floats(60, 180), min_size=len(shuffled), max_size=len(shuffled))))
    in_order = sorted(messages, key=lambda tag: tag.time)
    expected = readings_of(in_order, [(tag.time - START) / SECOND for tag in in_order], max_age=max_age * SECOND)
    assert readings_of(shuffled, arrivals, max_age=max_age * SECOND) == expected


@given(values, st.data())
def test_a_reading_with_a_missing_sensor_is_given_once_if_all_come_within_lateness(messages, data):
    measured = [tag for tag in messages if tag.value is not None]
    shuffled = data.draw(st.permutations([*measured, *measured]))
    parts = assembly(lateness=30 * SECOND)
    given = []
    for number, tag in enumerate(shuffled):
        parts.add(tag, number, at(60 + number * 0.3))
        given += parts.due(at(60 + number * 0.3)).readings
    given += parts.due(at(10_000)).readings
    keys = [(each.reading.asset_id, each.reading.time) for each in given if "not measured" in each.reading.missing]
    assert len(keys) == len(set(keys))


@given(values, st.sampled_from((0, 25, 60)), st.data())
def test_an_assembly_that_is_started_again_gives_the_same_readings(messages, max_age, data):
    """What was taken in before it ended is restored; what was not comes again, and perhaps some of the rest, too."""
    options = {"max_age": max_age * SECOND, "corrected_for": timedelta(hours=1)}
    expected = readings_of(messages, [100] * len(messages), **options)
    stop = data.draw(st.integers(0, len(messages)))
    first, second = assembly(**options), assembly(**options)
    readings, kept, unacknowledged = {}, [], {}
    for number, tag in enumerate(messages[:stop]):
        unacknowledged[number] = tag
        first.add(tag, number, at(100))
        if data.draw(st.booleans()):
            due = first.due(at(200))
            kept += due.values
            for each in due.readings:
                readings[each.reading.asset_id, each.reading.time] = each.reading
            for token in (*(token for each in due.readings for token in each.tokens), *due.settled):
                if data.draw(st.booleans()):
                    del unacknowledged[token]
    second.restore(kept)
    assert second.due(at(300)).readings == ()
    for number, tag in enumerate([*unacknowledged.values(), *messages[stop:]]):
        second.add(tag, number, at(300))
    for each in second.due(at(10_000)).readings:
        readings[each.reading.asset_id, each.reading.time] = each.reading
    assert readings == expected


def test_what_is_remembered_restores_the_same_assembly():
    options = {"max_age": 30 * SECOND}
    first, second = assembly(**options), assembly(**options)
    for number in range(0, 500, 7):
        first.add(flow(number, float(number)), "a", at(number))
        first.due(at(number))
    first.due(at(600))
    second.restore(first.remembered())
    for parts in (first, second):
        parts.add(temp(471), "late", at(600))
    assert due(first, 600) == due(second, 600) != []
