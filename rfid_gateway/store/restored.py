"""What has to be put right after an older backup took the database's place.

The gateway has gone on after the backup was made: its events are at the order backend and their sequences are taken.
So a backup is marked when it is put back, and at its first start the gateway makes the best of what it knows. That is
not done at once, because the tables may still have an older schema.
"""

import contextlib
import sqlite3
from pathlib import Path

from rfid_gateway.store.database import Database, StoreDamagedError
from rfid_gateway.store.retained import Retained
from rfid_gateway.store.schema import changes_of
from rfid_gateway.store.sequence_mark import AHEAD, SequenceMark, mark_of

GAP = 1_000_000
"""Least sequences between a backup and what comes after it."""
_TOLD = "restored"
"""In `meta` until people and broker know: when the backup was made, UTC in microseconds."""
_UNSETTLED = "restored_unsettled"
"""In `meta` until the first start."""


def next_sequence_after(backup: int, database: Path, at: int) -> int:
    """The first sequence that certainly nobody has given since the backup was made.

    What was given since cannot be known: the disk that knew may be gone. The milliseconds since 1970 rise by a thousand
    a second, and no gateway makes so many events day and night, so that also the second restore finds nothing taken.

    Args:
        backup: the next sequence of the backup.
        database: whose place the backup takes; what is known there counts, too.
        at: now, UTC in microseconds.
    """
    return max(backup + GAP, sequence_at(database), SequenceMark(mark_of(database)).read(), at // 1000)


def sequence_at(database: Path) -> int:
    """The next sequence of the state at this place; 0 where there is none or the database cannot say."""
    # Without a log nothing is to be read but the file, and SQLite need not leave an empty log behind.
    how = "mode=ro" if database.with_name(f"{database.name}-wal").exists() else "mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?{how}", uri=True)) as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = 'next_sequence'").fetchone()
    except sqlite3.Error:
        return 0  # none, or a damaged one: that may be why there is a restore
    return row[0] if row is not None and isinstance(row[0], int) else 0


def goes_on_without_gap(database: Path, sequence: int) -> bool:
    """Whether the state at this place, if any, has not gone beyond a sequence, as far as can be seen here."""
    return sequence_at(database) <= sequence and SequenceMark(mark_of(database)).read() <= sequence + 2 * AHEAD


def check(copy: Path) -> None:
    """Raise StoreError unless a file is a database that this version can go on with."""
    with contextlib.closing(Database(copy, "rw")) as database:
        if not changes_of(database):
            raise StoreDamagedError(f"{copy.name}: is no database of a gateway")


def prepare(copy: Path, sequence: int, made_at: int) -> None:
    """Have the gateway that will start with this copy go on from `sequence`, and know that it is older than the world.

    Args:
        copy: the database, with its sequence's mark beside it.
        sequence: what the next event gets.
        made_at: when the backup was made, UTC in microseconds.
    """
    SequenceMark(mark_of(copy)).cover(sequence)
    with contextlib.closing(Database(copy, "rw")) as database, database.transaction():
        database.change("UPDATE meta SET value = ? WHERE name = 'next_sequence'", (sequence,))
        for name, value in ((_TOLD, made_at), (_UNSETTLED, 1)):
            database.change("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def settle(database: Database) -> int | None:
    """Put right what has to be, at the first start; returns when the backup was made, until `told` was called.

    What waited may have been published since, so it is sent again as replayed. Open passages were decided by the
    gateway that went on. Nothing of the statuses that the broker retains is overwritten by what was true earlier.
    """
    with database.transaction():
        if database.change("DELETE FROM meta WHERE name = ?", (_UNSETTLED,)):
            database.change("UPDATE outbox SET again = 1")
            database.change("DELETE FROM observation_state WHERE kind IN ('passage', 'beams')")
            database.change("UPDATE loads SET stale = 0")
            Retained(database).hold_all()
    row = database.row("SELECT value FROM meta WHERE name = ?", (_TOLD,))
    return int(str(row[0])) if row else None


def told(database: Database) -> None:
    """People and broker have been told."""
    database.change("DELETE FROM meta WHERE name = ?", (_TOLD,))


def open_loads(copy: Path) -> int:
    """How many loads were not closed in a copy; 0 for a schema without loads."""
    with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM loads WHERE closed_at IS NULL").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
