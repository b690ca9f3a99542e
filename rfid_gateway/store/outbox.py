"""The outbox: committed events that the broker has not acknowledged yet, in the order of their sequence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rfid_gateway.store import meta
from rfid_gateway.store.database import Database
from rfid_gateway.store.sequence_mark import SequenceMark


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """An event to be committed. Its sequence follows from the commit, so the payload is built by `encode`."""

    event_id: str
    event_time: int
    """UTC, microseconds."""
    epc: str
    shipment_id: str
    biz_step: str | None
    direction: str | None
    verdict: str
    read_point: str
    topic: str
    encode: Callable[[int], bytes]
    """Builds the payload for the sequence that the event gets; called at most once more than it is committed."""
    logistic_unit: str | None = None
    """SSCC, 18 digits."""
    door: str | None = None
    """Of a passage."""


class OutboxRow(NamedTuple):
    """A committed event that waits to be published."""

    sequence: int
    event_id: str
    event_time: int
    """UTC, microseconds."""
    topic: str
    payload: bytes
    again: bool = False
    """It was published before and is wanted again."""


class SetAside(NamedTuple):
    """A committed event that the broker will never take as it is."""

    sequence: int
    event_id: str
    event_time: int
    """UTC, microseconds."""
    shipment_id: str
    topic: str
    at: int
    """When it was set aside: UTC, microseconds."""
    reason: str


class Outbox:
    """Events from their commit to their PUBACK. Shares its connection's owner."""

    def __init__(self, database: Database, mark: SequenceMark) -> None:
        self._database = database
        self._mark = mark

    def append(self, events: Iterable[OutboxEvent]) -> tuple[OutboxRow, ...]:
        """Commit events with the next sequences, without gaps, and return those that were new.

        An event whose id is there already is the same observation committed before: it is passed over and takes no
        sequence. Inside `Store.transaction` the sequences count only if that commits.
        """
        with self._database.transaction():
            first = meta.read(self._database, "next_sequence")
            rows: list[OutboxRow] = []
            for event in events:
                sequence = first + len(rows)
                payload = event.encode(sequence)
                if self._insert(event, sequence, payload):
                    rows.append(OutboxRow(sequence, event.event_id, event.event_time, event.topic, payload))
            if rows:
                self._mark.cover(first + len(rows))
                self._database.change_many(
                    "INSERT INTO outbox (sequence) VALUES (?)", ((row.sequence,) for row in rows)
                )
                meta.add(self._database, "next_sequence", len(rows))
                meta.add(self._database, "backlog", len(rows))
        return tuple(rows)

    def _insert(self, event: OutboxEvent, sequence: int, payload: bytes) -> bool:
        changed = self._database.change(
            """INSERT INTO events (sequence, event_id, event_time, epc, logistic_unit, shipment_id, biz_step,
                                   direction, verdict, read_point, topic, door, payload)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING""",
            (
                sequence,
                event.event_id,
                event.event_time,
                event.epc,
                event.logistic_unit,
                event.shipment_id,
                event.biz_step,
                event.direction,
                event.verdict,
                event.read_point,
                event.topic,
                event.door,
                payload,
            ),
        )
        return changed == 1

    def unpublished(self, after_sequence: int, limit: int) -> list[OutboxRow]:
        """At most `limit` waiting events with a higher sequence than the given one, in order (0: from the first)."""
        # CROSS JOIN fixes the order of the loops: along the outbox, never along the history.
        rows = self._database.rows(
            """SELECT sequence, event_id, event_time, topic, payload, again
               FROM outbox CROSS JOIN events USING (sequence)
               WHERE outbox.sequence > ? ORDER BY outbox.sequence LIMIT ?""",
            (after_sequence, limit),
        )
        return [OutboxRow._make((*row[:-1], bool(row[-1]))) for row in rows]

    def published(self, sequences: Sequence[int], at: int) -> None:
        """Take events out of the outbox that the broker has acknowledged, in one commit.

        `at` is UTC in microseconds. A sequence that has left already is passed over: a PUBACK may come twice.
        """
        with self._database.transaction():
            left = self._database.change_many(
                "DELETE FROM outbox WHERE sequence = ?", ((sequence,) for sequence in sequences)
            )
            self._database.change_many(
                "UPDATE events SET published_at = ? WHERE sequence = ? AND published_at IS NULL",
                ((at, sequence) for sequence in sequences),
            )
            meta.add(self._database, "backlog", -left)

    def put_back(self, first: int, last: int) -> int:
        """Let published events with these sequences, `last` included, wait again, in one commit; returns how many.

        What still waits is passed over. Pruning leaves them alone until they are published again.
        """
        published = "sequence BETWEEN ? AND ? AND published_at IS NOT NULL"
        with self._database.transaction():
            count = self._database.change(
                f"INSERT INTO outbox (sequence, again) SELECT sequence, 1 FROM events WHERE {published}",  # noqa: S608 -- fixed text
                (first, last),
            )
            self._database.change(
                f"UPDATE events SET published_at = NULL WHERE {published}",  # noqa: S608 -- fixed text
                (first, last),
            )
            meta.add(self._database, "backlog", count)
            meta.add(self._database, "retries", 1)
        return count

    def waiting_between(self, first: int, last: int) -> int:
        """How many events with these sequences, `last` included, wait."""
        row = self._database.row("SELECT count(*) FROM outbox WHERE sequence BETWEEN ? AND ?", (first, last))
        assert row is not None
        assert isinstance(row[0], int)
        return row[0]

    def set_aside(self, sequence: int, reason: str, at: int) -> None:
        """Take an event out of the outbox that the broker will never take, and keep it with the reason, in one commit.

        `at` is UTC in microseconds. An event that has left already is passed over.
        """
        with self._database.transaction():
            if self._database.change("DELETE FROM outbox WHERE sequence = ?", (sequence,)):
                self._database.change(
                    "INSERT INTO set_aside (sequence, at, reason) VALUES (?, ?, ?)", (sequence, at, reason)
                )
                meta.add(self._database, "backlog", -1)
                meta.add(self._database, "set_aside", 1)

    def retry(self, sequences: Sequence[int] | None = None) -> int:
        """Put events back into the outbox that were set aside, all or the given ones; returns how many, in one commit.

        A sequence that is not set aside is passed over.
        """
        with self._database.transaction():
            if sequences is None:
                rows = self._database.rows("SELECT sequence FROM set_aside")
            else:
                rows = [(sequence,) for sequence in sequences]
            back = self._database.change_many(
                "INSERT INTO outbox (sequence) SELECT sequence FROM set_aside WHERE sequence = ?", rows
            )
            self._database.change_many("DELETE FROM set_aside WHERE sequence = ?", rows)
            if back:
                meta.add(self._database, "backlog", back)
                meta.add(self._database, "set_aside", -back)
                meta.add(self._database, "retries", 1)
        return max(0, back)

    def retries(self) -> int:
        """How often something was put back: what was read from the outbox before has gaps now."""
        return meta.read(self._database, "retries")

    def aside(self, after_sequence: int, limit: int) -> list[SetAside]:
        """At most `limit` events that were set aside, with a higher sequence than the given one, in order."""
        rows = self._database.rows(
            """SELECT sequence, event_id, event_time, shipment_id, topic, set_aside.at, reason
               FROM set_aside CROSS JOIN events USING (sequence)
               WHERE set_aside.sequence > ? ORDER BY set_aside.sequence LIMIT ?""",
            (after_sequence, limit),
        )
        return [SetAside._make(row) for row in rows]

    def aside_count(self) -> int:
        """How many events are set aside."""
        return meta.read(self._database, "set_aside")

    def backlog(self) -> int:
        """How many events wait; counted as they come and go, so it is quick with millions."""
        return meta.read(self._database, "backlog")

    def oldest(self) -> OutboxRow | None:
        """The event that has waited longest, or None when nothing waits."""
        rows = self.unpublished(0, 1)
        return rows[0] if rows else None

    def next_sequence(self) -> int:
        """The sequence that the next new event gets; certain only inside a transaction."""
        return meta.read(self._database, "next_sequence")

    def go_on_from(self, sequence: int) -> None:
        """Have the next event take that sequence at least: a new database does not begin again where an old one was."""
        self._database.change("UPDATE meta SET value = max(value, ?) WHERE name = 'next_sequence'", (sequence,))
