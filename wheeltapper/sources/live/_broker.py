"""The connection to an MQTT broker: it is made again whenever it breaks, and says which messages come again."""

from __future__ import annotations

import logging
import ssl
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from wheeltapper.sources.live._inbox import Inbox
from wheeltapper.sources.live.mapping import Arrival

log = logging.getLogger("wheeltapper.live.mqtt")

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Session:
    """What the broker is told, and what it is asked for."""

    host: str
    port: int
    client_id: str
    filters: Sequence[str]
    """Topics that are subscribed to."""
    user: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None
    keepalive: timedelta
    expiry: timedelta
    most_unacknowledged: int
    retry_after: timedelta
    retry_up_to: timedelta


@dataclass(eq=False)
class Message:
    """A message that is not acknowledged yet."""

    arrival: Arrival
    mid: int
    qos: int
    connection: int
    """The number of the connection that it came by: only by that one it can be acknowledged."""
    waiting: int = 0
    """How many of its values were not taken in yet."""


class Broker:
    """A client with a session at a broker. Its thread reads the socket and fills the inbox.

    Parameters
    ----------
    session : Session
    clock : function
        Returns what time it is, in UTC.
    """

    def __init__(self, session: Session, clock: Callable[[], datetime]) -> None:
        self._session, self._clock = session, clock
        self._client = self._new_client()
        self._inbox: Inbox[Message] | None = None
        self.connections = 0
        """How often the connection was made."""
        self.received = 0
        self.last_message: datetime | None = None
        self.is_connected = False
        self.problem = ""

    def connect(self, inbox: Inbox[Message]) -> None:
        """Begin to fill an inbox; returns before the connection is made."""
        self._inbox = inbox
        wishes: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = round(self._session.expiry / _SECOND)
        wishes.ReceiveMaximum = self._session.most_unacknowledged
        self._client.connect_async(
            self._session.host,
            self._session.port,
            keepalive=round(self._session.keepalive / _SECOND),
            clean_start=False,
            properties=wishes,
        )
        self.keep_alive()

    def keep_alive(self) -> None:
        """Start the client's thread if it is not running, because an error has ended it."""
        self._client.loop_start()

    def disconnect(self) -> None:
        """End the connection and wait for the thread; the broker keeps the session, and what is not acknowledged."""
        if self._inbox is not None:
            self._inbox.close()
        self._client.disconnect()
        self._client.loop_stop()
        self.is_connected = False

    def comes_again(self, message: Message) -> bool:
        """Tell whether the broker sends a message once more, as the connection that it came by has broken."""
        return message.qos > 0 and message.connection != self.connections

    def acknowledge(self, message: Message) -> None:
        """Let the broker forget a message; one that comes again is acknowledged then."""
        if message.qos > 0 and not self.comes_again(message):
            self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message, at most once."""
        self._client.publish(topic, payload, qos=0)

    def _new_client(self) -> Client:
        session = self._session
        client = Client(CallbackAPIVersion.VERSION2, client_id=session.client_id, protocol=MQTTv5, manual_ack=True)
        if session.user is not None:
            client.username_pw_set(session.user, session.password)
        if session.tls is not None:
            client.tls_set_context(session.tls)
        # The client counts in whole seconds.
        shortest, longest = (max(1, round(pause / _SECOND)) for pause in (session.retry_after, session.retry_up_to))
        client.reconnect_delay_set(shortest, longest)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    # All of these run in the client's thread.

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._report(f"the broker refused the connection: {reason}")
            return
        self.connections += 1
        self.is_connected, self.problem = True, ""
        # 1: what the broker has kept comes with a new subscription only, not with each connection.
        wishes = SubscribeOptions(qos=1, retainHandling=1)
        client.subscribe([(topic, wishes) for topic in self._session.filters])

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        why = sys.exc_info()[1]  # the client calls this while it handles the error, and does not hand it over
        self._report(f"cannot connect to {self._session.host}:{self._session.port}: {why or 'no reason is known'}")

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        was_connected, self.is_connected = self.is_connected, False
        if was_connected and reason.is_failure:
            self._report(f"the connection broke: {reason}")
        if self._inbox is not None:
            self._inbox.drop(lambda message: message.qos > 0)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        for topic, reason in zip(self._session.filters, reasons, strict=False):
            if reason.is_failure:
                self._report(f"the broker refused the topic {topic}: {reason}")
            elif reason.value < 1:
                self._report(f"the broker sends {topic} at QoS 0 only, so what comes while nobody listens is lost")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.received += 1
        self.last_message = now = self._clock()
        arrival = Arrival(message.topic, bytes(message.payload), now, message.retain)
        if self._inbox is not None:
            self._inbox.put(Message(arrival, message.mid, message.qos, self.connections))

    def _report(self, problem: str) -> None:
        self.problem = problem
        log.warning("mqtt: %s", problem)
