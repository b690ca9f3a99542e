"""The threads around the pipeline: started together, watched, ended in an order that loses nothing.

reader-<id>  one for each reader (supervisor)     pipeline  observation and every write
publisher    the broker (publishing)              (main)    waits for the signal to end
web          answers a monitoring system
"""

import gc
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread

import structlog

from rfid_gateway.announcer import Announcer
from rfid_gateway.clock import Clock
from rfid_gateway.command_desk import CommandDesk
from rfid_gateway.command_execution import Surroundings
from rfid_gateway.command_tokens import read_clients
from rfid_gateway.config import Config, ConfigError
from rfid_gateway.database_care import DatabaseCare, set_aside_words
from rfid_gateway.durations import PublishingDurations
from rfid_gateway.gateway import Pipeline
from rfid_gateway.intake import Intake, Item
from rfid_gateway.lookout import Lookout
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.outputs import Switch
from rfid_gateway.publishing import Publishing
from rfid_gateway.readers import CLOSE_S, Readers
from rfid_gateway.reloading import ReadAgain, Reload, Reloading
from rfid_gateway.retained import Retained
from rfid_gateway.snapshot import Snapshot
from rfid_gateway.state_file import last_sign_of_life
from rfid_gateway.status_report import CLOCK_WRONG, StatusReport, Summary
from rfid_gateway.steady_clock import SteadyClock
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreError
from rfid_gateway.web.server import WebServer

log = structlog.get_logger(__name__)

DRAIN_INTERVAL_US = 20_000
"""Commits are at least this far apart, so that a burst shares one fsync; the first read of a lull waits for nothing."""
IDLE_S = 0.05
"""How often the pipeline looks at its timers when nothing arrives."""
STATUS_INTERVAL_US = 1_000_000
TIDY_INTERVAL_US = 3_600_000_000
FAREWELL_US = 5_000_000
"""How long a clean end waits for the broker to acknowledge what is committed; what is not waits on disk."""
STATUSES_FAREWELL_US = 2_000_000
"""The same for retained statuses; the next start says the others."""


STOPPED = "the gateway was stopped"


class Service:
    """The running gateway. Owner: the main thread; what the pipeline's thread owns is said below."""

    def __init__(self, config: Config, clock: Clock, read_again: ReadAgain | None = None) -> None:
        """Make everything ready; opens the database once, so that what is wrong with it is said now.

        Args:
            config: what to run with.
            clock: the PC's.
            read_again: reads the configuration for `reload`; without it there is none.

        Raises:
            StoreError: the database cannot be used, in words.
            ConfigError: the token of a client who may give commands cannot be used.
        """
        folder = Path(config.gateway.state_dir)
        self._clock = clock = SteadyClock(clock, last_sign_of_life(folder))
        self._reloading = Reloading(config, read_clients(config), clock, read_again or _no_file)
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._intake = Intake(config.gateway.queue_reads)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{config.gateway.state_dir}: {error.strerror}") from error
        self._database = DatabaseCare(config, clock)
        self._durations = PublishingDurations()
        self._publishing = Publishing(
            config,
            clock,
            self._intake.put,
            self._counters,
            directory_lost=self._database.directory_lost,
            durations=self._durations,
        )
        self._readers = Readers(config.readers, self._intake.put, clock)
        # Daemon: a disk that hangs in the system must not keep the program from ending.
        self._pipeline_thread = Thread(target=self._run_pipeline, name="pipeline", daemon=True)
        self._closing = Event()
        self._reload_wanted = Event()
        # Owned by the pipeline's thread from here on; others only look.
        self._announcer = Announcer(config, clock, self._publishing.post, self._readers.switch)
        self._lookout = Lookout(config, clock)
        self._web = WebServer(config.web, self.snapshot)
        self._report = StatusReport(
            config, clock, self._intake, self._publishing, self._announcer, self._reloading, self._lookout, self._web
        )
        self._pipeline_at = 0
        self._status_at = 0
        self._tidy_at = 0
        self._clock_told = False

    def start(self) -> None:
        """Start all threads, and set the process's garbage collector for a long run."""
        _calm_collector()
        log.info("gateway.start", site=self._topics.site, gateway=self._topics.gateway)
        self._publishing.start()
        self._pipeline_thread.start()
        self._readers.start()
        self._web.start()

    def alive(self) -> bool:
        """Whether the threads that nothing restarts are still there."""
        return self._pipeline_thread.is_alive() and (self._database.repairing or self._publishing.alive())

    def heartbeats(self) -> Mapping[str, int]:
        """When each worker moved last, monotonic µs; 0 until it is up: the pipeline with the store, the publisher.

        A publisher that tries again because of the database moves, and so does everything while a new database is made.
        """
        if self._database.repairing:
            now = self._clock.monotonic_us()
            return {"pipeline": now, "publisher": now}
        moved_at = max(self._pipeline_at, self._database.repaired_at)
        return {"pipeline": moved_at, "publisher": self._publishing.moved_at}

    def snapshot(self) -> Snapshot:
        """How the gateway is doing, for a monitoring system; from any thread."""
        return self._lookout.snapshot(
            alive=self.alive(),
            stopping=self._closing.is_set(),
            heartbeats=self.heartbeats(),
            readers=self._announcer.readers,
            publisher=self._publishing.state,
            pipeline=self._report.pipeline,
            merged_reads=self._intake.merged_reads,
            publishing=self._durations.distribution(),
        )

    def status_line(self) -> str:
        """How the gateway is doing, in a few words for `systemctl status`."""
        return self._report.line()

    @property
    def config(self) -> Config:
        """What the gateway runs with now."""
        return self._reloading.running

    @property
    def reloading(self) -> bool:
        """Whether a new configuration is on its way: another one must wait."""
        return self._reloading.under_way

    def take_wish(self) -> bool:
        """Whether a command has asked for a reload since the last call."""
        if not self._reload_wanted.is_set():
            return False
        # Only now: a command that comes between the two is part of this reload, and none is forgotten.
        self._reload_wanted.clear()
        return True

    def reload(self) -> None:
        """Read the configuration again, by the main thread; a bad one is logged and changes nothing.

        Of a good one, readers that are gone or have changed end here, and what they read last is taken. All else
        follows in the pipeline's thread, when it has committed that; `reloading` says until when.
        """
        reload = self._reloading.read()
        if reload is None:
            return
        ended = reload.changes.readers_ended
        self._outputs_off(ended)
        self._readers.close_some(ended, "the configuration was changed")
        self._reloading.hand_over(reload)
        self._intake.wake()

    @property
    def summary(self) -> Summary:
        """What was done so far."""
        return self._report.summary

    def stop(self) -> Summary:
        """End everything: first the readers, then what they brought is committed, then the broker gets its chance."""
        self._outputs_off(reader.id for reader in self.config.readers)
        self._readers.close(STOPPED)
        self._closing.set()
        self._intake.wake()
        self._pipeline_thread.join(FAREWELL_US / 1e6 + CLOSE_S)
        # Those that a reload has started meanwhile.
        self._readers.close(STOPPED)
        self._publishing.close()
        self._publishing.join(CLOSE_S)
        self._web.close()
        summary = self.summary
        log.info("gateway.stop", **asdict(summary))
        return summary

    def _outputs_off(self, reader_ids: Iterable[str]) -> None:
        ending = frozenset(reader_ids)
        for output in self.config.outputs:
            if output.reader in ending:
                self._readers.switch(Switch(output.reader, output.port, high=False))

    # The thread `pipeline` -------------------------------------------------------------------------------------------

    def _run_pipeline(self) -> None:
        config = self.config
        with closing(open_store(config.database)) as store:
            desk = CommandDesk(config, self._reloading.clients, store, self._clock, self._surroundings())
            self._report.pipeline = pipeline = Pipeline(config, store, self._clock, desk)
            self._announcer.begin()
            retained, generation, settling = self._new_retained(store), 0, False
            if self._database.repaired is not None:
                self._announcer.set_aside(set_aside_words(self._database.repaired))
            self._database.announce_restored(self._announcer, store)
            while not self._closing.is_set():
                began = self._pipeline_at = self._clock.monotonic_us()
                self._steer_clock(pipeline)
                # Taken before the drain: what readers that have ended read last comes with it, by the old rules.
                reload = self._reloading.take()
                self._drain(pipeline, self._intake.drain(IDLE_S))
                try:
                    if reload is not None:
                        settling = True
                        self._follow(reload, pipeline, desk)
                    self._publishing.tick()
                    if settling and not self._publishing.changing:
                        settling = False
                        self._reloading.settled()
                    if generation != self._publishing.generation:
                        generation = self._publishing.generation
                        retained = self._new_retained(store)
                        self._announcer.say_readers()
                    self._keep_house(pipeline, store)
                    retained.tick(self._publishing.state)
                    self._database.mind(pipeline, store, self._publishing, self._announcer)
                except StoreError as error:
                    pipeline.keep_for_later(error)
                self._closing.wait(max(0, began + DRAIN_INTERVAL_US - self._clock.monotonic_us()) / 1e6)
            self._drain(pipeline, self._intake.drain(0))
            pipeline.save()
            try:
                self._wait_for_broker(store, retained)
            except StoreError as error:
                pipeline.keep_for_later(error)
            self._report.write(pipeline, store, stopped=True)

    def _drain(self, pipeline: Pipeline, items: Sequence[Item]) -> None:
        drained = pipeline.drain(items)
        if drained.events:
            self._durations.committed(drained.last_sequence, self._clock.monotonic_us())
            self._publishing.wake()
        self._announcer.arrived(items)
        self._announcer.located(drained.located)
        self._announcer.unknown(drained.unknown)
        for refusal in drained.refused:
            self._announcer.refused(refusal)
        self._announcer.misplaced(drained.misplaced)

    def _follow(self, reload: Reload, pipeline: Pipeline, desk: CommandDesk) -> None:
        """Let everything go by a new configuration. Raises StoreError after that, where the database is not well."""
        config, found = reload.config, reload.changes
        begin = (*found.readers_added, *found.readers_changed)
        self._readers.follow(config.readers, begin)
        self._announcer.follow(config, found)
        self._intake.follow(config.gateway.queue_reads)
        desk.follow(config, reload.clients)
        if reload.reconnect:
            self._publishing.follow(config)
        try:
            pipeline.follow(config, places=found.places)
        finally:
            self._readers.start_some(begin)
            self._reloading.applied(reload)

    def _new_retained(self, store: Store) -> Retained:
        return Retained(store, self._topics, self._clock, self._publishing.post)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            restart_reader=self._readers.restarts,
            status=self._report.for_command,
            check_configuration=lambda: self._reloading.check().changes,
            reload=self._reload_wanted.set,
            outbox_refilled=self._publishing.wake,
            post=self._publishing.post,
        )

    def _counters(self) -> Mapping[str, object]:
        return self._report.counters()

    def _keep_house(self, pipeline: Pipeline, store: Store) -> None:
        now = self._clock.monotonic_us()
        self._announcer.tick(self._intake.merged_reads, pipeline.store_trouble)
        self._announcer.incomplete(pipeline.review_loads())
        self._announcer.broker(self._publishing.state)
        if now >= self._status_at:
            self._status_at = now + STATUS_INTERVAL_US
            self._report.write(pipeline, store, stopped=False)
            pipeline.house.look()
            self._announcer.disk(pipeline.house.room.words, pipeline.observations_lost)
        if pipeline.store_trouble:
            return
        pipeline.house.prune()
        self._database.restored_was_told(store, self._publishing.state)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_INTERVAL_US
            pipeline.tidy()

    def _steer_clock(self, pipeline: Pipeline) -> None:
        change = self._clock.steer(passages_open=pipeline.passages_open())
        if change is not None:
            log.warning("clock.step", by_s=round(change.by / 1e6, 3))
            self._announcer.clock_changed(change.words())
        if self._clock.wrong and not self._clock_told:
            self._clock_told = True
            self._announcer.clock_changed(CLOCK_WRONG)

    def _wait_for_broker(self, store: Store, retained: Retained) -> None:
        """Give the publisher a moment with what was committed last, and with the statuses that follow from it."""
        now = self._clock.monotonic_us()
        until, statuses_until = now + FAREWELL_US, now + STATUSES_FAREWELL_US
        self._publishing.wake()
        while self._publishing.state.connected and now < until:
            retained.tick(self._publishing.state)
            if not store.outbox.backlog() and (now >= statuses_until or not store.retained.unsaid(("", ""), 1)):
                return
            Event().wait(0.02)
            now = self._clock.monotonic_us()


def _no_file(_running: Config) -> Config:
    raise ConfigError(["the configuration came from no file that could be read again"])


def _calm_collector() -> None:
    """Let the garbage collector look seldom: reads and events make no cycles, and what is open is much to walk over.

    With Python's own thresholds it is a good part of what `benchmarks/path.py` measures.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
