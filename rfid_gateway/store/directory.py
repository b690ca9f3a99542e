"""The shipment directory on disk: a million units, found by key in microseconds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.store import loads, meta, retained
from rfid_gateway.store.database import Database, Value

CACHED_LOOK_UPS = 16_384
"""About 10 MB. A tag that stays at a door is looked up again with every observation, known or not."""


class Directory:
    """Shipments and their units. Shares its connection's owner, who also owns the cache of look-ups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look_up = lru_cache(maxsize=CACHED_LOOK_UPS)(self._read)
        self._seen = (-1, -1)
        self._version = -1

    def upsert(self, shipments: Iterable[Shipment]) -> int:
        """Write entries, all or none, and return how many.

        An entry replaces the one of the same shipment id with all its units. A unit that stood in another shipment
        moves: a roll cage travels many times.
        """
        count = 0
        with self._database.transaction():
            for shipment in shipments:
                self._write(shipment)
                count += 1
            self._changed()
        return count

    def delete(self, shipment_id: str) -> bool:
        """Delete an entry with its units; False if there was none."""
        with self._database.transaction():
            deleted = self._database.change("DELETE FROM shipments WHERE shipment_id = ?", (shipment_id,)) > 0
            self._changed()
        return deleted

    def bind(self, shipment_id: str, unit: Unit) -> bool:
        """Add a unit to a shipment, or move it there; False if there is no such shipment.

        A unit that the directory knows by several keys moves with all of them, whichever is named.
        """
        with self._database.transaction():
            known = self._database.row("SELECT 1 FROM shipments WHERE shipment_id = ?", (shipment_id,))
            if known:
                if not self._move(shipment_id, unit):
                    self._write_units(shipment_id, (unit,))
                self._touch(shipment_id)
                self._changed()
        return known is not None

    def unbind(self, key: str) -> bool:
        """Take a unit out of its shipment, with all its keys; False if it is in none."""
        with self._database.transaction():
            found = self._unit(key)
            if found:
                self._database.change(
                    "DELETE FROM units WHERE shipment_id = ?1 AND coalesce(counts_as, key) = ?2", found
                )
                self._touch(found[0])
            self._changed()
        return found is not None

    def keys_of(self, key: str) -> tuple[str, ...]:
        """Return all keys of the unit that has this one, the one that stands for it first; none if it is unknown."""
        found = self._unit(key)
        if found is None:
            return ()
        rows = self._database.rows(
            """SELECT key FROM units WHERE shipment_id = ?1 AND coalesce(counts_as, key) = ?2
               ORDER BY key <> ?2, key""",
            found,
        )
        return tuple(str(row[0]) for row in rows)

    def find(self, keys: Sequence[str]) -> tuple[Shipment, Unit] | None:
        """Return the unit of the first key that is known, and its shipment without the list of units."""
        self._forget_what_changed()
        return self._look_up(tuple(keys))

    def show(self, shipment_id: str) -> Shipment | None:
        """Return an entry with its units in order of their keys."""
        row = self._database.row(
            """SELECT shipment_id, orders, customer_reference, despatch_advice, carrier, destination, planned_door,
                      planned_departure, load FROM shipments WHERE shipment_id = ?""",
            (shipment_id,),
        )
        return self._complete(row) if row else None

    def entry(self, shipment_id: str) -> Shipment | None:
        """Return an entry without its units, of which there may be thousands."""
        row = self._database.row(
            """SELECT shipment_id, orders, customer_reference, despatch_advice, carrier, destination, planned_door,
                      planned_departure, load FROM shipments WHERE shipment_id = ?""",
            (shipment_id,),
        )
        return _shipment(row, ()) if row else None

    def list(self, limit: int, after_shipment_id: str = "", planned_door: str | None = None) -> tuple[Shipment, ...]:
        """Return entries in order of their ids, from the one after the given id on: a page, with units.

        With a door, only those that are to be loaded there.
        """
        # Two statements, because one for both would go through all entries to find those of a door.
        if planned_door is None:
            rows = self._database.rows(
                """SELECT shipment_id, orders, customer_reference, despatch_advice, carrier, destination,
                          planned_door, planned_departure, load
                   FROM shipments WHERE shipment_id > ? ORDER BY shipment_id LIMIT ?""",
                (after_shipment_id, limit),
            )
        else:
            rows = self._database.rows(
                """SELECT shipment_id, orders, customer_reference, despatch_advice, carrier, destination,
                          planned_door, planned_departure, load
                   FROM shipments WHERE planned_door = ? AND shipment_id > ? ORDER BY shipment_id LIMIT ?""",
                (planned_door, after_shipment_id, limit),
            )
        return tuple(self._complete(row) for row in rows)

    def shipment_count(self) -> int:
        """How many entries there are."""
        return self._count("SELECT count(*) FROM shipments")

    def unit_count(self) -> int:
        """How many units there are; takes milliseconds with a million."""
        return self._count("SELECT count(*) FROM units")

    def version(self) -> int:
        """Return a number that grows with every committed change of the directory, by whatever process."""
        return meta.read(self._database, "directory_version")

    def _count(self, sql: str) -> int:
        row = self._database.row(sql)
        assert row is not None
        assert isinstance(row[0], int)
        return row[0]

    def _write(self, shipment: Shipment) -> None:
        """Write an entry; one that is there already as it is changes nothing, and nothing is said of it again."""
        known = self.show(shipment.shipment_id)
        if known is not None and known == replace(shipment, units=tuple(sorted(shipment.units, key=_key))):
            return
        self._database.change(
            """INSERT INTO shipments (shipment_id, orders, customer_reference, despatch_advice, carrier, destination,
                                      planned_door, planned_departure, load, load_id)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (shipment_id) DO UPDATE SET
                 orders = excluded.orders, customer_reference = excluded.customer_reference,
                 despatch_advice = excluded.despatch_advice, carrier = excluded.carrier,
                 destination = excluded.destination, planned_door = excluded.planned_door,
                 planned_departure = excluded.planned_departure, load = excluded.load,
                 load_id = excluded.load_id""",
            (
                shipment.shipment_id,
                json.dumps(shipment.orders, ensure_ascii=False),
                shipment.customer_reference,
                shipment.despatch_advice,
                shipment.carrier,
                shipment.destination,
                shipment.planned_door,
                shipment.planned_departure,
                shipment.load,
                shipment.load_id,
            ),
        )
        self._database.change("DELETE FROM units WHERE shipment_id = ?", (shipment.shipment_id,))
        self._write_units(shipment.shipment_id, shipment.units)
        retained.touch_shipment(self._database, shipment.shipment_id)
        if shipment.load_id is not None:
            loads.announce(self._database, shipment.load_id, shipment.planned_door, shipment.departure)

    def _write_units(self, shipment_id: str, units: tuple[Unit, ...]) -> None:
        self._database.change_many(
            """INSERT INTO units (key, shipment_id, parent, counts_as) VALUES (?, ?, ?, ?)
               ON CONFLICT (key) DO UPDATE SET
                 shipment_id = excluded.shipment_id, parent = excluded.parent, counts_as = excluded.counts_as""",
            ((unit.key, shipment_id, unit.parent, unit.counts_as) for unit in units),
        )

    def _unit(self, key: str) -> tuple[str, str] | None:
        """The shipment of the unit that has a key, and `Unit.thing`."""
        row = self._database.row("SELECT shipment_id, coalesce(counts_as, key) FROM units WHERE key = ?", (key,))
        return (str(row[0]), str(row[1])) if row else None

    def _move(self, shipment_id: str, unit: Unit) -> bool:
        """Have a known unit travel under a shipment; False if it is not known."""
        found = self._unit(unit.key)
        if found is None:
            return False
        self._database.change(
            """UPDATE units SET shipment_id = ?3, parent = ?4
               WHERE shipment_id = ?1 AND coalesce(counts_as, key) = ?2""",
            (*found, shipment_id, unit.parent),
        )
        return True

    def _touch(self, shipment_id: str) -> None:
        """Units of a shipment came or went: its status and its load look different now."""
        retained.touch_shipment(self._database, shipment_id)
        loads.touch_load_of(self._database, shipment_id)

    def _changed(self) -> None:
        meta.add(self._database, "directory_version", 1)
        self._look_up.cache_clear()

    def _forget_what_changed(self) -> None:
        # data_version costs a microsecond but changes with every commit of the publisher too, so it only leads to
        # a look at our own counter. A rollback may have undone what was read since the change.
        seen = (self._database.data_version(), self._database.rollbacks)
        if seen == self._seen:
            return
        version = self.version()
        if version != self._version or seen[1] != self._seen[1]:
            self._look_up.cache_clear()
        self._seen, self._version = seen, version

    def _read(self, keys: tuple[str, ...]) -> tuple[Shipment, Unit] | None:
        for key in keys:
            row = self._database.row(
                """SELECT shipment_id, orders, customer_reference, despatch_advice, carrier, destination,
                          planned_door, planned_departure, load, parent, counts_as
                   FROM units CROSS JOIN shipments USING (shipment_id) WHERE key = ?""",
                (key,),
            )
            if row:
                return _shipment(row[:-2], ()), Unit(key, _text(row[-2]), _text(row[-1]))
        return None

    def _complete(self, row: tuple[Value, ...]) -> Shipment:
        units = self._database.rows(
            "SELECT key, parent, counts_as FROM units WHERE shipment_id = ? ORDER BY key", row[:1]
        )
        return _shipment(row, tuple(Unit(str(key), _text(parent), _text(first)) for key, parent, first in units))


def _shipment(row: tuple[Value, ...], units: tuple[Unit, ...]) -> Shipment:
    shipment_id, orders, *rest = row
    return Shipment(str(shipment_id), units, tuple(json.loads(str(orders))), *map(_text, rest))


def _key(unit: Unit) -> str:
    return unit.key


def _text(value: Value) -> str | None:
    return None if value is None else str(value)
