"""The LLRP driver: one thread, one socket, one session at a time."""

import threading
from queue import Empty, SimpleQueue
from typing import ClassVar

import structlog

from rfid_drivers.llrp import reception
from rfid_drivers.llrp.alerts import AlertCounter
from rfid_drivers.llrp.connection import Connection, Waker
from rfid_drivers.llrp.events import Alert, HealthChanged, InventoryRuns, ReadsArrived, Remark, SessionEvent, Skipped
from rfid_drivers.llrp.explain import explain
from rfid_drivers.llrp.introduction import normal
from rfid_drivers.llrp.models import name_model
from rfid_drivers.llrp.notifications import InputChanged
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reception import Arrival, Stranger
from rfid_drivers.llrp.session import Session
from rfid_drivers.llrp.tls import Encryption
from rfid_gateway.clock import Clock
from rfid_gateway.driver import DriverOptions, Emit, ReaderBusyError, ReaderError
from rfid_gateway.reads import GpiEdge, ReaderAlert, ReaderState, ReaderStatus, TagReport

_LONGEST_WAIT_S = 1.0
"""So that a health that mends by itself shows without traffic."""

_LOGGED_SKIPS = 10
"""Per connection; the rest is counted and told at its end. Odd firmware sends oddities by the thousand."""

_log = structlog.get_logger(__name__)


class LlrpReader:
    """Reads one LLRP reader over TCP; see `rfid_gateway.driver` for the promises.

    Owner: the thread that calls `run`; only `close` and `set_output` come from others.
    """

    Options: ClassVar[type[DriverOptions]] = LlrpOptions
    explain_recording = staticmethod(explain)

    def __init__(self, reader_id: str, options: LlrpOptions, clock: Clock) -> None:
        self._reader_id = reader_id
        self._options = options
        self._clock = clock
        self._closing = threading.Event()
        self._waker: Waker | None = None
        # Guards what other threads touch: the outputs that they want, whether `run` is under way, and the waker's
        # life, without which `close` could write to a descriptor that another connection has got since.
        self._lock = threading.Lock()
        self._outputs: dict[int, bool] = {}
        self._expected = False
        self._arrived: SimpleQueue[Arrival | Stranger] = SimpleQueue()
        self._alerts = AlertCounter()
        self._version_refused = False
        self._model, self._firmware = "", ""
        self._skipped = 0

    def run(self, emit: Emit) -> None:
        """Read until closed; raise ReaderError when the reader cannot go on."""
        waker = Waker()
        with self._lock:
            self._waker = waker
        try:
            if not self._closing.is_set():
                self._connect_and_read(waker, emit)
        except ReaderError as error:
            if isinstance(error, ReaderBusyError):
                self._alerts.note("reader_busy", str(error))
            self._emit_alerts(emit, self._clock.monotonic_us(), self._clock.utc_us())
            if not self._closing.is_set():  # a reader that fails while it is being left no longer matters
                raise
        finally:
            with self._lock:
                self._waker = None
            waker.close()
            if self._closing.is_set():
                self._stop_expecting()

    def close(self) -> None:
        """Make `run` return soon; from any thread, any number of times."""
        self._closing.set()
        with self._lock:
            running = self._waker is not None
        self._wake()
        if not running:
            self._stop_expecting()

    def set_output(self, port: int, *, high: bool) -> None:
        """Switch an output (counted from 1), now or as soon as the reader is online again; from any thread."""
        with self._lock:
            self._outputs[port] = high
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._waker:
                self._waker.wake()

    def _connect_and_read(self, waker: Waker, emit: Emit) -> None:
        connection, said = self._wait_for_reader(waker, emit) if self._options.listen else (self._dial(waker), b"")
        if connection is None:
            return
        self._skipped = 0
        try:
            self._read(connection, said, emit)
        finally:
            connection.close()
            if self._skipped > _LOGGED_SKIPS:
                _log.warning("llrp.parts_skipped", reader=self._reader_id, count=self._skipped)

    def _dial(self, waker: Waker) -> Connection | None:
        options = self._options
        encrypt = Encryption(options).encrypt if options.tls else None
        return Connection.open(options.host, options.port, options.connect_timeout_s, waker, encrypt)

    def _wait_for_reader(self, waker: Waker, emit: Emit) -> tuple[Connection | None, bytes]:
        """Wait until the reader connects; between two runs the reception keeps it for us."""
        options = self._options
        identification = normal(options.identification)
        if not self._expected:
            reception.expect(options.listen, identification, self._deliver)
            self._expected = True
        words = f"waiting for the reader {identification} to connect to {options.listen}"
        emit(ReaderStatus(self._reader_id, self._clock.utc_us(), ReaderState.CONNECTING, words))
        while not self._closing.is_set():
            arrival = self._take_arrival()
            self._emit_alerts(emit, self._clock.monotonic_us(), self._clock.utc_us())
            if arrival:
                return Connection(arrival.connected, waker), arrival.said
            waker.wait(_LONGEST_WAIT_S)
        return None, b""

    def _deliver(self, item: Arrival | Stranger) -> None:
        """Take something from the reception, in its thread."""
        self._arrived.put(item)
        self._wake()

    def _take_arrival(self) -> Arrival | None:
        """Take the latest connection of our reader; older ones are dead, or it would not have connected again."""
        latest: Arrival | None = None
        while True:
            try:
                item = self._arrived.get_nowait()
            except Empty:
                return latest
            if isinstance(item, Stranger):
                self._alerts.note("unknown_reader", item.words)
                continue
            if latest:
                latest.connected.close()
            latest = item

    def _stop_expecting(self) -> None:
        if self._expected:
            reception.forget(self._options.listen, normal(self._options.identification))
            self._expected = False
        arrival = self._take_arrival()
        if arrival:
            arrival.connected.close()

    def _read(self, connection: Connection, said: bytes, emit: Emit) -> None:
        session = Session(self._session_options(), self._clock.monotonic_us())
        try:
            self._converse(session, connection, said, emit)
        except ReaderError:
            self._version_refused = session.asks_for_version
            raise

    def _session_options(self) -> LlrpOptions:
        """As configured; but where the last connection broke over the question, the version is not asked for again."""
        return self._options.model_copy(update={"version": "1.0.1"}) if self._version_refused else self._options

    def _converse(self, session: Session, connection: Connection, said: bytes, emit: Emit) -> None:
        switched: dict[int, bool] = {}
        data: bytes | None = said or None
        while not session.left:
            if data is None:
                wait_us = session.deadline - self._clock.monotonic_us()
                data = connection.receive(min(wait_us / 1_000_000, _LONGEST_WAIT_S))
            now_us, utc_us = self._clock.monotonic_us(), self._clock.utc_us()
            self._emit_all(session.feed(data, now_us, utc_us) if data else [], emit, now_us, utc_us)
            if self._closing.is_set():
                session.close(now_us)
            if self._outputs != switched:
                self._switch_outputs(session, switched)
            self._emit_all(session.tick(now_us), emit, now_us, utc_us)
            self._emit_alerts(emit, now_us, utc_us)
            if data == b"":
                if self._closing.is_set():
                    return
                raise ReaderError("the reader closed the TCP connection")
            if outgoing := session.data_to_send():
                connection.send(outgoing)
            if not self._arrived.empty():
                self._mind_the_door()
            data = None

    def _switch_outputs(self, session: Session, switched: dict[int, bool]) -> None:
        """Hand the session what this connection has not been told of yet."""
        with self._lock:
            wanted = dict(self._outputs)
        for port, high in wanted.items():
            if switched.get(port) is not high:
                session.set_output(port, high=high)
        switched |= wanted

    def _mind_the_door(self) -> None:
        """Look at what came from the reception meanwhile.

        Raises:
            ReaderError: our reader connected anew, so the present connection is dead.
        """
        arrival = self._take_arrival()
        if arrival:
            self._arrived.put(arrival)
            raise ReaderError("the reader has connected anew")

    def _emit_all(self, events: list[SessionEvent], emit: Emit, now_us: int, utc_us: int) -> None:
        reader_id = self._reader_id
        for event in events:
            match event:
                case ReadsArrived(tag_reads, clock_offset):
                    emit(TagReport(reader_id, utc_us, now_us, tag_reads, clock_offset))
                case InputChanged(port, high):
                    emit(GpiEdge(reader_id, utc_us, now_us, port, high))
                case InventoryRuns(settled, antennas, temperature):
                    self._model = name_model(settled.capabilities.manufacturer, settled.capabilities.model)
                    self._firmware = settled.capabilities.firmware
                    emit(self._status(HealthChanged((), antennas, temperature), utc_us))
                case HealthChanged():
                    emit(self._status(event, utc_us))
                case Alert(kind, detail):
                    self._alerts.note(kind, detail)
                case Skipped(message_type, reason):
                    self._skipped += 1
                    if self._skipped <= _LOGGED_SKIPS:
                        _log.warning("llrp.part_skipped", reader=reader_id, message_type=message_type, reason=reason)
                case Remark(text):
                    _log.info("llrp.remark", reader=reader_id, remark=text)

    def _emit_alerts(self, emit: Emit, now_us: int, utc_us: int) -> None:
        for alert in self._alerts.due(now_us):
            emit(ReaderAlert(self._reader_id, utc_us, alert.kind, alert.detail, alert.count))

    def _status(self, health: HealthChanged, utc_us: int) -> ReaderStatus:
        return ReaderStatus(
            self._reader_id,
            utc_us,
            ReaderState.DEGRADED if health.problems else ReaderState.ONLINE,
            "; ".join(health.problems),
            self._model,
            self._firmware,
            health.antennas,
            health.temperature,
        )
