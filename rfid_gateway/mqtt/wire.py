"""What stands between paho and its socket: many packets in one system call, PUBLISH and PUBACK past paho.

paho reads a PUBACK in three calls to the system and writes each packet in one of its own, and keeps an object with a
lock for each message; `docs/decisions/005-publish-past-paho.md` has the figures. So the packets that there are many of
go past it, on the same connection, between whole packets of its own.
"""

import contextlib
import socket
import ssl
from collections import deque

from rfid_gateway.mqtt.packets import Puback, Splitter

CONNECT_S = 5.0
"""How long TCP may take, and TLS again."""
_READ_BYTES = 65_536
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def connect(host: str, port: int, tls: ssl.SSLContext | None) -> "Wire":
    """Open a connection; blocks for at most `CONNECT_S` for TCP and as long for TLS.

    Raises:
        OSError: no connection, or the certificate is not trusted.
        ValueError: the host's name cannot be one.
    """
    connected = socket.create_connection((host, port), CONNECT_S)
    if tls is not None:
        try:
            connected = tls.wrap_socket(connected, server_hostname=host)
        except (ConnectionError, ssl.SSLEOFError) as error:
            connected.close()
            raise ConnectionError("broker ends the TLS handshake: the port may not speak TLS") from error
        except BaseException:
            connected.close()
            raise
    return Wire(connected)


class Wire:
    """A socket to paho (`recv`, `send`, `close`, `fileno`); owned by the connection, and non-blocking."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        # Otherwise the last bytes of a batch wait for the broker's ACK, and that for 40 ms (RFC 1122 4.2.3.2).
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._splitter = Splitter()
        self._for_paho = bytearray()
        self._outgoing: deque[bytes] = deque()
        self._gone = False
        self.closed_by_broker = False
        """The other end has closed the connection, without an error."""
        self.trouble: OSError | None = None
        """What the system said when the connection broke."""

    # For the connection ----------------------------------------------------------------------------------------------

    @property
    def wants_write(self) -> bool:
        """There are bytes that wait for the socket."""
        return bool(self._outgoing) and self.trouble is None

    @property
    def has_decrypted(self) -> bool:
        """TLS holds bytes that a selector does not know of."""
        return isinstance(self._socket, ssl.SSLSocket) and not self._gone and self._socket.pending() > 0

    @property
    def for_paho(self) -> bool:
        """There is something that paho is to read: packets, or the connection's end."""
        return bool(self._for_paho) or self._gone

    def receive(self) -> list[Puback]:
        """Read what has come; returns the PUBACKs, and keeps everything else for paho."""
        pubacks: list[Puback] = []
        try:
            while data := self._socket.recv(_READ_BYTES):
                acknowledged, others = self._splitter.feed(data)
                pubacks += acknowledged
                self._for_paho += others
                if len(data) < _READ_BYTES and not self.has_decrypted:
                    break
            else:
                self._gone = self.closed_by_broker = True
        except _WAIT:
            pass
        except OSError as error:
            self._gone = True
            self.trouble = error
        return pubacks

    def queue(self, packet: bytes) -> None:
        """Have a whole packet written by the next `flush`."""
        self._outgoing.append(packet)

    def flush(self) -> None:
        """Write what the socket takes at once."""
        while self._outgoing and not self._gone and self.trouble is None:
            data = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
            self._outgoing.clear()
            try:
                written = self._socket.send(data)
            except _WAIT:
                written = 0
            except OSError as error:
                # What the broker said before it closed (why) is still to be read, so this is not the end yet.
                self.trouble = error
                return
            if written < len(data):
                self._outgoing.append(data[written:])
                return

    def abort(self) -> None:
        """Close without writing what waits."""
        self._outgoing.clear()
        self.close()

    # For paho --------------------------------------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """Bytes that are not of a PUBACK; b"" when the connection is gone."""
        if not self._for_paho:
            if self._gone:
                return b""
            raise BlockingIOError
        data = bytes(self._for_paho[:size])
        del self._for_paho[:size]
        return data

    def send(self, packet: bytes) -> int:
        """Take a packet of paho's over, whole."""
        self._outgoing.append(bytes(packet))
        return len(packet)

    def close(self) -> None:
        """Write what waits (a DISCONNECT) as far as the socket takes it, and close."""
        self.flush()
        self._gone = True
        with contextlib.suppress(OSError):
            self._socket.close()

    def fileno(self) -> int:
        """The socket's file descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the socket's signature
        """Pass it on."""
        self._socket.setblocking(flag)
