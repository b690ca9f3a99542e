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
from rfid_gateway.config import Config
from rfid_gateway.gateway import Pipeline
from rfid_gateway.intake import DirectoryMessage, Intake, Item
from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.mqtt.publisher import Publisher
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.outputs import Switch
from rfid_gateway.state_file import write_state
from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.database import StoreError
from rfid_gateway.supervisor import ReaderSupervisor

log = structlog.get_logger(__name__)

DRAIN_INTERVAL_US = 20_000
"""Commits are at least this far apart, so that a burst shares one fsync; the first read of a lull waits for nothing."""
IDLE_S = 0.05
"""How often the pipeline looks at its timers when nothing arrives."""
STATUS_INTERVAL_US = 1_000_000
TIDY_INTERVAL_US = 3_600_000_000
READER_CLOSE_S = 3.0
FAREWELL_US = 5_000_000
"""How long a clean end waits for the broker to acknowledge what is committed; what is not waits on disk."""


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
        """
        self._config = config
        self._clock = clock
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._intake = Intake(config.gateway.queue_reads)
        try:
            Path(config.gateway.state_dir).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{config.gateway.state_dir}: {error.strerror}") from error
        open_store(config.database).close()
        self._publisher = Publisher(
            config.mqtt,
            self._topics,
            lambda: open_outbox(config.database),
            clock,
            lambda shipment, payload, done: self._intake.put(DirectoryMessage(shipment, payload, done)),
            self._counters,
        )
        self._supervisors = {reader.id: ReaderSupervisor(reader, self._intake.put, clock) for reader in config.readers}
        # Daemons: a disk or broker that hangs in the system must not keep the program from ending.
        self._pipeline_thread = Thread(target=self._run_pipeline, name="pipeline", daemon=True)
        self._publisher_thread = Thread(target=self._publisher.run, name="publisher", daemon=True)
        self._closing = Event()
        self._started_at = clock.utc_us()
        # Owned by the pipeline's thread from here on; others only look.
        self._announcer = Announcer(config, clock, self._publisher.post, self._switch)
        self._pipeline: Pipeline | None = None
        self._pipeline_at = 0
        self._backlog = 0
        self._status_at = 0
        self._tidy_at = 0

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
        return self._pipeline_thread.is_alive() and self._publisher_thread.is_alive()

    def heartbeats(self) -> Mapping[str, int]:
        """When each worker moved last, monotonic µs; 0 until it is up: the pipeline with the store, the publisher."""
        return {"pipeline": self._pipeline_at, "publisher": self._publisher.moved_at}

    def status_line(self) -> str:
        """How the gateway is doing, in a few words for `systemctl status`."""
        readers, publisher, pipeline = self._announcer.readers, self._publisher.state, self._pipeline
        broker = "connected" if publisher.connected else publisher.detail
        trouble = f", database: {pipeline.store_trouble}" if pipeline and pipeline.store_trouble else ""
        return f"{readers.online} of {len(readers)} readers online, broker {broker}, {self._backlog} waiting{trouble}"

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
            self._pipeline = pipeline = Pipeline(self._config, store, self._clock)
            self._announcer.begin()
            while not self._closing.is_set():
                began = self._pipeline_at = self._clock.monotonic_us()
                self._drain(pipeline, self._intake.drain(IDLE_S))
                self._keep_house(pipeline, store)
                self._closing.wait(max(0, began + DRAIN_INTERVAL_US - self._clock.monotonic_us()) / 1e6)
            self._drain(pipeline, self._intake.drain(0))
            pipeline.save()
            self._wait_for_broker(store)
            self._write_status(pipeline, store, stopped=True)

    def _drain(self, pipeline: Pipeline, items: Sequence[Item]) -> None:
        drained = pipeline.drain(items)
        if drained.events:
            self._publisher.wake()
        self._announcer.arrived(items)
        self._announcer.located(drained.located)
        self._announcer.unknown(drained.unknown)

    def _switch(self, switch: Switch) -> None:
        self._supervisors[switch.reader_id].set_output(switch.port, high=switch.high)

    def _keep_house(self, pipeline: Pipeline, store: Store) -> None:
        now = self._clock.monotonic_us()
        self._announcer.tick(self._intake.merged_reads, pipeline.store_trouble)
        if now >= self._status_at:
            self._status_at = now + STATUS_INTERVAL_US
            self._write_status(pipeline, store, stopped=False)
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_INTERVAL_US
            pipeline.tidy()

    def _wait_for_broker(self, store: Store) -> None:
        """Give the publisher a moment with what was committed last."""
        until = self._clock.monotonic_us() + FAREWELL_US
        self._publisher.wake()
        while self._publisher.state.connected and store.outbox.backlog() and self._clock.monotonic_us() < until:
            Event().wait(0.02)

    def _write_status(self, pipeline: Pipeline, store: Store, *, stopped: bool) -> None:
        publisher = self._publisher.state
        self._backlog = store.outbox.backlog()
        readers = self._announcer.readers.all(self._clock.monotonic_us())
        state = {
            "at": self._clock.utc_us(),
            "started": self._started_at,
            "stopped": stopped,
            "broker": f"connected, MQTT {publisher.version}" if publisher.connected else publisher.detail,
            "database": pipeline.store_trouble or "ok",
            **asdict(self.summary),
            "merged_reads": self._intake.merged_reads,
            "unbound": store.unbound.count(),
            "unbound_dropped": store.unbound.dropped(),
            "readers": {name: asdict(view) for name, view in readers.items()},
        }
        try:
            write_state(Path(self._config.gateway.state_dir), state)
        except OSError as error:
            # A full disk must not end the gateway: reads go on, and the next second tries again.
            log.error("status.not_written", reason=error.strerror)

    def _counters(self) -> Mapping[str, object]:
        """What the status topic says besides; called in the publisher's thread."""
        summary = self.summary
        return {
            "reads": summary.reads,
            "events": summary.events,
            "readers": len(self._announcer.readers),
            "readers_online": self._announcer.readers.online,
        }


def _calm_collector() -> None:
    """Let the garbage collector look seldom: reads and events make no cycles, and what is open is much to walk over.

    With Python's own thresholds it is a good part of what `benchmarks/path.py` measures.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
