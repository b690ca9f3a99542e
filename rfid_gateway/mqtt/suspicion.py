"""Finds the event at which a broker ends the connection, where the broker does not say so. Pure.

MQTT 3.1.1 has no words for a publication that a broker does not take (too large, a rule of the broker's): it can only
close the connection, and that again each time when the event is sent again. The events behind it would wait for ever.
So an event is tried alone, on a connection that has shown that it works, and given up when the broker has closed that
several times in a row. A broker that is away, restarts or is overloaded closes before it has acknowledged anything, or
takes the event some time: it is never mistaken for one that refuses it.
"""

from collections.abc import Sequence

LOSSES_BEFORE_ALONE = 2
"""So often in a row the connection ends at the same event before that is sent alone."""
LOSSES_ALONE = 3
"""So often it ends with the event alone in flight before that is given up."""


class Suspicion:
    """Which event is suspected, if any; owned by the delivery."""

    def __init__(self) -> None:
        self._suspect: int | None = None
        self._losses = 0
        self._losses_alone = 0

    @property
    def alone(self) -> bool:
        """The next event is to be sent alone, on a connection that has acknowledged something else before."""
        return self._losses >= LOSSES_BEFORE_ALONE

    def clear(self) -> None:
        """An event was acknowledged."""
        self._suspect = None
        self._losses = self._losses_alone = 0

    def ended(self, in_flight: Sequence[int], *, works: bool) -> int | None:
        """The broker has ended the connection; returns the sequence of the event that is to be given up, if any.

        Args:
            in_flight: sequences without PUBACK.
            works: the broker acknowledged something on this connection before.
        """
        if not in_flight:
            return None
        first = min(in_flight)
        if first != self._suspect:
            self.clear()
            self._suspect = first
        was_alone = self.alone and works and len(in_flight) == 1
        self._losses += 1
        self._losses_alone += was_alone
        if self._losses_alone < LOSSES_ALONE:
            return None
        self.clear()
        return first
