"""The TCP connection to the one client, with or without TLS: sends without blocking, reads what is there. I/O only.

Source: LLRP 1.0.1 20.1 (connections), 20.2 (TLS, and TCP port 5085 for it).
"""

import socket
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

CHUNK = 1 << 16
MOST_BACKLOG = 1 << 22
"""Bytes that may wait for a slow client; beyond that the reader stands still."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ClientLink:
    """A connection to the client. Owned by the server's thread, which closes it.

    Args:
        connection: a TCP connection.
        tls: how to encrypt it; None leaves it plain.
        opened_to: the client's host where the reader opened the connection and so is the client of TLS.
    """

    def __init__(
        self, connection: socket.socket, tls: ssl.SSLContext | None = None, opened_to: str | None = None
    ) -> None:
        connection.settimeout(0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.is_reader_initiated = opened_to is not None
        self.is_ready = tls is None
        """Whether LLRP may begin: at once, or after the TLS handshake."""
        self.socket = connection
        if tls:
            self.socket = tls.wrap_socket(
                connection, server_side=opened_to is None, do_handshake_on_connect=False, server_hostname=opened_to
            )
        self._waiting: deque[bytes] = deque()
        self._backlog = 0

    @property
    def is_congested(self) -> bool:
        """Whether the client takes far less than it is sent."""
        return self._backlog > MOST_BACKLOG

    def shake_hands(self) -> bool:
        """Go on with the TLS handshake as far as what arrived allows; False when it failed."""
        if isinstance(self.socket, ssl.SSLSocket):
            try:
                self.socket.do_handshake()
            except _NOT_NOW:
                return True
            except OSError:  # ssl.SSLError is one: no TLS, a wrong certificate, gone
                return False
        self.is_ready = True
        return True

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
        except _NOT_NOW:
            self._waiting.appendleft(piece)
        except OSError:
            return False
        return True

    def receive(self) -> bytes | None:
        """Return what has arrived; empty when nothing has, None when the client is gone."""
        try:
            data = self.socket.recv(CHUNK)
            # What TLS has decrypted already makes no socket readable any more.
            while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                data += self.socket.recv(CHUNK)
        except _NOT_NOW:
            return b""
        except OSError:
            return None
        return data or None

    def finish(self) -> bool:
        """Do the handshake and send what waits, as far as it goes now; False when that has failed."""
        if not self.is_ready and not self.shake_hands():
            return False
        return not self.is_ready or self.send()

    def close(self, *, reset: bool = False) -> None:
        """Close with a FIN, or with a TCP reset."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        elif isinstance(self.socket, ssl.SSLSocket):
            # Tells the client's TLS that this is the end; the answer is not waited for.
            with suppress(OSError, ValueError):
                self.socket.unwrap()
        self.socket.close()
