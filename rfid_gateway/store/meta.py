"""Named counters that are kept in the same transactions as the rows they count."""

from typing import Literal

from rfid_gateway.store.database import Database, StoreDamagedError

Name = Literal[
    "next_sequence",
    "backlog",
    "directory_version",
    "unbound",
    "unbound_dropped",
    "set_aside",
    "retries",
    "retained_generation",
]


def read(database: Database, name: Name) -> int:
    """Return the counter as committed, or as written so far inside a transaction.

    Raises:
        StoreDamagedError: it is not there.
    """
    row = database.row("SELECT value FROM meta WHERE name = ?", (name,))
    # The first migration writes every counter, and never anything but a number.
    if row is None or not isinstance(row[0], int):
        raise StoreDamagedError(f"{database.path}: is damaged (the counter {name!r} is not there)")
    return row[0]


def add(database: Database, name: Name, difference: int) -> None:
    """Change the counter; belongs into the transaction that changes what it counts."""
    database.change("UPDATE meta SET value = value + ? WHERE name = ?", (difference, name))
