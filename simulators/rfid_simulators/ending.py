"""How the simulator's commands end: on Ctrl-C or SIGTERM, however they were started."""

import signal
from threading import Event


def told_to_end() -> Event:
    """An event that Ctrl-C and SIGTERM set; to be called in the main thread.

    A shell starts background jobs with SIGINT ignored, and Python then leaves it so; a handler of ours hears it.
    """
    ending = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    return ending
