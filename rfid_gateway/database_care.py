"""A damaged database: set aside at the start or while the gateway runs, so that it goes on with a new one."""

import structlog

from rfid_gateway.announcer import Announcer
from rfid_gateway.clock import Clock
from rfid_gateway.config import Config
from rfid_gateway.events.times import rfc3339
from rfid_gateway.gateway import Pipeline
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.publishing import Publishing
from rfid_gateway.store.ballast import Ballast
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError
from rfid_gateway.store.repair import Repaired, open_repaired, set_aside
from rfid_gateway.store.restored import settle, told

log = structlog.get_logger(__name__)

REPAIR_AGAIN_US = 10_000_000
"""How often a damaged database is tried to be set aside while there is no room for a new one."""


class DatabaseCare:
    """Owner: the pipeline's thread, once it runs; others only look at `repairing` and `directory_lost`."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Open the database once and close it, so that what is wrong is said or put right before anything starts.

        Raises:
            StoreError: the database cannot be used, in words.
        """
        self._path = config.database
        self._clock = clock
        self.repaired, self._restored, self.directory_lost = _open_once(config, clock)
        """What was set aside at the start, if anything; whether entries of the directory may be missing that a broker
        has sent before."""
        self.repairing = False
        self.repaired_at = 0
        """Monotonic time at which the last repair ended, or failed."""
        self._repair_at = 0

    def announce_restored(self, announcer: Announcer, store: Store) -> None:
        """Say it where a backup was put back."""
        if self._restored is not None:
            announcer.restored(
                f"the state is that of a backup made at {rfc3339(self._restored, '+00:00')}: `sequence` goes on from "
                f"{store.outbox.next_sequence()} with a gap, and retained statuses of before stay as they are "
                "(docs/backup.md)"
            )

    def restored_was_told(self, store: Store, publisher: PublisherState) -> None:
        """Say it no more once a broker could hear it.

        Raises:
            StoreError: that cannot be written now; to be tried again.
        """
        if self._restored is not None and publisher.connected:
            told(store.database)
            self._restored = None

    def mind(self, pipeline: Pipeline, store: Store, publishing: Publishing, announcer: Announcer) -> None:
        """Where pipeline or publisher met damage: set the database aside and go on with a new one.

        Raises:
            StoreError: that is not possible now; to be tried again.
        """
        trouble = publishing.take_trouble()
        if trouble is not None:
            pipeline.keep_for_later(trouble)
        now = self._clock.monotonic_us()
        if not pipeline.damaged or now < self._repair_at:
            return
        self._repair_at = now + REPAIR_AGAIN_US
        self.repairing = True
        # SQLite's files must not be renamed under a connection, so the publisher ends and a new one begins.
        publishing.close()
        publishing.join()
        store.close()
        try:
            repaired = set_aside(self._path, self._clock.utc_us(), pipeline.damaged)
            self.directory_lost = True
            pipeline.damaged = ""
            pipeline.reopen()
        finally:
            # Where there is no room for a new database yet, the broker may still get what the old one can give.
            publishing.begin_anew(directory_lost=self.directory_lost)
            self.repaired_at = self._clock.monotonic_us()
            self.repairing = False
        announcer.set_aside(set_aside_words(repaired))


def set_aside_words(repaired: Repaired) -> str:
    """What happened, for people."""
    return (
        f"the database was damaged ({repaired.reason}) and is set aside as {repaired.aside}; a new one took over "
        f"{repaired.rows} rows, and `sequence` goes on with a gap"
    )


def _open_once(config: Config, clock: Clock) -> tuple[Repaired | None, int | None, bool]:
    try:
        store, repaired = open_repaired(config.database, clock.utc_us())
    except StoreError:
        # On a full disk SQLite cannot even open, and reports that in several ways. The pipeline restores the ballast.
        if not Ballast(config.database.parent / "ballast", config.disk.ballast_mb << 20).release():
            raise
        log.error("store.ballast_released", reason="the database cannot be opened")
        store, repaired = open_repaired(config.database, clock.utc_us())
    restored = settle(store.database)
    directory_lost = repaired is not None or restored is not None or not store.directory.list(1)
    store.close()
    return repaired, restored, directory_lost
