"""The simplest client of LLRP for tests: a blocking socket, messages in their order, no reactions of its own."""

import socket
import ssl
from typing import Self

from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.llrp.wire import Frame, Framer


class Conversation:
    """A client's end of a connection, blocking; it closes its socket."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        self.socket = connection
        self._framer = Framer()
        self._frames: list[Frame] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def next(self) -> Frame:
        """The next message; EOFError at the end of the connection."""
        while not self._frames:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self._frames += self._framer.feed(data)
        return self._frames.pop(0)

    def ask(self, request: bytes) -> Frame:
        """The next message that is no report, event or keepalive."""
        self.socket.sendall(request)
        while (frame := self.next()).type in (61, 62, 63):
            pass
        return frame


def dial(server: LlrpReaderServer, tls: ssl.SSLContext | None = None) -> Conversation:
    """Connect to a simulated reader."""
    return dial_address(server.address, tls)


def dial_address(address: tuple[str, int], tls: ssl.SSLContext | None = None) -> Conversation:
    """Connect to a reader on 127.0.0.1."""
    connection = socket.create_connection(address, 10)
    return Conversation(tls.wrap_socket(connection, server_hostname="127.0.0.1") if tls else connection)
