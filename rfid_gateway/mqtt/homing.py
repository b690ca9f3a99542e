"""Looking, from a fallback broker, whether one that is wanted more is back.

Connecting blocks for seconds where a broker is half away, and the events must not wait for that. So the look has a
short-lived thread of its own, which only leaves its answer and wakes the publisher.
"""

from collections.abc import Callable, Sequence
from threading import Thread

from rfid_gateway.mqtt.settings import MqttSettings

LOOK_S = 10.0
"""How long a broker may take to accept us."""

Probe = Callable[[MqttSettings, float], str | None]
"""Connects and leaves again; what went wrong, or None. See `probe`."""


class Homing:
    """Owned by the publisher's thread, except for the answer: that is one assignment, by the one thread that looks."""

    def __init__(self, look_every_us: int, probe: Probe, wake: Callable[[], None]) -> None:
        self._look_every_us = look_every_us
        self._probe = probe
        self._wake = wake
        self._thread: Thread | None = None
        self._due_at: int | None = None
        self._found = False

    @property
    def due_at(self) -> int | None:
        """Monotonic microseconds of the next look; None while there is nothing to look for."""
        return self._due_at

    def connected(self, now: int, better: Sequence[MqttSettings]) -> None:
        """A connection was accepted, and these brokers are wanted more."""
        self._found = False
        self._due_at = now + self._look_every_us if better else None

    def ended(self) -> None:
        """There is no connection: whoever is due is tried anyway."""
        self._found = False
        self._due_at = None

    def found(self, now: int, better: Sequence[MqttSettings]) -> bool:
        """Whether a better broker is well; begins a look when one is due."""
        if self._due_at is None:
            return False
        if now >= self._due_at and (self._thread is None or not self._thread.is_alive()):
            self._due_at = now + self._look_every_us
            self._thread = Thread(target=self._look, args=(tuple(better),), name="broker-look", daemon=True)
            self._thread.start()
        return self._found

    def _look(self, better: Sequence[MqttSettings]) -> None:
        if any(self._probe(each, LOOK_S) is None for each in better):
            self._found = True
            self._wake()
