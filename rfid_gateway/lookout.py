"""Looks at the running gateway for a monitoring system: at the database each second, at everything else when asked."""

from collections.abc import Mapping
from pathlib import Path

from rfid_gateway import __version__
from rfid_gateway.clock import Clock
from rfid_gateway.config import Config
from rfid_gateway.durations import Distribution
from rfid_gateway.gateway import Pipeline
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.reader_views import ReaderViews
from rfid_gateway.snapshot import Snapshot, Stored, Work
from rfid_gateway.steady_clock import SteadyClock
from rfid_gateway.store.connection import Store
from rfid_gateway.store.repair import names_aside


class Lookout:
    """`look` belongs to the pipeline's thread, `snapshot` to any: it reads what others may look at, and no database."""

    def __init__(self, config: Config, clock: SteadyClock) -> None:
        """Begin with a database of which nothing is known; `clock` says whether the PC's can be right, too."""
        self._config = config
        self._clock = clock
        self._started_at = clock.utc_us()
        self._stored = Stored()

    def look(self, store: Store) -> None:
        """Ask the database; to be called every second or so.

        Raises:
            StoreError: it cannot be used.
        """
        self._stored = stored_in(store, self._config.database)

    def snapshot(
        self,
        *,
        alive: bool,
        stopping: bool,
        heartbeats: Mapping[str, int],
        readers: ReaderViews,
        publisher: PublisherState,
        pipeline: Pipeline | None,
        merged_reads: int,
        publishing: Distribution,
    ) -> Snapshot:
        """Everything now; `pipeline` is None until its thread has made it."""
        clock: Clock = self._clock
        now = clock.monotonic_us()
        return Snapshot(
            site=self._config.gateway.site,
            gateway=self._config.gateway.id,
            version=__version__,
            started_at=self._started_at,
            at=clock.utc_us(),
            now=now,
            alive=alive,
            stopping=stopping,
            heartbeats=heartbeats,
            readers=readers.all(now),
            publisher=publisher,
            stored=self._stored,
            work=Work() if pipeline is None else work_of(pipeline),
            merged_reads=merged_reads,
            publishing=publishing,
            clock_wrong=self._clock.wrong,
            clock_apart=self._clock.apart,
        )


def stored_in(store: Store, database: Path) -> Stored:
    """What a database says now.

    Raises:
        StoreError: it cannot be used.
    """
    waiting = store.outbox.unpublished(0, 1)
    return Stored(
        backlog=store.outbox.backlog(),
        oldest_waiting_at=waiting[0].event_time if waiting else None,
        unbound=store.unbound.count(),
        unbound_given_up=store.unbound.dropped(),
        events_set_aside=store.outbox.aside_count(),
        loads_open=store.loads.count_open(),
        databases_set_aside=len(names_aside(database)),
    )


def work_of(pipeline: Pipeline) -> Work:
    """What a pipeline has done so far."""
    return Work(
        reads=pipeline.reads,
        events=pipeline.events,
        as_object=pipeline.as_object,
        unknown=pipeline.unknown,
        observations_lost=pipeline.observations_lost,
        pruned_early=pipeline.house.pruned_early,
        passages=pipeline.counts.passages(),
        presence=pipeline.counts.presence(),
        commits=pipeline.commits.distribution(),
        store_trouble=pipeline.store_trouble,
        room=pipeline.house.room,
    )
