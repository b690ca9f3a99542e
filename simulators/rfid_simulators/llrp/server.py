"""A simulated LLRP reader on TCP: one thread that moves bytes and time between a socket and the state machine."""

import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

from rfid_gateway.clock import Clock, SystemClock
from rfid_simulators.faults import Fault, FaultyLine, Reboot, RefuseAsBusy, SilentHang, SlowReplies
from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.configuration import OutputChange
from rfid_simulators.llrp.events import ConnectionAttempt
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.link import ClientLink
from rfid_simulators.llrp.outbound import OutboundConnection
from rfid_simulators.llrp.outgoing import Counters
from rfid_simulators.llrp.profiles import IMPINJ_R420, ReaderProfile
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.spoiling import is_reply, spoil
from rfid_simulators.llrp.wire import MessageType

SECOND = 1_000_000
ANSWER_WITHIN_S = 5.0
"""How long a test waits for the server's thread to take an order."""

_T = TypeVar("_T")


class LlrpReaderServer:
    """One simulated reader that listens on TCP, in real time.

    The server's thread owns the reader, the sockets and the faults; other threads give it orders and wait for them.

    Args:
        profile: what kind of reader it is.
        sources: what its antennas hear.
        port: TCP port on 127.0.0.1; 0 takes a free one.
        clock: the time of the world; tests may pass their own.
        offset_us: how much the reader's own clock is ahead, microseconds.
        drift_ppm: how much too fast the reader's own clock goes.
        connected: antennas that are plugged in; None means all.
        tick_us: microseconds between two looks at what the radio hears; many readers in one process want more.
        tls: how to encrypt connections; the context is a server's, or a client's where `connect_to` is given.
        connect_to: host and port of a client to which the reader opens the connection by itself.
        retry_us: microseconds between two attempts to do so.
    """

    def __init__(
        self,
        profile: ReaderProfile = IMPINJ_R420,
        sources: Sources | None = None,
        *,
        port: int = 0,
        clock: Clock | None = None,
        offset_us: int = 0,
        drift_ppm: int = 0,
        connected: frozenset[int] | None = None,
        tick_us: int = 10_000,
        tls: ssl.SSLContext | None = None,
        connect_to: tuple[str, int] | None = None,
        retry_us: int = SECOND,
    ) -> None:
        self._clock = clock or SystemClock()
        self._began = self._clock.monotonic_us()
        reader_clock = ReaderClock(self._clock.utc_us(), offset_us, drift_ppm, profile.has_utc_clock)
        self._reader = SimulatedReader(profile, sources or Sources(), reader_clock, connected)
        self._port = port
        self._tick_us = tick_us
        self._tls = tls
        self._outbound = OutboundConnection(*connect_to, retry_us) if connect_to else None
        self._line = FaultyLine(_is_keepalive)
        self._late: list[tuple[int, list[bytes]]] = []
        self._down_until: int | None = None
        self._link: ClientLink | None = None
        self.connections = 0
        """Connections taken since the start; the server's thread counts, anybody may look."""
        self._refused: list[tuple[int, ClientLink]] = []
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="simulated-reader", daemon=True)

    def start(self, began_us: int | None = None) -> Self:
        """Listen and let the world's time run.

        Args:
            began_us: monotonic time at which the world began, so that several readers share one world; None is now.

        Raises:
            OSError: the port is taken.
        """
        self._listen()
        self._waker, wakened = socket.socketpair()
        wakened.settimeout(0)
        self._selector.register(wakened, selectors.EVENT_READ, lambda: wakened.recv(64))
        self._wakened = wakened
        if began_us is not None:
            self._began = began_us
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and end the thread; a second call does nothing."""
        if not self._stopping and self._thread.is_alive():
            self._order(self._quit)
            self._thread.join(ANSWER_WITHIN_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port on which the reader listens."""
        return "127.0.0.1", self._port

    @property
    def counters(self) -> Counters:
        """What the reader has sent and refused so far."""
        return self._reader.counters

    @property
    def reader(self) -> SimulatedReader:
        """The state machine, to look at only."""
        return self._reader

    def inject(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        if isinstance(fault, Reboot):
            self._order(lambda: self._reboot(fault))
        else:
            self._order(lambda: self._line.inject(fault))

    def clear_faults(self) -> None:
        """Let everything go right again."""
        self._order(self._line.clear)

    def set_gpi(self, port: int, *, high: bool) -> None:
        """Drive an input, counted from 1."""
        self._order(lambda: self._carry(self._reader.set_gpi(port, self._now(), high=high)))

    def set_antenna(self, antenna_id: int, *, connected: bool) -> None:
        """Plug an antenna in or pull it out."""
        self._order(lambda: self._carry(self._reader.set_antenna(antenna_id, self._now(), connected=connected)))

    def step_clock(self, by_us: int) -> None:
        """Set the reader's own clock forward, or back by a negative number, while it is connected or not."""
        self._order(lambda: self._carry(self._reader.step_clock(by_us, self._now())))

    def notify(self, event: bytes) -> None:
        """Let the reader tell its client an event, encoded by `events`, such as a report buffer's fill."""
        self._order(lambda: self._carry(self._reader.notify(event, self._now())))

    @property
    def outputs(self) -> tuple[bool, ...]:
        """Which outputs are high; the first one is port 1."""
        return self._reader.outputs

    @property
    def output_changes(self) -> tuple[OutputChange, ...]:
        """How clients have switched the outputs, the last 1000 times; in world time."""
        return self._order(lambda: self._reader.output_changes)

    def _order(self, work: Callable[[], _T]) -> _T:
        done: Future[_T] = Future()
        self._orders.put(lambda: _fulfil(done, work))
        # The thread may have taken the order already, and closed everything if it was the order to quit.
        with suppress(OSError):
            self._waker.send(b"!")
        return done.result(ANSWER_WITHIN_S)

    # From here on everything happens in the server's thread.

    def _serve(self) -> None:
        due = self._now()
        while not self._stopping:
            wait = max(0, due - self._now()) / SECOND
            for key, _ in self._selector.select(wait):
                key.data()
            while not self._orders.empty():
                self._orders.get()()
            if self._now() >= due:
                due = self._now() + self._tick_us
                self._tick()
            self._flush()
        self._close_all()

    def _now(self) -> int:
        return self._clock.monotonic_us() - self._began

    def _quit(self) -> None:
        self._stopping = True

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._listener.settimeout(0)
        self._port = int(self._listener.getsockname()[1])
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _reboot(self, fault: Reboot) -> None:
        self._hang_up()
        self._reader.reboot(fault.clock_us, self._now())
        if self._down_until is None:
            self._selector.unregister(self._listener)
            self._listener.close()
        self._down_until = self._now() + fault.down_us

    def _come_up(self) -> None:
        if self._down_until is not None and self._now() >= self._down_until:
            self._down_until = None
            self._listen()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # gone again before it was accepted
            return
        # A client that ended and came again is no rival: its end arrived before it did, so look there first.
        self._receive()
        busy = self._line.find(RefuseAsBusy)
        if busy is not None:
            self._refuse(connection, busy.status)
        elif self._link is None:
            self._take(ClientLink(connection, self._tls))
        elif self._link.is_reader_initiated:
            self._refuse(connection, ConnectionAttempt.READER_INITIATED_CONNECTION_EXISTS)
        else:
            self._refuse(connection, ConnectionAttempt.CLIENT_INITIATED_CONNECTION_EXISTS)

    def _dial(self) -> None:
        if self._outbound and self._link is None and self._down_until is None:
            connection = self._outbound.poll(self._now())
            if connection:
                self._take(ClientLink(connection, self._tls, self._outbound.host))

    def _take(self, link: ClientLink) -> None:
        self._link = link
        self.connections += 1
        self._selector.register(link.socket, selectors.EVENT_READ, self._receive)
        if link.is_ready:
            self._carry(self._reader.connect(self._now()))
        else:
            self._shake_hands(link)

    def _shake_hands(self, link: ClientLink) -> None:
        if not link.shake_hands():
            self._hang_up()
        elif link.is_ready:
            self._carry(self._reader.connect(self._now()))

    def _refuse(self, connection: socket.socket, status: int) -> None:
        """Say why, and leave the newcomer a second to read it before the socket goes."""
        refusal, warning = self._reader.refuse(status, self._now())
        link = ClientLink(connection, self._tls)
        link.queue([refusal])
        link.finish()
        self._refused.append((self._now() + SECOND, link))
        self._carry(warning)

    def _receive(self) -> None:
        if self._link is None:
            return
        if not self._link.is_ready:
            self._shake_hands(self._link)
            return
        data = self._link.receive()
        if data is None:
            self._hang_up()
        elif not self._line.find(SilentHang):
            self._carry(self._reader.feed(data, self._now()))

    def _tick(self) -> None:
        self._come_up()
        self._dial()
        while self._late and self._late[0][0] <= self._now():
            self._write(self._late.pop(0)[1])
        if self._link is None or not self._link.is_congested:
            self._carry(self._reader.tick(self._now()))
        for _, link in self._refused:
            link.finish()
        while self._refused and self._refused[0][0] <= self._now():
            self._refused.pop(0)[1].close()

    def _carry(self, messages: list[bytes]) -> None:
        if not self._line:
            self._write(messages)
            return
        messages = spoil(messages, self._line)
        slow = self._line.find(SlowReplies)
        if slow:
            replies = [one for one in messages if is_reply(one)]
            if replies:
                self._late.append((self._now() + slow.delay_us, replies))
            messages = [one for one in messages if not is_reply(one)]
        self._write(messages)

    def _write(self, messages: list[bytes]) -> None:
        if self._link is None or not messages:
            return
        writes = self._line.carry(messages)
        self._link.queue(writes.pieces)
        if writes.closing:
            self._link.send()
            self._hang_up(reset=writes.closing.reset)

    def _flush(self) -> None:
        if self._link is None:
            return
        if not self._link.send() or (self._reader.closing and not self._late):
            self._hang_up()

    def _hang_up(self, *, reset: bool = False) -> None:
        if self._link is not None:
            self._selector.unregister(self._link.socket)
            self._link.close(reset=reset)
            self._link = None
            self._late.clear()
            self._line.end_session()
            if self._outbound:
                self._outbound.postpone(self._now())
            self._reader.disconnected(self._now())

    def _close_all(self) -> None:
        self._hang_up()
        if self._outbound:
            self._outbound.close()
        for _, link in self._refused:
            link.close()
        self._selector.close()
        for end in (self._listener, self._waker, self._wakened):
            end.close()


def _fulfil(done: "Future[_T]", work: Callable[[], _T]) -> None:
    try:
        done.set_result(work())
    except Exception as error:  # noqa: BLE001  # handed to the thread that gave the order
        done.set_exception(error)


def _is_keepalive(message: bytes) -> bool:
    return int.from_bytes(message[:2], "big") & 0x3FF == MessageType.KEEPALIVE
