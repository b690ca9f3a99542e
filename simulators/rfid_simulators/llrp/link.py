"""The TCP connection to the one client: sends without blocking, reads what is there. I/O only."""

import socket
import struct
from collections import deque
from collections.abc import Sequence

CHUNK = 1 << 16
MOST_BACKLOG = 1 << 22
"""Bytes that may wait for a slow client; beyond that the reader stands still."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientLink:
    """An accepted connection. Owned by the server's thread, which closes it."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._waiting: deque[bytes] = deque()
        self._backlog = 0

    @property
    def is_congested(self) -> bool:
        """Whether the client takes far less than it is sent."""
        return self._backlog > MOST_BACKLOG

    def queue(self, pieces: Sequence[bytes]) -> None:
        """Line writes up; each piece is a write of its own."""
        self._waiting.extend(pieces)
        self._backlog += sum(map(len, pieces))

    def send(self) -> bool:
        """Send what TCP takes now; False when the client is gone."""
        try:
            while self._waiting:
                piece = self._waiting.popleft()
                sent = self.socket.send(piece)
                self._backlog -= sent
                if sent < len(piece):
                    self._waiting.appendleft(piece[sent:])
        except BlockingIOError:
            self._waiting.appendleft(piece)
        except OSError:
            return False
        return True

    def receive(self) -> bytes | None:
        """Return what has arrived; empty when nothing has, None when the client is gone."""
        try:
            return self.socket.recv(CHUNK) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def close(self, *, reset: bool = False) -> None:
        """Close with a FIN, or with a TCP reset."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.socket.close()
