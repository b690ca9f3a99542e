"""Waking a thread that sleeps in a selector."""

import contextlib
import socket


class Wakeup:
    """A socket pair: any thread may `wake`, the sleeping one waits for `reader` and calls `clear`."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        self.reader.settimeout(0)
        self._writer.settimeout(0)

    def wake(self) -> None:
        """Make `reader` readable; from any thread, any number of times, also after `close`."""
        # Full means that it is awake already; closed, that nobody sleeps any more.
        with contextlib.suppress(OSError):
            self._writer.send(b"\0")

    def clear(self) -> None:
        """Forget the calls so far."""
        with contextlib.suppress(BlockingIOError):
            while self.reader.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self.reader.close()
        self._writer.close()
