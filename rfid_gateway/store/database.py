"""One thread's SQLite connection: settings, transactions, and errors in words."""

import contextlib
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Literal

BUSY_TIMEOUT_MS = 30_000
"""How long a writer waits for another. An import of a million units in one transaction holds the lock for long."""
WAL_LIMIT_BYTES = 4 << 20
"""What the write-ahead log is cut back to; a reserve against a full disk must be larger than twice this."""

PAGE_CACHE_KIB = 8192
"""Per connection, taken as it is used. SQLite's 2 MB hold too little of the indexes of a million units."""

PAGE_BYTES = 4096
"""SQLite's own default since 3.12; a database keeps what it was made with."""

Mode = Literal["rw", "rwc"]
"""SQLite's URI parameter: open an existing file, or create it where there is none."""
Value = str | int | float | bytes | None


class StoreError(Exception):
    """The database cannot do what was asked; the message names the file and what helps."""


class StoreBusyError(StoreError):
    """Another connection holds the write lock: trying again later helps."""


class StoreFullError(StoreError):
    """There is no room; nothing is damaged, and it goes on once there is room."""


class StoreDamagedError(StoreError):
    """The file is no database or is damaged: it is to be set aside, never deleted."""


# SQLite's primary result codes (sqlite.org/rescode.html). What is not here is a bug of ours and stays what it is.
_IN_WORDS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusyError, "is locked by another process; try again"),
    sqlite3.SQLITE_LOCKED: (StoreBusyError, "is locked by another process; try again"),
    sqlite3.SQLITE_READONLY: (StoreError, "is not writable; check the owner and permissions of file and folder"),
    sqlite3.SQLITE_PERM: (StoreError, "is not accessible; check the owner and permissions of file and folder"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "cannot be opened; its folder must be there and writable for this user"),
    sqlite3.SQLITE_NOTADB: (StoreDamagedError, "is not an SQLite database"),
    sqlite3.SQLITE_CORRUPT: (StoreDamagedError, "is damaged"),
    sqlite3.SQLITE_FULL: (StoreFullError, "cannot grow; the disk is full, or [disk] max_database_mb is reached"),
    sqlite3.SQLITE_IOERR: (StoreError, "cannot be read or written; the disk reports an error"),
}


class Database:
    """A connection with durable settings, owned by the thread that opened it; no other thread may use it."""

    def __init__(self, path: Path, mode: Mode) -> None:
        self.path = path
        self.rollbacks = 0
        """Transactions and savepoints undone so far: whoever caches what it read must forget it when this grows."""
        self._raw = self._connect(mode)
        try:
            self._configure()
        except BaseException:
            self._raw.close()
            raise

    def _connect(self, mode: Mode) -> sqlite3.Connection:
        try:
            return sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=BUSY_TIMEOUT_MS / 1000,
                isolation_level=None,  # transactions are begun here, never behind our back
            )
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def reopen(self) -> None:
        """Connect anew to what is under the path now; with an error the old connection stays as it was.

        For a disk that was read-only (a connection made then writes never again) and a file that was replaced.
        """
        old, self._raw = self._raw, self._connect("rw")
        try:
            self._configure()
        except BaseException:
            self._raw.close()
            self._raw = old
            raise
        old.close()
        self.rollbacks += 1

    def _configure(self) -> None:
        # Asked before it is set: changing the mode needs a lock that a second opener of a new file may not get.
        if self.row("PRAGMA journal_mode") != ("wal",):
            self.change("PRAGMA journal_mode = WAL")
        # FULL, not NORMAL: in WAL mode NORMAL loses the last commits in a power cut.
        self.change("PRAGMA synchronous = FULL")
        self.change("PRAGMA foreign_keys = ON")
        self.change(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
        self.change(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        # Some distributions have SQLite overwrite what is deleted, which doubles the cost of pruning.
        self.change("PRAGMA secure_delete = OFF")

    @property
    def raw(self) -> sqlite3.Connection:
        """The connection itself, for sqlite-utils."""
        return self._raw

    def rows(self, sql: str, parameters: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """All rows of a query; the statement is prepared once and kept by the connection."""
        try:
            return self._raw.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def row(self, sql: str, parameters: Sequence[Value] = ()) -> tuple[Value, ...] | None:
        """The first row of a query, or None."""
        rows = self.rows(sql, parameters)
        return rows[0] if rows else None

    def change(self, sql: str, parameters: Sequence[Value] = ()) -> int:
        """Execute a statement and return how many rows it changed."""
        try:
            return self._raw.execute(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def change_many(self, sql: str, parameters: Iterable[Sequence[Value]]) -> int:
        """Execute a statement for each set of parameters and return how many rows that changed in all."""
        try:
            return self._raw.executemany(sql, parameters).rowcount
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def data_version(self) -> int:
        """Return a number that changes whenever another connection has committed anything."""
        row = self.row("PRAGMA data_version")
        assert row is not None
        assert isinstance(row[0], int)
        return row[0]

    def size(self) -> tuple[int, int]:
        """Return how many bytes the tables have on disk (without the log), and how many of them are free for reuse."""
        (page_bytes,), (pages,), (free,) = (
            self.row(f"PRAGMA {name}") or (0,) for name in ("page_size", "page_count", "freelist_count")
        )
        assert isinstance(page_bytes, int)
        assert isinstance(pages, int)
        assert isinstance(free, int)
        return page_bytes * pages, page_bytes * free

    def limit_size(self, max_bytes: int) -> None:
        """Let this connection grow the file to so many bytes at most (0: not at all beyond what it has)."""
        # SQLite raises a limit below the present size to that size.
        self.rows(f"PRAGMA max_page_count = {max(1, max_bytes // PAGE_BYTES)}")

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Commit all that is written inside, durably, or nothing if it raises.

        Takes the write lock at once (BEGIN IMMEDIATE), so that nothing read inside is outdated when it is written.
        Inside another transaction it is a savepoint: undone by itself, committed only with the outer one.
        """
        with self.errors_in_words():
            nested = self._raw.in_transaction
        begin, commit, rollback = _SAVEPOINT if nested else _TRANSACTION
        self.change(begin)
        try:
            yield
            self.change(commit)
        except BaseException:
            self.rollbacks += 1
            # SQLite itself has rolled back after some errors, among them a full disk.
            if self._raw.in_transaction:
                for statement in rollback:
                    self.change(statement)
            raise

    @contextlib.contextmanager
    def errors_in_words(self) -> Generator[None]:
        """Raise StoreError for what SQLite reports inside, where `raw` is used."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._in_words(error) from error

    def close(self) -> None:
        """Close the connection; what was not committed is undone."""
        self._raw.close()

    def _in_words(self, error: sqlite3.Error) -> Exception:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        # Two that Python's module raises by itself, without a code.
        if str(error).startswith("Could not decode to UTF-8"):
            code = sqlite3.SQLITE_CORRUPT
        elif str(error).startswith("Cannot operate on a closed database"):
            return StoreError(f"{self.path}: is closed; it is being replaced")
        if code & 0xFF not in _IN_WORDS:
            return error
        kind, words = _IN_WORDS[code & 0xFF]
        return kind(f"{self.path}: {words} (SQLite: {error})")


_TRANSACTION = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_SAVEPOINT = ("SAVEPOINT inner", "RELEASE inner", ("ROLLBACK TO inner", "RELEASE inner"))
