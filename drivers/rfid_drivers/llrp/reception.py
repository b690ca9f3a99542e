"""Where readers that connect by themselves arrive: one listening socket for several configured readers.

Drivers are made independently of each other, each in a thread of its own, and find their common socket only here.
"""

import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from rfid_drivers.llrp.connection import Waker
from rfid_drivers.llrp.introduction import Introduction, names
from rfid_gateway.driver import ReaderError

_INTRODUCED_WITHIN_S = 15.0
"""A connection that has not said who it is by then is no reader of ours."""
_MOST_UNKNOWN = 64
"""Connections at once that have not said who they are; more wait in the system's queue."""
_CHUNK = 1 << 16
_LONGEST_WAIT_S = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A reader that connected, was recognised and now belongs to its driver."""

    connected: socket.socket
    said: bytes
    """What it has said so far, from its greeting on."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """A connection that was closed again."""

    words: str


Deliver = Callable[[Arrival | Stranger], None]
"""Hands something to a driver; called in the reception's thread, must not block."""


@dataclass(slots=True)
class _Visitor:
    """A connection that has not said who it is. Owner: the reception's thread."""

    connected: socket.socket
    peer: str
    until: float
    introduction: Introduction = field(default_factory=Introduction)


class Reception:
    """One listening socket with its thread, which alone owns the socket and the visitors."""

    def __init__(self, address: str) -> None:
        """Listen.

        Raises:
            ReaderError: the address is not of this PC, or taken.
        """
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, int(port)), family=family)
        except (OSError, OverflowError) as error:
            raise ReaderError(f"cannot listen on {address}: {error}; is another program there?") from error
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        # Drivers' threads change it, the reception's thread reads it.
        self._expected_lock = threading.Lock()
        self._expected: dict[str, Deliver] = {}
        self._waker = Waker()
        self._closing = threading.Event()
        self._visitors: dict[socket.socket, _Visitor] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name=f"llrp-listen-{self.port}", daemon=True)
        self._thread.start()

    def expect(self, identification: str, deliver: Deliver) -> None:
        """Hand the reader of this identification (normal form) over from now on, and tell of strangers.

        Raises:
            ReaderError: another driver expects the same reader.
        """
        with self._expected_lock:
            if identification in self._expected:
                raise ReaderError(f"two readers are configured with the identification {identification}")
            self._expected[identification] = deliver

    def forget(self, identification: str) -> bool:
        """Undo `expect`; say whether nobody is expected any more."""
        with self._expected_lock:
            self._expected.pop(identification, None)
            return not self._expected

    def close(self) -> None:
        """End the thread, which closes everything."""
        self._closing.set()
        self._waker.wake()
        self._thread.join()

    # From here on everything happens in the reception's thread.

    def _serve(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select(_LONGEST_WAIT_S):
                if key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(self._visitors[key.fileobj])
            for visitor in [one for one in self._visitors.values() if time.monotonic() >= one.until]:
                self._show_out(visitor, "did not say who it is")
        for visitor in self._visitors.values():
            visitor.connected.close()
        self._selector.close()
        self._listener.close()
        self._waker.close()

    def _accept(self) -> None:
        if len(self._visitors) >= _MOST_UNKNOWN:
            self._show_out(next(iter(self._visitors.values())), "was one of too many")
        try:
            connected, peer = self._listener.accept()
        except OSError as error:
            _log.warning("llrp.accept_failed", port=self.port, reason=str(error))
            return
        connected.settimeout(0)
        self._visitors[connected] = _Visitor(connected, str(peer[0]), time.monotonic() + _INTRODUCED_WITHIN_S)
        self._selector.register(connected, selectors.EVENT_READ)

    def _hear(self, visitor: _Visitor) -> None:
        introduction = visitor.introduction
        try:
            data = visitor.connected.recv(_CHUNK)
            introduction.feed(data)
            if introduction.outgoing:
                visitor.connected.sendall(introduction.outgoing)
                introduction.outgoing = b""
        except (OSError, ReaderError) as error:
            self._show_out(visitor, f"is no reader of ours: {error}")
            return
        if introduction.identification:
            self._recognise(visitor)
        elif not data:
            self._show_out(visitor, "hung up before it said who it is")

    def _recognise(self, visitor: _Visitor) -> None:
        stated = visitor.introduction.identification
        with self._expected_lock:
            deliver = next((deliver for name, deliver in self._expected.items() if names(name, stated)), None)
        if deliver is None:
            self._show_out(visitor, f"is the reader {stated}, which is not configured here")
            return
        self._release(visitor)
        deliver(Arrival(visitor.connected, visitor.introduction.said))

    def _show_out(self, visitor: _Visitor, why: str) -> None:
        self._release(visitor)
        visitor.connected.close()
        words = f"a connection from {visitor.peer} to port {self.port} was closed: it {why}"
        _log.warning("llrp.stranger", port=self.port, peer=visitor.peer, reason=why)
        with self._expected_lock:
            deliver = next(iter(self._expected.values()), None)
        if deliver:  # one reader's alert is enough
            deliver(Stranger(words))

    def _release(self, visitor: _Visitor) -> None:
        self._selector.unregister(visitor.connected)
        del self._visitors[visitor.connected]


_receptions: dict[str, Reception] = {}
# Drivers come and go in threads of their own; without it two of them could open the same address.
_receptions_lock = threading.Lock()


def expect(address: str, identification: str, deliver: Deliver) -> Reception:
    """Expect a reader at an address, listening there if nobody does yet.

    Raises:
        ReaderError: the address cannot be listened on, or the reader is expected already.
    """
    with _receptions_lock:
        reception = _receptions.get(address) or Reception(address)
        _receptions[address] = reception
        reception.expect(identification, deliver)
        return reception


def forget(address: str, identification: str) -> None:
    """Expect a reader no longer; the last one closes the listening socket."""
    with _receptions_lock:
        reception = _receptions.get(address)
        if reception and reception.forget(identification):
            del _receptions[address]
            reception.close()  # takes no lock of ours, so that it cannot wait for us
