"""Finds the publication at which a broker ends the connection, where the broker does not say so. Pure.

MQTT 3.1.1 has no words for a publication that a broker does not take (too large, a rule of the broker's): it can only
close the connection, and that again each time when the publication is sent again. What is behind it would wait for
ever. So from the second such end on, one publication at a time is sent, and the one is given up that was alone with the
broker, on a connection that had shown that it works, when the broker closed that several times in a row. A broker that
is away, restarts or is overloaded closes before it has acknowledged anything, or takes the publication some time: it is
never mistaken for one that refuses it.
"""

from collections.abc import Sequence

Key = int | str
"""A publication: an event by its sequence, a notice by its subject."""

LOSSES_BEFORE_ALONE = 2
"""So often in a row the connection ends at the same publication before one at a time is sent."""
LOSSES_ALONE = 3
"""So often it ends with the publication alone in flight before that is given up."""


class Suspicion:
    """Which publication is suspected, if any; owned by the publisher's thread, outlives connections."""

    def __init__(self) -> None:
        self._suspect: Key | None = None
        self._losses = 0
        self._losses_alone = 0
        self._works = False

    @property
    def alone(self) -> bool:
        """One publication at a time is to be sent."""
        return self._losses >= LOSSES_BEFORE_ALONE

    @property
    def next(self) -> Key | None:
        """What is to be sent next if it waits: the suspect, once another has shown that the connection works."""
        return self._suspect if self.alone and self._works else None

    @property
    def last(self) -> Key | None:
        """What is to be sent after all others: the suspect, while nothing has shown that the connection works."""
        return self._suspect if self.alone and not self._works else None

    def answered(self, key: Key) -> None:
        """The broker has acknowledged or refused a publication, so it can do so on this connection."""
        self._works = True
        if key == self._suspect:
            self._clear()

    def ended(self, in_flight: Sequence[Key], *, by_broker: bool) -> Key | None:
        """The connection has ended; returns the publication that is to be given up, if any.

        Args:
            in_flight: publications without answer, in the order in which they were sent.
            by_broker: the broker ended it, not the network or we ourselves.
        """
        worked, self._works = self._works, False
        if not by_broker or not in_flight:
            return None
        if in_flight[0] != self._suspect:
            self._clear()
            self._suspect = in_flight[0]
        self._losses_alone += self.alone and worked and len(in_flight) == 1
        self._losses += 1
        if self._losses_alone < LOSSES_ALONE:
            return None
        self._clear()
        return in_flight[0]

    def _clear(self) -> None:
        self._suspect = None
        self._losses = self._losses_alone = 0
