"""One serial line that several readers share, as on RS-485: who may speak, and when. I/O only.

A line is half-duplex: of two who speak at once neither is understood. So readers take turns. A reader has the line from
its command until its answer is complete, or until it has stayed silent; then it is the turn of the one that has waited
longest. Whoever has the turn is the only one who reads and writes.

Each reader is a driver with a thread of its own that knows nothing of the others, and finds them here.
"""

from collections import deque
from threading import Condition, Lock

from rfid_drivers.serial.port import LineSettings, Port, line_name, open_port
from rfid_gateway.driver import ReaderError

_WAIT_S = 0.05
"""How long `take` waits at most: as long as a read, so that a driver that is closed notices."""


class Line:
    """An open port and the readers on it.

    The lock of `changed` guards all but `port` and `spoke`, which belong to whoever has the turn: the readers' threads
    meet here and nowhere else. It is never held while somebody speaks, so that whoever waits can be closed.
    """

    def __init__(self, name: str, settings: LineSettings) -> None:
        self.settings = settings
        self.changed = Condition()
        self.addresses: set[int] = set()
        self.queue: deque[Place] = deque()
        self.holder: Place | None = None
        self.spoke: Place | None = None
        """Who spoke last."""
        self.broken: ReaderError | None = None
        """Why nobody can read here any more; who comes later finds a new line."""
        self.port: Port | None = None
        self._name = name

    def enter(self, url: str, address: int) -> bool:
        """Take a reader on, the first of them opens the port; raise ReaderError where that fails.

        False where the line was closed meanwhile.
        """
        with self.changed:
            if self.broken is not None:
                return False
            if address in self.addresses:
                raise ReaderError(f"{url}: another reader on this port has the address {address} too")
            if self.port is None:
                try:
                    self.port = open_port(url, self.settings)
                except ReaderError as error:
                    self._shut(error)
                    raise
                if line_name(url) != self._name:
                    # The link came or moved meanwhile: under the old name the others would not find this line.
                    self._shut(ReaderError(f"{url} leads to another port now"))
                    return False
            self.addresses.add(address)
            return True

    def leave(self, place: "Place") -> None:
        """Let a reader go; the last one closes the port."""
        with self.changed:
            self.addresses.discard(place.address)
            if place in self.queue:
                self.queue.remove(place)
            if self.holder is place:
                self.holder = None
            if not self.addresses:
                self._shut(ReaderError("nobody reads here any more"))
            self.changed.notify_all()

    def fail(self, error: ReaderError) -> None:
        """End all readers on this line: the port is gone for each of them."""
        with self.changed:
            self._shut(error)
            self.changed.notify_all()

    def _shut(self, why: ReaderError) -> None:
        """Close the port, so that it can be opened anew."""
        self.broken = self.broken or why
        if self.port is not None:
            self.port.close()
            self.port = None
        _LINES.forget(self._name, self)


class _Lines:
    """Every line of this process that is in use, by name. The lock guards the table: readers of all lines come here."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lines: dict[str, Line] = {}

    def at(self, url: str, settings: LineSettings) -> Line:
        """Give the line behind a port; raise ReaderError where it is used with other settings."""
        name = line_name(url)
        with self._lock:
            line = self._lines.setdefault(name, Line(name, settings))
        if line.settings != settings and not name.startswith("socket://"):
            raise ReaderError(f"{url}: another reader uses this port with {line.settings}, this one wants {settings}")
        return line

    def forget(self, name: str, line: Line) -> None:
        """Take a line off that is closed."""
        with self._lock:
            if self._lines.get(name) is line:
                del self._lines[name]


_LINES = _Lines()


class Place:
    """One reader's place on a line. Used by the thread that runs the reader."""

    def __init__(self, url: str, settings: LineSettings, address: int) -> None:
        self.address = address
        self._line = _LINES.at(url, settings)
        while not self._line.enter(url, address):
            self._line = _LINES.at(url, settings)

    @property
    def is_shared(self) -> bool:
        """Whether there are others on the line."""
        with self._line.changed:
            return len(self._line.addresses) > 1

    @property
    def speaks_after_another(self) -> bool:
        """Whether another reader was spoken to last, so that more of it may still arrive; only in one's turn."""
        return self._line.spoke not in (None, self)

    def take(self) -> bool:
        """Wait a moment for the turn; whether it has come. Raise ReaderError once the line is gone."""
        line = self._line
        with line.changed:
            if self not in line.queue:
                line.queue.append(self)
            if not line.changed.wait_for(self._may_go_on, _WAIT_S):
                return False
            if line.broken is not None:
                raise ReaderError(str(line.broken)) from line.broken
            line.queue.popleft()
            line.holder = self
            return True

    def _may_go_on(self) -> bool:
        line = self._line
        return line.broken is not None or (line.holder is None and line.queue[0] is self)

    def give_back(self) -> None:
        """Let the next one speak."""
        line = self._line
        with line.changed:
            line.holder = None
            line.changed.notify_all()

    def read(self) -> bytes:
        """Give what has arrived, as a port does; only in one's turn."""
        try:
            return self._port().read()
        except ReaderError as error:
            self._line.fail(error)
            raise

    def write(self, data: bytes) -> None:
        """Send, as a port does; only in one's turn."""
        self._line.spoke = self
        try:
            self._port().write(data)
        except ReaderError as error:
            self._line.fail(error)
            raise

    def _port(self) -> Port:
        port = self._line.port
        assert port is not None, "a line is closed by whoever has the turn, or by the last one"
        return port

    def close(self) -> None:
        """Leave the line."""
        self._line.leave(self)
