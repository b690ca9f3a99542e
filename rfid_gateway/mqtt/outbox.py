"""What the publisher needs of the outbox, so that it can be driven without a database."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rfid_gateway.store.connection import open_existing_store


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
        """A number that changes when rows that were set aside have come back."""
        ...


@contextmanager
def open_outbox(database: Path) -> Generator[Outbox]:
    """The outbox of a database through a connection of its own, which belongs to the calling thread.

    Raises:
        StoreError: there is no such database, or it cannot be used.
    """
    with open_existing_store(database) as store:
        yield store.outbox
