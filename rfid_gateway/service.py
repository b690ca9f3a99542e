"""The threads around the pipeline: started together, watched, ended in an order that loses nothing.

reader-<id>  one for each reader (supervisor)     pipeline  observation and every write
publisher    the broker                           (main)    waits for the signal to end
"""

import gc
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread

import structlog

from rfid_gateway.announcer import Announcer
from rfid_gateway.clock import Clock
from rfid_gateway.command_desk import CommandDesk
from rfid_gateway.command_execution import Surroundings
from rfid_gateway.command_tokens import read_clients
from rfid_gateway.config import Config
from rfid_gateway.events.times import rfc3339
from rfid_gateway.gateway import Pipeline
from rfid_gateway.intake import DirectoryMessage, DirectoryRefusal, Intake, Item
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.outputs import Switch
from rfid_gateway.retained import Retained
from rfid_gateway.state_file import last_sign_of_life, write_state
from rfid_gateway.steady_clock import SteadyClock
from rfid_gateway.store.ballast import Ballast
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreError
from rfid_gateway.store.repair import Repaired, names_aside, open_repaired, set_aside
from rfid_gateway.supervisor import ReaderSupervisor

log = structlog.get_logger(__name__)

DRAIN_INTERVAL_US = 20_000
"""Commits are at least this far apart, so that a burst shares one fsync; the first read of a lull waits for nothing."""
IDLE_S = 0.05
"""How often the pipeline looks at its timers when nothing arrives."""
STATUS_INTERVAL_US = 1_000_000
TIDY_INTERVAL_US = 3_600_000_000
READER_CLOSE_S = 3.0
REPAIR_AGAIN_US = 10_000_000
"""How often a damaged database is tried to be set aside while there is no room for a new one."""
CLOCK_WRONG = "the PC's clock shows a time before 2025: set it; until then events carry the last known time, counted on"
FAREWELL_US = 5_000_000
"""How long a clean end waits for the broker to acknowledge what is committed; what is not waits on disk."""
STATUSES_FAREWELL_US = 2_000_000
"""The same for retained statuses; the next start says the others."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run of the gateway did."""

    reads: int
    events: int
    published: int
    backlog: int

    def sentence(self) -> str:
        """For the person who ended it."""
        return (
            f"{self.reads} tag reads, {self.events} events, {self.published} published and acknowledged, "
            f"{self.backlog} wait for the broker"
        )


class Service:
    """The running gateway. Owner: the main thread; what the pipeline's thread owns is said below."""

    def __init__(self, config: Config, clock: Clock) -> None:
        """Make everything ready; opens the database once, so that what is wrong with it is said now.

        Raises:
            StoreError: the database cannot be used, in words.
            ConfigError: the token of a client who may give commands cannot be used.
        """
        self._config = config
        self._clients = read_clients(config)
        folder = Path(config.gateway.state_dir)
        self._clock = clock = SteadyClock(clock, last_sign_of_life(folder))
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._intake = Intake(config.gateway.queue_reads)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{config.gateway.state_dir}: {error.strerror}") from error
        self._repaired, self._directory_lost = _open_once(config, clock)
        self._publisher = self._new_publisher()
        self._supervisors = {reader.id: ReaderSupervisor(reader, self._intake.put, clock) for reader in config.readers}
        # Daemons: a disk or broker that hangs in the system must not keep the program from ending.
        self._pipeline_thread = Thread(target=self._run_pipeline, name="pipeline", daemon=True)
        self._closing = Event()
        self._publisher_thread = self._new_publisher_thread()
        self._publisher_trouble: StoreError | None = None
        """Why the publisher cannot work; written by its thread, taken by the pipeline's."""
        self._repairing = False
        self._started_at = clock.utc_us()
        # Owned by the pipeline's thread from here on; others only look.
        self._announcer = Announcer(config, clock, self._post, self._switch)
        self._pipeline: Pipeline | None = None
        self._pipeline_at = self._publisher_at = 0
        self._backlog = 0
        self._status_at = 0
        self._tidy_at = 0
        self._repair_at = 0
        self._status_trouble = False
        self._clock_told = False

    def start(self) -> None:
        """Start all threads, and set the process's garbage collector for a long run."""
        _calm_collector()
        log.info("gateway.start", site=self._config.gateway.site, gateway=self._config.gateway.id)
        self._publisher_thread.start()
        self._pipeline_thread.start()
        for supervisor in self._supervisors.values():
            supervisor.start()

    def alive(self) -> bool:
        """Whether the threads that nothing restarts are still there."""
        return self._pipeline_thread.is_alive() and (self._repairing or self._publisher_thread.is_alive())

    def heartbeats(self) -> Mapping[str, int]:
        """When each worker moved last, monotonic µs; 0 until it is up: the pipeline with the store, the publisher.

        A publisher that tries again because of the database moves, and so does everything while a new database is made.
        """
        if self._repairing:
            now = self._clock.monotonic_us()
            return {"pipeline": now, "publisher": now}
        return {"pipeline": self._pipeline_at, "publisher": max(self._publisher_at, self._publisher.moved_at)}

    def status_line(self) -> str:
        """How the gateway is doing, in a few words for `systemctl status`."""
        readers, publisher, pipeline = self._announcer.readers, self._publisher.state, self._pipeline
        broker = "connected" if publisher.connected else publisher.detail or "not connected"
        trouble = f", database: {pipeline.store_trouble}" if pipeline and pipeline.store_trouble else ""
        if pipeline and pipeline.house.room.words != "ok":
            trouble += f", {pipeline.house.room.words}"
        return f"{readers.line()}, broker {broker}, {self._backlog} waiting{trouble}"

    @property
    def summary(self) -> Summary:
        """What was done so far."""
        pipeline = self._pipeline
        reads, events = (pipeline.reads, pipeline.events) if pipeline else (0, 0)
        return Summary(reads, events, self._publisher.state.published, self._backlog)

    def stop(self) -> Summary:
        """End everything: first the readers, then what they brought is committed, then the broker gets its chance."""
        for output in self._config.outputs:
            self._switch(Switch(output.reader, output.port, high=False))
        for supervisor in self._supervisors.values():
            supervisor.close()
        for supervisor in self._supervisors.values():
            supervisor.join(READER_CLOSE_S)
        self._closing.set()
        self._intake.wake()
        self._pipeline_thread.join(FAREWELL_US / 1e6 + READER_CLOSE_S)
        self._publisher.close()
        self._publisher_thread.join(READER_CLOSE_S)
        summary = self.summary
        log.info("gateway.stop", **asdict(summary))
        return summary

    # The thread `pipeline` -------------------------------------------------------------------------------------------

    def _run_pipeline(self) -> None:
        with closing(open_store(self._config.database)) as store:
            desk = CommandDesk(self._config, self._clients, store, self._clock, self._surroundings())
            self._pipeline = pipeline = Pipeline(self._config, store, self._clock, desk)
            self._announcer.begin()
            retained = Retained(store, self._topics, self._clock, self._post)
            if self._repaired is not None:
                self._announcer.set_aside(_set_aside_words(self._repaired))
            while not self._closing.is_set():
                began = self._pipeline_at = self._clock.monotonic_us()
                self._steer_clock(pipeline)
                self._drain(pipeline, self._intake.drain(IDLE_S))
                try:
                    self._keep_house(pipeline, store)
                    retained.tick(self._publisher.state)
                    self._mind_the_database(pipeline, store)
                except StoreError as error:
                    pipeline.keep_for_later(error)
                self._closing.wait(max(0, began + DRAIN_INTERVAL_US - self._clock.monotonic_us()) / 1e6)
            self._drain(pipeline, self._intake.drain(0))
            pipeline.save()
            try:
                self._wait_for_broker(store, retained)
            except StoreError as error:
                pipeline.keep_for_later(error)
            self._write_status(pipeline, store, stopped=True)

    def _drain(self, pipeline: Pipeline, items: Sequence[Item]) -> None:
        drained = pipeline.drain(items)
        if drained.events:
            self._publisher.wake()
        self._announcer.arrived(items)
        self._announcer.located(drained.located)
        self._announcer.unknown(drained.unknown)
        for refusal in drained.refused:
            self._announcer.refused(refusal)
        self._announcer.misplaced(drained.misplaced)

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            restart_reader={reader: supervisor.restart for reader, supervisor in self._supervisors.items()},
            status=self._status_for_command,
            # The publisher of now, not of the start: see `_post`.
            outbox_refilled=lambda: self._publisher.wake(),  # noqa: PLW0108
            post=self._post,
        )

    def _status_for_command(self) -> Mapping[str, object]:
        """What the status topics say, now and together."""
        publisher = self._publisher.state
        return {
            "state": "online",
            "broker": publisher.broker,
            "mqtt": publisher.version,
            "backlog": self._backlog,
            "published": publisher.published,
            "refused": publisher.refused,
            "set_aside": publisher.set_aside,
            "connections": publisher.connections,
            **self._counters(),
            "started": rfc3339(self._started_at, "+00:00"),
            "database": (self._pipeline.store_trouble if self._pipeline else "") or "ok",
            "merged_reads": self._intake.merged_reads,
            "reader_status": self._announcer.reader_statuses(),
        }

    def _post(self, notice: Notice) -> None:
        # The publisher of now: a damaged database ends one and begins another.
        self._publisher.post(notice)

    def _switch(self, switch: Switch) -> None:
        self._supervisors[switch.reader_id].set_output(switch.port, high=switch.high)

    def _keep_house(self, pipeline: Pipeline, store: Store) -> None:
        now = self._clock.monotonic_us()
        self._announcer.tick(self._intake.merged_reads, pipeline.store_trouble)
        self._announcer.incomplete(pipeline.review_loads())
        self._announcer.broker(self._publisher.state)
        if now >= self._status_at:
            self._status_at = now + STATUS_INTERVAL_US
            self._write_status(pipeline, store, stopped=False)
            pipeline.house.look()
            self._announcer.disk(pipeline.house.room.words, pipeline.observations_lost)
        if pipeline.store_trouble:
            return
        pipeline.house.prune()
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

    # When the database is damaged -------------------------------------------------------------------------------------

    def _mind_the_database(self, pipeline: Pipeline, store: Store) -> None:
        """Where pipeline or publisher met damage: set the database aside and go on with a new one.

        Raises:
            StoreError: that is not possible now; to be tried again.
        """
        trouble, self._publisher_trouble = self._publisher_trouble, None
        if trouble is not None:
            pipeline.keep_for_later(trouble)
        now = self._clock.monotonic_us()
        if not pipeline.damaged or now < self._repair_at:
            return
        self._repair_at = now + REPAIR_AGAIN_US
        self._repairing = True
        # SQLite's files must not be renamed under a connection, so the publisher ends and a new one begins.
        self._publisher.close()
        self._publisher_thread.join()
        store.close()
        try:
            self._repaired = set_aside(self._config.database, self._clock.utc_us(), pipeline.damaged)
            self._directory_lost = True
            pipeline.damaged = ""
            pipeline.reopen()
        finally:
            # Where there is no room for a new database yet, the broker may still get what the old one can give.
            self._publisher = self._new_publisher()
            self._publisher_thread = self._new_publisher_thread()
            self._publisher_thread.start()
            self._pipeline_at = self._publisher_at = self._clock.monotonic_us()
            self._repairing = False
        self._announcer.set_aside(_set_aside_words(self._repaired))

    def _new_publisher(self) -> Publisher:
        return Publisher(
            self._config.mqtt,
            self._topics,
            lambda: open_outbox(self._config.database),
            self._clock,
            lambda shipment, payload, done: self._intake.put(DirectoryMessage(shipment, payload, done)),
            self._counters,
            on_stray=lambda topic, reason: self._intake.put(DirectoryRefusal(topic, reason, self._clock.utc_us())),
            on_request=self._intake.put,
            directory_lost=self._directory_lost,
        )

    def _new_publisher_thread(self) -> Thread:
        return Thread(target=self._run_publisher, args=(self._publisher,), name="publisher", daemon=True)

    def _run_publisher(self, publisher: Publisher) -> None:
        """The thread `publisher`: where the database is at fault, the pipeline is told, and it goes on."""
        while True:
            try:
                publisher.run()
            except StoreError as error:
                log.error("publisher.store_failed", reason=str(error))
                self._publisher_trouble = error
                self._publisher_at = self._clock.monotonic_us()
                if publisher.wait_closed(STATUS_INTERVAL_US / 1e6):
                    return
            else:
                return

    def _wait_for_broker(self, store: Store, retained: Retained) -> None:
        """Give the publisher a moment with what was committed last, and with the statuses that follow from it."""
        now = self._clock.monotonic_us()
        until, statuses_until = now + FAREWELL_US, now + STATUSES_FAREWELL_US
        self._publisher.wake()
        while self._publisher.state.connected and now < until:
            retained.tick(self._publisher.state)
            if not store.outbox.backlog() and (now >= statuses_until or not store.retained.unsaid(("", ""), 1)):
                return
            Event().wait(0.02)
            now = self._clock.monotonic_us()

    def _write_status(self, pipeline: Pipeline, store: Store, *, stopped: bool) -> None:
        publisher = self._publisher.state
        unbound = unbound_dropped = events_set_aside = None
        try:
            self._backlog = store.outbox.backlog()
            unbound, unbound_dropped = store.unbound.count(), store.unbound.dropped()
            events_set_aside = store.outbox.aside_count()
        except StoreError as error:
            # The next drain meets it too and does what can be done; people must be able to see it meanwhile.
            pipeline.keep_for_later(error)
        readers = self._announcer.readers.all(self._clock.monotonic_us())
        state = {
            "at": self._clock.utc_us(),
            "started": self._started_at,
            "stopped": stopped,
            "broker": _in_words(publisher),
            "database": pipeline.store_trouble or "ok",
            "events_set_aside": events_set_aside,
            "refused": publisher.refused,
            "databases_set_aside": names_aside(self._config.database),
            "disk": pipeline.house.room.words,
            "disk_free_bytes": pipeline.house.room.free_bytes,
            "database_bytes": pipeline.house.room.database_bytes,
            "observations_lost": pipeline.observations_lost,
            "pruned_early": pipeline.house.pruned_early,
            "clock": CLOCK_WRONG if self._clock.wrong else "ok",
            "clock_apart_s": round(self._clock.apart / 1e6, 3),
            **asdict(self.summary),
            "merged_reads": self._intake.merged_reads,
            "as_object": pipeline.as_object,
            "unbound": unbound,
            "unbound_dropped": unbound_dropped,
            "readers": {name: asdict(view) for name, view in readers.items()},
        }
        try:
            write_state(Path(self._config.gateway.state_dir), state)
        except OSError as error:
            # A full disk must not end the gateway: reads go on, and the next second tries again.
            if not self._status_trouble:
                log.error("status.not_written", reason=error.strerror)
            self._status_trouble = True
        else:
            self._status_trouble = False

    def _counters(self) -> Mapping[str, object]:
        """What the status topic says besides; called in the publisher's thread."""
        summary = self.summary
        return {
            "reads": summary.reads,
            "events": summary.events,
            "readers": len(self._announcer.readers),
            "readers_online": self._announcer.readers.online,
        }


def _open_once(config: Config, clock: Clock) -> tuple[Repaired | None, bool]:
    """Open the database and close it, so that what is wrong is said or put right before anything starts.

    Returns:
        What was set aside, if anything; whether entries of the directory may be missing that a broker has sent before.
    """
    try:
        store, repaired = open_repaired(config.database, clock.utc_us())
    except StoreError:
        # On a full disk SQLite cannot even open, and reports that in several ways. The pipeline restores the ballast.
        if not Ballast(config.database.parent / "ballast", config.disk.ballast_mb << 20).release():
            raise
        log.error("store.ballast_released", reason="the database cannot be opened")
        store, repaired = open_repaired(config.database, clock.utc_us())
    directory_lost = repaired is not None or not store.directory.list(1)
    store.close()
    return repaired, directory_lost


def _set_aside_words(repaired: Repaired) -> str:
    return (
        f"the database was damaged ({repaired.reason}) and is set aside as {repaired.aside}; a new one took over "
        f"{repaired.rows} rows, and `sequence` goes on with a gap"
    )


def _in_words(publisher: PublisherState) -> str:
    if not publisher.connected:
        return publisher.detail
    limits = f"; {publisher.limits}" if publisher.limits else ""
    return f"connected to {publisher.broker}, MQTT {publisher.version}{limits}"


def _calm_collector() -> None:
    """Let the garbage collector look seldom: reads and events make no cycles, and what is open is much to walk over.

    With Python's own thresholds it is a good part of what `benchmarks/path.py` measures.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
