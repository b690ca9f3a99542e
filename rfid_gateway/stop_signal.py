"""SIGTERM and Ctrl-C: the program shall end."""

import signal
from queue import Empty, SimpleQueue


class StopSignal:
    """Whether the program was told to stop. Owner: the main thread, which waits for it and whose handlers set it.

    Not a `threading.Event`: a handler runs in the main thread between any two instructions of the wait that it
    interrupts, and `Event.set` then wants the very lock that the wait holds. The program would hang, deaf to SIGTERM,
    until systemd kills it. `SimpleQueue.put` is reentrant for just this (Python's documentation of `queue`).
    """

    def __init__(self) -> None:
        """Take both signals from now on.

        A shell starts background jobs with SIGINT ignored, and Python leaves it so; a handler of ours hears it.
        """
        self._told = False
        self._calls: SimpleQueue[None] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._called)

    def set(self) -> None:
        """Have the program stop; may be called by a signal's handler."""
        self._told = True
        self._calls.put(None)

    def is_set(self) -> bool:
        """Whether it was told."""
        return self._told

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is told, at longest for a time; returns whether it was."""
        try:
            if not self._told:
                self._calls.get(timeout=timeout_s)
        except Empty:
            pass
        return self._told

    def _called(self, *_: object) -> None:
        self.set()
