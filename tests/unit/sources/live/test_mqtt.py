"""Readings from a real mosquitto that is killed and comes back: nothing is lost, and nothing is twice."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from tests.mosquitto import PASSWORDS, Mosquitto
from tests.unit.sources.live.plants import feed
from tests.unit.sources.live.sparkplug_writer import bd_seq, metric, payload
from wheeltapper.errors import DataError
from wheeltapper.sources.live import _values_kept, mqtt
from wheeltapper.sources.live._inbox import Inbox
from wheeltapper.sources.live.assembly import TagValue
from wheeltapper.sources.live.mapping import JsonDecoder

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[4]
TELEMETRY = {"topic": "plant/{asset_id}/telemetry", "time_field": "t", "time_format": "unix"}
SINGLE = {"topic": "plant/{asset_id}/{sensor}", "payload": "value", "time_field": "t", "time_format": "unix"}
FAST = {"retry_after": "100ms", "retry_up_to": "1s"}
HANGS = 60
"""Seconds after which a test gives up; none of them takes as long."""


def authority(folder):
    """Write an authority's certificate and those of a server and a client, in PEM files."""
    now = datetime.now(UTC)

    def write(name, issuer, issuer_key, *, is_authority=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(issuer_key or key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        (folder / f"{name}.key").write_bytes(key.private_bytes(pem, *plain))
        return subject, key

    subject, key = write("authority", None, None, is_authority=True)
    write("server", subject, key)
    write("client", subject, key)


@pytest.fixture
def broker(tmp_path):
    """A broker that can be killed."""
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder)
    broker.start()
    yield broker
    broker.kill()


def second(number):
    return START + timedelta(seconds=number)


def telemetry(number, asset="pump"):
    """Return a message with a whole reading."""
    payload = {"t": second(number).timestamp(), "flow": float(number), "temp": 20.0, "mode": "eco"}
    return f"plant/{asset}/telemetry", json.dumps(payload)


def value(number, sensor, what):
    """Return a message with a single value."""
    return f"plant/pump/{sensor}", json.dumps({"t": second(number).timestamp(), "value": what})


class Taker:
    """Keeps what it takes; waits at its gate, and raises what it is told to."""

    def __init__(self):
        self.readings = []
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.errors = []
        self.changed = asyncio.Event()

    async def __call__(self, readings):
        self.calls += 1
        self.changed.set()
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.readings += readings
        self.changed.set()

    async def until(self, is_reached):
        while not is_reached():
            self.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.changed.wait()

    async def until_taken(self, numbers):
        expected = {second(number) for number in numbers}
        await self.until(lambda: {reading.time for reading in self.readings} >= expected)


def play(broker, source, story, take=None):
    """Run a feed while a story goes on; both end with the story."""
    take = take or Taker()

    async def both():
        running = asyncio.create_task(source.run(take))
        try:
            async with asyncio.timeout(HANGS):
                await take.until(lambda: source.status().is_connected or running.done())
                await story(take)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    asyncio.run(both())
    broker.wait_until_gone("wheeltapper-tiny")
    return take


def source(broker, *topics, kept=None, **options):
    return feed(
        [] if kept is None else kept, host="127.0.0.1", port=broker.port, topics=list(topics), **FAST, **options
    )


async def publish(broker, messages, **options):
    await asyncio.to_thread(broker.publish, list(messages), **options)


def test_whole_readings_are_taken_and_acknowledged(broker):
    async def story(take):
        await publish(broker, map(telemetry, range(100)))
        await take.until_taken(range(100))

    first = source(broker, TELEMETRY)
    take = play(broker, first, story)
    assert [(each.asset_id, each.time, each.values["flow"]) for each in take.readings] == [
        ("pump", second(number), number) for number in range(100)
    ]
    status = first.status()
    assert (status.received, status.taken, status.refused, status.reconnects) == (100, 100, 0, 0)
    assert status.last_message is not None
    assert not status.is_connected

    async def nothing_more(take):
        await publish(broker, [telemetry(1000)])
        await take.until_taken([1000])

    assert len(play(broker, source(broker, TELEMETRY), nothing_more).readings) == 1


def test_what_was_published_while_nobody_was_there_comes_later(broker):
    async def subscribe(take):
        pass

    play(broker, source(broker, TELEMETRY), subscribe)
    broker.publish(map(telemetry, range(50)))

    async def catch_up(take):
        await take.until_taken(range(50))

    assert len(play(broker, source(broker, TELEMETRY), catch_up).readings) == 50


def test_a_message_is_acknowledged_only_after_it_was_taken(broker):
    async def stop_before_taking(take):
        take.gate.clear()
        await publish(broker, map(telemetry, range(20)))
        await take.until(lambda: take.calls)

    assert play(broker, source(broker, TELEMETRY), stop_before_taking).readings == []

    async def go_on(take):
        await take.until_taken(range(20))

    assert len(play(broker, source(broker, TELEMETRY), go_on).readings) == 20


def test_single_values_become_readings_and_are_acknowledged_with_them(broker):
    def values(number):
        return [value(number, "flow", number), value(number, "temp", 20), value(number, "mode", "eco")]

    async def half(take):
        await publish(broker, [*values(1), *values(2)[:2]])
        await take.until_taken([1])

    (whole,) = play(broker, source(broker, SINGLE, lateness="1h"), half).readings
    assert dict(whole.values) == {"flow": 1.0, "temp": 20.0, "mode": "eco"}

    async def other_half(take):
        await publish(broker, values(2)[2:])
        await take.until_taken([2])

    (whole,) = play(broker, source(broker, SINGLE, lateness="1h"), other_half).readings
    assert dict(whole.values) == {"flow": 2.0, "temp": 20.0, "mode": "eco"}


def test_a_reading_without_all_sensors_is_taken_after_lateness(broker):
    async def story(take):
        await publish(broker, [value(1, "flow", 1)])
        await take.until_taken([1])

    (reading,) = play(broker, source(broker, SINGLE, lateness="200ms"), story).readings
    assert dict(reading.missing) == {"temp": "not measured", "mode": "not measured"}


def test_a_message_that_cannot_be_used_is_kept_and_stops_nothing(broker):
    kept = []

    async def story(take):
        await publish(broker, [("plant/pump/telemetry", "rubbish"), telemetry(1)])
        await take.until_taken([1])

    first = source(broker, TELEMETRY, kept=kept)
    play(broker, first, story)
    ((topic, payload, why),) = kept
    assert (topic, payload) == ("plant/pump/telemetry", b"rubbish")
    assert "no JSON" in why
    assert first.status().refused == 1

    async def again(take):
        await publish(broker, [telemetry(2)])
        await take.until_taken([2])

    play(broker, source(broker, TELEMETRY, kept=kept), again)
    assert len(kept) == 1


def test_a_single_value_that_is_too_old_is_kept_and_acknowledged(broker):
    kept = []

    async def story(take):
        await publish(broker, [value(1000, "flow", 1), value(1, "flow", 1), value(1001, "flow", 2)])
        await take.until_taken([1000, 1001])

    options = {"lateness": "0s", "corrected_for": "1min"}
    play(broker, source(broker, SINGLE, kept=kept, **options), story)
    ((topic, _, why),) = kept
    assert topic == "plant/pump/flow"
    assert "older than the newest of pump" in why

    async def again(take):
        await publish(broker, [value(1002, "flow", 2)])
        await take.until_taken([1002])

    assert len(play(broker, source(broker, SINGLE, kept=kept, **options), again).readings) == 1
    assert len(kept) == 1


def test_a_reading_that_cannot_be_taken_is_kept_and_the_others_are_taken(broker):
    kept = []

    class Picky(Taker):
        async def __call__(self, readings):
            if any(reading.time == second(2) for reading in readings):
                raise DataError("reading 2 is from the future")
            await super().__call__(readings)

    async def story():
        take = Picky()
        running = asyncio.create_task(reader.run(take))
        async with asyncio.timeout(HANGS):
            await take.until(lambda: reader.status().is_connected)
            await publish(broker, map(telemetry, range(5)))
            await take.until_taken([0, 1, 3, 4])
            await take.until(lambda: kept)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        return take

    reader = source(broker, TELEMETRY, kept=kept)
    take = asyncio.run(story())
    assert sorted(each.time for each in take.readings) == [second(number) for number in (0, 1, 3, 4)]
    assert [(topic, json.loads(payload)["flow"], why) for topic, payload, why in kept] == [
        ("plant/pump/telemetry", 2.0, "reading 2 is from the future")
    ]


def test_a_disk_that_is_full_for_a_while_loses_nothing(broker):
    reader = source(broker, TELEMETRY)

    async def story(take):
        take.errors = [OSError("no space left on device")] * 3
        await publish(broker, map(telemetry, range(10)))
        await take.until(lambda: "no space left" in reader.status().problem)
        await take.until_taken(range(10))
        await take.until(lambda: reader.status().problem == "")

    take = play(broker, reader, story)
    assert len(take.readings) == 10


def test_the_broker_sends_no_more_than_may_be_unacknowledged(broker):
    reader = source(broker, TELEMETRY, most_unacknowledged=10)

    async def story(take):
        take.gate.clear()
        await publish(broker, map(telemetry, range(200)))
        await take.until(lambda: reader.status().received == 10)
        # What the broker would send beyond that has had time to come: this message has been there and back.
        await publish(broker, [("elsewhere", "")])
        assert reader.status().received == 10
        take.gate.set()
        await take.until_taken(range(200))

    assert len(play(broker, reader, story).readings) == 200


def test_nothing_is_read_on_while_the_buffer_is_full_of_messages_without_a_promise(broker):
    reader = source(broker, TELEMETRY, most_unacknowledged=10)

    async def story(take):
        take.gate.clear()
        await publish(broker, [telemetry(0)], qos=0)
        await take.until(lambda: take.calls)
        await publish(broker, map(telemetry, range(1, 100)), qos=0)
        await take.until(lambda: reader.status().received >= 11)
        assert reader.status().received <= 12
        take.gate.set()
        await take.until_taken(range(100))

    play(broker, reader, story)


def test_nothing_is_lost_when_the_broker_is_killed(broker):
    reader = source(broker, TELEMETRY)

    async def story(take):
        await publish(broker, map(telemetry, range(50)))
        await take.until_taken(range(50))
        take.gate.clear()
        await publish(broker, map(telemetry, range(50, 100)))
        await asyncio.to_thread(broker.save, telemetry(99)[1])
        await asyncio.to_thread(broker.kill)
        await take.until(lambda: not reader.status().is_connected)
        take.gate.set()
        await asyncio.to_thread(broker.start)
        await publish(broker, map(telemetry, range(100, 150)))
        await take.until_taken(range(150))

    take = play(broker, reader, story)
    readings = {(each.asset_id, each.time): each.values["flow"] for each in take.readings}
    assert readings == {("pump", second(number)): float(number) for number in range(150)}
    assert reader.status().reconnects == 1
    assert reader.status().problem == ""


def test_no_message_of_a_new_session_is_acknowledged_in_the_place_of_an_old_one(broker):
    """A broker that has lost its sessions numbers its messages from 1 again."""

    class TakesOnce(Taker):
        async def __call__(self, readings):
            await super().__call__(readings)
            self.gate.clear()

    async def story(take):
        take.gate.clear()
        await publish(broker, map(telemetry, range(20)))
        await take.until(lambda: reader.status().received == 20)
        await asyncio.to_thread(broker.kill)
        await take.until(lambda: not reader.status().is_connected)
        await asyncio.to_thread(broker.start)
        await take.until(lambda: reader.status().is_connected)
        await publish(broker, map(telemetry, range(100, 120)))
        await take.until(lambda: reader.status().received == 40)
        take.gate.set()
        await take.until(lambda: take.readings)

    reader = source(broker, TELEMETRY)
    before = play(broker, reader, story, TakesOnce()).readings

    assert {each.time for each in before} <= {second(number) for number in range(20)}

    async def all_of_the_new(take):
        await take.until_taken(range(100, 120))

    play(broker, source(broker, TELEMETRY), all_of_the_new)


def test_a_mistake_in_reading_one_message_stops_nothing(broker, monkeypatch):
    kept = []
    real = JsonDecoder.decode

    def decode(self, message):
        return real(self, message) if b"13" not in message.payload else 1 // 0

    monkeypatch.setattr(JsonDecoder, "decode", decode)

    async def story(take):
        await publish(broker, [("plant/pump/telemetry", "13"), telemetry(2)])
        await take.until_taken([2])

    play(broker, source(broker, TELEMETRY, kept=kept), story)
    ((_, payload, why),) = kept
    assert payload == b"13"
    assert "ZeroDivisionError" in why


# paho-mqtt 2.2 leaves two sockets to the garbage collector when its thread has failed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_thread_that_reads_the_broker_is_started_again_when_it_fails(broker, monkeypatch):
    monkeypatch.setattr(mqtt, "_LOOK_AGAIN", 0.1)
    failures = [MemoryError()]
    put = Inbox.put

    def put_or_fail(self, message):
        if failures:
            raise failures.pop()
        put(self, message)

    monkeypatch.setattr(Inbox, "put", put_or_fail)

    async def story(take):
        await publish(broker, map(telemetry, range(10)))
        await take.until_taken(range(10))

    play(broker, source(broker, TELEMETRY), story)
    assert not failures
    gc.collect()


@pytest.mark.slow
def test_it_waits_for_a_broker_that_is_not_there_yet(broker):
    broker.kill()
    reader = source(broker, TELEMETRY)

    async def story():
        take = Taker()
        running = asyncio.create_task(reader.run(take))
        async with asyncio.timeout(HANGS):
            await take.until(lambda: "Connection refused" in reader.status().problem)
            await asyncio.to_thread(broker.start)
            await take.until(lambda: reader.status().is_connected)
            await publish(broker, [telemetry(1)])
            await take.until_taken([1])
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(story())
    assert reader.status().reconnects == 0


def test_it_knows_after_a_restart_what_a_late_or_repeated_value_belongs_to(broker, tmp_path):
    def start():
        return source(broker, SINGLE, memory=tmp_path / "memory", lateness="1h", max_age="5s")

    def whole(number):
        return [value(number, "flow", number), value(number, "temp", 20), value(number, "mode", "eco")]

    async def first(take):
        await publish(broker, whole(1))
        await take.until_taken([1])

    async def then(take):
        # The first is what the broker sends again after a crash between two acknowledgements.
        await publish(broker, [value(1, "temp", 20), *whole(2)])
        await take.until_taken([2])
        await publish(broker, [value(1, "temp", 21)])
        await take.until_taken([1])

    before = play(broker, start(), first).readings
    take = play(broker, start(), then)
    # Where it was ended before it could acknowledge, the first reading comes once more as it was.
    assert [(each.time, dict(each.values)) for each in take.readings if each not in before] == [
        (second(2), {"flow": 2.0, "temp": 20.0, "mode": "eco"}),
        (second(1), {"flow": 1.0, "temp": 21.0, "mode": "eco"}),
    ]


def test_the_memory_stays_short_and_a_torn_line_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(_values_kept, "_ROOM", 10)
    kept = _values_kept.ValuesKept(tmp_path / "deep" / "values.jsonl")
    tags = [TagValue("pump", "flow", second(number), float(number)) for number in range(11)]
    for tag in tags:
        kept.add([tag])
    assert kept.is_long
    kept.replace(tags[8:])
    assert not kept.is_long
    with (tmp_path / "deep" / "values.jsonl").open("ab") as file:
        file.write(b'["pump", "fl')
    kept.add([TagValue("pump", "mode", second(1), "eco"), TagValue("pump", "flow", second(1), None, "status: offline")])
    read = list(_values_kept.ValuesKept(tmp_path / "deep" / "values.jsonl").read())
    assert read[:3] == tags[8:]
    assert [(tag.sensor, tag.value, tag.why) for tag in read[3:]] == [
        ("mode", "eco", ""),
        ("flow", None, "status: offline"),
    ]


def test_an_edge_node_is_asked_to_be_born_again_and_its_metrics_become_readings(broker):
    """A reader that comes later than the birth asks for another one, over the broker."""
    edge = EdgeNode(broker.port)
    reader = source(broker, sparkplug={}, lateness="0s")

    async def story(take):
        edge.data()
        await take.until(lambda: edge.births == 1)
        edge.data()
        await take.until(lambda: [each for each in take.readings if each.time == second(11)])
        edge.die()
        await take.until(lambda: any("status: offline" in each.missing.values() for each in take.readings))

    try:
        take = play(broker, reader, story)
    finally:
        edge.stop()
    assert [(each.asset_id, dict(each.values)) for each in take.readings if each.time == second(11)] == [
        ("edge", {"flow": 11.0})
    ]
    assert reader.status().refused == 1  # the data before the birth


class EdgeNode:
    """A small edge node of Sparkplug B: one metric with an alias, and a birth when it is asked for one."""

    def __init__(self, port):
        self.births = 0
        self._second = 9
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_message = lambda *_: self._give_birth()
        self._client.will_set("spBv1.0/plant/NDEATH/edge", payload(bd_seq(1)), qos=1)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("spBv1.0/plant/NCMD/edge")
        self._client.loop_start()

    def _give_birth(self):
        self._send("NBIRTH", payload(bd_seq(1), metric("flow", 10.0, alias=1, second=10), seq=0))
        self._second = 10
        self.births += 1

    def data(self):
        """Send data with nothing but an alias, which Sparkplug does at most once."""
        self._second += 1
        data = metric(value=float(self._second), alias=1, second=self._second, says_datatype=False)
        self._send("NDATA", payload(data, seq=self._second - 10))

    def _send(self, kind, content):
        self._client.publish(f"spBv1.0/plant/{kind}/edge", content)

    def die(self):
        """Break the connection, so that the broker sends the will."""
        self._client.disconnect(reasoncode=ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.mark.slow
# paho-mqtt 2.2 leaves a socket to the garbage collector when the other side's certificate is not trusted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_is_encrypted_both_sides_are_known_and_the_password_is_in_the_environment(tmp_path, monkeypatch):
    folder = tmp_path / "broker"
    folder.mkdir()
    authority(folder)
    (folder / "users").touch()
    subprocess.run([PASSWORDS, "-b", str(folder / "users"), "reader", "s3cret"], check=True)
    broker = Mosquitto(
        folder,
        "allow_anonymous false",
        f"password_file {folder}/users",
        f"cafile {folder}/authority.pem",
        f"certfile {folder}/server.pem",
        f"keyfile {folder}/server.key",
        "require_certificate true",
    )
    tls = {"ca": f"{folder}/authority.pem", "certificate": f"{folder}/client.pem", "key": f"{folder}/client.key"}
    access = {"tls": tls, "user": "reader", "password_variable": "BROKER_PASSWORD"}
    broker.start()
    try:
        monkeypatch.setenv("BROKER_PASSWORD", "s3cret")
        play(broker, source(broker, TELEMETRY, **access), lambda take: asyncio.sleep(0))
        monkeypatch.setenv("BROKER_PASSWORD", "wrong")
        assert "refused the connection: Not authorized" in problem_of(source(broker, TELEMETRY, **access))
        assert "certificate verify failed" in problem_of(source(broker, TELEMETRY, **{**access, "tls": {}}))
        gc.collect()
    finally:
        broker.kill()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (("allow_anonymous true", "max_qos 0"), "at QoS 0 only"),
        (("allow_anonymous false",), "the broker refused the connection: Not authorized"),
    ],
)
def test_a_broker_that_grants_less_than_is_needed_is_a_problem(tmp_path, settings, problem):
    broker = Mosquitto(tmp_path, *settings)
    broker.start()
    try:
        assert problem in problem_of(source(broker, TELEMETRY))
    finally:
        broker.kill()


def problem_of(reader):
    """Run a feed until it has a problem; return that."""

    async def run():
        running = asyncio.create_task(reader.run(Taker()))
        async with asyncio.timeout(HANGS):
            while not reader.status().problem:
                await asyncio.sleep(0.02)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        return reader.status().problem

    return asyncio.run(run())


READER = """
import asyncio, json, os, sys
from pathlib import Path
from tests.unit.sources.live.plants import feed

async def take(readings):
    with open(sys.argv[2], "a") as file:
        for reading in readings:
            file.write(json.dumps([reading.time.timestamp(), dict(reading.values)]) + "\\n")
        file.flush()
        os.fsync(file.fileno())

options = json.loads(sys.argv[1])
asyncio.run(feed([], Path(sys.argv[3]), **options).run(take))
"""


def three_values(number):
    """Return the values of one reading as messages of their own."""
    return [value(number, "flow", number), value(number, "temp", 20), value(number, "mode", "eco")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("topic", "messages"),
    [(TELEMETRY, lambda number: [telemetry(number)]), (SINGLE, three_values)],
    ids=["whole", "single"],
)
def test_nothing_is_lost_or_torn_when_the_reader_is_killed_again_and_again(broker, tmp_path, topic, messages):
    """Of all that was taken for an instant, the last reading is the whole one."""
    taken = tmp_path / "taken.jsonl"
    taken.touch()
    options = {"topics": [topic], "most_unacknowledged": 30, "lateness": "50ms", "corrected_for": "1h", **FAST}
    options |= {"host": "127.0.0.1", "port": broker.port}

    def start():
        command = [sys.executable, "-c", READER, json.dumps(options), str(taken), str(tmp_path / "memory")]
        return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def readings():
        whole_lines = taken.read_text().rpartition("\n")[0]
        return dict(map(json.loads, whole_lines.splitlines()))

    def wait(process, is_reached):
        end = time.monotonic() + HANGS
        while not is_reached():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.005)

    def end(process):
        process.send_signal(signal.SIGKILL)
        process.wait()

    play(broker, source(broker, topic), lambda take: asyncio.sleep(0))  # a session that the broker keeps
    for numbers in (range(500), range(500, 1000), range(1000, 1500)):
        broker.publish(message for number in numbers for message in messages(number))
        process, before = start(), taken.stat().st_size
        wait(process, lambda before=before: taken.stat().st_size > before + 5000)
        end(process)
    expected = {second(n).timestamp(): {"flow": float(n), "temp": 20.0, "mode": "eco"} for n in range(1500)}
    process = start()
    try:
        wait(process, lambda: len(readings()) == 1500 and readings() == expected)
    finally:
        end(process)
