"""One LLRP connection without its socket: bytes and times go in, events and bytes come out. Pure.

The session decides what to send and when the connection is lost; `reader.py` moves the bytes. A session lives as long
as its TCP connection, so nothing half-received can leak into the next one.
"""

from enum import Enum, auto
from operator import attrgetter

from rfid_drivers.llrp.conversation import Conversation
from rfid_drivers.llrp.events import HealthChanged, InventoryRuns, ReadsArrived, Remark, SessionEvent, Skipped
from rfid_drivers.llrp.framing import Frame, Framer, encode_frame
from rfid_drivers.llrp.handshake import clear_away_and_leave, leave, set_up
from rfid_drivers.llrp.health import Health
from rfid_drivers.llrp.notifications import (
    AntennaChanged,
    BufferFilling,
    BufferOverflowed,
    ConnectionAttempt,
    ConnectionAttempted,
    ConnectionClosed,
    InputChanged,
    Notification,
    ReaderException,
    SpecChange,
    SpecChanged,
    decode_notification,
)
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import LlrpDecodeError
from rfid_drivers.llrp.reports import ReportDecoder
from rfid_drivers.llrp.rospec import ROSPEC_ID
from rfid_gateway.driver import ReaderBusyError, ReaderError
from rfid_gateway.reader_clock import ReaderClock

MISSED_KEEPALIVES = 3
"""Silent keepalive periods after which a connection counts as dead."""
FAREWELL_US = 1_000_000
"""How long the whole farewell may take: `close()` promises a second or so."""
LINGER_US = 300_000
"""How long a reader may take to close after its goodbye; what it sent until then is not lost."""

_GET_REPORT, _RO_ACCESS_REPORT, _KEEPALIVE, _NOTIFICATION, _KEEPALIVE_ACK = 60, 61, 62, 63, 72
_SECOND_US = 1_000_000
_LATEST_CLOCK_US = 1 << 57
"""As for tags: a time beyond the year 6536 is none."""
_LAST_SEEN = attrgetter("last_seen")


class _State(Enum):
    GREETING = auto()
    """Nothing may be sent before the reader's ConnectionAttemptEvent (LLRP 1.0.1 section 18.1)."""
    SETTING_UP = auto()
    RUNNING = auto()
    LEAVING = auto()
    LEFT = auto()


class Session:
    """Talks LLRP with one reader over one connection. Owner: the reader's thread. Times are microseconds."""

    def __init__(self, options: LlrpOptions, now_us: int) -> None:
        self._options = options
        self._state = _State.GREETING
        self._deadline = now_us + round(options.connect_timeout_s * _SECOND_US)
        self._silence_us = MISSED_KEEPALIVES * options.keepalive_s * _SECOND_US
        self._last_traffic = now_us
        self._framer = Framer()
        self._decoder = ReportDecoder()
        self._clocks = {"utc": ReaderClock(), "uptime": ReaderClock()}
        self._clock_of_reports = "utc"
        self._health = Health()
        self._problems: tuple[str, ...] = ()
        self._conversation = Conversation(round(options.request_timeout_s * _SECOND_US))
        self._failure: ReaderError | None = None
        self._events: list[SessionEvent] = []

    @property
    def left(self) -> bool:
        """The farewell took long enough: close the connection."""
        return self._state is _State.LEFT

    @property
    def deadline(self) -> int:
        """Monotonic time at which `tick` has to be called at the latest."""
        if self._state is _State.RUNNING:
            return self._last_traffic + self._silence_us
        if self._state is _State.SETTING_UP and self._conversation.deadline is not None:
            return self._conversation.deadline
        return self._deadline

    def data_to_send(self) -> bytes:
        """Take what is to be sent now."""
        data = bytes(self._conversation.outgoing)
        self._conversation.outgoing.clear()
        return data

    def feed(self, data: bytes, now_us: int, utc_us: int) -> list[SessionEvent]:
        """Take bytes as they came and tell what they mean. Never raises: `tick` tells what ended the session."""
        self._last_traffic = now_us
        frames, framing_lost = self._framer.feed(data)
        for frame in frames:
            if self._failure or self.left:
                break
            try:
                self._take(frame, now_us, utc_us)
            except LlrpDecodeError as error:
                self._events.append(Skipped(frame.type, str(error)))
            except ReaderError as error:
                self._failure = error
        self._failure = self._failure or framing_lost
        return self._take_events(now_us)

    def tick(self, now_us: int) -> list[SessionEvent]:
        """Look at the clock.

        Raises:
            ReaderBusyError: another client holds the reader.
            ReaderError: the connection is of no more use; the words say why.
        """
        if self._failure:
            raise self._failure
        match self._state:
            case _State.GREETING if now_us >= self._deadline:
                raise ReaderError("connected, but no LLRP greeting came; check that the port is the reader's LLRP port")
            case _State.SETTING_UP:
                self._conversation.tick(now_us)
                self._follow_conversation(now_us)
            case _State.RUNNING if now_us >= self._last_traffic + self._silence_us:
                silence = self._silence_us // _SECOND_US
                raise ReaderError(f"the reader has been silent for {silence} s, without even keepalives")
            case _State.LEAVING if now_us >= self._deadline:
                self._state = _State.LEFT
        return self._take_events(now_us)

    def close(self, now_us: int) -> None:
        """Begin the farewell. It is over when the reader closes the connection, or when `left` says so."""
        if self._state in (_State.LEAVING, _State.LEFT):
            return
        if self._state is _State.GREETING:
            self._state = _State.LEFT
            return
        settled = self._conversation.settled
        self._state = _State.LEAVING
        self._deadline = now_us + FAREWELL_US
        self._conversation.begin(leave() if settled and settled.holding else clear_away_and_leave(), now_us)

    def _follow_conversation(self, now_us: int) -> None:
        """Go where the end of a script leads."""
        if not self._conversation.ended:
            return
        settled = self._conversation.settled
        if self._state is _State.LEAVING:
            self._deadline = min(self._deadline, now_us + LINGER_US)
        elif self._state is _State.SETTING_UP and settled:
            self._state = _State.RUNNING
            self._events.append(InventoryRuns(settled))
            self._events += [Remark(f"the reader refused, and works without: {remark}") for remark in settled.remarks]

    def _take(self, frame: Frame, now_us: int, utc_us: int) -> None:
        if frame.type == _RO_ACCESS_REPORT:
            self._take_report(frame.body, now_us, utc_us)
            return
        if frame.type == _KEEPALIVE:
            self._acknowledge(frame)
        elif frame.type == _NOTIFICATION:
            self._take_notification(frame.body, now_us)
        else:
            self._conversation.take_answer(frame, now_us)
        self._follow_conversation(now_us)

    def _take_report(self, body: bytes, now_us: int, utc_us: int) -> None:
        offset = self._clocks[self._clock_of_reports].offset(utc_us, now_us)
        report = self._decoder.decode(body, utc_us + offset)
        if report.errors:
            self._events += [Skipped(_RO_ACCESS_REPORT, error) for error in report.errors]
        if not report.tag_reads:
            return
        if report.clock:
            self._clock_of_reports = report.clock
            self._clocks[report.clock].sample(max(map(_LAST_SEEN, report.tag_reads)), now_us)
            offset = self._clocks[report.clock].offset(utc_us, now_us)
        self._events.append(ReadsArrived(report.tag_reads, offset))

    def _acknowledge(self, keepalive: Frame) -> None:
        if self._state is not _State.GREETING:
            self._conversation.outgoing += encode_frame(_KEEPALIVE_ACK, keepalive.id)

    def _take_notification(self, body: bytes, now_us: int) -> None:
        notifications = decode_notification(body)
        if notifications.reader_time is not None and notifications.reader_time < _LATEST_CLOCK_US:
            self._clocks[notifications.clock].sample(notifications.reader_time, now_us)
        for event in notifications.events:
            self._take_event(event, now_us)

    def _take_event(self, event: Notification, now_us: int) -> None:
        match event:
            case ConnectionAttempted(status):
                self._take_greeting(status, now_us)
            case InputChanged():
                self._events.append(event)
            case AntennaChanged(antenna_id, connected):
                self._take_antenna(antenna_id, connected=connected)
            case SpecChanged(rospec_id, change) if rospec_id == ROSPEC_ID:
                self._take_spec_change(change, now_us)
            case BufferFilling(percent):
                self._events.append(Remark(f"the reader's report buffer is {percent} % full; asking for its reports"))
                if self._state is _State.RUNNING:
                    self._conversation.send(_GET_REPORT)
            case BufferOverflowed():
                self._health.incident("the reader's report buffer overflowed, tag reads were lost in it", now_us)
            case ReaderException(text):
                self._health.incident(f"the reader reports: {text}", now_us)
            case ConnectionClosed() if self._state is not _State.LEAVING:
                raise ReaderError("the reader closed the LLRP connection")
            case _:
                pass

    def _take_greeting(self, status: int, now_us: int) -> None:
        if self._state is not _State.GREETING:
            self._events.append(Remark(f"another client tried to connect to the reader (status {status})"))
        elif status == ConnectionAttempt.SUCCESS:
            self._state = _State.SETTING_UP
            self._conversation.begin(set_up(self._options), now_us)
        elif status in (ConnectionAttempt.HELD_BY_READER_INITIATED, ConnectionAttempt.HELD_BY_CLIENT_INITIATED):
            raise ReaderBusyError(
                "another LLRP client holds the reader; close it, or restart the reader if that client is gone"
            )
        else:
            raise ReaderError(f"the reader refused the connection (ConnectionAttemptEvent {status})")

    def _take_antenna(self, antenna_id: int, *, connected: bool) -> None:
        """Note an AntennaEvent; at the start a reader tells of all ports, and unused ones are no trouble."""
        configured = self._options.antennas
        if connected or antenna_id in configured or (not configured and self._state is _State.RUNNING):
            self._health.antenna(antenna_id, connected=connected)

    def _take_spec_change(self, change: int, now_us: int) -> None:
        if change == SpecChange.STARTED:
            self._conversation.take_start(now_us)
        elif self._state is _State.RUNNING:
            why = "another ROSpec took its place" if change == SpecChange.PREEMPTED else "it was ended"
            raise ReaderError(f"the reader stopped reading for us: {why}; is another program using it?")

    def _take_events(self, now_us: int) -> list[SessionEvent]:
        if self._state is _State.RUNNING:
            problems = self._health.problems(now_us)
            if problems != self._problems:
                self._problems = problems
                self._events.append(HealthChanged(problems))
        events, self._events = self._events, []
        return events
