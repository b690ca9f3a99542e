"""What the publisher needs of the outbox, so that it can be driven without a database."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rfid_gateway.store.connection import Store, open_existing_store
from rfid_gateway.store.database import StoreBusyError, StoreDamagedError, StoreError, StoreFullError


class Row(Protocol):
    """A committed event that waits to be published."""

    @property
    def sequence(self) -> int:
        """Counted per gateway, rising."""
        ...

    @property
    def topic(self) -> str:
        """Where it is to be published."""
        ...

    @property
    def payload(self) -> bytes:
        """The stored payload, which lacks only `replayed`."""
        ...

    @property
    def again(self) -> bool:
        """It was published before and is wanted again."""
        ...


class Outbox(Protocol):
    """Committed events until their PUBACK. Used by the publisher's thread alone."""

    def unpublished(self, after_sequence: int, limit: int) -> Sequence[Row]:
        """At most `limit` waiting rows above a sequence, rising (0: from the first)."""
        ...

    def published(self, sequences: Sequence[int], at: int) -> None:
        """Take rows out in one commit; `at` is UTC in microseconds. A row that has left already is passed over."""
        ...

    def backlog(self) -> int:
        """How many rows wait."""
        ...

    def set_aside(self, sequence: int, reason: str, at: int) -> None:
        """Take a row out that can never be published, and keep it with the reason; `at` is UTC in microseconds."""
        ...

    def retries(self) -> int:
        """A number that changes when rows have come back: set aside before, or wanted again."""
        ...


@contextmanager
def open_outbox(database: Path) -> Generator[Outbox]:
    """The outbox of a database through a connection of its own, which belongs to the calling thread.

    Raises:
        StoreError: there is no such database, or it cannot be used.
    """
    with open_existing_store(database) as store:
        yield _Reopening(store)


class _Reopening:
    """The outbox, through a connection that is opened anew after an error that may lie in the connection itself.

    One that was made while the disk was read-only stays so; on a full disk or a busy database it is as good as any.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._doubtful = False
        self._backlog = 0

    def unpublished(self, after_sequence: int, limit: int) -> Sequence[Row]:
        with self._watched():
            return self._store.outbox.unpublished(after_sequence, limit)

    def published(self, sequences: Sequence[int], at: int) -> None:
        with self._watched():
            self._store.outbox.published(sequences, at)

    def set_aside(self, sequence: int, reason: str, at: int) -> None:
        with self._watched():
            self._store.outbox.set_aside(sequence, reason, at)

    def retries(self) -> int:
        with self._watched():
            return self._store.outbox.retries()

    def backlog(self) -> int:
        try:
            with self._watched():
                self._backlog = self._store.outbox.backlog()
        except StoreDamagedError:
            raise
        except StoreError:
            # A figure for people is not worth an end; whoever needs the rows themselves meets the error.
            pass
        return self._backlog

    @contextmanager
    def _watched(self) -> Generator[None]:
        if self._doubtful:
            self._store.reopen()
            self._doubtful = False
        try:
            yield
        except (StoreBusyError, StoreFullError):
            raise
        except StoreError:
            self._doubtful = True
            raise
