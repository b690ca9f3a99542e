"""SIGTERM and Ctrl-C: the program shall end."""

import os
import select
import signal
from typing import Self


class StopSignal:
    """Whether the program was told to stop. Owner: the main thread, which waits for it and whose handlers set it.

    A pipe, because a handler runs in the main thread between any two instructions of the wait that it interrupts:
    `threading.Event.set` then wants the very lock that the wait holds, and `queue.SimpleQueue.get` waits for ever where
    a signal's handler ends after the time that was left (CPython 3.11: what is left is then negative, which means
    without limit). Either way the program would hang, deaf to SIGTERM, until systemd kills it.
    """

    def __init__(self) -> None:
        """Take both signals from now on until it is left.

        A shell starts background jobs with SIGINT ignored, and Python leaves it so; a handler of ours hears it.
        """
        self._told = False
        self._heard, self._call = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before = {number: signal.signal(number, self._called) for number in (signal.SIGTERM, signal.SIGINT)}

    def __enter__(self) -> Self:
        """Have the signals already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._call)
        os.close(self._heard)

    def set(self) -> None:
        """Have the program stop; may be called by a signal's handler."""
        if not self._told:
            self._told = True
            os.write(self._call, b"\0")

    def is_set(self) -> bool:
        """Whether it was told."""
        return self._told

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is told, at longest for a time; returns whether it was."""
        select.select((self._heard,), (), (), timeout_s)
        return self._told

    def _called(self, *_: object) -> None:
        self.set()
