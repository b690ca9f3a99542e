"""Room for the database: how much there is, and what is let go of to keep it so. Owner: the pipeline's thread."""

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.config import Config
from rfid_gateway.config_tables import DiskTable
from rfid_gateway.store.connection import Store
from rfid_gateway.store.room import Room, RoomState

log = structlog.get_logger(__name__)

PRUNE_ROWS = 500
"""Events that one look at the history's old end takes: a few milliseconds."""
PRUNE_US = 10_000_000
PRUNE_AGAIN_US = 200_000
"""Looks are so far apart while there is nothing to prune, and while there is."""


class Housekeeping:
    """Looks at the disk and prunes the history. Other threads only look at `room` and `pruned_early`."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        """Set the store's limits; nothing is let go of yet."""
        self._history = config.history
        self._store = store
        self._clock = clock
        self._room = Room(store.database.path, *_sizes(config.disk))
        self._room.apply(store)
        self._prune_at = 0
        self.room = RoomState()
        """How much room there was at the last look."""
        self.pruned_early = 0
        """Published events given up before their time to make room."""

    def follow(self, config: Config) -> None:
        """Go by another configuration.

        Raises:
            StoreError: the connection does not take its limit now; `reopened` sets it.
        """
        self._history = config.history
        self._room.follow(*_sizes(config.disk))
        self._room.apply(self._store)

    @property
    def tight(self) -> bool:
        """Whether the disk is full, and the database must not grow."""
        return self._room.tight

    def look(self) -> None:
        """See how much room the disk has; to be called every second or so.

        Raises:
            StoreError: the database cannot be used.
        """
        try:
            self.room = self._room.look(self._store)
        except OSError as error:
            self.room = RoomState(words=f"the disk cannot be looked at: {error.strerror}")

    def prune(self) -> None:
        """Let go of a few published events that are old enough, or too many, and of unit states of the same age.

        Raises:
            StoreError: the database cannot be used.
        """
        now = self._clock.monotonic_us()
        if now < self._prune_at:
            return
        before = self._clock.utc_us() - round(self._history.keep_days * 86_400_000_000)
        pruned = self._store.history.prune(before, PRUNE_ROWS)
        pruned += self._store.unit_states.prune(before, PRUNE_ROWS)
        limit = self._history.max_size_mb << 20
        size, free = self._store.size()
        if limit and size - free > limit:
            pruned += self._prune_early()
        self._prune_at = now + (PRUNE_AGAIN_US if pruned else PRUNE_US)

    def make_room(self) -> None:
        """Published events are at the backend: before an observation is lost, the oldest of them go.

        Raises:
            StoreError: the database cannot be used.
            OSError: the ballast cannot be given back.
        """
        self._room.full(self._store)
        self._store.checkpoint()
        self._prune_early()

    def reopened(self) -> None:
        """Set the limits of the store's new connection."""
        self._room.apply(self._store)

    def _prune_early(self) -> int:
        pruned = self._store.history.prune(self._clock.utc_us() + 1, PRUNE_ROWS)
        if pruned and not self.pruned_early:
            log.warning("history.pruned_early", reason=self.room.words)
        self.pruned_early += pruned
        return pruned


def _sizes(disk: DiskTable) -> tuple[int, int, int]:
    """Ballast, low space and quota in bytes."""
    return disk.ballast_mb << 20, disk.low_mb << 20, disk.max_database_mb << 20
