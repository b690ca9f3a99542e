"""The thread `web`: serves HTTP, and never hurts anything else.

Starlette and uvicorn are imported in the thread, so that no command and no start waits for them.
"""

import logging
import socket
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from rfid_gateway.config import WebTable
from rfid_gateway.snapshot import Snapshot

if TYPE_CHECKING:
    from uvicorn import Server

log = structlog.get_logger(__name__)

RETRY_FIRST_S = 1.0
RETRY_LIMIT_S = 60.0
CLOSE_S = 3.0
BACKLOG = 256


class WebServer:
    """The server with its thread. Owner: the main thread; `words` may be looked at from any."""

    def __init__(self, table: WebTable | None, take: Callable[[], Snapshot]) -> None:
        """Open nothing yet.

        Args:
            table: where to listen; None serves nothing.
            take: makes a snapshot; called in the thread `web` for each request.
        """
        self._table = table
        self._take = take
        self._closing = Event()
        self._server: Server | None = None
        self._thread = Thread(target=self.run, name="web", daemon=True)
        self.words = "off" if table is None else "not started yet"
        """Where it listens, or why it does not."""

    def start(self) -> None:
        """Start the thread, if the configuration has `[web]`."""
        if self._table is not None:
            self._thread.start()

    def close(self) -> None:
        """End the server and its thread, within a few seconds."""
        self._closing.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def run(self) -> None:
        """Serve until closed; where it cannot listen, that is logged and tried again with a back-off that grows."""
        try:
            self._run()
        finally:
            # Not closed, this is a bug, which the thread's end shows; nothing else depends on this thread.
            self.words = "closed" if self._closing.is_set() else "ended by an internal error, please report it"

    def _run(self) -> None:
        assert self._table is not None
        address = _written(self._table)
        delay_s = RETRY_FIRST_S
        while not self._closing.is_set():
            reason = "the server ended by itself"
            try:
                with _listen(self._table) as listener:
                    log.info("web.listening", address=address)
                    self.words = f"listening on {address}"
                    delay_s = RETRY_FIRST_S
                    self._serve(listener)
            except OSError as error:
                reason = error.strerror or str(error)
            if self._closing.is_set():
                break
            self.words = f"does not listen on {address}: {reason}"
            log.error("web.down", address=address, reason=reason, retry_s=delay_s)
            self._closing.wait(delay_s)
            delay_s = min(2 * delay_s, RETRY_LIMIT_S)

    def _serve(self, listener: socket.socket) -> None:
        from starlette.applications import Starlette
        from uvicorn import Config, Server

        from rfid_gateway.web import monitoring
        from rfid_gateway.web.protocol import BoundedProtocol

        # Whatever anybody sends would otherwise be a line in the log, for each request.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        config = Config(
            Starlette(routes=monitoring.routes(self._take)),
            loop="asyncio",
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        self._server = server
        # `close` may have come before there was a server that it could tell.
        if self._closing.is_set():
            server.should_exit = True
        server.run(sockets=[listener])


def _listen(table: WebTable) -> socket.socket:
    """Open the socket.

    Raises:
        OSError: the port is taken, or the address is not this PC's.
    """
    family = socket.AF_INET6 if isinstance(ip_address(table.address), IPv6Address) else socket.AF_INET
    return socket.create_server((table.address, table.port), family=family, backlog=BACKLOG)


def _written(table: WebTable) -> str:
    return f"[{table.address}]:{table.port}" if ":" in table.address else f"{table.address}:{table.port}"
