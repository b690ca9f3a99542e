"""Which rows of the outbox are with the broker, which come next, and which may have been sent before. Pure.

    outbox ──read──▶ waiting ──take──▶ in flight ──PUBACK──▶ acknowledged ──commit──▶ gone
                        ▲                  │
                        └── lost, refused ─┘

Rows are taken in the order of their sequence, so those that were sent and are still unpublished are always the lowest
ones of the outbox: one number tells which rows may have been sent before. Rows that were put back into the outbox to
be sent again say so themselves.
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from rfid_gateway.mqtt.outbox import Row


class Outgoing(NamedTuple):
    """A row on its way to the broker."""

    row: Row
    replayed: bool
    """It may have been sent before."""


class Window:
    """The rows between outbox and broker; owned by the publisher's thread."""

    def __init__(self, earlier: Sequence[Row] = ()) -> None:
        """Begin with an outbox whose first rows, `earlier`, a process before this one may have sent."""
        self._waiting: list[tuple[int, Row]] = []
        self._in_flight: dict[int, Row] = {}
        self._acknowledged: list[int] = []
        self._read_up_to = 0
        self._rewound = False
        self._sent_up_to = earlier[-1].sequence if earlier else 0

    @property
    def read_up_to(self) -> int:
        """The highest sequence that was read from the outbox."""
        return self._read_up_to

    @property
    def waiting(self) -> int:
        """Rows read and not with the broker."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Rows with the broker, without PUBACK."""
        return len(self._in_flight)

    @property
    def acknowledged(self) -> Sequence[int]:
        """Sequences with PUBACK that are still in the outbox."""
        return tuple(self._acknowledged)

    @property
    def uncommitted(self) -> int:
        """How many `acknowledged` there are."""
        return len(self._acknowledged)

    def add(self, rows: Sequence[Row]) -> None:
        """Take over rows read from the outbox after `read_up_to`."""
        known = self._in_flight.keys() | self._acknowledged if self._rewound else ()
        for row in rows:
            self._read_up_to = row.sequence
            if row.sequence not in known:
                heapq.heappush(self._waiting, (row.sequence, row))

    def rewind(self) -> None:
        """Lower rows have come into the outbox: it is to be read from its beginning."""
        self._waiting.clear()
        self._read_up_to = 0
        self._rewound = True

    def take(self) -> Outgoing | None:
        """The next row, which is in flight from now; None when none waits."""
        if not self._waiting:
            return None
        sequence, row = heapq.heappop(self._waiting)
        self._in_flight[sequence] = row
        replayed = row.again or sequence <= self._sent_up_to
        self._sent_up_to = max(self._sent_up_to, sequence)
        return Outgoing(row, replayed)

    def acknowledge(self, sequence: int) -> None:
        """The broker has the row: it may leave the outbox."""
        if self._in_flight.pop(sequence, None) is not None:
            self._acknowledged.append(sequence)

    def give_back(self, sequence: int) -> None:
        """The broker did not take the row: it waits again, before all later ones."""
        heapq.heappush(self._waiting, (sequence, self._in_flight.pop(sequence)))

    def drop(self, sequence: int) -> None:
        """The row has left the outbox without the broker."""
        del self._in_flight[sequence]

    def lose(self) -> None:
        """The connection is gone: every row in flight waits again."""
        for sequence in tuple(self._in_flight):
            self.give_back(sequence)

    def committed(self) -> None:
        """What was acknowledged has left the outbox."""
        self._acknowledged.clear()
