"""What observation has in mind (presence, open passages, loads), so that it goes on after a restart."""

from collections.abc import Iterable
from typing import NamedTuple

from rfid_gateway.store.database import Database


class StateRow(NamedTuple):
    """The state of one tag in one place, in the form of whoever saves and loads it."""

    kind: str
    """What it belongs to: zone, door, load."""
    name: str
    """Name of that zone, door or load."""
    epc: str
    """Upper-case hex; empty for the state of the place itself."""
    state: str | None
    """Text; None removes the row."""


class ObservationState:
    """Saved state of observation. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, rows: Iterable[StateRow]) -> None:
        """Write the rows that changed; belongs into the transaction of the events that follow from the change."""
        with self._database.transaction():
            for row in rows:
                self._remove(row) if row.state is None else self._write(row)

    def load(self) -> list[StateRow]:
        """Return all rows, in order of kind, name and EPC."""
        rows = self._database.rows("SELECT kind, name, epc, state FROM observation_state ORDER BY kind, name, epc")
        return [StateRow._make(row) for row in rows]

    def _write(self, row: StateRow) -> None:
        self._database.change(
            """INSERT INTO observation_state (kind, name, epc, state) VALUES (?, ?, ?, ?)
               ON CONFLICT (kind, name, epc) DO UPDATE SET state = excluded.state""",
            row,
        )

    def _remove(self, row: StateRow) -> None:
        self._database.change("DELETE FROM observation_state WHERE kind = ? AND name = ? AND epc = ?", row[:3])
