"""A copy of the database as it was at one instant, made while the gateway writes.

SQLite's online backup starts anew whenever another process commits, unless a read transaction is open: in WAL mode that
one keeps the instant, and writers do not wait for it. All that it costs them is a write-ahead log that grows meanwhile,
because what was written since cannot be brought into the tables.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rfid_gateway.store import meta
from rfid_gateway.store.ballast import free_bytes
from rfid_gateway.store.database import Database, StoreDamagedError, StoreFullError
from rfid_gateway.store.schema import changes_of

_PAGES_AT_ONCE = 2_000
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
"""What SQLite reports where the copy cannot be written; the database itself is only read."""

OnProgress = Callable[[int, int], None]
"""Takes how much is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a copy holds."""

    next_sequence: int
    """The sequence that the next event would have had."""
    waiting: int
    """Events that the broker had not acknowledged."""
    changes: tuple[str, ...]
    """Names of the schema changes."""


def snapshot(database: Path, copy: Path, progress: OnProgress) -> Snapshot:
    """Copy what is committed into a new file, one file without a log, and check that it is whole.

    The copy is not flushed to the disk: whoever packs it does that.

    Raises:
        StoreFullError: there is no room for the copy.
        StoreDamagedError: the database is damaged.
        StoreError: it cannot be read, or a newer rfid-gateway wrote it.
    """
    source = Database(database, "rw")
    with contextlib.closing(source):
        size, _ = source.size()
        if (free := free_bytes(copy.parent)) < size:
            raise StoreFullError(
                f"{copy.parent}: the copy needs {size >> 20} MB while the backup is made, and the disk has "
                f"{free >> 20} MB"
            )
        source.change("BEGIN")
        try:
            # The transaction reads from here on, and for as long as it is open nothing changes in it.
            taken = Snapshot(meta.read(source, "next_sequence"), meta.read(source, "backlog"), changes_of(source))
            with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as target:
                _fill(source, target, copy, progress)
        finally:
            source.change("ROLLBACK")
    _check(copy, database)
    return taken


def _fill(source: Database, target: sqlite3.Connection, copy: Path, progress: OnProgress) -> None:
    try:
        target.execute("PRAGMA synchronous = OFF")
        source.raw.backup(target, pages=_PAGES_AT_ONCE, progress=lambda _, left, total: progress(total - left, total))
        # Whoever opens the copy needs no log beside it; the gateway switches its own on again.
        target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NO_ROOM:
            raise StoreFullError(f"{copy.parent}: the copy cannot be written there (SQLite: {error})") from error
        with source.errors_in_words():
            raise


def _check(copy: Path, database: Path) -> None:
    """SQLite copies broken pages as they are, and a backup that cannot be used is worse than none."""
    with contextlib.closing(sqlite3.connect(f"{copy.absolute().as_uri()}?mode=ro", uri=True)) as target:
        try:
            found = target.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.DatabaseError as error:
            found = [(str(error),)]
    if found != [("ok",)]:
        raise StoreDamagedError(f"{database}: is damaged ({found[0][0]}); no backup was made of it")
