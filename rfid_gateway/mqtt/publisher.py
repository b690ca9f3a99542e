"""The publisher: the thread that takes committed events to the broker, in order, and removes what it acknowledged.

    outbox ──▶ Delivery ─┐                        ┌─▶ Delivery (PUBACK)
    Mailbox ─▶ Notices ──┴─▶ Connection ─▶ broker ─┴─▶ DirectoryFeed, RequestFeed

One thread runs one selector over the broker's socket and a wake-up; so the MQTT client, the outbox connection and all
the state below need no lock. Other threads reach it through `wake`, `post`, the directory's `acknowledge` and `close`.
"""

import json
import random
import selectors
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from threading import Event

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.durations import PublishingDurations
from rfid_gateway.mqtt.brokers import Brokers
from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.delivery import Delivery
from rfid_gateway.mqtt.directory_feed import DirectoryFeed, OnDirectory, OnStray
from rfid_gateway.mqtt.happenings import (
    Accepted,
    Acknowledged,
    ConnectError,
    Ended,
    Happening,
    Inbound,
    Publication,
    Refused,
    SubscriptionRefused,
)
from rfid_gateway.mqtt.homing import Homing
from rfid_gateway.mqtt.mailbox import Mailbox, Notice
from rfid_gateway.mqtt.notices import Notices
from rfid_gateway.mqtt.outbound import Outbound
from rfid_gateway.mqtt.outbox import Outbox
from rfid_gateway.mqtt.probe import probe
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.reconnect import Loss
from rfid_gateway.mqtt.requests import OnRequest, RequestFeed
from rfid_gateway.mqtt.settings import MqttSettings
from rfid_gateway.mqtt.subscriptions import Subscriptions, log_stray
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
NO_RETAIN = "the broker keeps no retained messages: nobody sees a status that was published before he subscribed"


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
        *,
        on_stray: OnStray | None = None,
        on_request: OnRequest | None = None,
        directory_lost: bool = False,
        durations: PublishingDurations | None = None,
    ) -> None:
        """Make a publisher that has opened nothing but its wake-up.

        Args:
            settings: the broker.
            topics: of this gateway.
            open_outbox: opens the outbox for the publisher's thread.
            clock: the clocks.
            on_directory: takes directory messages; None subscribes to nothing.
            counters: what the status topic says besides; called in the publisher's thread.
            on_stray: takes topics of the directory that name no shipment; None logs them.
            on_request: takes commands and batches of the directory; None subscribes to none.
            directory_lost: the broker is asked for all entries of the directory, though it may have sent them before.
            durations: learns what the broker acknowledges.
        """
        self._settings = settings
        self._topics = topics
        self._open_outbox = open_outbox
        self._clock = clock
        self._counters = counters
        self._durations = durations
        self._wakeup = Wakeup()
        self._mailbox = Mailbox(self._wakeup)
        self._subscriptions = Subscriptions(
            DirectoryFeed(topics, on_directory, on_stray or log_stray, self._mailbox) if on_directory else None,
            RequestFeed(topics, on_request, self._mailbox) if on_request else None,
            directory_lost=directory_lost,
        )
        self._notices = Notices()
        self._brokers = Brokers(settings)
        self._homing = Homing(round(settings.return_after_s * 1e6), probe, self._wakeup.wake)
        self._closing = False
        self._closed = Event()
        self._connection: Connection | None = None
        self._opened_at = 0
        self._status_at = 0
        self._look_at = 0
        self._room = 0
        self._connections = 0
        self._new_sessions = 0
        self.moved_at = 0
        """Monotonic time of the thread's last turn, at most a second apart where nothing hangs; 0 until the first."""
        self._state = PublisherState()
        self._detail = self._state.detail
        self._limits = ""

    def take_over_from(self, before: "Publisher") -> None:
        """Count on from a publisher whose `run` has ended, and say what it could not; to be called before `run`.

        Notices whose PUBACK somebody waits for are not among that: whoever promised them hands them over again.
        """
        self._connections = before.state.connections
        self._state = replace(before.state, connected=False, version=None, new_sessions=0, limits="")
        self._detail = before.state.detail
        for notice in before.left_over():
            if notice.answered is None:
                self._notices.add(notice)

    def left_over(self) -> list[Notice]:
        """What it was to say and could not; to be called when `run` has ended."""
        self._empty_mailbox()
        return self._notices.waiting()

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
        self._closed.set()
        self._wakeup.wake()

    def wait_closed(self, timeout_s: float) -> bool:
        """Between two calls of `run`: wait for `close`, and say whether it came."""
        return self._closed.wait(timeout_s)

    # The thread ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Publish until closed. A broker's trouble never ends it, nor does a disk that is full or not writable.

        May be called again after an error: it then goes on with what is under the database's name by then.

        Raises:
            StoreError: the database is damaged, or cannot be opened.
        """
        with self._open_outbox() as outbox, selectors.DefaultSelector() as selector:
            delivery = Delivery(outbox, self._settings.window, self._clock, self._settings.format, self._durations)
            delivery.go_on_from(self._state)
            outbound = Outbound(delivery, self._notices, opening=self._topics.status)
            selector.register(self._wakeup.reader, selectors.EVENT_READ)
            try:
                while not self._closing:
                    self._turn(selector, outbound)
                self._say_goodbye(selector, outbound)
            finally:
                self._drop(selector)
                self._notices.lose()
                self._state = self._state_now(outbound)
        self._wakeup.close()

    def _turn(self, selector: selectors.BaseSelector, outbound: Outbound) -> None:
        now = self.moved_at = self._clock.monotonic_us()
        if self._connection is None and self._brokers.choose(now):
            self._connect(selector)
        elif self._homing.found(now, self._brokers.better):
            self._go_home(selector, outbound)
        self._exchange(selector, outbound, self._sleep_us(outbound, now))
        self._keep_watch(selector, outbound)
        connection = self._connection
        if connection is not None and connection.accepted:
            self._state_status(outbound)
            outbound.fill(connection, self._room)
            connection.flush()
        self._state = self._state_now(outbound)

    def _exchange(self, selector: selectors.BaseSelector, outbound: Outbound, timeout_us: int) -> None:
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
            outbound.delivery.look_again()
        self._empty_mailbox()
        if connection is not None:
            readable = connection.has_decrypted or bool(ready.get(fileno or -1, 0) & selectors.EVENT_READ)
            for happening in connection.turn(readable=readable):
                self._take_note(happening, selector, outbound)
        outbound.delivery.commit(at_once=False)

    def _connect(self, selector: selectors.BaseSelector) -> None:
        settings, reconnect = self._brokers.settings, self._brokers.reconnect
        will = Publication(self._topics.status, _json({"state": "offline"}), retain=reconnect.retains)
        client_id = settings.client_id_for(self._topics.site, self._topics.gateway)
        connection = Connection(settings, reconnect.version, client_id, will)
        try:
            connection.open()
        except ConnectError as error:
            connection.abort()
            self._ended(Ended(Loss.UNREACHABLE, str(error)))
            return
        fileno = connection.fileno()
        assert fileno is not None
        selector.register(fileno, selectors.EVENT_READ)
        self._connection = connection
        self._opened_at = self._clock.monotonic_us()

    def _take_note(self, happening: Happening, selector: selectors.BaseSelector, outbound: Outbound) -> None:
        match happening:
            case Accepted():
                self._new_sessions += not happening.session_present
                self._accepted(happening)
            case Ended():
                unanswered = self._connection.unanswered if self._connection is not None else ()
                self._drop(selector)
                if outbound.connection_lost(unanswered, happening.words, by_broker=happening.by_broker):
                    # It is no sign of a bad broker, so the next connection need not wait for long.
                    self._brokers.reconnect.proved()
                self._ended(happening)
            case Acknowledged(packet_id):
                if outbound.acknowledged(packet_id):
                    self._brokers.reconnect.proved()
            case Refused():
                outbound.refused(happening)
            case SubscriptionRefused(topic_filter, reason):
                log.error("mqtt.subscription_refused", topic=topic_filter, reason=reason)
            case Inbound():
                if not self._subscriptions.take(happening, self._connections):
                    self._acknowledge(happening.packet_id)

    def _accepted(self, accepted: Accepted) -> None:
        assert self._connection is not None
        self._connections += 1
        self._brokers.reconnect.accepted()
        self._homing.connected(self._clock.monotonic_us(), self._brokers.better)
        self._room = min(self._settings.window, accepted.receive_maximum)
        self._status_at = 0
        self._detail = ""
        self._limits = "" if accepted.retains else NO_RETAIN
        log.info(
            "mqtt.connected",
            broker=self._brokers.settings.address,
            mqtt=self._connection.version,
            receive_maximum=accepted.receive_maximum,
            maximum_packet=accepted.maximum_packet,
        )
        if self._limits:
            log.warning("mqtt.broker_limited", broker=self._brokers.settings.address, limits=self._limits)
        self._subscriptions.begin(self._connection)

    def _ended(self, ended: Ended) -> None:
        now = self._clock.monotonic_us()
        self._brokers.ended(ended.loss, now, random.random())  # noqa: S311 - jitter, no secret
        wait_s = max(0, self._brokers.due_at - now) / 1e6
        address = self._brokers.settings.address
        log.warning("mqtt.not_connected", broker=address, reason=ended.words, retry_in_s=wait_s)
        self._detail = f"{address}: {ended.words}"

    def _drop(self, selector: selectors.BaseSelector) -> None:
        """Forget the connection, whatever its state."""
        for key in tuple(selector.get_map().values()):
            if key.fileobj is not self._wakeup.reader:
                selector.unregister(key.fileobj)
        if self._connection is not None:
            self._connection.abort()
        self._connection = None
        self._homing.ended()

    def _keep_watch(self, selector: selectors.BaseSelector, outbound: Outbound) -> None:
        """End a connection that is there and does not work."""
        connection = self._connection
        if connection is None:
            return
        age = self._clock.monotonic_us() - self._opened_at
        if not connection.accepted and age >= CONNACK_US:
            self._take_note(Ended(Loss.NO_CONNACK, "no answer to CONNECT within 5 s"), selector, outbound)
        elif outbound.delivery.stalled():
            self._take_note(Ended(Loss.LOST, "no PUBACK for 30 s"), selector, outbound)
        elif connection.accepted and age >= PROVED_US:
            self._brokers.reconnect.proved()

    def _sleep_us(self, outbound: Outbound, now: int) -> int:
        if now >= self._look_at:
            self._look_at = now + LOOK_US
            outbound.delivery.look_again()
        connect_at = self._brokers.due_at if self._connection is None else None
        due = [self._look_at, outbound.delivery.next_due(), connect_at, self._homing.due_at]
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

    def _state_status(self, outbound: Outbound) -> None:
        now = self._clock.monotonic_us()
        if self._status_at and now - self._status_at < STATUS_US:
            return
        self._status_at = now
        assert self._connection is not None
        status = {
            "state": "online",
            "broker": self._brokers.settings.address,
            "mqtt": self._connection.version,
            "backlog": outbound.delivery.backlog(),
            "published": outbound.delivery.published,
            "refused": outbound.delivery.refused,
            "set_aside": outbound.delivery.set_aside,
            "connections": self._connections,
        }
        self._notices.add(Notice(self._topics.status, _json(status | dict(self._counters())), retain=True))

    def _go_home(self, selector: selectors.BaseSelector, outbound: Outbound) -> None:
        """Leave a fallback in order, so that nothing is in flight there; the next turn connects to the better one."""
        log.info("mqtt.going_back", broker=self._brokers.settings.address)
        self._say_goodbye(selector, outbound)
        self._drop(selector)
        outbound.connection_lost()
        self._brokers.better_is_back(self._clock.monotonic_us())

    def _say_goodbye(self, selector: selectors.BaseSelector, outbound: Outbound) -> None:
        """Wait for what is in flight, say offline ourselves (a clean end suppresses the Last Will), disconnect."""
        until = self._clock.monotonic_us() + FAREWELL_US
        offline = Notice(
            self._topics.status, _json({"state": "offline", "backlog": outbound.delivery.backlog()}), retain=True
        )
        self._notices.add(offline)
        while (connection := self._connection) is not None and connection.accepted:
            outbound.fill_notices(connection, self._room)
            left = until - self._clock.monotonic_us()
            if left <= 0 or not outbound.in_flight:
                outbound.delivery.commit(at_once=True)
                connection.disconnect()
                return
            self._exchange(selector, outbound, left)
        outbound.delivery.commit(at_once=True)

    def _state_now(self, outbound: Outbound) -> PublisherState:
        accepted = self._connection is not None and self._connection.accepted
        return PublisherState(
            connected=accepted,
            broker=self._brokers.settings.address,
            version=self._brokers.reconnect.version if accepted else None,
            detail=self._detail,
            connections=self._connections,
            new_sessions=self._new_sessions,
            published=outbound.delivery.published,
            refused=outbound.delivery.refused,
            set_aside=outbound.delivery.set_aside,
            set_aside_words=outbound.delivery.set_aside_words,
            limits=self._limits if accepted else "",
        )


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
