"""A reader of a few lines on a real socket, that misbehaves as it is told. It answers well unless told otherwise."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.llrp_messages import NO_ANSWER, Answers, Request, greeting, ok, rospec_event

OUR_ROSPEC = 1380
_HEADER = struct.Struct("!HII")
_ENABLE_ROSPEC, _ENABLE_EVENTS_AND_REPORTS, _CLOSE_CONNECTION = 24, 64, 14


class Talk:
    """One connection, as a fake reader sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.requests: list[Request] = []

    def send(self, *messages: bytes) -> None:
        """Send all in one piece, so that they share a segment."""
        self.socket.sendall(b"".join(messages))

    def set_up(self, answers: Answers | None = None) -> None:
        """Greet and answer until the client has a running ROSpec."""
        self.send(greeting())
        self.serve(answers, until=_ENABLE_EVENTS_AND_REPORTS)

    def serve(self, answers: Answers | None = None, until: int = _CLOSE_CONNECTION) -> None:
        """Answer requests up to one of a type; without an end, until the goodbye."""
        while (request := self._receive()) is not None:
            if request.type not in NO_ANSWER:
                self.send((answers or {}).get(request.type, ok)(request))
            if request.type == _ENABLE_ROSPEC:
                self.send(rospec_event(0, OUR_ROSPEC))
            if request.type == until:
                return

    def wait_for_end(self) -> None:
        """Read, and answer nothing, until the client has closed."""
        while self._receive() is not None:
            pass

    def _receive(self) -> Request | None:
        header = self._exactly(_HEADER.size)
        if not header:
            return None
        request = Request(header + self._exactly(_HEADER.unpack(header)[1] - _HEADER.size))
        self.requests.append(request)
        return request

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                return b""
            data += more
        return data


Way = Callable[[Talk], None]


class FakeReader:
    """Serves one client after another on the loopback, the first in the first way and so on; the last way stays.

    Its thread owns the connections; tests only look at `talks`.
    """

    def __init__(self, *ways: Way) -> None:
        self.talks: list[Talk] = []
        self._ways = ways
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)

    @property
    def connects(self) -> int:
        """How often somebody connected."""
        return len(self.talks)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for talk in self.talks:
            with contextlib.suppress(OSError):
                talk.socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.talks.append(Talk(connection))
                way = self._ways[min(len(self.talks), len(self._ways)) - 1]
                with contextlib.suppress(OSError):  # the client goes when it likes
                    way(self.talks[-1])
