"""Room on the disk: a ballast, a quota, and an alarm before there is none.

While the disk is full the pipeline does not let the database grow: what the ballast gave back belongs to the
publisher's deletes, to pruning and to the log. Events go on into the pages that those make free.
"""

from dataclasses import dataclass
from pathlib import Path

from rfid_gateway.store.ballast import LEAST_BYTES, Ballast, free_bytes
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import PAGE_BYTES

_NO_LIMIT = ((1 << 32) - 2) * PAGE_BYTES
"""SQLite's own."""


@dataclass(frozen=True, slots=True)
class RoomState:
    """How much room there is; a new one for each look, so any thread may have it."""

    free_bytes: int = 0
    database_bytes: int = 0
    """Without the write-ahead log."""
    words: str = "ok"
    """What is wrong and what helps."""


class Room:
    """The disk under one database. Owner: the pipeline's thread."""

    def __init__(self, database: Path, ballast_bytes: int, low_bytes: int, quota_bytes: int) -> None:
        """Touch nothing yet.

        Args:
            database: its path; the ballast lies beside it.
            ballast_bytes: size of the ballast, 0 for none.
            low_bytes: free space below which it is an alarm, 0 for none.
            quota_bytes: size that the database never exceeds, 0 for none.
        """
        self._folder = database.parent
        self._ballast = Ballast(self._folder / "ballast", ballast_bytes)
        self._low_bytes = low_bytes
        self._quota_bytes = quota_bytes
        self.tight = False
        """The ballast is given back, and the database may not grow."""
        self.quota_reached = False

    def follow(self, ballast_bytes: int, low_bytes: int, quota_bytes: int) -> None:
        """Go by other sizes; arguments as at the start. `apply` and the next look do what follows from it."""
        self._ballast = Ballast(self._folder / "ballast", ballast_bytes)
        self._low_bytes = low_bytes
        self._quota_bytes = quota_bytes

    def apply(self, store: Store) -> None:
        """Set the limits of a connection that was opened."""
        store.limit_size(0 if self.tight else self._quota_bytes or _NO_LIMIT)

    def full(self, store: Store) -> None:
        """SQLite reports that there is no room: give the ballast back where it is the disk's, not the quota's."""
        self.quota_reached = bool(self._quota_bytes) and store.size()[0] + (1 << 20) >= self._quota_bytes
        if self.quota_reached and free_bytes(self._folder) >= LEAST_BYTES:
            return
        self._ballast.release()
        self.tight = True
        self.apply(store)

    def look(self, store: Store) -> RoomState:
        """See how much there is; where there is room again, restore the ballast and let the database grow.

        Raises:
            OSError: the folder is gone.
            StoreError: the database cannot say how large it is.
        """
        # As much again must be left, or the next commit would undo it.
        if self._ballast.restore(self._ballast.size if self.tight else 0) and self.tight:
            self.tight = False
            self.apply(store)
        free = free_bytes(self._folder)
        size, reusable = store.size()
        return RoomState(free, size, self._words(free, size - reusable))

    def _words(self, free: int, used: int) -> str:
        if self.tight:
            return f"the disk is full, {_mb(free)} free: events wait for room in {self._folder}"
        if self._quota_bytes and used + self._quota_bytes // 20 >= self._quota_bytes:
            return f"the database has {_mb(used)} of the {_mb(self._quota_bytes)} that it may have"
        if free < self._low_bytes or not self._ballast.is_held():
            return f"only {_mb(free)} are free in {self._folder}: make room"
        return "ok"


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.1f} MB" if size < 10 << 20 else f"{size >> 20} MB"
