"""Observations of tags whose shipment has not been announced yet; they become events when it is."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rfid_gateway.store import meta
from rfid_gateway.store.database import Database, Value


@dataclass(frozen=True, slots=True)
class UnboundObservation:
    """An observation that waits for the entry of its tag."""

    epc: str
    keys: tuple[str, ...]
    """Keys of the directory under which the tag may be announced."""
    observation: str
    """JSON, in the form of whoever keeps and takes it."""
    event_time: int
    """UTC, microseconds."""


@dataclass(frozen=True, slots=True)
class UnknownTag:
    """A tag whose observations wait."""

    epc: str
    observations: int
    first_at: int
    """UTC, microseconds; of the first observation that waits."""
    last_at: int


class Unbound:
    """Observations without a shipment, bounded by count and age. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, observations: Sequence[UnboundObservation], capacity: int) -> int:
        """Keep observations, drop the oldest beyond `capacity`, and return how many were dropped."""
        with self._database.transaction():
            for observation in observations:
                self._insert(observation)
            meta.add(self._database, "unbound", len(observations))
            excess = max(0, self.count() - capacity)
            if excess:
                self._drop("SELECT id FROM unbound ORDER BY event_time, id LIMIT ?", excess)
        return excess

    def expire(self, before: int) -> int:
        """Drop observations of before that time (UTC, microseconds) and return how many."""
        with self._database.transaction():
            return self._drop("SELECT id FROM unbound WHERE event_time < ?", before)

    def take(self, keys: Iterable[str]) -> list[UnboundObservation]:
        """Remove the observations of these keys and return them in order of time: their entry has arrived."""
        if self.count() == 0:
            return []
        with self._database.transaction():
            ids: set[Value] = set()
            for key in keys:
                ids.update(row[0] for row in self._database.rows("SELECT id FROM unbound_keys WHERE key = ?", (key,)))
            return self._remove(ids)

    def take_bound(self, limit: int) -> list[UnboundObservation]:
        """Remove observations whose entry is in the directory by now, at most `limit`, and return them.

        For entries that another process has written. The earliest come first.
        """
        if self.count() == 0:
            return []
        with self._database.transaction():
            rows = self._database.rows(
                """SELECT DISTINCT id FROM unbound CROSS JOIN unbound_keys USING (id) CROSS JOIN units USING (key)
                   ORDER BY event_time, id LIMIT ?""",
                (limit,),
            )
            return self._remove({row[0] for row in rows})

    def tags(self, limit: int, epc: str | None = None) -> list[UnknownTag]:
        """Return the tags that wait, at most `limit`, those seen last first; with `epc` (hex) that one alone."""
        rows = self._database.rows(
            """SELECT epc, count(*), min(event_time), max(event_time) FROM unbound WHERE epc = coalesce(?, epc)
               GROUP BY epc ORDER BY max(event_time) DESC, epc LIMIT ?""",
            (epc, limit),
        )
        return [UnknownTag(str(row[0]), *(int(str(value)) for value in row[1:])) for row in rows]

    def count(self) -> int:
        """How many observations wait."""
        return meta.read(self._database, "unbound")

    def dropped(self) -> int:
        """How many observations were given up for room or age since the database was made."""
        return meta.read(self._database, "unbound_dropped")

    def _insert(self, observation: UnboundObservation) -> None:
        row = self._database.row(
            "INSERT INTO unbound (epc, keys, observation, event_time) VALUES (?, ?, ?, ?) RETURNING id",
            (observation.epc, json.dumps(observation.keys), observation.observation, observation.event_time),
        )
        assert row is not None
        self._database.change_many(
            "INSERT OR IGNORE INTO unbound_keys (key, id) VALUES (?, ?)", ((key, row[0]) for key in observation.keys)
        )

    def _drop(self, which: str, parameter: int) -> int:
        dropped = self._database.change(f"DELETE FROM unbound WHERE id IN ({which})", (parameter,))  # noqa: S608 -- fixed text
        meta.add(self._database, "unbound", -dropped)
        meta.add(self._database, "unbound_dropped", dropped)
        return dropped

    def _remove(self, ids: set[Value]) -> list[UnboundObservation]:
        taken: list[tuple[Value, ...]] = []
        for each in ids:
            taken += self._database.rows(
                "DELETE FROM unbound WHERE id = ? RETURNING event_time, id, epc, keys, observation", (each,)
            )
        meta.add(self._database, "unbound", -len(taken))
        return [
            UnboundObservation(str(epc), tuple(json.loads(str(keys))), str(observation), int(str(event_time)))
            for event_time, _, epc, keys, observation in sorted(taken, key=lambda row: (row[0], row[1]))
        ]
