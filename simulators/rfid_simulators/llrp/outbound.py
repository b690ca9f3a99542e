"""Reader-initiated connections: the reader dials its client, again and again until it is there. I/O only.

Source: LLRP 1.0.1 20.1.1 (a reader may open the connection; it is the client that listens then).
"""

import errno
import socket

_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY)
_THERE = (0, errno.EISCONN)


class OutboundConnection:
    """Opens TCP connections to one client without blocking. Owned by the server's thread.

    Args:
        host: numeric address or name of the client.
        port: its TCP port.
        retry_us: microseconds from one attempt, or from the end of a connection, to the next.

    Raises:
        socket.gaierror: nobody knows the host's name.
    """

    def __init__(self, host: str, port: int, retry_us: int) -> None:
        self.host = host
        first = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._family, self._address = first[0], first[4]
        self._retry_us = retry_us
        self._due = 0
        self._dialling: socket.socket | None = None

    def postpone(self, now: int) -> None:
        """Wait for the next attempt as long as after a failed one: the connection is gone."""
        self._due = now + self._retry_us

    def poll(self, now: int) -> socket.socket | None:
        """Return the connection once it is there; to be called often while none is there."""
        if self._dialling is None:
            if now < self._due:
                return None
            self._dialling = socket.socket(self._family, socket.SOCK_STREAM)
            self._dialling.settimeout(0)
        connection = self._dialling
        result = connection.connect_ex(self._address)
        if result in _UNDER_WAY:
            return None
        self._dialling = None
        self.postpone(now)
        if result in _THERE:
            return connection
        connection.close()
        return None

    def close(self) -> None:
        """Give the attempt up that is under way."""
        if self._dialling is not None:
            self._dialling.close()
            self._dialling = None
