"""The last step and direction of each unit: what a verdict such as "returned" is made from."""

from collections.abc import Iterable
from typing import NamedTuple

from rfid_gateway.store.database import Database


class UnitState(NamedTuple):
    """The last location event of a unit, as far as verdicts need it."""

    key: str
    """Key of the directory."""
    shipment_id: str
    biz_step: str | None
    """CBV bare word."""
    direction: str | None
    read_point: str
    event_time: int
    """UTC, microseconds."""


class UnitStates:
    """Last state per unit key. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unit_state(self, key: str) -> UnitState | None:
        """Return the latest state that was set, or None for a unit that was never seen."""
        row = self._database.row(
            "SELECT key, shipment_id, biz_step, direction, read_point, event_time FROM unit_states WHERE key = ?",
            (key,),
        )
        return UnitState._make(row) if row else None

    def set_unit_states(self, states: Iterable[UnitState]) -> None:
        """Write states; belongs into the transaction of their events.

        A state older than the one that is there is passed over: an event that was bound late tells of the past.
        """
        with self._database.transaction():
            self._database.change_many(
                """INSERT INTO unit_states (key, shipment_id, biz_step, direction, read_point, event_time)
                   VALUES (?, ?, ?, ?, ?, ?)
                   ON CONFLICT (key) DO UPDATE SET
                     shipment_id = excluded.shipment_id, biz_step = excluded.biz_step,
                     direction = excluded.direction, read_point = excluded.read_point,
                     event_time = excluded.event_time
                   WHERE excluded.event_time >= unit_states.event_time""",
                states,
            )

    def put_back(self, keys: Iterable[str], event_time: int, earlier: UnitState | None) -> None:
        """Undo the state that an event of that time (UTC, microseconds) set, where it is still the last one.

        Args:
            keys: keys that the unit may have.
            event_time: of the event that counts no longer.
            earlier: the state before it; its key is not looked at. None: the unit was not seen before.
        """
        with self._database.transaction():
            for key in keys:
                state = self.unit_state(key)
                if state is None or state.event_time != event_time:
                    continue
                self._database.change("DELETE FROM unit_states WHERE key = ?", (key,))
                if earlier is not None:
                    self.set_unit_states((earlier._replace(key=key),))

    def prune(self, before: int, limit: int) -> int:
        """Forget at most `limit` units last seen before that time (UTC, microseconds); return how many."""
        return self._database.change(
            """DELETE FROM unit_states WHERE key IN (
                 SELECT key FROM unit_states WHERE event_time < ? ORDER BY event_time LIMIT ?)""",
            (before, limit),
        )
