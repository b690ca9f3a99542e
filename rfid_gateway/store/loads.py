"""Loads on disk: which there are, whether they are closed, and which units went out with them."""

from collections.abc import Iterable
from typing import NamedTuple

from rfid_gateway.shipments.loads import Comparison, Load, LoadState, Member, Sighting, compare
from rfid_gateway.store.database import Database, Value

AT_ONE_DOOR = 100
"""Loads of one door that are looked at: those after them have hours until their truck comes."""

_COLUMNS = "load_id, door, departure, state, complete_at, closed_at, closed_by"
_STILL_TAKES = "(closed_at IS NULL OR closed_at >= ?2 OR (closed_by = 'complete' AND departure >= ?2))"


class LoadUnit(NamedTuple):
    """A unit that passed a door of a load."""

    load_id: str
    """Empty where no load stood at the door."""
    unit: str
    """`Unit.thing`."""
    shipment_id: str
    direction: str
    """out, in or undecided."""
    event_time: int
    """UTC, microseconds."""


class Loads:
    """All loads. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, load_id: str) -> Load | None:
        """Return one load, or None."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM loads WHERE load_id = ?", (load_id,))  # noqa: S608 -- fixed text
        return _load(row) if row else None

    def by_departure(self, limit: int) -> list[Load]:
        """Return loads: the open ones by departure, then the closed ones, the latest first."""
        rows = self._database.rows(
            f"""SELECT {_COLUMNS} FROM loads
                ORDER BY closed_at IS NOT NULL, CASE WHEN closed_at IS NULL THEN departure END, closed_at DESC
                LIMIT ?""",  # noqa: S608 -- fixed text
            (limit,),
        )
        return [_load(row) for row in rows]

    def next_open(self, limit: int) -> tuple[str, ...]:
        """Return the ids of the open loads that depart next; those without a departure come first."""
        rows = self._database.rows(
            "SELECT load_id FROM loads WHERE closed_at IS NULL ORDER BY departure LIMIT ?", (limit,)
        )
        return tuple(str(row[0]) for row in rows)

    def count_open(self) -> int:
        """How many loads are not closed."""
        row = self._database.row("SELECT count(*) FROM loads INDEXED BY loads_by_departure WHERE closed_at IS NULL")
        assert row is not None
        return int(str(row[0]))

    def at_door(self, door: str, since: int) -> list[Load]:
        """Return the loads that may stand at a door at that time (UTC, microseconds) or later, also closed ones."""
        waiting = self._database.rows(
            f"""SELECT {_COLUMNS} FROM loads WHERE door = ? AND closed_at IS NULL ORDER BY departure LIMIT ?""",  # noqa: S608 -- fixed text
            (door, AT_ONE_DOOR),
        )
        complete = self._database.rows(
            f"""SELECT {_COLUMNS} FROM loads WHERE door = ? AND closed_by = 'complete' AND departure >= ?
                ORDER BY departure LIMIT ?""",  # noqa: S608 -- fixed text
            (door, since, AT_ONE_DOOR),
        )
        closed = self._database.rows(
            f"""SELECT {_COLUMNS} FROM loads WHERE door = ? AND closed_at >= ? ORDER BY closed_at LIMIT ?""",  # noqa: S608 -- fixed text
            (door, since, AT_ONE_DOOR),
        )
        return list({load.load_id: load for load in map(_load, (*waiting, *complete, *closed))}.values())

    def passed(self, unit: LoadUnit) -> None:
        """Note a unit that went out or in; what is known of a later time stays."""
        self._database.change(
            """INSERT INTO load_units (load_id, unit, shipment_id, direction, event_time) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (load_id, unit) DO UPDATE SET
                 shipment_id = excluded.shipment_id, direction = excluded.direction, event_time = excluded.event_time
               WHERE excluded.event_time >= load_units.event_time""",
            unit,
        )

    def was_undecided(self, unit: LoadUnit) -> None:
        """Note a unit of which nobody can tell whether it went out; one that did has gone."""
        self._database.change(
            """INSERT INTO load_units (load_id, unit, shipment_id, direction, event_time) VALUES (?, ?, ?, ?, ?)
               ON CONFLICT (load_id, unit) DO UPDATE SET
                 shipment_id = excluded.shipment_id, direction = excluded.direction, event_time = excluded.event_time
               WHERE excluded.event_time >= load_units.event_time AND load_units.direction <> 'out'""",
            unit,
        )

    def came_off(self, unit: str, at: int, kept: str | None) -> list[str]:
        """A unit is on no load any more, but for the `kept` one: it came in, or went out with another.

        What it left with before a load was closed stays as it was. Returns the ids of the loads that changed.
        """
        rows = self._database.rows(
            f"""UPDATE load_units SET direction = 'in', event_time = ?2
                WHERE unit = ?1 AND event_time <= ?2 AND direction <> 'in' AND load_id IS NOT ?3
                  AND (load_id = '' OR EXISTS (
                    SELECT 1 FROM loads WHERE loads.load_id = load_units.load_id AND {_STILL_TAKES}))
                RETURNING load_id""",  # noqa: S608 -- fixed text
            (unit, at, kept),
        )
        return [str(row[0]) for row in rows]

    def forget_unit(self, units: Iterable[str], since: int) -> set[str]:
        """Forget what a unit went out with at that time (UTC, microseconds) or later; returns the ids of the loads.

        Args:
            units: names that the unit may have.
            since: time of the first passage that is forgotten.
        """
        loads: set[str] = set()
        for unit in units:
            rows = self._database.rows(
                "DELETE FROM load_units WHERE unit = ? AND event_time >= ? RETURNING load_id", (unit, since)
            )
            loads.update(str(row[0]) for row in rows)
        return loads

    def touch(self, load_ids: Iterable[str]) -> None:
        """Have these loads reviewed; belongs into the transaction of what has changed."""
        self._database.change_many("UPDATE loads SET stale = 1 WHERE load_id = ?", ((each,) for each in load_ids))

    def close(self, load_id: str, at: int, by: str) -> bool:
        """Close a load at a time (UTC, microseconds); False if there is none, or it is closed already."""
        closed = self._database.change(
            "UPDATE loads SET closed_at = ?, closed_by = ?, stale = 1 WHERE load_id = ? AND closed_at IS NULL",
            (at, by, load_id),
        )
        return closed > 0

    def close_due(self, at: int, departed_before: int, complete_before: int) -> None:
        """Close the loads that departed before a time, or have been complete since before a time (UTC, µs)."""
        self._database.change(
            """UPDATE loads SET closed_at = ?, closed_by = 'complete', stale = 1
               WHERE closed_at IS NULL AND complete_at IS NOT NULL AND complete_at <= ?""",
            (at, complete_before),
        )
        self._database.change(
            """UPDATE loads SET closed_at = ?, closed_by = 'timeout', stale = 1
               WHERE closed_at IS NULL AND departure <= ?""",
            (at, departed_before),
        )

    def to_review(self, limit: int) -> list[Load]:
        """Return loads that have changed since they were reviewed, at most `limit`."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM loads WHERE stale = 1 LIMIT ?", (limit,))  # noqa: S608 -- fixed text
        return [_load(row) for row in rows]

    def reviewed(self, load: Load) -> None:
        """Write what a review has found."""
        self._database.change(
            """UPDATE loads SET state = ?, complete_at = ?, closed_at = ?, closed_by = ?, stale = 0
               WHERE load_id = ?""",
            (load.state, load.complete_at, load.closed_at, load.closed_by, load.load_id),
        )

    def forget(self, load_id: str) -> None:
        """Delete a load and what went out with it."""
        self._database.change("DELETE FROM loads WHERE load_id = ?", (load_id,))
        self._database.change("DELETE FROM load_units WHERE load_id = ?", (load_id,))

    def compare(self, load: Load) -> Comparison:
        """Compare what a load is to take with what went out."""
        expected = self._database.rows(
            """SELECT DISTINCT coalesce(units.counts_as, units.key), shipment_id
               FROM shipments CROSS JOIN units USING (shipment_id) WHERE load_id = ?""",
            (load.load_id,),
        )
        here = self._database.rows(
            """SELECT unit, load_units.shipment_id, shipments.load_id, direction
               FROM load_units CROSS JOIN shipments USING (shipment_id) WHERE load_units.load_id = ?""",
            (load.load_id,),
        )
        elsewhere = self._database.rows(
            """SELECT unit FROM shipments CROSS JOIN load_units USING (shipment_id)
               WHERE shipments.load_id = ?1 AND load_units.load_id <> ?1 AND direction = 'out'
                 AND (?2 IS NULL OR event_time <= ?2)""",
            (load.load_id, load.closed_at),
        )
        return compare(
            load.load_id,
            [Member(str(unit), str(shipment_id)) for unit, shipment_id in expected],
            [Sighting._make(row) for row in here],
            {str(row[0]) for row in elsewhere},
            closed=load.closed_at is not None,
        )


def announce(database: Database, load_id: str, door: str | None, departure: int | None) -> None:
    """Make sure that a load is there, because a shipment belongs to it.

    A departure that is put off opens a load again that was closed because its time was over.
    """
    database.change(
        """INSERT INTO loads (load_id, door, departure) VALUES (?, ?, ?)
           ON CONFLICT (load_id) DO UPDATE SET
             door = coalesce(excluded.door, door), departure = coalesce(excluded.departure, departure), stale = 1,
             closed_at = CASE WHEN closed_by = 'timeout' AND excluded.departure > departure THEN NULL
                         ELSE closed_at END,
             closed_by = CASE WHEN closed_by = 'timeout' AND excluded.departure > departure THEN NULL
                         ELSE closed_by END""",
        (load_id, door, departure),
    )


def touch_load_of(database: Database, shipment_id: str) -> None:
    """Have the load of a shipment reviewed."""
    database.change(
        "UPDATE loads SET stale = 1 WHERE load_id = (SELECT load_id FROM shipments WHERE shipment_id = ?)",
        (shipment_id,),
    )


def _load(row: tuple[Value, ...]) -> Load:
    load_id, door, departure, state, complete_at, closed_at, closed_by = row
    return Load(
        str(load_id),
        None if door is None else str(door),
        _number(departure),
        LoadState(str(state)),
        _number(complete_at),
        _number(closed_at),
        None if closed_by is None else str(closed_by),
    )


def _number(value: Value) -> int | None:
    return None if value is None else int(str(value))
