"""What people get to know at once: alerts, lights and horns, and how each reader is doing.

The pipeline's thread tells it what happened; it says so through `post` (MQTT) and `switch` (outputs of readers).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import structlog

from rfid_gateway.alerts import Alert, Alerts
from rfid_gateway.clock import Clock
from rfid_gateway.config import Config
from rfid_gateway.config_changes import Changes
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.times import rfc3339
from rfid_gateway.intake import DirectoryRefusal, Item
from rfid_gateway.mqtt.mailbox import Notice
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.observe.observations import Observation, Passage
from rfid_gateway.outputs import Occasion, Outputs, Switch
from rfid_gateway.reader_views import ReaderView, ReaderViews
from rfid_gateway.reads import ReaderAlert, ReaderStatus, TagReport
from rfid_gateway.shipments.loads import Incomplete, Misplaced

log = structlog.get_logger(__name__)

REPEAT_US = 60_000_000
"""How often each reader's status topic is brought up to date while nothing changes."""
FRESH_US = 10_000_000
"""A light for something that happened longer ago would be taken for the next pallet's."""

MOST_DETAIL = 2_000
"""Characters of a message's faults in an alert; a payload may have a hundred."""


class Announcer:
    """Owner: the pipeline's thread; other threads may look at `readers`."""

    def __init__(
        self, config: Config, clock: Clock, post: Callable[[Notice], None], switch: Callable[[Switch], None]
    ) -> None:
        """Say nothing yet.

        Args:
            config: the whole configuration.
            clock: the clocks.
            post: has a notice published; never blocks.
            switch: switches an output of a reader; never blocks.
        """
        self._clock = clock
        self._post = post
        self._switch = switch
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        readers = [reader.id for reader in config.readers]
        now, at = clock.monotonic_us(), clock.utc_us()
        self.readers = ReaderViews(readers, at)
        self._alerts = Alerts(readers, _down_after(config), now, at)
        self._outputs = Outputs([output.rule for output in config.outputs])
        self._doors_of = _doors_of(config)
        self._repeat_at = now + REPEAT_US

    def follow(self, config: Config, changes: Changes) -> None:
        """Go by another configuration of the same gateway. The status of a reader that is gone is cleared."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        self.readers.follow([reader.id for reader in config.readers], at)
        self._alerts.follow(changes.readers_removed, changes.readers_added, _down_after(config), now, at)
        self._doors_of = _doors_of(config)
        anew = frozenset((*changes.readers_added, *changes.readers_changed))
        switches = self._outputs.follow([output.rule for output in config.outputs], anew)
        self._switch_all(switch for switch in switches if switch.reader_id in self.readers)
        for reader_id in changes.readers_removed:
            self._post(Notice(self._topics.reader_status(reader_id), b"", retain=True))

    def say_readers(self) -> None:
        """Have every reader's status published: a publisher that begins knows none."""
        now = self._clock.monotonic_us()
        self._repeat_at = now + REPEAT_US
        for reader_id in self._doors_of:
            self._publish_reader(reader_id, now)

    def reader_statuses(self) -> dict[str, dict[str, object]]:
        """Every reader by its id, as its status topic has it."""
        views = self.readers.all(self._clock.monotonic_us())
        return {reader: _reader_values(view) for reader, view in views.items()}

    def begin(self) -> None:
        """Bring every output into a known state."""
        self._switch_all(self._outputs.all_off())

    def arrived(self, items: Iterable[Item]) -> None:
        """Take what readers say of themselves."""
        now = self._clock.monotonic_us()
        for item in items:
            if isinstance(item, DirectoryRefusal):
                self.refused(item)
            elif isinstance(item, TagReport | ReaderStatus | ReaderAlert) and item.reader_id in self.readers:
                # A driver that did not end in time may speak on after its reader was taken out of the configuration.
                self._reader_said(item, now)

    def _reader_said(self, item: TagReport | ReaderStatus | ReaderAlert, now: int) -> None:
        if isinstance(item, TagReport):
            self.readers.report(item)
        elif isinstance(item, ReaderStatus):
            self.readers.status(item)
            self._publish_reader(item.reader_id, now)
            self._say(self._alerts.reader_status(item, now))
        else:
            self._say(self._alerts.reader_alert(item, now))

    def refused(self, refusal: DirectoryRefusal) -> None:
        """Take a message of the directory feed that could not be used."""
        now = self._clock.monotonic_us()
        reason = refusal.reason if len(refusal.reason) <= MOST_DETAIL else f"{refusal.reason[:MOST_DETAIL]}..."
        self._say(self._alerts.directory_refused(refusal.topic, reason, refusal.shipment_id, refusal.at, now))

    def located(self, events: Sequence[LocationEvent]) -> None:
        """Take events that are committed: wrong doors become alerts, passages switch lights."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        for event in events:
            self._say(self._alerts.event(event, now))
            if event.door is not None and at - event.event_time <= FRESH_US:
                occasions = {Occasion(event.verdict)}
                if event.direction in {Occasion.IN, Occasion.OUT}:
                    occasions.add(Occasion(event.direction))
                self._happened(frozenset(occasions), frozenset({event.door}), now)

    def unknown(self, observations: Sequence[Observation]) -> None:
        """Take observations of tags that no shipment has."""
        now = self._clock.monotonic_us()
        for observation in observations:
            self._say(self._alerts.unknown_tag(observation, now))
            if isinstance(observation, Passage):
                self._happened(frozenset({Occasion.UNKNOWN_TAG}), frozenset({observation.door}), now)

    def misplaced(self, units: Iterable[Misplaced]) -> None:
        """Take units that went out with a load that is not theirs."""
        now = self._clock.monotonic_us()
        for unit in units:
            self._say(self._alerts.misplaced(unit, now))

    def incomplete(self, loads: Iterable[Incomplete]) -> None:
        """Take loads that were closed and lack something."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        for load in loads:
            self._say(self._alerts.incomplete(load, now, at))

    def disk(self, words: str, observations_lost: int) -> None:
        """Take how much room there is ("ok" for enough), and how many observations were given up for want of it."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        self._say(self._alerts.disk(words, now, at))
        self._say(self._alerts.observations_lost(observations_lost, now, at))

    def set_aside(self, detail: str) -> None:
        """Take that the database was damaged and replaced."""
        self._say(self._alerts.set_aside(detail, self._clock.monotonic_us(), self._clock.utc_us()))

    def restored(self, detail: str) -> None:
        """Take that the state is that of an older backup."""
        self._say(self._alerts.restored(detail, self._clock.monotonic_us(), self._clock.utc_us()))

    def clock_changed(self, detail: str) -> None:
        """Take that the PC's clock was set, or is wrong."""
        self._say(self._alerts.clock(detail, self._clock.monotonic_us(), self._clock.utc_us()))

    def tick(self, merged_reads: int, store_trouble: str) -> None:
        """Do what the clock brings; `merged_reads` and `store_trouble` as queue and pipeline have them."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        self._say(self._alerts.merged(merged_reads, now, at))
        self._say(self._alerts.store(store_trouble, now, at))
        self._say(self._alerts.due(now, at))
        self._switch_all(self._outputs.expire(now))
        if now >= self._repeat_at:
            self.say_readers()

    def broker(self, publisher: PublisherState) -> None:
        """Take how the publisher is doing: events that no broker takes, and what the broker cannot do."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        self._say(self._alerts.event_set_aside(publisher.set_aside, publisher.set_aside_words, now, at))
        self._say(self._alerts.broker_limited(publisher.limits, now, at))

    def _say(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            log.warning("alert.raised", **_fields(alert) | {"since": rfc3339(alert.since, "+00:00")})
            key = f"{self._topics.alerts} {alert.subject}"
            self._post(Notice(self._topics.alerts, alert_payload(alert), retain=False, key=key))
            if alert.kind == "reader_down" and alert.reader is not None:
                doors = self._doors_of[alert.reader]
                self._happened(frozenset({Occasion.READER_DOWN}), doors, self._clock.monotonic_us())

    def _happened(self, occasions: frozenset[Occasion], doors: frozenset[str], now: int) -> None:
        self._switch_all(self._outputs.happened(occasions, doors, now))

    def _switch_all(self, switches: Iterable[Switch]) -> None:
        for switch in switches:
            self._switch(switch)

    def _publish_reader(self, reader_id: str, now: int) -> None:
        payload = reader_payload(self.readers.view(reader_id, now))
        self._post(Notice(self._topics.reader_status(reader_id), payload, retain=True, standing=True))


def _down_after(config: Config) -> int:
    return round(config.alerts.reader_down_after_s * 1_000_000)


def _doors_of(config: Config) -> dict[str, frozenset[str]]:
    """Every reader with the doors that it serves."""
    return {
        reader.id: frozenset(door.id for door in config.doors if reader.id in door.readers) for reader in config.readers
    }


def alert_payload(alert: Alert) -> bytes:
    """JSON of an alert as the alerts topic has it."""
    return _json(_fields(alert) | {"since": rfc3339(alert.since, "+00:00")})


def reader_payload(view: ReaderView) -> bytes:
    """JSON of a reader as its status topic has it."""
    return _json(_reader_values(view))


def _reader_values(view: ReaderView) -> dict[str, object]:
    values = asdict(view)
    times = {
        key: rfc3339(values[key], "+00:00")
        for key in ("since", "last_read_at", "last_error_at")
        if values[key] is not None
    }
    values["clock_offset_s"] = None if view.clock_offset is None else round(view.clock_offset / 1e6, 3)
    del values["clock_offset"]
    del values["heard_antennas"]  # for the people at the PC
    return values | times


def _fields(alert: Alert) -> dict[str, object]:
    return {key: value for key, value in asdict(alert).items() if value is not None}


def _json(values: dict[str, object]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()
