"""Sparkplug B: births, data and deaths become values and reasons why there are none."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.live.plants import plant
from tests.unit.sources.live.sparkplug_writer import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT8,
    INT16,
    INT32,
    INT64,
    MILLISECONDS,
    UINT32,
    bd_seq,
    block,
    metric,
    number,
    payload,
)
from wheeltapper.config import PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.sources import live
from wheeltapper.sources.live.assembly import TagValue
from wheeltapper.sources.live.mapping import Arrival, MessageError
from wheeltapper.sources.live.sparkplug import Sparkplug, SparkplugDecoder

START = datetime(2026, 1, 1, tzinfo=UTC)

# Written by pysparkplug 0.6.1, which cannot be installed beside our paho-mqtt.
NBIRTH = (
    "0880d0eab6b73312120a0562645365711880d0eab6b7332004580712210a144e6f646520436f6e74726f6c2f526562697274681880d0eab6b7"
    "33200b70001800"
)
DBIRTH = (
    "0880d0eab6b73312160a04666c6f7710011880d0eab6b7332009650000c03f12150a0474656d7010021880d0eab6b733200250fbff0312160a"
    "046d6f646510031880d0eab6b733200c7a0365636f12160a0673657269616c10041880d0eab6b733200c7a01581801"
)
DDATA = "08d0dfeab6b733120e100118e8d7eab6b7336500002040120d100218e8d7eab6b73350d4fd03120b100318e8d7eab6b73338011802"
DDEATH = "08b8e7eab6b7331803"
NDEATH = "0880d0eab6b73312120a0562645365711880d0eab6b73320045807"


class Host:
    """A decoder, what it sent, and what time it is for it."""

    def __init__(self, **options):
        self.sent = []
        self.decoder = SparkplugDecoder(Sparkplug(**options), plant(), lambda *message: self.sent.append(message))
        self.now = 60.0

    def read(self, topic, content):
        content = bytes.fromhex(content) if isinstance(content, str) else content
        arrival = Arrival(f"spBv1.0/{topic}", content, START + timedelta(seconds=self.now))
        return [
            (tag.asset_id, tag.sensor, (tag.time - START).total_seconds(), tag.why or tag.value)
            for tag in self.decoder.decode(arrival)
        ]


def test_a_story_that_another_library_wrote():
    host = Host()
    assert host.read("plant/NBIRTH/edge", NBIRTH) == []
    assert host.read("plant/DBIRTH/edge/pump", DBIRTH) == [
        ("pump", "flow", 0, 1.5),
        ("pump", "temp", 0, -5.0),
        ("pump", "mode", 0, "eco"),
    ]
    assert host.read("plant/DDATA/edge/pump", DDATA) == [
        ("pump", "flow", 1, 2.5),
        ("pump", "temp", 1, -300.0),
        ("pump", "mode", 1, "not measured"),
    ]
    offline = [("pump", sensor, 3, "status: offline") for sensor in ("flow", "temp", "mode")]
    assert host.read("plant/DDEATH/edge/pump", DDEATH) == offline
    assert host.sent == []
    host.read("plant/DBIRTH/edge/pump", DBIRTH)
    assert [(sensor, second, why) for _, sensor, second, why in host.read("plant/NDEATH/edge", NDEATH)] == [
        (sensor, 60, "status: offline") for sensor in ("flow", "temp", "mode")
    ]


def test_a_missed_birth_is_asked_for_and_data_without_names_is_kept():
    host = Host()
    with pytest.raises(MessageError, match="no birth has named its metrics"):
        host.read("plant/DDATA/edge/pump", payload(metric(value=1.0, alias=1, says_datatype=False), seq=5))
    ((topic, request),) = host.sent
    assert topic == "spBv1.0/plant/NCMD/edge"
    milliseconds = MILLISECONDS + 60_000
    rebirth = metric("Node Control/Rebirth", True, BOOLEAN, second=60)
    assert request == number(1, milliseconds) + block(2, rebirth)
    assert host.read("plant/NBIRTH/edge", payload(bd_seq(1))) == []
    assert host.read("plant/DBIRTH/edge/pump", payload(metric("flow", 2.0, alias=1), seq=1)) == [
        ("pump", "flow", 0, 2.0)
    ]
    data = payload(metric(value=3.0, alias=1, says_datatype=False), seq=2, second=1)
    assert host.read("plant/DDATA/edge/pump", data) == [("pump", "flow", 1, 3.0)]
    assert len(host.sent) == 1


def test_data_with_names_is_used_without_a_birth():
    host = Host()
    assert host.read("plant/DDATA/edge/pump", payload(metric("flow", 1.0), seq=5)) == [("pump", "flow", 0, 1.0)]
    assert len(host.sent) == 1


def test_a_missing_message_asks_for_a_rebirth_once_and_again_when_nobody_answers():
    host = Host()
    host.read("plant/NBIRTH/edge", payload(bd_seq(1)))
    host.read("plant/DBIRTH/edge/pump", payload(metric("flow", 1.0), seq=1))
    for seq in (2, 3):
        host.read("plant/DDATA/edge/pump", payload(metric("flow", 1.0), seq=seq))
    assert host.sent == []
    host.read("plant/DDATA/edge/pump", payload(metric("flow", 1.0), seq=5))
    host.read("plant/DDATA/edge/pump", payload(metric("flow", 1.0), seq=9))
    assert len(host.sent) == 1
    host.now += 31
    host.read("plant/DDATA/edge/pump", payload(metric("flow", 1.0), seq=11))
    assert len(host.sent) == 2


def test_sequence_numbers_begin_again_after_255():
    host = Host()
    host.read("plant/NBIRTH/edge", payload(bd_seq(1), seq=254))
    host.read("plant/DBIRTH/edge/pump", payload(metric("flow", 1.0), seq=255))
    host.read("plant/DDATA/edge/pump", payload(metric("flow", 1.0), seq=0))
    assert host.sent == []


def test_the_death_of_an_earlier_session_changes_nothing():
    host = Host()
    host.read("plant/NBIRTH/edge", payload(bd_seq(2), metric("flow", 1.0)))
    assert host.read("plant/NDEATH/edge", payload(bd_seq(1))) == []
    assert host.read("plant/NDEATH/edge", payload(bd_seq(2))) == [("edge", "flow", 60, "status: offline")]
    assert host.read("plant/NDEATH/edge", payload(bd_seq(2))) == []


def test_a_new_birth_forgets_the_aliases_of_the_last_one():
    host = Host()
    host.read("plant/NBIRTH/edge", payload(bd_seq(1), metric("flow", 1.0, alias=1)))
    host.read("plant/NBIRTH/edge", payload(bd_seq(2), metric("temp", 1.0, alias=1)))
    assert host.read("plant/NDATA/edge", payload(metric(value=5.0, alias=1), seq=1)) == [("edge", "temp", 0, 5.0)]


def test_bad_quality_is_a_reason():
    def quality(value):
        return block(9, block(1, "Other") + block(1, "Quality") + block(2, number(3, 5)) + block(2, number(3, value)))

    host = Host()
    metrics = [metric("flow", 1.0, extra=quality(0)), metric("temp", 1.0, extra=quality(192))]
    assert host.read("plant/NBIRTH/edge", payload(*metrics)) == [
        ("edge", "flow", 0, "status: bad"),
        ("edge", "temp", 0, 1.0),
    ]


def test_machines_and_sensors_have_other_names():
    node = payload(metric("Line/flow", 1.0))
    assert Host(asset_id="{group}-{node}", sensors={"flow": "Line/flow"}).read("g/NBIRTH/edge", node) == [
        ("g-edge", "flow", 0, 1.0)
    ]
    assert Host(asset_id="{node}.{device}", sensors={"flow": "Line/flow"}).read("g/NBIRTH/edge", node) == []
    two = payload(metric("p1/flow", 1.0), metric("p2/temp", 212.0), metric("serial", 7.0))
    assert Host(metric="{asset_id}/{sensor}", sensors={"temp": {"unit": "°F"}}).read("g/NBIRTH/edge", two) == [
        ("p1", "flow", 0, 1.0),
        ("p2", "temp", 0, pytest.approx(100.0)),
    ]


@given(
    st.one_of(
        st.tuples(st.just(INT8), st.integers(-128, 127)),
        st.tuples(st.just(INT16), st.integers(-(2**15), 2**15 - 1)),
        st.tuples(st.just(INT32), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(INT64), st.integers(-(2**53), 2**53)),
        st.tuples(st.just(UINT32), st.integers(0, 2**32 - 1)),
        st.tuples(st.just(FLOAT), st.floats(allow_nan=False, allow_infinity=False, width=32)),
        st.tuples(st.just(DOUBLE), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(BOOLEAN), st.booleans()),
    ),
    st.binary(max_size=20),
)
def test_every_kind_of_number_is_read_and_other_fields_are_skipped(typed, rubbish):
    datatype, value = typed
    other = block(40, rubbish) + number(6, 1)
    birth = payload(metric("flow", value, datatype, alias=9, extra=other)) + block(5, rubbish) + block(4, "uuid")
    host = HOST
    assert host.read("plant/NBIRTH/edge", birth) == [("edge", "flow", 0, float(value))]
    data = payload(metric(None, value, datatype, alias=9, says_datatype=False), seq=1)
    assert host.read("plant/NDATA/edge", data) == [("edge", "flow", 0, float(value))]


HOST = Host()


@given(st.binary(max_size=60), st.sampled_from(("NBIRTH", "NDATA", "NDEATH")))
def test_any_bytes_are_read_or_refused(content, kind):
    try:
        HOST.read(f"plant/{kind}/edge", content)
    except MessageError as error:
        assert str(error)


def test_what_is_no_message_of_sparkplug_says_why():
    for topic in ("STATE/host", "plant/NCMD/edge", "plant/NDATA/edge/device", "plant/DDATA/edge", "plant"):
        with pytest.raises(MessageError, match="is no topic of births"):
            Host().read(topic, payload())
    with pytest.raises(MessageError, match="not of Sparkplug B"):
        Host().read("plant/NDATA/edge", b"{}")
    assert not Host().decoder.knows("plant/pump/flow")


def test_filters():
    assert Host(groups=("a", "b")).decoder.filters[::4] == (
        "spBv1.0/a/NBIRTH/+",
        "spBv1.0/a/DDATA/+/+",
        "spBv1.0/b/NDEATH/+",
    )


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"asset_id": "{line}"}, "asset_id is made of {group}, {node} and {device}"),
        ({"metric": "{sensor}"}, "metric names both {asset_id} and {sensor}"),
        ({"metric": "{asset_id}/{sensor}", "asset_id": "{node}"}, "name the machine once"),
        ({"groups": ["a/b"]}, "is no group id"),
        ({"sensors": {"fluw": "F"}}, "no sensor 'fluw'"),
    ],
)
def test_wrong_options_say_what_is_expected(options, why):
    with pytest.raises(ConfigError) as caught:
        live.build(PlugIn(name="mqtt", options={"host": "x", "sparkplug": options})).open(plant(), None)
    assert why in str(caught.value)


def test_something_must_be_read():
    with pytest.raises(ConfigError, match="topics with JSON, or sparkplug"):
        live.build(PlugIn(name="mqtt", options={"host": "x"}))


def test_a_tag_of_who_died_has_no_value():
    host = Host()
    host.read("plant/NBIRTH/edge", payload(bd_seq(2), metric("flow", 1.0)))
    (tag,) = host.decoder.decode(Arrival("spBv1.0/plant/NDEATH/edge", payload(bd_seq(2)), START))
    assert tag == TagValue("edge", "flow", START, None, "status: offline")
