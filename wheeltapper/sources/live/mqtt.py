"""Readings from an MQTT broker, acknowledged once they are on the disk."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, Self

from pydantic import Field, model_validator

from wheeltapper.config import Duration, Model, Plant
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.sources.live import Feed, FeedStatus, LiveSource, Refuse
from wheeltapper.sources.live._broker import Broker, Message, Session
from wheeltapper.sources.live._inbox import Inbox
from wheeltapper.sources.live._values_kept import ValuesKept
from wheeltapper.sources.live.assembly import Assembled, Assembly, TagValue
from wheeltapper.sources.live.mapping import Arrival, JsonDecoder, MessageError, Topic
from wheeltapper.sources.live.reading import LiveReading, Take
from wheeltapper.sources.live.sparkplug import Sparkplug, SparkplugDecoder

log = logging.getLogger("wheeltapper.live.mqtt")

_LOOK_AGAIN = 5.0
"""Seconds after which the connection is looked at even if nothing came."""
_AT_ONCE = 500
"""Most messages that are handed over together: enough to share a write to the disk, and read in some 30 ms."""
_SECOND = timedelta(seconds=1)


class Tls(Model):
    """How the connection is encrypted; the broker's name must be that of its certificate."""

    ca: Path | None = Field(None, description="file of certificates that are trusted; by default the system's")
    certificate: Path | None = Field(None, description="file of this client's certificate, if the broker asks for it")
    key: Path | None = Field(None, description="file of its private key, where it is not in the same file")

    def context(self, folder: Path) -> ssl.SSLContext:
        """Return the settings of an encrypted connection; relative paths start at ``folder``.

        Raises
        ------
        ConfigError
            If a file is missing or no certificate.
        """
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else folder / self.ca)
            if self.certificate is not None:
                context.load_cert_chain(folder / self.certificate, None if self.key is None else folder / self.key)
        except OSError as error:
            paths = ", ".join(str(folder / path) for path in (self.ca, self.certificate, self.key) if path is not None)
            raise ConfigError(
                f"live source mqtt: tls: {error}. Looked at: {paths}. Write PEM files, with paths from {folder} on"
            ) from error
        return context

    @model_validator(mode="after")
    def _has_a_key_for_a_certificate(self) -> Self:
        if self.key is not None and self.certificate is None:
            raise ValueError("key is the key of certificate. Add certificate, or remove key")
        return self


class Mqtt(LiveSource):
    """Messages of an MQTT 5 broker: JSON by topics, and Sparkplug B.

    They come at QoS 1, and with a session that outlives the connection. A message is acknowledged after its readings
    were taken in, so one that was not comes again: after a break of the connection, a crash of the broker that keeps
    its sessions on disk, or one of this program. No more messages than ``most_unacknowledged`` are on their way; the
    broker keeps the others meanwhile. What publishers send at QoS 0 has no such promise.

    The broker must have room for what it keeps: mosquitto holds 1 000 messages for a client and drops the others
    unless it is told ``max_queued_messages 0``, and it keeps them over a crash with ``persistence true``.
    """

    host: str = Field(min_length=1, description="name or address of the broker")
    port: int | None = Field(None, ge=1, le=65535, description="by default 1883, with tls 8883")
    topics: tuple[Topic, ...] = Field((), description="topics with JSON that are read, and how payloads are written")
    sparkplug: Sparkplug | None = Field(None, description="read messages of Sparkplug B; {} takes names as they are")
    client_id: str | None = Field(
        None,
        min_length=1,
        description="name of the session; by default wheeltapper- and the plant's. Two programs need two names",
    )
    user: str | None = Field(None, description="user name at the broker")
    password_variable: str | None = Field(None, description="environment variable that holds the password")
    tls: Tls | None = Field(None, description="encrypt the connection; {} trusts what the system trusts")
    lateness: Duration = Field(
        timedelta(seconds=5),
        ge=timedelta(0),
        description="how long a reading waits for single values of its step; later ones correct it",
    )
    max_age: Duration = Field(
        timedelta(0), ge=timedelta(0), description="how long a single value holds where its sensor sends changes only"
    )
    corrected_for: Duration | None = Field(
        None, description="how old a late single value may be to correct a reading; by default ten steps and lateness"
    )
    most_unacknowledged: int = Field(
        10_000, ge=1, le=65535, description="most messages that the broker sends before they are acknowledged"
    )
    session_expiry: Duration = Field(
        timedelta(days=7),
        ge=timedelta(seconds=1),
        description="how long the broker keeps messages while nobody is connected",
    )
    keepalive: Duration = Field(
        timedelta(seconds=30), ge=_SECOND, description="pause after which a dead connection is noticed"
    )
    retry_after: Duration = Field(
        _SECOND, gt=timedelta(0), description="pause before the first new try to connect or to hand over; it doubles"
    )
    retry_up_to: Duration = Field(timedelta(seconds=30), gt=timedelta(0), description="longest such pause")

    @model_validator(mode="after")
    def _says_all_that_is_needed(self) -> Self:
        if self.password_variable is not None and self.user is None:
            raise ValueError("password_variable is the password of user. Add user, or remove it")
        if self.retry_up_to < self.retry_after:
            raise ValueError("retry_up_to must be at least retry_after")
        if not self.topics and self.sparkplug is None:
            raise ValueError("name what is read: topics with JSON, or sparkplug")
        return self

    def open(self, plant: Plant, refuse: Refuse, memory: Path | None = None) -> MqttFeed:
        """Return a feed of this plant's readings; see `LiveSource.open`.

        In its memory it keeps the single values of the last readings, so that a late one corrects them after a restart,
        too, and those are held that come only when they change.
        """
        return MqttFeed(self, plant, refuse, memory)

    def session(self, plant: Plant, filters: Sequence[str]) -> Session:
        """Return what the broker is told.

        Raises
        ------
        ConfigError
            If a secret is not in the environment, or a file of certificates cannot be read.
        """
        return Session(
            host=self.host,
            port=self.port or (1883 if self.tls is None else 8883),
            client_id=self.client_id or f"wheeltapper-{plant.name}",
            filters=filters,
            user=self.user,
            password=self.password(),
            tls=None if self.tls is None else self.tls.context(plant.folder),
            keepalive=self.keepalive,
            expiry=self.session_expiry,
            most_unacknowledged=self.most_unacknowledged,
            retry_after=self.retry_after,
            retry_up_to=self.retry_up_to,
        )

    def password(self) -> str | None:
        """Return the password.

        Raises
        ------
        ConfigError
            If its environment variable is not set.
        """
        if self.password_variable is None:
            return None
        password = os.environ.get(self.password_variable)
        if password is None:
            raise ConfigError(
                f"live source mqtt: the environment variable {self.password_variable} is not set; it holds the "
                f"password of {self.user}. Set it, or correct password_variable"
            )
        return password


class Decoder(Protocol):
    """Knows some topics."""

    @property
    def filters(self) -> Sequence[str]:
        """What is subscribed to."""

    def knows(self, topic: str) -> bool:
        """Tell whether a topic is one of them."""

    def decode(self, message: Arrival) -> Sequence[LiveReading | TagValue]:
        """Return what a message says; `MessageError` where it says nothing that can be used."""


class MqttFeed(Feed):
    """Reads a broker for one plant.

    Parameters
    ----------
    options : Mqtt
    plant : Plant
    refuse : function
    memory : Path, optional
        Folder of what it remembers when it is started again.
    clock : function, optional
        Returns what time it is, in UTC.
    """

    def __init__(
        self,
        options: Mqtt,
        plant: Plant,
        refuse: Refuse,
        memory: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._options, self._refuse, self._clock = options, refuse, clock
        self._decoders: list[Decoder] = [JsonDecoder(topic, plant) for topic in options.topics]
        if options.sparkplug is not None:
            self._decoders.append(SparkplugDecoder(options.sparkplug, plant, self._send))
        filters = [topic for decoder in self._decoders for topic in decoder.filters]
        self._broker = Broker(options.session(plant, filters), clock)
        self._assembly: Assembly[Message] = Assembly(
            plant.asset_type.delivered,
            step=plant.step,
            lateness=options.lateness,
            max_age=options.max_age,
            corrected_for=options.corrected_for,
        )
        self._kept = None if memory is None else ValuesKept(memory / "values.jsonl")
        if self._kept is not None:
            self._assembly.restore(self._kept.read())
        self._taken = self._refused = 0
        self._problem = ""

    def status(self) -> FeedStatus:
        """Return how it is doing."""
        broker = self._broker
        return FeedStatus(
            broker.is_connected,
            broker.received,
            self._taken,
            self._refused,
            max(0, broker.connections - 1),
            broker.last_message,
            self._problem or broker.problem,
        )

    async def run(self, take: Take) -> None:
        """Hand over readings as they come, until cancelled."""
        inbox: Inbox[Message] = Inbox(self._options.most_unacknowledged, asyncio.get_running_loop())
        self._broker.connect(inbox)
        try:
            while True:
                messages = await inbox.wait(self._pause(), _AT_ONCE)
                self._broker.keep_alive()
                await self._hand_over(await self._sort(messages), take)
                await asyncio.sleep(0)  # a backlog must not keep others on this loop from their work
        finally:
            await asyncio.to_thread(self._broker.disconnect)

    def _pause(self) -> float:
        """Return how long to wait for messages, in seconds: until the next reading is due."""
        due = self._assembly.next_due()
        return _LOOK_AGAIN if due is None else min(_LOOK_AGAIN, (due - self._clock()) / _SECOND)

    async def _sort(self, messages: Sequence[Message]) -> list[Assembled[Message]]:
        """Return the readings that came whole; single values wait in the assembly."""
        whole = []
        for message in messages:
            if self._broker.comes_again(message):
                continue
            try:
                contents = self._decode(message.arrival)
            except MessageError as error:
                await self._put_aside(message, str(error))
                self._broker.acknowledge(message)
                continue
            message.waiting = len(contents)
            whole += [Assembled(content, (message,)) for content in contents if isinstance(content, LiveReading)]
            await self._assemble(message, [content for content in contents if isinstance(content, TagValue)])
            if not message.waiting:
                self._broker.acknowledge(message)
        return whole

    def _decode(self, arrival: Arrival) -> Sequence[LiveReading | TagValue]:
        """Read a message; whatever goes wrong is about this message, and must not stop those behind it."""
        try:
            for decoder in self._decoders:
                if decoder.knows(arrival.topic):
                    return decoder.decode(arrival)
        except MessageError:
            raise
        except Exception as error:
            log.exception("mqtt: a message of %s cannot be read", arrival.topic)
            raise MessageError(f"reading it failed, which is a mistake of this program: {error!r}") from error
        raise MessageError("no topic of this source matches")

    async def _assemble(self, message: Message, tags: Sequence[TagValue]) -> None:
        now = self._clock()
        problems = [problem for tag in tags if (problem := self._assembly.add(tag, message, now))]
        if problems:
            message.waiting -= len(problems)
            await self._put_aside(message, problems[0])

    def _send(self, topic: str, payload: bytes) -> None:
        self._broker.publish(topic, payload)

    async def _put_aside(self, message: Message, why: str) -> None:
        arrival = message.arrival
        await self._persist("keeping a refused message", lambda: self._refuse(arrival.topic, arrival.payload, why))
        self._refused += 1

    async def _hand_over(self, whole: Sequence[Assembled[Message]], take: Take) -> None:
        """Have readings taken in, then acknowledge the messages that are in them."""
        due = self._assembly.due(self._clock())
        readings = [*whole, *due.readings]
        if readings:
            await self._take(readings, take)
        await self._keep(due.values)
        for message in (*(token for assembled in readings for token in assembled.tokens), *due.settled):
            message.waiting -= 1
            if not message.waiting:
                self._broker.acknowledge(message)

    async def _take(self, readings: Sequence[Assembled[Message]], take: Take) -> None:
        """Have readings taken in; where one of them cannot be, put its messages aside and go on with the others."""
        try:
            await self._persist("taking readings in", lambda: take([assembled.reading for assembled in readings]))
            self._taken += len(readings)
        except DataError as error:
            if len(readings) > 1:
                for assembled in readings:
                    await self._take([assembled], take)
                return
            for message in dict.fromkeys(readings[0].tokens):
                await self._put_aside(message, str(error))

    async def _keep(self, values: Sequence[TagValue]) -> None:
        """Remember single values that were taken in, before their messages are acknowledged."""
        kept, what = self._kept, "keeping values for the next start"
        if kept is None or not values:
            return
        await self._persist(what, lambda: asyncio.to_thread(kept.add, values))
        if kept.is_long:
            remembered = list(self._assembly.remembered())
            await self._persist(what, lambda: asyncio.to_thread(kept.replace, remembered))

    async def _persist(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do something, again and again until it is done: nothing is acknowledged before."""
        pause = self._options.retry_after
        while True:
            try:
                await work()
            except DataError:
                raise
            except Exception as error:
                self._problem = f"{what} failed: {error}"
                log.warning("mqtt: %s failed and is tried again in %s", what, pause, exc_info=True)
            else:
                self._problem = ""
                return
            await asyncio.sleep(pause / _SECOND)
            pause = min(2 * pause, self._options.retry_up_to)
