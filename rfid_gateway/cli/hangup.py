"""SIGHUP: read the configuration again; unless it says that the terminal is gone."""

import signal
import sys

from rfid_gateway.stop_signal import StopSignal


class Hangup:
    """Whether a reload is wanted. Owner: the main thread, whose signal handler sets it."""

    def __init__(self, stop: StopSignal) -> None:
        """Take the signal from now on; `stop` is set where the terminal that this was started from is closed."""
        self._stop = stop
        self._wanted = False
        self._at_terminal = sys.stderr.isatty()
        signal.signal(signal.SIGHUP, self._hung_up)

    def take(self) -> bool:
        """Whether it came since the last call: several at once are one reload."""
        wanted, self._wanted = self._wanted, False
        return wanted

    def _hung_up(self, *_: object) -> None:
        if self._at_terminal and not sys.stderr.isatty():
            self._stop.set()
        else:
            self._wanted = True
