"""Alerts: what a person should look at, said at once and then no more often than helps. Pure; time is an argument.

An alert is said when it first happens. Further ones of the same kind about the same thing are counted and said
together, once in `AGAIN_US`. `now` is monotonic, `at` UTC; both are microseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from rfid_gateway.events.location import LocationEvent
from rfid_gateway.observe.observations import Observation, Passage
from rfid_gateway.reads import UP, ReaderAlert, ReaderState, ReaderStatus
from rfid_gateway.shipments.loads import Incomplete, Misplaced, label

AGAIN_US = 60_000_000
_NAMED = 5
"""Units that an alert names; the load's topic has the others."""
STEADY_US = 10_000_000
"""How long a reader must be back before it counts as back: one that comes and goes is one outage, not a hundred."""


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    """Good to know; nothing to be done."""
    WARNING = "warning"
    """Look at it today; tag reads go on."""
    ERROR = "error"
    """Look at it now: goods pass unseen, or their events cannot be kept."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened, where, since when and how often."""

    kind: str
    severity: Severity
    detail: str
    """What happened and what helps, for people."""
    since: int
    """UTC, microseconds; of the first one that `count` counts."""
    count: int = 1
    reader: str | None = None
    door: str | None = None
    zone: str | None = None
    shipment: str | None = None
    load: str | None = None
    epc: str | None = None
    """One example."""
    topic: str | None = None
    """Of the message that this is about."""

    @property
    def subject(self) -> str:
        """What makes two alerts the same one again."""
        about = (self.kind, self.reader, self.door, self.zone, self.shipment, self.load, self.topic)
        return " ".join(part or "-" for part in about)


@dataclass(frozen=True, slots=True)
class _Repeat:
    said_at: int
    waiting: Alert | None


class Repeats:
    """Says the first alert of a subject at once, and sums up what follows. Owner: the `Alerts` that made it."""

    def __init__(self) -> None:
        self._repeats: dict[str, _Repeat] = {}

    def add(self, alert: Alert, now: int) -> list[Alert]:
        """The alert itself if it is the first for a while; otherwise nothing yet."""
        known = self._repeats.get(alert.subject)
        if known is None:
            self._repeats[alert.subject] = _Repeat(now, None)
            return [alert]
        if known.waiting is not None:
            alert = replace(alert, since=known.waiting.since, count=known.waiting.count + alert.count)
        self._repeats[alert.subject] = replace(known, waiting=alert)
        return []

    def due(self, now: int) -> list[Alert]:
        """What was counted for long enough; subjects with nothing new are forgotten."""
        said = []
        for subject, repeat in tuple(self._repeats.items()):
            if now - repeat.said_at < AGAIN_US:
                continue
            if repeat.waiting is None:
                del self._repeats[subject]
            else:
                said.append(repeat.waiting)
                self._repeats[subject] = _Repeat(now, None)
        return said


@dataclass(frozen=True, slots=True)
class _Outage:
    since: int
    """UTC."""
    began: int
    """Monotonic."""
    detail: str = ""
    said: bool = False
    back_at: int | None = None
    """Monotonic time at which the reader came back; None while it is away."""


class Outages:
    """Which readers are away, and for how long. Owner: the `Alerts` that made it."""

    def __init__(self, readers: Iterable[str], down_after: int, now: int, at: int) -> None:
        self._down_after = down_after
        self._outages = {reader: _Outage(at, now) for reader in readers}

    def follow(self, gone: Iterable[str], added: Iterable[str], down_after: int, now: int, at: int) -> None:
        """Readers were taken out of the configuration and others put in; the latter are away, as at the start."""
        self._down_after = down_after
        for reader in gone:
            self._outages.pop(reader, None)
        for reader in added:
            self._outages[reader] = _Outage(at, now)

    def note(self, status: ReaderStatus, now: int) -> None:
        """Take a change of a reader's state."""
        outage = self._outages.get(status.reader_id)
        if status.state in UP:
            if outage is not None and outage.back_at is None:
                self._outages[status.reader_id] = replace(outage, back_at=now)
            return
        if outage is None:
            outage = _Outage(status.at, now)
        self._outages[status.reader_id] = replace(outage, back_at=None, detail=status.detail or outage.detail)

    def due(self, now: int, at: int) -> list[Alert]:
        """Readers that have been away for too long, and those that are back for good."""
        said = []
        for reader, outage in tuple(self._outages.items()):
            if outage.back_at is None:
                if not outage.said and now - outage.began >= self._down_after:
                    self._outages[reader] = replace(outage, said=True)
                    said.append(_reader_down(reader, outage, now))
            elif now - outage.back_at >= STEADY_US:
                del self._outages[reader]
                if outage.said:
                    said.append(_reader_up(reader, outage, now, at))
        return said


class Alerts:
    """All alerts of a gateway. Owner: the pipeline's thread."""

    def __init__(self, readers: Iterable[str], reader_down_after: int, now: int, at: int) -> None:
        """Begin with every reader away: none is connected yet.

        Args:
            readers: ids of all readers.
            reader_down_after: microseconds that a reader may be away before it is an alert.
            now: monotonic time.
            at: UTC.
        """
        self._outages = Outages(readers, reader_down_after, now, at)
        self._repeats = Repeats()
        self._merged_reads = 0
        self._store_trouble = ""
        self._disk = "ok"
        self._observations_lost = 0
        self._set_aside = 0
        self._limits = ""

    def follow(self, gone: Iterable[str], added: Iterable[str], reader_down_after: int, now: int, at: int) -> None:
        """Go by another configuration; what was said and counted stays. Arguments as at the start."""
        self._outages.follow(gone, added, reader_down_after, now, at)

    def reader_status(self, status: ReaderStatus, now: int) -> list[Alert]:
        """A reader's state changed."""
        self._outages.note(status, now)
        kind = {ReaderState.BUSY: "reader_busy", ReaderState.DEGRADED: "reader_degraded"}.get(status.state)
        if kind is None:
            return []
        return self._repeats.add(Alert(kind, Severity.WARNING, status.detail, status.at, reader=status.reader_id), now)

    def reader_alert(self, alert: ReaderAlert, now: int) -> list[Alert]:
        """A driver has something to say."""
        said = Alert(alert.kind, Severity.WARNING, alert.detail, alert.at, alert.count, reader=alert.reader_id)
        return self._repeats.add(said, now)

    def event(self, event: LocationEvent, now: int) -> list[Alert]:
        """A location event was committed; only wrong doors and undecided passages are alerts."""
        if event.verdict not in _PASSAGES:
            return []
        detail = _PASSAGES[event.verdict].format(shipment=event.shipment_id, door=event.door)
        said = Alert(
            event.verdict,
            Severity.WARNING,
            detail,
            event.event_time,
            door=event.door,
            shipment=event.shipment_id,
            epc=event.epc,
        )
        return self._repeats.add(said, now)

    def misplaced(self, misplaced: Misplaced, now: int) -> list[Alert]:
        """A unit went out with a load that it does not belong to."""
        belongs = f"belongs to load {misplaced.own_load}" if misplaced.own_load else "belongs to no load"
        said = Alert(
            misplaced.kind.value,
            Severity.WARNING,
            f"shipment {misplaced.shipment_id} went out through {misplaced.door} with load {misplaced.load_id}, "
            f"but {belongs}: stop the truck",
            misplaced.at,
            door=misplaced.door,
            shipment=misplaced.shipment_id,
            load=misplaced.load_id,
            epc=misplaced.epc,
        )
        return self._repeats.add(said, now)

    def incomplete(self, incomplete: Incomplete, now: int, at: int) -> list[Alert]:
        """A load was closed, and not everything of it was seen; `count` says how many units."""
        load, comparison = incomplete.load, incomplete.comparison
        lacking = [*comparison.missing, *comparison.wrong_door]
        names = ", ".join(label(each.unit) for each in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        detail = (
            f"load {load.load_id} is closed without {len(lacking)} of its {comparison.expected} units: {names}{more}"
        )
        said = Alert("missing", Severity.WARNING, detail, at, len(lacking), door=load.door, load=load.load_id)
        return self._repeats.add(said, now)

    def unknown_tag(self, observation: Observation, now: int) -> list[Alert]:
        """A tag was observed that no entry of the directory knows."""
        if isinstance(observation, Passage):
            at, door, zone = observation.ended, observation.door, None
        else:
            at, door, zone = observation.at, None, observation.zone
        detail = f"no shipment has the tag {observation.epc}; its events wait for the entry"
        said = Alert("unknown_tag", Severity.WARNING, detail, at, door=door, zone=zone, epc=observation.epc)
        return self._repeats.add(said, now)

    def directory_refused(self, topic: str, reason: str, shipment: str | None, at: int, now: int) -> list[Alert]:
        """A message of the directory feed could not be used."""
        detail = f"the directory stays as it was: {reason}"
        said = Alert("directory_refused", Severity.WARNING, detail, at, shipment=shipment, topic=topic)
        return self._repeats.add(said, now)

    def merged(self, reads: int, now: int, at: int) -> list[Alert]:
        """`reads` tag reads have lost their detail since the start."""
        more, self._merged_reads = reads - self._merged_reads, reads
        if not more:
            return []
        detail = "tag reads come faster than they are worked off: counts and strongest reads are kept, detail is lost"
        return self._repeats.add(Alert("reads_merged", Severity.WARNING, detail, at, more), now)

    def store(self, trouble: str, now: int, at: int) -> list[Alert]:
        """How the database is; an empty text means well."""
        was, self._store_trouble = self._store_trouble, trouble
        if bool(was) == bool(trouble):
            return []
        if trouble:
            return self._repeats.add(Alert("store_trouble", Severity.ERROR, trouble, at), now)
        return self._repeats.add(Alert("store_recovered", Severity.INFO, "events are kept again", at), now)

    def disk(self, words: str, now: int, at: int) -> list[Alert]:
        """How much room there is; "ok" means enough."""
        was, self._disk = self._disk, words
        if (was == "ok") == (words == "ok"):
            return []
        if words != "ok":
            return self._repeats.add(Alert("disk_low", Severity.WARNING, words, at), now)
        return self._repeats.add(Alert("disk_recovered", Severity.INFO, "there is room on the disk again", at), now)

    def observations_lost(self, observations: int, now: int, at: int) -> list[Alert]:
        """`observations` were given up since the start, because nothing could be kept and memory is bounded."""
        more, self._observations_lost = observations - self._observations_lost, observations
        if not more:
            return []
        detail = "nothing can be kept, and more waits than memory may hold: the oldest observations are given up"
        return self._repeats.add(Alert("observations_lost", Severity.ERROR, detail, at, more), now)

    def set_aside(self, detail: str, now: int, at: int) -> list[Alert]:
        """The database was damaged and was replaced."""
        return self._repeats.add(Alert("database_set_aside", Severity.ERROR, detail, at), now)

    def restored(self, detail: str, now: int, at: int) -> list[Alert]:
        """The state is that of an older backup."""
        return self._repeats.add(Alert("database_restored", Severity.WARNING, detail, at), now)

    def clock(self, detail: str, now: int, at: int) -> list[Alert]:
        """The PC's clock was set, or is wrong."""
        return self._repeats.add(Alert("clock", Severity.WARNING, detail, at), now)

    def event_set_aside(self, events: int, last: str, now: int, at: int) -> list[Alert]:
        """`events` events were taken out of the outbox since the start because the broker will never take them."""
        more, self._set_aside = events - self._set_aside, events
        if not more:
            return []
        detail = f"{last}; it is kept, put the broker right and call rfid-gateway outbox retry"
        return self._repeats.add(Alert("event_set_aside", Severity.ERROR, detail, at, more), now)

    def broker_limited(self, limits: str, now: int, at: int) -> list[Alert]:
        """What the broker cannot do; an empty text means that it can do everything that is wanted."""
        was, self._limits = self._limits, limits
        if was == limits or not limits:
            return []
        return self._repeats.add(Alert("broker_limited", Severity.WARNING, limits, at), now)

    def due(self, now: int, at: int) -> list[Alert]:
        """What the clock brings: outages that lasted too long, and what was counted."""
        return [*self._outages.due(now, at), *self._repeats.due(now)]


_PASSAGES = {
    "wrong_door": "shipment {shipment} went out through {door}, which is not its planned door: stop the truck",
    "undecided": "shipment {shipment} was at {door}; whether it went in, out or not at all cannot be told: look there",
}


def _reader_down(reader: str, outage: _Outage, now: int) -> Alert:
    away_s = (now - outage.began) // 1_000_000
    detail = f"nothing has been read for {away_s} s: {outage.detail or 'the reader does not answer'}"
    return Alert("reader_down", Severity.ERROR, detail, outage.since, reader=reader)


def _reader_up(reader: str, outage: _Outage, now: int, at: int) -> Alert:
    back_at = outage.back_at if outage.back_at is not None else now
    detail = f"reading again after {(back_at - outage.began) // 1_000_000} s"
    return Alert("reader_up", Severity.INFO, detail, at - (now - back_at), reader=reader)
