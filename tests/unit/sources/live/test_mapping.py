"""Topics and JSON payloads are read by mapping; what cannot be read says why."""

import doctest
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.live.plants import plant
from wheeltapper.config import PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.sources import live
from wheeltapper.sources.live import mapping
from wheeltapper.sources.live.assembly import TagValue
from wheeltapper.sources.live.mapping import Arrival, JsonDecoder, MessageError, Topic
from wheeltapper.sources.live.reading import LiveReading

ARRIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TELEMETRY = "plant/{asset_id}/telemetry"
SINGLE = "plant/{asset_id}/{sensor}"


def read(place, content, /, *, more="", is_retained=False, **options):
    decoder = JsonDecoder(Topic(**options), plant(more=more))
    assert decoder.knows(place)
    written = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(decoder.decode(Arrival(place, written, ARRIVED, is_retained)))


def refused(place, content, /, **options):
    with pytest.raises(MessageError) as caught:
        read(place, content, **options)
    return str(caught.value)


def test_a_bare_number_is_a_value_at_its_arrival():
    assert read("plant/p1/flow", 7.5, topic=SINGLE, payload="number") == [TagValue("p1", "flow", ARRIVED, 7.5)]


def test_an_object_with_a_value_and_a_time():
    for time, form in (("2026-01-01T13:00:00+01:00", "iso"), (1767268800, "unix"), (1767268800000, "unix_ms")):
        payload = {"v": {"x": "7.5"}, "t": time}
        options = {"value_field": "v.x", "time_field": "t", "time_format": form}
        assert read("plant/p1/flow", payload, topic=SINGLE, payload="value", **options) == [
            TagValue("p1", "flow", NOON, 7.5)
        ]


def test_an_object_with_all_sensors_is_a_reading():
    payload = {"ts": "2026-01-01T12:00:00Z", "flow": 1, "temp": None, "mode": "eco", "state": 3, "serial": "X"}
    options = {"topic": TELEMETRY, "time_field": "ts", "regime_field": "state"}
    assert read("plant/p1/telemetry", payload, **options) == [
        LiveReading("p1", NOON, {"flow": 1.0, "mode": "eco"}, "3", {"temp": "not measured"})
    ]


def test_a_list_of_objects_is_several_readings_and_a_field_may_name_the_machine():
    payload = [{"id": 7, "flow": 1, "temp": 2, "mode": "eco"}, {"id": "p8", "flow": 3}]
    missing = {"temp": "not measured", "mode": "not measured"}
    assert read("all", payload, topic="all", asset_field="id") == [
        LiveReading("7", ARRIVED, {"flow": 1.0, "temp": 2.0, "mode": "eco"}, None, {}),
        LiveReading("p8", ARRIVED, {"flow": 3.0}, None, missing),
    ]


def test_names_and_units_are_translated():
    sensors = {"flow": "FLOW.01", "temp": {"field": "meta.t", "unit": "°F"}}
    (reading,) = read("plant/p1/telemetry", {"FLOW.01": 1, "meta": {"t": 212.0}}, topic=TELEMETRY, sensors=sensors)
    assert reading.values == {"flow": 1.0, "temp": pytest.approx(100.0)}
    (tag,) = read("plant/p1/T1", 50, topic=SINGLE, payload="number", sensors={"temp": {"field": "T1", "unit": "°F"}})
    assert (tag.sensor, tag.value) == ("temp", pytest.approx(10.0))


def test_a_value_is_given_in_the_unit_of_the_plants_source():
    sensors = {"temp": {"unit": "°C"}}
    (tag,) = read(
        "plant/p1/temp", 100.0, topic=SINGLE, payload="number", sensors=sensors, more="cleaning: {units: {temp: °F}}"
    )
    assert tag.value == pytest.approx(212.0)


def test_one_unreadable_field_leaves_the_others():
    (reading,) = read("plant/p1/telemetry", {"flow": "n/a", "temp": 2, "mode": [1]}, topic=TELEMETRY)
    assert reading.values == {"temp": 2.0}
    assert reading.missing == {"flow": "unreadable: 'n/a'", "mode": "unreadable: [1]"}


def test_values_that_are_not_finite_are_missing():
    (reading,) = read("plant/p1/telemetry", b'{"flow": NaN, "temp": Infinity, "mode": "eco"}', topic=TELEMETRY)
    assert reading.missing == {"flow": "not measured", "temp": "unreadable: inf"}


def test_a_local_time_needs_its_zone():
    options = {"topic": TELEMETRY, "time_field": "t"}
    payload = {"t": "2026-01-01T13:00:00", "flow": 1}
    assert "names no zone. Set time_zone" in refused("plant/p1/telemetry", payload, **options)
    (reading,) = read("plant/p1/telemetry", payload, time_zone="Europe/Berlin", **options)
    assert reading.time == NOON


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\xff\xfe", "no JSON"),
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ({"flow": 1}, "no field 't' (the payload has: flow)"),
        ({"t": True, "flow": 1}, "expected milliseconds since 1970, got True"),
        ({"t": 1e300, "flow": 1}, "expected milliseconds since 1970, got 1e+300"),
        ({"t": "soon", "flow": 1}, "expected milliseconds since 1970, got 'soon'"),
        ({"t": 0, "other": 1}, "none of the fields flow, temp, mode has a value (the payload has: t, other)"),
        (7, "expected an object with"),
        ([7], "expected an object with"),
    ],
)
def test_an_unreadable_payload_says_why(payload, why):
    assert why in refused("plant/p1/telemetry", payload, topic=TELEMETRY, time_field="t", time_format="unix_ms")


def test_a_time_that_no_calendar_has_says_so():
    for time in ("0001-01-01T00:00:00+10:00", "2026-02-30T00:00:00Z", 7, None, ""):
        assert "expected an ISO 8601 time" in refused(
            "plant/p1/telemetry", {"t": time, "flow": 1}, topic=TELEMETRY, time_field="t"
        )


def test_an_unreadable_single_value_says_why():
    assert refused("plant/p1/flow", "off", topic=SINGLE, payload="number") == "flow: unreadable: 'off'"
    assert "no sensor is called 'speed'" in refused("plant/p1/speed", 1, topic=SINGLE, payload="number")


def test_a_kept_message_without_a_time_is_of_unknown_age():
    assert "its age is not known" in refused("plant/p1/flow", 1, topic=SINGLE, payload="number", is_retained=True)
    options = {"topic": SINGLE, "payload": "value", "time_field": "t", "time_format": "unix"}
    assert read("plant/p1/flow", {"value": 1, "t": 0}, is_retained=True, **options)


def test_patterns():
    pattern = mapping.Pattern("a/{asset_id}-x/+/{sensor}/#")
    assert pattern.filter == "a/+/+/+/#"
    assert pattern.parts("a/p1-x/q/flow/any/thing") == {"asset_id": "p1", "sensor": "flow"}
    assert pattern.parts("a/p1-y/q/flow/any") is None
    assert mapping.Pattern("a.b/{asset_id}").parts("aXb/p1") is None


def problem(options, **more):
    with pytest.raises(ConfigError) as caught:
        live.build(PlugIn(name="mqtt", options={"host": "x", "topics": [options], **more})).open(plant(), None)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"topic": "a/{machine}"}, "names the part {machine}; named parts are {asset_id} and {sensor}"),
        ({"topic": "a/{asset_id"}, "is no topic"),
        ({"topic": "a/b+/{asset_id}"}, "+ stands alone in a level"),
        ({"topic": "#/{asset_id}"}, "# alone in the last one"),
        ({"topic": "a"}, "name the machine once"),
        ({"topic": "a/{asset_id}", "asset_id": "p1"}, "name the machine once"),
        ({"topic": SINGLE}, "topic and sensor name none"),
        ({"topic": "a/{asset_id}", "payload": "number"}, "name it by {sensor} in topic, or by sensor"),
        ({"topic": SINGLE, "payload": "number", "time_field": "t"}, "a bare number has no fields"),
        ({"topic": TELEMETRY, "time_zone": "Mars"}, "no time zone named 'Mars'"),
        ({"topic": TELEMETRY, "time_fromat": "unix"}, "Did you mean 'time_format'?"),
        ({"topic": TELEMETRY, "sensors": {"fluw": "F"}}, "no sensor 'fluw'"),
        ({"topic": TELEMETRY, "sensors": {"flow": "temp"}}, "two sensors have the name 'temp'"),
        ({"topic": TELEMETRY, "sensors": {"temp": {"unit": "bar"}}}, "temp is in °C"),
        ({"topic": TELEMETRY, "sensors": {"mode": {"unit": "bar"}}}, "mode is a category and has no unit"),
    ],
)
def test_wrong_options_say_what_is_expected(options, why):
    assert why in problem(options)


def test_wrong_options_of_the_connection_say_what_is_expected(monkeypatch, tmp_path):
    topic = {"topic": TELEMETRY}
    monkeypatch.delenv("BROKER_PASSWORD", raising=False)
    assert "the environment variable BROKER_PASSWORD is not set" in problem(
        topic, user="u", password_variable="BROKER_PASSWORD"
    )
    assert "Add user" in problem(topic, password_variable="BROKER_PASSWORD")
    assert "No such file" in problem(topic, tls={"ca": str(tmp_path / "ca.pem")})
    assert "Add certificate" in problem(topic, tls={"key": "key.pem"})
    assert "retry_up_to must be at least retry_after" in problem(topic, retry_after="1min")


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-12, 12))
def test_a_time_is_the_same_instant_in_every_form(local, hours):
    time = local.replace(microsecond=local.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(hours=hours)))
    milliseconds = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert mapping.read_time(time.isoformat(), "iso") == time
    assert mapping.read_time(milliseconds, "unix_ms") == time
    assert mapping.read_time(milliseconds / 1000, "unix") == time


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["t", "flow", "temp"]), inner),
    )
)
def test_any_json_is_read_or_refused(payload):
    options = Topic(topic=TELEMETRY, time_field="t", time_format="unix_ms")
    decoder = JsonDecoder(options, PLANT)
    try:
        for reading in decoder.decode(Arrival("plant/p1/telemetry", json.dumps(payload).encode(), ARRIVED)):
            assert reading.values
    except MessageError as error:
        assert str(error)


PLANT = plant()


def test_examples():
    assert doctest.testmod(mapping).failed == 0
