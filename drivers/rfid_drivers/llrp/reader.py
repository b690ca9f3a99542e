"""The LLRP driver: one thread, one socket, one session at a time."""

import threading
from typing import ClassVar

import structlog

from rfid_drivers.llrp.connection import Connection, Waker
from rfid_drivers.llrp.control import Capabilities
from rfid_drivers.llrp.events import HealthChanged, InventoryRuns, ReadsArrived, Remark, SessionEvent, Skipped
from rfid_drivers.llrp.notifications import InputChanged
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import IMPINJ
from rfid_drivers.llrp.session import Session
from rfid_gateway.clock import Clock
from rfid_gateway.driver import DriverOptions, Emit, ReaderError
from rfid_gateway.reads import GpiEdge, ReaderState, ReaderStatus, TagReport

_LONGEST_WAIT_S = 1.0
"""So that a health that mends by itself shows without traffic."""

_LOGGED_SKIPS = 10
"""Per connection; the rest is counted and told at its end. Odd firmware sends oddities by the thousand."""

_MODELS = {(IMPINJ, 2001002): "Impinj Speedway R420"}
_MANUFACTURERS = {IMPINJ: "Impinj", 161: "Zebra"}
"""IANA private enterprise numbers."""

_log = structlog.get_logger(__name__)


def model_name(capabilities: Capabilities) -> str:
    """Name a model for people; manufacturer and number where we know no better."""
    manufacturer = _MANUFACTURERS.get(capabilities.manufacturer, f"manufacturer {capabilities.manufacturer}")
    known = _MODELS.get((capabilities.manufacturer, capabilities.model))
    return known or f"{manufacturer} {capabilities.model}"


class LlrpReader:
    """Reads one LLRP reader over TCP; see `rfid_gateway.driver` for the promises.

    Owner: the thread that calls `run`; only `close` comes from others.
    """

    Options: ClassVar[type[DriverOptions]] = LlrpOptions

    def __init__(self, reader_id: str, options: LlrpOptions, clock: Clock) -> None:
        self._reader_id = reader_id
        self._options = options
        self._clock = clock
        self._closing = threading.Event()
        self._waker: Waker | None = None
        # Guards the waker's life: without it `close` could write to a descriptor that `run` has just given back and
        # that another connection of the process has got since.
        self._waker_lock = threading.Lock()
        self._model, self._firmware = "", ""
        self._skipped = 0

    def run(self, emit: Emit) -> None:
        """Read until closed; raise ReaderError when the reader cannot go on."""
        waker = Waker()
        with self._waker_lock:
            self._waker = waker
        try:
            if not self._closing.is_set():
                self._connect_and_read(waker, emit)
        except ReaderError:
            if not self._closing.is_set():  # a reader that fails while it is being left no longer matters
                raise
        finally:
            with self._waker_lock:
                self._waker = None
            waker.close()

    def close(self) -> None:
        """Make `run` return soon; from any thread, any number of times."""
        self._closing.set()
        with self._waker_lock:
            if self._waker:
                self._waker.wake()

    def _connect_and_read(self, waker: Waker, emit: Emit) -> None:
        options = self._options
        connection = Connection.open(options.host, options.port, options.connect_timeout_s, waker)
        if connection is None:
            return
        self._skipped = 0
        try:
            self._read(connection, emit)
        finally:
            connection.close()
            if self._skipped > _LOGGED_SKIPS:
                _log.warning("llrp_parts_skipped", reader=self._reader_id, count=self._skipped)

    def _read(self, connection: Connection, emit: Emit) -> None:
        session = Session(self._options, self._clock.monotonic_us())
        while not session.left:
            wait_us = session.deadline - self._clock.monotonic_us()
            has_bytes = connection.wait(min(wait_us / 1_000_000, _LONGEST_WAIT_S))
            data = connection.receive() if has_bytes else b""
            now_us, utc_us = self._clock.monotonic_us(), self._clock.utc_us()
            events = session.feed(data, now_us, utc_us) if data else []
            self._emit_all(events, emit, now_us, utc_us)
            if self._closing.is_set():
                session.close(now_us)
            self._emit_all(session.tick(now_us), emit, now_us, utc_us)
            if has_bytes and not data:
                if self._closing.is_set():
                    return
                raise ReaderError("the reader closed the TCP connection")
            if outgoing := session.data_to_send():
                connection.send(outgoing)

    def _emit_all(self, events: list[SessionEvent], emit: Emit, now_us: int, utc_us: int) -> None:
        reader_id = self._reader_id
        for event in events:
            match event:
                case ReadsArrived(tag_reads, clock_offset):
                    emit(TagReport(reader_id, utc_us, now_us, tag_reads, clock_offset))
                case InputChanged(port, high):
                    emit(GpiEdge(reader_id, utc_us, now_us, port, high))
                case InventoryRuns(settled):
                    self._model = model_name(settled.capabilities)
                    self._firmware = settled.capabilities.firmware
                    emit(self._status(ReaderState.ONLINE, utc_us))
                case HealthChanged(problems):
                    state = ReaderState.DEGRADED if problems else ReaderState.ONLINE
                    emit(self._status(state, utc_us, "; ".join(problems)))
                case Skipped(message_type, reason):
                    self._skipped += 1
                    if self._skipped <= _LOGGED_SKIPS:
                        _log.warning("llrp_part_skipped", reader=reader_id, message_type=message_type, reason=reason)
                case Remark(text):
                    _log.info("llrp_remark", reader=reader_id, remark=text)

    def _status(self, state: ReaderState, utc_us: int, detail: str = "") -> ReaderStatus:
        return ReaderStatus(self._reader_id, utc_us, state, detail, self._model, self._firmware)
