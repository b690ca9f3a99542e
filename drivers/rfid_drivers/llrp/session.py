"""One LLRP connection without its socket: bytes and times go in, events and bytes come out. Pure.

The session decides what to send and when the connection is lost; `reader.py` moves the bytes. A session lives as long
as its TCP connection, so nothing half-received can leak into the next one.
"""

from collections.abc import Generator
from dataclasses import replace
from enum import Enum, auto
from operator import attrgetter

from rfid_drivers.llrp.control import encode_gpo_write
from rfid_drivers.llrp.conversation import AnyStep, Conversation
from rfid_drivers.llrp.events import Alert, HealthChanged, InventoryRuns, ReadsArrived, Remark, SessionEvent, Skipped
from rfid_drivers.llrp.framing import LLRP_1_0_1, Frame, Framer
from rfid_drivers.llrp.handshake import Answer, Request, Settled, clear_away_and_leave, leave, set_up
from rfid_drivers.llrp.health import Health
from rfid_drivers.llrp.inspection import INSPECTION_EVERY_US, TEMPERATURE_OF_IMPINJ, Inspection, inspect
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
from rfid_drivers.llrp.versions import Probe, agree_on_version
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


_NEVER = 1 << 62


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
        self._told = HealthChanged(())
        self._settled: Settled | None = None
        self._agreed = False
        self._outputs: dict[int, bool] = {}
        self._next_inspection = _NEVER
        self._conversation = Conversation(round(options.request_timeout_s * _SECOND_US))
        self._failure: ReaderError | None = None
        self._events: list[SessionEvent] = []

    @property
    def left(self) -> bool:
        """The farewell took long enough: close the connection."""
        return self._state is _State.LEFT

    @property
    def asks_for_version(self) -> bool:
        """The reader was asked for LLRP 1.1 and has not agreed yet; some hang up because of it."""
        return self._state is _State.SETTING_UP and self._conversation.version != LLRP_1_0_1 and not self._agreed

    @property
    def deadline(self) -> int:
        """Monotonic time at which `tick` has to be called at the latest."""
        if self._state is _State.RUNNING:
            answer = self._conversation.deadline or _NEVER
            return min(self._last_traffic + self._silence_us, self._next_inspection, answer)
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
            case _State.RUNNING:
                self._conversation.tick(now_us)
                self._follow_conversation(now_us)
                self._run_errand(now_us)
            case _State.LEAVING if now_us >= self._deadline:
                self._state = _State.LEFT
        return self._take_events(now_us)

    def set_output(self, port: int, *, high: bool) -> None:
        """Switch an output as soon as the reader is free to; of several states of one output the last counts."""
        self._outputs[port] = high

    def close(self, now_us: int) -> None:
        """Begin the farewell. It is over when the reader closes the connection, or when `left` says so."""
        if self._state in (_State.LEAVING, _State.LEFT):
            return
        if self._state is _State.GREETING:
            self._state = _State.LEFT
            return
        settled = self._settled
        self._state = _State.LEAVING
        self._deadline = now_us + FAREWELL_US
        self._conversation.begin(leave() if settled and settled.holding else clear_away_and_leave(), now_us)

    def _follow_conversation(self, now_us: int) -> None:
        """Go where the end of a script leads."""
        if not self._conversation.ended:
            return
        result = self._conversation.result
        match self._state, result:
            case _State.LEAVING, _:
                self._deadline = min(self._deadline, now_us + LINGER_US)
            case _State.SETTING_UP, (Settled() as settled, Inspection() as inspection):
                self._start_running(settled, inspection, now_us)
            case _State.RUNNING, Inspection():
                self._take_inspection(result, now_us)
            case _State.RUNNING, Alert():
                self._events.append(result)
            case _:
                pass
        self._conversation.result = None

    def _start_running(self, settled: Settled, inspection: Inspection, now_us: int) -> None:
        self._state = _State.RUNNING
        self._settled = settled
        self._take_inspection(inspection, now_us)
        health = self._health.report(now_us)
        self._told = replace(health, problems=())
        self._events.append(InventoryRuns(settled, health.antennas, health.temperature))
        if settled.remarks:
            self._events += [Remark(f"the reader refused, and works without: {remark}") for remark in settled.remarks]
            self._events.append(Alert("setting_refused", "; ".join(settled.remarks)))
        self._conversation.send(_GET_REPORT)  # what the reader gathered while nobody was here

    def _take_inspection(self, inspection: Inspection, now_us: int) -> None:
        if inspection.antennas:
            self._health.inspected(antenna for antenna, connected in inspection.antennas if connected)
        for antenna, connected in inspection.antennas:
            if not connected and antenna in self._options.antennas:
                self._health.lost(antenna)
        self._health.temperature = inspection.temperature
        # Antennas are told by events; only temperatures have to be asked for.
        self._next_inspection = _NEVER if inspection.temperature is None else now_us + INSPECTION_EVERY_US

    def _run_errand(self, now_us: int) -> None:
        """Ask the reader for the next thing that can wait, if it owes us no answer."""
        if not self._conversation.ended:
            return
        if self._outputs:
            port = next(iter(self._outputs))
            self._conversation.begin(_switch(port, high=self._outputs.pop(port)), now_us)
        elif now_us >= self._next_inspection:
            self._next_inspection = _NEVER
            self._conversation.begin(inspect(TEMPERATURE_OF_IMPINJ), now_us)

    def _introduce(self) -> Generator[AnyStep, Answer, tuple[Settled, Inspection]]:
        """Agree on the version, set the reader up and look at it."""
        remark = yield from agree_on_version(self._options.version)
        self._agreed = True
        if remark:
            told = Alert("protocol_version", remark) if self._options.version == "1.1" else Remark(remark)
            self._events.append(told)
        settled = yield from set_up(self._options)
        impinj = settled.impinj_extensions
        inspection = yield from inspect(TEMPERATURE_OF_IMPINJ if impinj else b"")
        return settled, inspection

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
            self._conversation.reply(_KEEPALIVE_ACK, keepalive.id)

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
                detail = f"the reader's report buffer is {percent} % full; is the network too slow?"
                self._events.append(Alert("report_buffer_filling", detail))
                if self._state is _State.RUNNING:
                    self._conversation.send(_GET_REPORT)
            case BufferOverflowed():
                self._trouble(
                    "report_buffer_overflow", "the reader's report buffer overflowed, tag reads were lost in it", now_us
                )
            case ReaderException(text):
                self._trouble("reader_exception", f"the reader reports: {text}", now_us)
            case ConnectionClosed() if self._state is not _State.LEAVING:
                raise ReaderError("the reader closed the LLRP connection")
            case _:
                pass

    def _trouble(self, kind: str, words: str, now_us: int) -> None:
        self._health.incident(words, now_us)
        self._events.append(Alert(kind, words))

    def _take_greeting(self, status: int, now_us: int) -> None:
        if self._state is not _State.GREETING:
            if status == ConnectionAttempt.ANOTHER_TRIED:
                self._events.append(Alert("rival_client", "another LLRP client tries to take this reader; end it"))
            else:
                self._events.append(Remark(f"the reader tells of a connection attempt with status {status}"))
        elif status == ConnectionAttempt.SUCCESS:
            self._state = _State.SETTING_UP
            self._conversation.begin(self._introduce(), now_us)
        elif status in (ConnectionAttempt.HELD_BY_READER_INITIATED, ConnectionAttempt.HELD_BY_CLIENT_INITIATED):
            raise ReaderBusyError(
                "another LLRP client holds the reader; close it, or restart the reader if that client is gone"
            )
        else:
            raise ReaderError(f"the reader refused the connection (ConnectionAttemptEvent {status})")

    def _take_antenna(self, antenna_id: int, *, connected: bool) -> None:
        """Note an AntennaEvent; at the start a reader tells of all ports, and unused ones are no trouble."""
        configured = self._options.antennas
        if connected:
            self._health.connected(antenna_id)
            return
        self._health.absent(antenna_id)
        if antenna_id in configured or (not configured and self._state is _State.RUNNING):
            self._health.lost(antenna_id)

    def _take_spec_change(self, change: int, now_us: int) -> None:
        if change == SpecChange.STARTED:
            self._conversation.take_start(now_us)
        elif change == SpecChange.ENDED and self._options.stop_trigger:
            pass  # until its start trigger fires again
        elif self._state is _State.RUNNING:
            why = "another ROSpec took its place" if change == SpecChange.PREEMPTED else "it was ended"
            raise ReaderError(f"the reader stopped reading for us: {why}; is another program using it?")

    def _take_events(self, now_us: int) -> list[SessionEvent]:
        if self._state is _State.RUNNING:
            health = self._health.report(now_us)
            if health != self._told:
                self._told = health
                self._events.append(health)
        events, self._events = self._events, []
        return events


def _switch(port: int, *, high: bool) -> Generator[Probe, Answer, Alert | None]:
    """Switch an output; say so if the reader does not."""
    answer = yield Probe(Request("SET_READER_CONFIG", 3, 13, encode_gpo_write(port, high=high)))
    if answer.status.ok:
        return None
    return Alert("output_refused", f"the reader does not switch output {port}: {answer.status}")
