"""Messages on their way to the client: what is sent now, what waits, what is lost. Pure.

Source: LLRP 1.0.1 12.2.6.4 (EventsAndReports), 13.1.3 (ENABLE_EVENTS_AND_REPORTS), 14.2.1 (GET_REPORT). What a reader
does with tags while no client is there is left open; this one buffers them when Hold is set and drops them otherwise.
"""

from dataclasses import dataclass

from rfid_simulators.llrp import events
from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.events import NotificationType
from rfid_simulators.llrp.report_buffer import ReportBuffer
from rfid_simulators.llrp.unchanged import UnchangedFilter
from rfid_simulators.llrp.wire import LLRP_1_0_1, MessageType, message
from rfid_simulators.llrp.wire import ParameterType as P

MOST_HELD_EVENTS = 200


@dataclass(slots=True)
class Counters:
    """What a reader has done since it started. Owned by that reader's thread; anybody may read it."""

    reports: int = 0
    tags: int = 0
    """TagReportData parameters sent."""
    requests: int = 0
    refused: int = 0
    """Requests answered with an error."""
    lost_tags: int = 0
    """TagReportData parameters that a full buffer or a missing client cost."""


class Outgoing:
    """The way from the reader to its client. Owned by the reader.

    Args:
        clock: the reader's clock.
        buffer_capacity: tags that fit into the report buffer.
        counters: what counts on.
        unchanged: what leaves unchanged parameters out of tag reports; None leaves reports complete.
    """

    def __init__(
        self, clock: ReaderClock, buffer_capacity: int, counters: Counters, unchanged: UnchangedFilter | None = None
    ) -> None:
        self.counters = counters
        self.events_on: frozenset[int] = frozenset()
        """Notification types that the client wants."""
        self.version = LLRP_1_0_1
        """Protocol version of this session."""
        self._clock = clock
        self._unchanged = unchanged
        self._buffer = ReportBuffer(buffer_capacity)
        self._held_events: list[bytes] = []
        self._messages: list[bytes] = []
        self._connected = False
        self._holding = False
        self._next_id = 1

    def begin_session(self, at: int, *, hold: bool) -> None:
        """A client is there; the first message to it is the ConnectionAttemptEvent (LLRP 1.0.1 20.1.1)."""
        self._connected = True
        self._holding = hold
        self.version = LLRP_1_0_1
        if self._unchanged:
            self._unchanged.restart()
        self.notify(events.connection_attempt(events.ConnectionAttempt.SUCCESS), at)
        if not hold:
            self.release(at)

    def end_session(self, *, hold: bool) -> None:
        """The client is gone, and with it what was not sent yet."""
        self._messages.clear()
        self._connected = False
        self._holding = hold

    def take(self) -> list[bytes]:
        """Return the messages to send now."""
        messages, self._messages = self._messages, []
        return messages

    def send(self, kind: MessageType, body: bytes, message_id: int | None = None, version: int | None = None) -> None:
        """Send a response, or with no `message_id` a message of the reader's own; None takes the session's version."""
        if message_id is None:
            message_id = self._next_id
            self._next_id = self._next_id % 0xFFFFFFFF + 1
        self._messages.append(message(kind, message_id, body, version or self.version))

    def notify(self, event: bytes, at: int) -> None:
        """Send an event that no client can switch off, if a client is there."""
        if self._connected:
            self.send(MessageType.READER_EVENT_NOTIFICATION, self.event_data(event, at))

    def event_data(self, event: bytes, at: int) -> bytes:
        """Encode the body of an event with the reader's time."""
        return events.event_data(self._clock.timestamp(at), event)

    def happened(self, kind: NotificationType, event: bytes, at: int) -> None:
        """Send, hold or drop an event that the client may have switched on."""
        if kind not in self.events_on:
            return
        if self._holding:
            self._held_events.append(self.event_data(event, at))
            del self._held_events[MOST_HELD_EVENTS:]
        else:
            self.notify(event, at)

    def tags_due(self, tags: list[bytes], at: int) -> None:
        """A report is due: send it, hold it, or lose it because nobody is there."""
        if self._holding:
            self.keep(tags, at)
        elif self._connected:
            self._report(tags)
        else:
            self.counters.lost_tags += len(tags)

    def keep(self, tags: list[bytes], at: int) -> None:
        """Let tags wait in the reader for the client to ask."""
        was_overflowed = self._buffer.overflowed
        self.counters.lost_tags += self._buffer.put(tags)
        if self._buffer.overflowed and not was_overflowed and not self._holding:
            self.notify(events.report_buffer_overflow(), at)
        percent = self._buffer.new_warning()
        if percent is not None:
            warning = events.report_buffer_level(percent)
            self.happened(NotificationType.REPORT_BUFFER_FILL_WARNING, warning, at)

    def recorded_due(self, body: bytes) -> None:
        """Send a recorded report as it is; nothing of it is kept while nobody takes it."""
        tags = count_tags(body)
        if self._connected and not self._holding:
            self.counters.reports += 1
            self.counters.tags += tags
            self.send(MessageType.RO_ACCESS_REPORT, body)
        else:
            self.counters.lost_tags += tags

    def release(self, at: int) -> None:
        """Send what was held, events first, and hold no more in this session."""
        self._holding = False
        held, self._held_events = self._held_events, []
        for body in held:
            self.send(MessageType.READER_EVENT_NOTIFICATION, body)
        self._empty_buffer(at)

    def send_all_reports(self, tags: list[bytes], at: int) -> None:
        """Answer GET_REPORT with what waited and then `tags`; an empty report says that there was nothing."""
        if not tags and not len(self._buffer):
            self._report([])
        self._empty_buffer(at)
        if tags:
            self._report(tags)

    def _empty_buffer(self, at: int) -> None:
        if self._buffer.overflowed:
            self.notify(events.report_buffer_overflow(), at)
        for piece in self._buffer.take():
            self._report(piece)

    def _report(self, tags: list[bytes]) -> None:
        self.counters.reports += 1
        self.counters.tags += len(tags)
        told = map(self._unchanged.shorten, tags) if self._unchanged else tags
        self.send(MessageType.RO_ACCESS_REPORT, b"".join(told))


def count_tags(body: bytes) -> int:
    """Count the TagReportData parameters of a RO_ACCESS_REPORT's body; stops at the first that is none."""
    tags = at = 0
    while at + 4 <= len(body) and int.from_bytes(body[at : at + 2], "big") == P.TAG_REPORT_DATA:
        at += max(4, int.from_bytes(body[at + 2 : at + 4], "big"))
        tags += 1
    return tags
