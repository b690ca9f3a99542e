"""From the outbox to the broker: hands out rows, gathers acknowledgements, commits them."""

import random

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.durations import PublishingDurations
from rfid_gateway.mqtt.connection import Connection
from rfid_gateway.mqtt.outbox import Outbox
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.reconnect import back_off_us
from rfid_gateway.mqtt.settings import Format
from rfid_gateway.mqtt.window import Window
from rfid_gateway.mqtt.wire_format import publication
from rfid_gateway.store.database import StoreDamagedError, StoreError

log = structlog.get_logger(__name__)

READ_ROWS = 500
COMMIT_ROWS = 500
COMMIT_AFTER_US = 20_000
"""Acknowledgements are committed when so many have come or the first is so old: a disk may need 15 ms for a commit,
and the events that come next are not to wait for it so often. A power cut in between only sends these rows again."""
STALLED_US = 30_000_000
"""A broker that answers pings but acknowledges nothing for so long is left, and everything in flight sent again."""
STORE_RETRY_US = 1_000_000


class Delivery:
    """The events' way; owned by the publisher's thread, outlives connections."""

    def __init__(
        self,
        outbox: Outbox,
        window: int,
        clock: Clock,
        payload_format: Format = "location-event",
        durations: PublishingDurations | None = None,
    ) -> None:
        """Begin with what waits.

        Raises:
            StoreError: the outbox cannot be read.
        """
        self._outbox = outbox
        self._format = payload_format
        self._durations = durations
        self._size = window
        self._clock = clock
        # A process before us may have sent a full window, and had so many acknowledgements in hand.
        self._window = Window(outbox.unpublished(0, window + COMMIT_ROWS))
        self._packets: dict[int, int] = {}
        self._oldest_acknowledged_at = 0
        self._progress_at = 0
        self._held_until = 0
        self._refusals = 0
        self._retries = outbox.retries()
        self._exhausted = False
        self._store_retry_at = 0
        self.published = 0
        """Rows that left the outbox."""
        self.refused = 0
        """PUBACKs with an error."""
        self.set_aside = 0
        """Rows that were taken out of the outbox because the broker will never take them."""
        self.set_aside_words = ""
        """The last one of them and the reason."""

    def go_on_from(self, state: PublisherState) -> None:
        """Count on from what a delivery before this one had counted."""
        self.published, self.refused = state.published, state.refused
        self.set_aside, self.set_aside_words = state.set_aside, state.set_aside_words

    @property
    def in_flight(self) -> int:
        """Rows with the broker, without PUBACK."""
        return self._window.in_flight

    def backlog(self) -> int:
        """How many rows wait, with those in flight."""
        return self._outbox.backlog()

    def look_again(self) -> None:
        """There may be new rows."""
        self._exhausted = False

    def fill(self, connection: Connection, room: int) -> None:
        """Hand rows to the connection, in order, until so many are in flight."""
        now = self._clock.monotonic_us()
        if now < self._held_until or self._window.uncommitted >= COMMIT_ROWS:
            return
        while self._window.in_flight < room:
            if not self._window.waiting and not self._read(now):
                return
            if not self._send_next(connection, now):
                return

    def sequence_of(self, packet_id: int) -> int | None:
        """Which event is in flight under that packet identifier, if one is."""
        return self._packets.get(packet_id)

    def acknowledged(self, packet_id: int) -> bool:
        """Note a PUBACK; False if it is not of an event."""
        sequence = self._packets.pop(packet_id, None)
        if sequence is None:
            return False
        now = self._clock.monotonic_us()
        if not self._window.uncommitted:
            self._oldest_acknowledged_at = now
        self._window.acknowledge(sequence)
        if self._durations is not None:
            self._durations.acknowledged(sequence, now)
        self._progress_at = now
        self._refusals = 0
        return True

    def refused_by_broker(self, packet_id: int, reason: str, *, too_large: bool = False) -> bool:
        """Keep a row that the broker refused, and wait before the next try; False if it is not of an event.

        One that is too large is set aside: the broker will never take it.

        Everything after it waits too: order is a promise, and what the broker refuses (quota, rights, a rule for
        payloads) is put right there. The few rows in flight behind it may overtake it; `sequence` tells.
        """
        sequence = self._packets.pop(packet_id, None)
        if sequence is None:
            return False
        if too_large:
            self._set_aside(sequence, reason)
        else:
            self._hold(sequence, reason)
        return True

    def commit(self, *, at_once: bool) -> None:
        """Take acknowledged rows out of the outbox if enough have come, or the first is old enough, or at once."""
        count = self._window.uncommitted
        now = self._clock.monotonic_us()
        old = now - self._oldest_acknowledged_at >= COMMIT_AFTER_US
        if not count or not (at_once or old or count >= COMMIT_ROWS) or now < self._store_retry_at:
            return
        try:
            self._outbox.published(self._window.acknowledged, self._clock.utc_us())
        except StoreDamagedError:
            raise
        except StoreError as error:
            self._store_failed(error, now)
            return
        self.published += count
        self._window.committed()

    def stalled(self) -> bool:
        """Rows are in flight and no PUBACK has come for too long."""
        return bool(self._window.in_flight) and self._clock.monotonic_us() - self._progress_at >= STALLED_US

    def give_up(self, sequence: int, reason: str) -> bool:
        """Set an event in flight aside that the broker does not take; False if the store cannot do that now."""
        return self._set_aside(sequence, reason)

    def connection_lost(self) -> None:
        """What was in flight waits again."""
        self._window.lose()
        self._packets.clear()

    def next_due(self) -> int | None:
        """Monotonic microseconds of the next thing to do here; None if only the broker or new rows bring it."""
        if self._window.uncommitted:
            return max(self._oldest_acknowledged_at + COMMIT_AFTER_US, self._store_retry_at)
        if self._clock.monotonic_us() < self._held_until:
            return self._held_until
        return None

    def _read(self, now: int) -> bool:
        if self._exhausted or now < self._store_retry_at:
            return False
        try:
            retries = self._outbox.retries()
            if retries != self._retries:
                self._retries = retries
                self._window.rewind()
            rows = self._outbox.unpublished(self._window.read_up_to, READ_ROWS)
        except StoreDamagedError:
            raise
        except StoreError as error:
            self._store_failed(error, now)
            return False
        self._exhausted = len(rows) < READ_ROWS
        self._window.add(rows)
        return bool(rows)

    def _send_next(self, connection: Connection, now: int) -> bool:
        outgoing = self._window.take()
        if outgoing is None:
            return False
        row = outgoing.row
        try:
            packet_id = connection.publish(publication(row, self._format, replayed=outgoing.replayed))
        except ValueError as error:
            return self._set_aside(row.sequence, str(error))
        if packet_id is None:
            self._window.give_back(row.sequence)
            return False
        if not self._packets:
            self._progress_at = now
        self._packets[packet_id] = row.sequence
        return True

    def _set_aside(self, sequence: int, reason: str) -> bool:
        """Take a row out of the way of all others; False where the store cannot do that now."""
        now = self._clock.monotonic_us()
        try:
            self._outbox.set_aside(sequence, reason, self._clock.utc_us())
        except StoreDamagedError:
            raise
        except StoreError as error:
            self._window.give_back(sequence)
            self._store_failed(error, now)
            self._held_until = self._store_retry_at
            return False
        self._window.drop(sequence)
        self.set_aside += 1
        self.set_aside_words = f"event {sequence}: {reason}"
        log.error("event.set_aside", sequence=sequence, reason=reason, again_with="rfid-gateway outbox retry")
        return True

    def _hold(self, sequence: int, reason: str) -> None:
        self._window.give_back(sequence)
        now = self._clock.monotonic_us()
        self.refused += 1
        if now >= self._held_until:
            self._refusals += 1
            self._held_until = now + back_off_us(self._refusals, random.random())  # noqa: S311 - jitter, no secret
            log.error("event.refused", sequence=sequence, reason=reason, retry_in_s=(self._held_until - now) / 1e6)

    def _store_failed(self, error: Exception, now: int) -> None:
        self._store_retry_at = now + STORE_RETRY_US
        log.error("outbox.failed", reason=str(error))
