"""The publisher: the thread that takes committed events to the broker, in order, and removes what it acknowledged.

    outbox ──▶ Delivery ─┐                        ┌─▶ Delivery (PUBACK)
    Mailbox ─▶ Notices ──┴─▶ Connection ─▶ broker ─┴─▶ DirectoryFeed

One thread runs one selector over the broker's socket and a wake-up; so the MQTT client, the outbox connection and all
the state below need no lock. Other threads reach it through `wake`, `post`, the directory's `acknowledge` and `close`.
"""

import json
import random
import selectors
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.mqtt.connection import (
    Accepted,
    Acknowledged,
    Connection,
    Ended,
    Happening,
    Inbound,
    Publication,
    Refused,
    SubscriptionRefused,
)
from rfid_gateway.mqtt.delivery import Delivery
from rfid_gateway.mqtt.directory_feed import DirectoryFeed, OnDirectory
from rfid_gateway.mqtt.mailbox import Mailbox, Notice
from rfid_gateway.mqtt.notices import Notices
from rfid_gateway.mqtt.outbox import Outbox
from rfid_gateway.mqtt.reconnect import Loss, Reconnect, Version
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.mqtt.wakeup import Wakeup

log = structlog.get_logger(__name__)

OpenOutbox = Callable[[], AbstractContextManager[Outbox]]
Counters = Callable[[], Mapping[str, object]]

CONNACK_US = 5_000_000
"""A broker that took the TCP connection and has not answered CONNECT by then is frozen or does not understand it."""
PROVED_US = 60_000_000
"""A connection that lasted so long was good, also without a PUBACK."""
STATUS_US = 60_000_000
"""How often the counters on the status topic are brought up to date."""
LOOK_US = 1_000_000
"""How often the outbox is asked without a wake-up, so that a forgotten `wake` delays an event and never holds it."""
FAREWELL_US = 2_000_000
"""How long `close` waits for the PUBACKs of what is in flight."""
NOTICES_IN_FLIGHT = 4
"""Of the window: notices go first, but never keep events waiting for long."""


@dataclass(frozen=True, slots=True)
class PublisherState:
    """How the publisher is doing; a new one for each change, so any thread may look."""

    connected: bool = False
    version: Version | None = None
    detail: str = "not connected yet"
    """What is wrong; empty when all is well."""
    connections: int = 0
    """Accepted ones since the start."""
    published: int = 0
    refused: int = 0


class Publisher:
    """The thread's program. Only `run` touches what is inside; see the module's text for what others may call."""

    def __init__(
        self,
        settings: MqttSettings,
        topics: Topics,
        open_outbox: OpenOutbox,
        clock: Clock,
        on_directory: OnDirectory | None = None,
        counters: Counters = dict,
    ) -> None:
        """Make a publisher that has opened nothing but its wake-up.

        Args:
            settings: the broker.
            topics: of this gateway.
            open_outbox: opens the outbox for the publisher's thread.
            clock: the clocks.
            on_directory: takes directory messages; None subscribes to nothing.
            counters: what the status topic says besides; called in the publisher's thread.
        """
        self._settings = settings
        self._topics = topics
        self._open_outbox = open_outbox
        self._clock = clock
        self._counters = counters
        self._wakeup = Wakeup()
        self._mailbox = Mailbox(self._wakeup)
        self._feed = DirectoryFeed(topics, on_directory, self._mailbox) if on_directory else None
        self._notices = Notices()
        self._reconnect = Reconnect(settings.protocol)
        self._closing = False
        self._connection: Connection | None = None
        self._opened_at = 0
        self._status_at = 0
        self._look_at = 0
        self._room = 0
        self._connections = 0
        self.moved_at = 0
        """Monotonic time of the thread's last turn, at most a second apart where nothing hangs; 0 until the first."""
        self._state = PublisherState()
        self._detail = self._state.detail

    # For other threads -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> PublisherState:
        """How it is doing now."""
        return self._state

    def wake(self) -> None:
        """Say that events were committed."""
        self._wakeup.wake()

    def post(self, notice: Notice) -> None:
        """Have a notice published as soon as there is a connection; see `Mailbox`."""
        self._mailbox.post(notice)

    def close(self) -> None:
        """Make `run` say goodbye and return, within 2 s (10 s while it connects); any number of times."""
        self._closing = True
        self._wakeup.wake()

    # The thread ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Publish until closed. A broker's trouble never ends it.

        Raises:
            StoreError: the database is damaged or gone; a full disk and a busy database are waited for.
        """
        with self._open_outbox() as outbox, selectors.DefaultSelector() as selector:
            delivery = Delivery(outbox, self._settings.window, self._clock)
            selector.register(self._wakeup.reader, selectors.EVENT_READ)
            try:
                while not self._closing:
                    self._turn(selector, delivery)
                self._say_goodbye(selector, delivery)
            finally:
                self._drop(selector)
        self._wakeup.close()

    def _turn(self, selector: selectors.BaseSelector, delivery: Delivery) -> None:
        now = self.moved_at = self._clock.monotonic_us()
        if self._connection is None and now >= self._reconnect.due_at:
            self._connect(selector)
        self._exchange(selector, delivery, self._sleep_us(delivery, now))
        self._keep_watch(selector, delivery)
        connection = self._connection
        if connection is not None and connection.accepted:
            self._state_status(delivery)
            self._send_notices(connection, delivery)
            delivery.fill(connection, self._room - self._notices.in_flight)
            connection.flush()
        self._state = self._state_now(delivery)

    def _exchange(self, selector: selectors.BaseSelector, delivery: Delivery, timeout_us: int) -> None:
        """Wait for the broker, a wake-up or the time, then read and write once."""
        connection = self._connection
        fileno = connection.fileno() if connection is not None else None
        if connection is not None and (fileno is None or connection.has_decrypted):
            timeout_us = 0
        if connection is not None and fileno is not None:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.wants_write else 0)
            if selector.get_map()[fileno].events != events:
                selector.modify(fileno, events)
        ready = {key.fileobj: mask for key, mask in selector.select(timeout_us / 1e6)}
        if self._wakeup.reader in ready:
            self._wakeup.clear()
            delivery.look_again()
        self._empty_mailbox()
        if connection is not None:
            readable = connection.has_decrypted or bool(ready.get(fileno or -1, 0) & selectors.EVENT_READ)
            for happening in connection.turn(readable=readable):
                self._take_note(happening, selector, delivery)
        delivery.commit(at_once=False)

    def _connect(self, selector: selectors.BaseSelector) -> None:
        will = Publication(self._topics.status, _json({"state": "offline"}), retain=True)
        client_id = self._settings.client_id_for(self._topics.site, self._topics.gateway)
        connection = Connection(self._settings, self._reconnect.version, client_id, will)
        try:
            connection.open()
        except (OSError, ValueError) as error:
            connection.abort()
            self._ended(Ended(Loss.UNREACHABLE, f"{self._settings.host}:{self._settings.port}: {error}"))
            return
        fileno = connection.fileno()
        assert fileno is not None
        selector.register(fileno, selectors.EVENT_READ)
        self._connection = connection
        self._opened_at = self._clock.monotonic_us()

    def _take_note(self, happening: Happening, selector: selectors.BaseSelector, delivery: Delivery) -> None:
        match happening:
            case Accepted(receive_maximum):
                self._accepted(receive_maximum)
            case Ended():
                self._drop(selector)
                delivery.connection_lost()
                self._ended(happening)
            case Acknowledged(packet_id):
                if delivery.acknowledged(packet_id):
                    self._reconnect.proved()
                else:
                    self._notices.settle(packet_id)
            case Refused(packet_id, reason):
                if not delivery.refused_by_broker(packet_id, reason) and (notice := self._notices.settle(packet_id)):
                    log.warning("notice refused", topic=notice.topic, reason=reason)
            case SubscriptionRefused(reason):
                log.error("directory subscription refused", reason=reason)
            case Inbound() if self._feed is not None:
                self._feed.handle(happening, self._connections)
            case Inbound():
                # A session from before may still hold a subscription.
                self._acknowledge(happening.packet_id)

    def _accepted(self, receive_maximum: int) -> None:
        assert self._connection is not None
        self._connections += 1
        self._reconnect.accepted()
        self._room = min(self._settings.window, receive_maximum)
        self._status_at = 0
        self._detail = ""
        log.info("connected", broker=self._settings.host, mqtt=self._connection.version)
        if self._feed is not None:
            self._connection.subscribe(self._feed.topic_filter)

    def _ended(self, ended: Ended) -> None:
        now = self._clock.monotonic_us()
        self._reconnect.ended(ended.loss, now, random.random())  # noqa: S311 - jitter, no secret
        wait_s = (self._reconnect.due_at - now) / 1e6
        log.warning("not connected", broker=self._settings.host, reason=ended.words, retry_in_s=wait_s)
        self._detail = ended.words

    def _drop(self, selector: selectors.BaseSelector) -> None:
        """Forget the connection, whatever its state."""
        for key in tuple(selector.get_map().values()):
            if key.fileobj is not self._wakeup.reader:
                selector.unregister(key.fileobj)
        if self._connection is not None:
            self._connection.abort()
        self._connection = None
        self._notices.lose()

    def _keep_watch(self, selector: selectors.BaseSelector, delivery: Delivery) -> None:
        """End a connection that is there and does not work."""
        connection = self._connection
        if connection is None:
            return
        age = self._clock.monotonic_us() - self._opened_at
        if not connection.accepted and age >= CONNACK_US:
            self._take_note(Ended(Loss.NO_CONNACK, "no answer to CONNECT within 5 s"), selector, delivery)
        elif delivery.stalled():
            self._take_note(Ended(Loss.LOST, "no PUBACK for 30 s"), selector, delivery)
        elif connection.accepted and age >= PROVED_US:
            self._reconnect.proved()

    def _sleep_us(self, delivery: Delivery, now: int) -> int:
        if now >= self._look_at:
            self._look_at = now + LOOK_US
            delivery.look_again()
        due = [self._look_at, delivery.next_due(), self._reconnect.due_at if self._connection is None else None]
        return max(0, min(at for at in due if at is not None) - now)

    def _empty_mailbox(self) -> None:
        notices, receipts = self._mailbox.empty()
        for notice in notices:
            self._notices.add(notice)
        for receipt in receipts:
            if receipt.connection == self._connections:
                self._acknowledge(receipt.packet_id)

    def _acknowledge(self, packet_id: int) -> None:
        if packet_id and self._connection is not None and self._connection.accepted:
            self._connection.acknowledge(packet_id)

    def _send_notices(self, connection: Connection, delivery: Delivery) -> None:
        limit = min(NOTICES_IN_FLIGHT, self._room - delivery.in_flight)
        while self._notices.in_flight < limit and (notice := self._notices.take()):
            try:
                packet_id = connection.publish(Publication(notice.topic, notice.payload, notice.retain))
            except ValueError as error:
                log.warning("notice cannot be published", topic=notice.topic, reason=str(error))
                continue
            if packet_id is None:
                self._notices.add(notice)
                return
            self._notices.sent(packet_id, notice)

    def _state_status(self, delivery: Delivery) -> None:
        now = self._clock.monotonic_us()
        if self._status_at and now - self._status_at < STATUS_US:
            return
        self._status_at = now
        assert self._connection is not None
        status = {
            "state": "online",
            "mqtt": self._connection.version,
            "backlog": delivery.backlog(),
            "published": delivery.published,
            "refused": delivery.refused,
            "connections": self._connections,
        }
        self._notices.add(Notice(self._topics.status, _json(status | dict(self._counters())), retain=True))

    def _say_goodbye(self, selector: selectors.BaseSelector, delivery: Delivery) -> None:
        """Wait for what is in flight, say offline ourselves (a clean end suppresses the Last Will), disconnect."""
        until = self._clock.monotonic_us() + FAREWELL_US
        offline = Notice(self._topics.status, _json({"state": "offline", "backlog": delivery.backlog()}), retain=True)
        self._notices.add(offline)
        while (connection := self._connection) is not None and connection.accepted:
            self._send_notices(connection, delivery)
            left = until - self._clock.monotonic_us()
            if left <= 0 or not (delivery.in_flight or self._notices.in_flight):
                delivery.commit(at_once=True)
                connection.disconnect()
                return
            self._exchange(selector, delivery, left)
        delivery.commit(at_once=True)

    def _state_now(self, delivery: Delivery) -> PublisherState:
        accepted = self._connection is not None and self._connection.accepted
        return PublisherState(
            connected=accepted,
            version=self._reconnect.version if accepted else None,
            detail=self._detail,
            connections=self._connections,
            published=delivery.published,
            refused=delivery.refused,
        )


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
