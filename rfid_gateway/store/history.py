"""The history: every committed event, published or not, until it is pruned."""

from dataclasses import dataclass
from typing import NamedTuple

from rfid_gateway.events.withdrawal import MARK
from rfid_gateway.shipments.directory import Shipment
from rfid_gateway.store.database import Database, Value
from rfid_gateway.store.directory import Directory


class HistoryEvent(NamedTuple):
    """One committed event; the fields are named as the columns of `events`, but for the last but one."""

    sequence: int
    event_id: str
    event_time: int
    """UTC, microseconds."""
    epc: str
    logistic_unit: str | None
    """SSCC, 18 digits."""
    shipment_id: str
    biz_step: str | None
    direction: str | None
    verdict: str
    read_point: str
    topic: str
    published_at: int | None
    """UTC, microseconds; None while it waits in the outbox."""
    door: str | None
    """Of a passage; None for events from before the schema change `door_of_event`, too."""
    withdrawn_by: int | None
    """Sequence of the event that withdraws it."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None does not narrow."""

    shipment_id: str | None = None
    epc: str | None = None
    verdict: str | None = None
    read_point: str | None = None
    since: int | None = None
    """Event time, UTC in microseconds, included."""
    until: int | None = None
    """Event time, UTC in microseconds, excluded."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Where something went: its events in order of their times, and what the directory knows of it."""

    events: tuple[HistoryEvent, ...]
    shipments: tuple[Shipment, ...]


ALL = EventFilter()
_LONGEST_SEQUENCE = 18
"""Digits of what surely fits into an SQLite integer."""
_WITHDRAWN_BY = (
    f"(SELECT other.sequence FROM events AS other WHERE other.event_id = events.event_id || '{MARK}')"  # noqa: S608 -- fixed text
    " AS withdrawn_by"
)
_COLUMNS = ", ".join(_WITHDRAWN_BY if name == "withdrawn_by" else name for name in HistoryEvent._fields)
_CONDITIONS = {
    "shipment_id": "shipment_id = ?",
    "epc": "epc = ?",
    "verdict": "verdict = ?",
    "read_point": "read_point = ?",
    "since": "event_time >= ?",
    "until": "event_time < ?",
}


class History:
    """Queries over all events. Shares its connection's owner."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    def events(self, limit: int, only: EventFilter = ALL) -> list[HistoryEvent]:
        """Return the latest events that pass the filter, at most `limit`, in order of their sequence."""
        given = {name: getattr(only, name) for name in _CONDITIONS if getattr(only, name) is not None}
        where = " AND ".join(_CONDITIONS[name] for name in given) or "TRUE"
        return self._select(f"{where} ORDER BY sequence DESC LIMIT ?", (*given.values(), limit))[::-1]

    def events_after(self, sequence: int, limit: int) -> list[HistoryEvent]:
        """Return the first events with a higher sequence, at most `limit`, in order: what a follower asks for."""
        return self._select("sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit))

    def event(self, name: str) -> HistoryEvent | None:
        """Return the event of an event id, or of a sequence in digits; None where there is none (any more)."""
        by_sequence = name.isdecimal() and len(name) <= _LONGEST_SEQUENCE
        found = self._select("sequence = ?", (int(name),)) if by_sequence else self._select("event_id = ?", (name,))
        return found[0] if found else None

    def standing(self, epc: str, shipment_id: str) -> list[HistoryEvent]:
        """Return the events of a tag and of a shipment, in order of their times, that are not withdrawn.

        Withdrawals themselves are not among them.
        """
        return self._select(
            f"(epc = ? OR shipment_id = ?) AND event_id NOT LIKE '%{MARK}' AND withdrawn_by IS NULL "
            "ORDER BY event_time, sequence",
            (epc, shipment_id),
        )

    def trace(self, name: str) -> Trace:
        """Return all events of a shipment id, an SSCC, an EPC (hex) or the tag that an event id tells of.

        An SSCC is 18 digits or its key `(00)...`. Events stand in order of their times: one that was bound late has
        a higher sequence than what happened after it.
        """
        by_id = self._select("event_id = ?", (name,))
        epc = by_id[0].epc if by_id else name.upper()
        events = self._select(
            "(shipment_id = ? OR logistic_unit = ? OR epc = ?) ORDER BY event_time, sequence",
            (name, name.removeprefix("(00)"), epc),
        )
        return Trace(tuple(events), self._shipments(name, events))

    def prune(self, published_before: int, looked_at: int) -> int:
        """Delete events published before a time (UTC, microseconds) and return how many.

        Looks at the oldest `looked_at` events only, so that a call takes the same short time whatever there is.
        What is not published stays.
        """
        return self._database.change(
            """DELETE FROM events WHERE sequence IN (
                 SELECT sequence FROM (SELECT sequence, published_at FROM events ORDER BY sequence LIMIT ?)
                 WHERE published_at < ?)""",
            (looked_at, published_before),
        )

    def _shipments(self, name: str, events: list[HistoryEvent]) -> tuple[Shipment, ...]:
        # A dictionary, because it keeps the order and drops doubles.
        names = dict.fromkeys(event.shipment_id for event in events)
        if not names:
            found = self._directory.find((name, f"(00){name}", f"epc:{name.upper()}"))
            names[found[0].shipment_id if found else name] = None
        return tuple(shipment for each in names if (shipment := self._directory.show(each)))

    def _select(self, where: str, parameters: tuple[Value, ...]) -> list[HistoryEvent]:
        sql = f"SELECT {_COLUMNS} FROM events WHERE {where}"  # noqa: S608 -- fixed text; values are bound
        rows = self._database.rows(sql, parameters)
        return [HistoryEvent._make(row) for row in rows]
