"""How the gateway is doing, for each who asks: the state file, systemd's status, the status topic and the command."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from rfid_gateway.announcer import Announcer
from rfid_gateway.config import Config
from rfid_gateway.events.times import rfc3339, time_zone_offset
from rfid_gateway.gateway import Pipeline
from rfid_gateway.intake import Intake
from rfid_gateway.lookout import Lookout
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.publishing import Publishing
from rfid_gateway.reloading import Reloading
from rfid_gateway.state_file import write_state
from rfid_gateway.steady_clock import SteadyClock
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError
from rfid_gateway.store.repair import names_aside
from rfid_gateway.web.server import WebServer

log = structlog.get_logger(__name__)

CLOCK_WRONG = "the PC's clock shows a time before 2025: set it; until then events carry the last known time, counted on"


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


class StatusReport:
    """Looks at all parts and changes none. Owner: the pipeline's thread writes; any thread may ask for words."""

    def __init__(
        self,
        config: Config,
        clock: SteadyClock,
        intake: Intake,
        publishing: Publishing,
        announcer: Announcer,
        reloading: Reloading,
        lookout: Lookout,
        web: WebServer,
    ) -> None:
        self._folder = Path(config.gateway.state_dir)
        self._database = config.database
        self._clock = clock
        self._intake = intake
        self._publishing = publishing
        self._announcer = announcer
        self._reloading = reloading
        self._lookout = lookout
        self._web = web
        self._started_at = clock.utc_us()
        self._backlog = 0
        self._trouble = False
        self.pipeline: Pipeline | None = None
        """Set once by the pipeline's thread, when it is up."""

    @property
    def summary(self) -> Summary:
        """What was done so far."""
        pipeline = self.pipeline
        reads, events = (pipeline.reads, pipeline.events) if pipeline else (0, 0)
        return Summary(reads, events, self._publishing.state.published, self._backlog)

    def line(self) -> str:
        """A few words for `systemctl status`."""
        readers, publisher, pipeline = self._announcer.readers, self._publishing.state, self.pipeline
        broker = "connected" if publisher.connected else publisher.detail or "not connected"
        trouble = f", database: {pipeline.store_trouble}" if pipeline and pipeline.store_trouble else ""
        if pipeline and pipeline.house.room.words != "ok":
            trouble += f", {pipeline.house.room.words}"
        line = f"{readers.line()}, broker {broker}, {self._backlog} waiting{trouble}"
        reload = self._reloading.report
        if reload is None or not reload.mistakes:
            return line
        more = f" and {len(reload.mistakes) - 1} more" if len(reload.mistakes) > 1 else ""
        at = rfc3339(reload.at, time_zone_offset(reload.at, self._reloading.running.zone_info))
        return f"{line}; last reload refused at {at}: {reload.mistakes[0]}{more}"

    def counters(self) -> Mapping[str, object]:
        """What the status topic says besides; called in the publisher's thread."""
        summary = self.summary
        return {
            "reads": summary.reads,
            "events": summary.events,
            "readers": len(self._announcer.readers),
            "readers_online": self._announcer.readers.online,
        }

    def for_command(self) -> Mapping[str, object]:
        """What the status topics say, now and together."""
        publisher = self._publishing.state
        return {
            "state": "online",
            "broker": publisher.broker,
            "mqtt": publisher.version,
            "backlog": self._backlog,
            "published": publisher.published,
            "refused": publisher.refused,
            "set_aside": publisher.set_aside,
            "connections": publisher.connections,
            **self.counters(),
            "started": rfc3339(self._started_at, "+00:00"),
            "database": (self.pipeline.store_trouble if self.pipeline else "") or "ok",
            "merged_reads": self._intake.merged_reads,
            "reader_status": self._announcer.reader_statuses(),
        }

    def write(self, pipeline: Pipeline, store: Store, *, stopped: bool) -> None:
        """Write the state file. A disk that does not let it ends nothing: it is said, and tried again."""
        unbound = unbound_dropped = events_set_aside = None
        try:
            self._backlog = store.outbox.backlog()
            unbound, unbound_dropped = store.unbound.count(), store.unbound.dropped()
            events_set_aside = store.outbox.aside_count()
            self._lookout.look(store)
        except StoreError as error:
            # The next drain meets it too and does what can be done; people must be able to see it meanwhile.
            pipeline.keep_for_later(error)
        readers = self._announcer.readers.all(self._clock.monotonic_us())
        state = {
            "at": self._clock.utc_us(),
            "started": self._started_at,
            "stopped": stopped,
            "broker": _in_words(self._publishing.state),
            "web": self._web.words,
            "database": pipeline.store_trouble or "ok",
            "events_set_aside": events_set_aside,
            "refused": self._publishing.state.refused,
            "databases_set_aside": names_aside(self._database),
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
            "reload": asdict(self._reloading.report) if self._reloading.report else None,
            "readers": {name: asdict(view) for name, view in readers.items()},
        }
        try:
            write_state(self._folder, state)
        except OSError as error:
            # A full disk must not end the gateway: reads go on, and the next second tries again.
            if not self._trouble:
                log.error("status.not_written", reason=error.strerror)
            self._trouble = True
        else:
            self._trouble = False


def _in_words(publisher: PublisherState) -> str:
    if not publisher.connected:
        return publisher.detail
    limits = f"; {publisher.limits}" if publisher.limits else ""
    return f"connected to {publisher.broker}, MQTT {publisher.version}{limits}"
