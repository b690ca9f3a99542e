"""The last event of each unit: what a verdict such as "returned" and a shipment's status are made from."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rfid_gateway.store.database import Database


class UnitState(NamedTuple):
    """The last location event of a unit, as far as verdicts and a shipment's status need it."""

    key: str
    """Key of the directory: `Unit.thing`."""
    shipment_id: str
    biz_step: str | None
    """CBV bare word."""
    direction: str | None
    read_point: str
    event_time: int
    """UTC, microseconds."""
    state: str | None = None
    """How far the unit is, in the words of `shipments.progress`; an event that claims no step leaves it as it was."""
    disposition: str | None = None
    biz_location: str | None = None
    door: str | None = None
    verdict: str | None = None
    event_id: str | None = None
    sequence: int | None = None


_COLUMNS = ", ".join(UnitState._fields)
_SET = ", ".join(f"{name} = excluded.{name}" for name in UnitState._fields if name not in ("key", "state"))
_UPSERT = f"""INSERT INTO unit_states ({_COLUMNS}) VALUES ({", ".join("?" * len(UnitState._fields))})
    ON CONFLICT (key) DO UPDATE SET {_SET},
      state = CASE WHEN excluded.shipment_id = unit_states.shipment_id
              THEN coalesce(excluded.state, unit_states.state) ELSE excluded.state END
    WHERE excluded.event_time >= unit_states.event_time"""  # noqa: S608 -- fixed text


class UnitStates:
    """Last state per unit key. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unit_state(self, key: str) -> UnitState | None:
        """Return the latest state that was set, or None for a unit that was never seen."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM unit_states WHERE key = ?", (key,))  # noqa: S608 -- fixed text
        return UnitState._make(row) if row else None

    def of_shipment(self, shipment_id: str) -> list[UnitState | None]:
        """One item for each unit of a shipment: its state, None where it was never seen under this shipment."""
        columns = ", ".join(f"unit_states.{name}" for name in UnitState._fields)
        rows = self._database.rows(
            f"""SELECT DISTINCT coalesce(units.counts_as, units.key) AS thing, {columns}
                FROM units LEFT JOIN unit_states
                  ON unit_states.key = coalesce(units.counts_as, units.key) AND unit_states.shipment_id = ?1
                WHERE units.shipment_id = ?1""",  # noqa: S608 -- fixed text
            (shipment_id,),
        )
        return [UnitState._make(state) if state[0] is not None else None for _, *state in rows]

    def set_unit_states(self, states: Iterable[UnitState]) -> None:
        """Write states; belongs into the transaction of their events.

        A state older than the one that is there is passed over: an event that was bound late tells of the past.
        """
        with self._database.transaction():
            self._database.change_many(_UPSERT, states)

    def make_anew(self, keys: Iterable[str], states: Sequence[UnitState]) -> None:
        """Make the state of a unit anew from those that its events set, one after another.

        Args:
            keys: keys that the unit may have.
            states: in order of their times; their keys are not looked at. None: the unit was never seen.
        """
        with self._database.transaction():
            for key in keys:
                if self._database.change("DELETE FROM unit_states WHERE key = ?", (key,)):
                    self.set_unit_states(state._replace(key=key) for state in states)

    def prune(self, before: int, limit: int) -> int:
        """Forget at most `limit` units last seen before that time (UTC, microseconds); return how many."""
        return self._database.change(
            """DELETE FROM unit_states WHERE key IN (
                 SELECT key FROM unit_states WHERE event_time < ? ORDER BY event_time LIMIT ?)""",
            (before, limit),
        )
