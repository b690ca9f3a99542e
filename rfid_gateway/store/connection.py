"""Opening the store: one connection for each thread, with everything that is kept on disk."""

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from rfid_gateway.store.command_log import CommandLog
from rfid_gateway.store.database import Database
from rfid_gateway.store.directory import Directory
from rfid_gateway.store.history import History
from rfid_gateway.store.loads import Loads
from rfid_gateway.store.observation_state import ObservationState
from rfid_gateway.store.outbox import Outbox
from rfid_gateway.store.retained import Retained
from rfid_gateway.store.schema import migrate, require_current
from rfid_gateway.store.sequence_mark import AHEAD, SequenceMark, mark_of
from rfid_gateway.store.unbound import Unbound
from rfid_gateway.store.unit_states import UnitStates


class Store:
    """All that the gateway keeps, through one connection; owned by the thread that opened it, and only used there.

    Every method may raise StoreError. Every method that writes is a transaction by itself, or part of
    `transaction()` where it is called inside.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.outbox = Outbox(database, SequenceMark(mark_of(database.path)))
        self.directory = Directory(database)
        self.history = History(database, self.directory)
        self.unbound = Unbound(database)
        self.observation_state = ObservationState(database)
        self.unit_states = UnitStates(database)
        self.command_log = CommandLog(database)
        self.loads = Loads(database)
        self.retained = Retained(database)

    @property
    def database(self) -> Database:
        """The connection itself, for what else is in the store."""
        return self._database

    def transaction(self) -> AbstractContextManager[None]:
        """Commit what is written inside, durably and at once, or nothing of it if the block raises.

        It holds the write lock from its beginning, so keep it short: one drain of the queue.
        """
        return self._database.transaction()

    def size(self) -> tuple[int, int]:
        """Return how many bytes the tables have on disk (without the log), and how many of them are free for reuse."""
        return self._database.size()

    def limit_size(self, max_bytes: int) -> None:
        """Let this connection grow the file to so many bytes at most (0: not at all beyond what it has)."""
        self._database.limit_size(max_bytes)

    def checkpoint(self) -> int:
        """Bring what is in the write-ahead log into the tables, as far as other connections let it; never waits.

        Returns how many frames of the log hold commits.
        """
        row = self._database.row("PRAGMA wal_checkpoint(PASSIVE)")
        return int(row[1] or 0) if row else 0

    def reopen(self) -> None:
        """Connect anew to what is under the path now; with an error the old connection stays as it was."""
        self._database.reopen()

    def close(self) -> None:
        """Close the connection; what was not committed is undone."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_store(path: Path) -> Store:
    """Open the gateway's database, make it where there is none, and bring its schema up to date.

    Raises:
        StoreError: in words, with the file's name; NewerSchemaError where a newer rfid-gateway wrote it.
    """
    database = Database(path, "rwc")
    try:
        made = migrate(database)
        store = Store(database)
        mark = SequenceMark(mark_of(path)).read()
        # New, or an old copy that somebody put back.
        if made or mark > store.outbox.next_sequence() + 2 * AHEAD:
            store.outbox.go_on_from(mark)
    except BaseException:
        database.close()
        raise
    return store


def open_existing_store(path: Path) -> Store:
    """Open a database beside the gateway that runs on it: makes nothing and changes no schema.

    Raises:
        StoreError: where there is none, or its schema is not of this version.
    """
    database = Database(path, "rw")
    try:
        require_current(database)
    except BaseException:
        database.close()
        raise
    return Store(database)
