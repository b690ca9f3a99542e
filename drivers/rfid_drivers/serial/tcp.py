"""A reader or serial server on TCP. I/O only.

pyserial's own `socket://` throws away the reader's first bytes, knows no keep-alive and waits five seconds for a
connection; a plain socket is shorter than working around that.
"""

import socket
from urllib.parse import urlsplit

from rfid_gateway.driver import ReaderError

_CONNECT_TIMEOUT_S = 2.0
"""One lost SYN is repeated after a second; more would make `close` slow."""

_WRITE_TIMEOUT_S = 1.0

_CHUNK = 65_536

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""Seconds of quiet, seconds between probes, probes: a peer that lost its power is noticed after 25 s at most."""


class TcpPort:
    """A connection to host and port of a `socket://` URL. Owned by the thread that runs the reader."""

    def __init__(self, url: str, read_wait_s: float) -> None:
        parts = urlsplit(url)
        self._url = url
        self._read_wait_s = read_wait_s
        try:
            self._socket = socket.create_connection((parts.hostname, parts.port), _CONNECT_TIMEOUT_S)
        except OSError as error:
            raise ReaderError(
                f"cannot connect to {url}: {error}; is the reader switched on, and are address and port right?",
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def read(self) -> bytes:
        """Give what has arrived, waiting a moment for a first byte; raise ReaderError when the peer has gone."""
        self._socket.settimeout(self._read_wait_s)
        try:
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            return b""
        except OSError as error:
            raise ReaderError(f"{self._url} broke off: {error}") from error
        if not data:
            raise ReaderError(
                f"{self._url} closed the connection: was the reader restarted, or taken by another client?"
            )
        return data

    def write(self, data: bytes) -> None:
        """Send all bytes."""
        self._socket.settimeout(_WRITE_TIMEOUT_S)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ReaderError(f"cannot send to {self._url}: {error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
