"""HTTP/1.1 connections that end when nothing comes of them: uvicorn's own have a time limit only between requests."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS_MAX = 500
"""Of the 8192 open files that the unit allows; further ones are closed at once."""
REQUEST_S = 10.0
"""A connection must begin a new request within this time, or it is closed: also one whose client sends its request
byte by byte, or does not take the answer. A page that streams would have to be exempt."""


class BoundedProtocol(H11Protocol):
    """One connection. Owner: the thread `web`."""

    _begun: object = None
    """The request that was the latest at the last look."""
    _look_again: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection while there are not too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_MAX:
            transport.abort()
            return
        self._look_again = self.loop.call_later(REQUEST_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch no longer."""
        if self._look_again is not None:
            self._look_again.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.cycle is self._begun:
            # Not `close`, which would wait for the client to take what is buffered.
            self.transport.abort()
            return
        self._begun = self.cycle
        self._look_again = self.loop.call_later(REQUEST_S, self._look)
