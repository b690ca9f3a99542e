"""Which retained messages the broker does not have yet: a promise that is written with the events it follows from.

A row stands for one topic and holds no payload: that is made from the tables when it is sent. `version` grows with
each change; only the PUBACK of the latest version settles a row. `say_all_again` raises the generation, so that every
row is unsaid again at once and durably, whatever their number. A row can be held: the broker may know better than we
do after an old backup was restored, so nothing is said of it before there is something new, or a person wants it.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from rfid_gateway.store import meta
from rfid_gateway.store.database import Database

RetainedKind = Literal["shipment", "load"]

HELD = 1 << 62
"""`said_in` of a row that is held: no generation ever counts up to it."""
_MARK = """INSERT INTO retained (kind, name, version, said_in) VALUES (?, ?, 1, 0)
           ON CONFLICT (kind, name) DO UPDATE SET version = version + 1, said_in = 0"""


class RetainedRow(NamedTuple):
    """A topic whose message the broker does not have yet."""

    kind: RetainedKind
    name: str
    """Id of the shipment or load."""
    version: int


class Retained:
    """The rows. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self, kind: RetainedKind, names: Iterable[str]) -> None:
        """Note that these have something new to say; belongs into the transaction of what is new."""
        self._database.change_many(_MARK, ((kind, name) for name in names))

    def mark_known(self, kind: RetainedKind, name: str) -> None:
        """Note that this one has something new to say if it ever said anything."""
        self._database.change(
            "UPDATE retained SET version = version + 1, said_in = 0 WHERE kind = ? AND name = ?", (kind, name)
        )

    def unsaid(self, after: tuple[str, str], limit: int) -> list[RetainedRow]:
        """Changed rows behind the given kind and name, in that order, at most `limit`."""
        rows = self._database.rows(
            """SELECT kind, name, version FROM retained
               WHERE said_in = 0 AND (kind, name) > (?, ?) ORDER BY kind, name LIMIT ?""",
            (*after, limit),
        )
        return [RetainedRow._make(row) for row in rows]

    def to_say_again(self, limit: int) -> list[RetainedRow]:
        """Rows that were said before the last `say_all_again` only, at most `limit`."""
        rows = self._database.rows(
            "SELECT kind, name, version FROM retained WHERE said_in > 0 AND said_in < ? LIMIT ?",
            (meta.read(self._database, "retained_generation"), limit),
        )
        return [RetainedRow._make(row) for row in rows]

    def said(self, rows: Iterable[RetainedRow], gone: Iterable[RetainedRow]) -> None:
        """The broker has acknowledged these versions; rows of what is `gone` (empty payload) are removed.

        A row that has changed meanwhile stays unsaid.
        """
        with self._database.transaction():
            self._database.change_many(
                """UPDATE retained SET said_in = (SELECT value FROM meta WHERE name = 'retained_generation')
                   WHERE kind = ? AND name = ? AND version = ?""",
                rows,
            )
            self._database.change_many("DELETE FROM retained WHERE kind = ? AND name = ? AND version = ?", gone)

    def say_all_again(self) -> None:
        """Make every row unsaid that is not held: the broker may have lost what it kept."""
        meta.add(self._database, "retained_generation", 1)

    def hold_all(self) -> None:
        """Say nothing of what there is before it changes: the broker may have something newer."""
        self._database.change("UPDATE retained SET said_in = ?", (HELD,))

    def release_and_say_all_again(self) -> None:
        """Make every row unsaid, those too that are held: a person wants the broker to have what we know."""
        with self._database.transaction():
            self._database.change("UPDATE retained SET said_in = 1 WHERE said_in = ?", (HELD,))
            self.say_all_again()

    def count(self) -> int:
        """How many topics there are."""
        row = self._database.row("SELECT count(*) FROM retained")
        assert row is not None
        return int(str(row[0]))


def touch_shipment(database: Database, shipment_id: str) -> None:
    """A shipment's entry has changed: its status is to be said again, if any of its units was seen."""
    changed = database.change(
        "UPDATE retained SET version = version + 1, said_in = 0 WHERE kind = 'shipment' AND name = ?", (shipment_id,)
    )
    if not changed:
        # Deleted and announced again, or it has just got a unit that was seen under it before.
        database.change(
            """INSERT INTO retained (kind, name, version, said_in)
               SELECT 'shipment', ?, 1, 0 WHERE EXISTS (
                 SELECT 1 FROM units CROSS JOIN unit_states ON unit_states.key = coalesce(units.counts_as, units.key)
                 WHERE units.shipment_id = ? AND unit_states.shipment_id = units.shipment_id)""",
            (shipment_id, shipment_id),
        )
