"""Named counters that are kept in the same transactions as the rows they count."""

from typing import Literal

from rfid_gateway.store.database import Database

Name = Literal["next_sequence", "backlog", "directory_version", "unbound", "unbound_dropped", "set_aside", "retries"]


def read(database: Database, name: Name) -> int:
    """Return the counter as committed, or as written so far inside a transaction."""
    row = database.row("SELECT value FROM meta WHERE name = ?", (name,))
    assert row is not None, f"the first migration writes {name}"
    assert isinstance(row[0], int)
    return row[0]


def add(database: Database, name: Name, difference: int) -> None:
    """Change the counter; belongs into the transaction that changes what it counts."""
    database.change("UPDATE meta SET value = value + ? WHERE name = ?", (difference, name))
