"""A TCP proxy that can become a black hole: connections stay open and nothing goes through any more."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Passes TCP on to 127.0.0.1. Each connection's two threads own one direction each."""

    def __init__(self, target: int, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self._target = target
        self._listener = socket.create_server(address)
        self.port = int(self._listener.getsockname()[1])
        self._open = threading.Event()
        self._open.set()
        self._closed = False
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def swallow(self) -> None:
        """Let nothing through from now on; what is sent is lost for ever, and nobody is told."""
        self._open.clear()

    def heal(self) -> None:
        """Let new connections through; the old ones stay dead."""
        self._open.set()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        # Closing alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), timeout=1):
            pass
        self._listener.close()
        for each in tuple(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(60)
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            self._sockets.append(client)
            if self._closed:
                return
            if not self._open.is_set():
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets.append(server)
            for pair in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=self._pump, args=pair, daemon=True))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        dead = False
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                dead = dead or not self._open.is_set()
                if not dead:
                    sink.sendall(data)
            if not dead:
                sink.shutdown(socket.SHUT_WR)
