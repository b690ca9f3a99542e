"""The pipeline: from what readers and the order backend send to committed events. Owner: the thread `pipeline`.

reader-<id> ─┐
publisher   ─┴─▶ Intake ──▶ Pipeline.drain ──▶ database ──▶ publisher ──▶ order backend
(directory feed, commands)
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from rfid_gateway.binding import Binding
from rfid_gateway.clock import Clock
from rfid_gateway.command_desk import Answer, CommandDesk
from rfid_gateway.command_reception import Received
from rfid_gateway.config import Config
from rfid_gateway.durations import Durations
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.housekeeping import Housekeeping
from rfid_gateway.intake import DirectoryMessage, DirectoryRefusal, Item
from rfid_gateway.lesser_forms import LesserForms
from rfid_gateway.mqtt.requests import Request
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.observation_counts import ObservationCounts
from rfid_gateway.observe.observations import Observation
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.saved import SavedState
from rfid_gateway.reads import UP, GpiEdge, ReaderStatus, TagReport
from rfid_gateway.shipments.faults import ShipmentSourceError
from rfid_gateway.shipments.json_source import parse_payload
from rfid_gateway.shipments.loads import Incomplete, Misplaced
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreBusyError, StoreDamagedError, StoreError, StoreFullError
from rfid_gateway.store.observation_state import StateRow

log = structlog.get_logger(__name__)

CHECKPOINT_US = 50_000
"""How often what observation has in mind is saved while nothing is decided."""
REVIEW_US = 1_000_000
"""How often the loads that have changed are compared anew."""
HELD_MAX = 50_000
"""Observations that wait in memory while nothing can be committed: some 50 MB. Beyond, the oldest are given up."""
COMMIT_MAX = 2_000
"""Observations in one commit: what waited for room comes back in pieces that fit into it."""
COMMIT_TIGHT = 200
"""Likewise while the disk is full: half a megabyte of log."""
COMMIT_BOUNDS_US = (1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000)
"""Buckets for the durations of commits."""
RETRY_US = 1_000_000
"""How often a commit is tried again while the disk or the database does not let it."""


_States = dict[tuple[str, str, str], SavedState]
"""Rows of observation's memory by their keys."""


@dataclass(slots=True)
class _Pending:
    """What no commit has taken yet; it outlives a commit that fails. Owner: the pipeline."""

    observations: list[Observation] = field(default_factory=list)
    messages: list[DirectoryMessage | Received] = field(default_factory=list)
    """What the broker keeps until it is committed, in the order in which it came."""
    states: _States = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drained:
    """What one drain has committed."""

    events: int = 0
    """How many are new in the outbox."""
    last_sequence: int = 0
    """Of the last of them."""
    located: tuple[LocationEvent, ...] = ()
    unknown: tuple[Observation, ...] = ()
    """Observations of tags that no entry knows; they wait for it."""
    refused: tuple[DirectoryRefusal, ...] = ()
    """Messages of the directory feed that could not be used."""
    misplaced: tuple[Misplaced, ...] = ()
    """Units that went out with a load that is not theirs."""


@dataclass(slots=True)
class _Replies:
    """What is to be said once a commit has succeeded; made anew for each attempt. Owner: the pipeline."""

    answers: list[Answer] = field(default_factory=list)
    refused: list[DirectoryRefusal] = field(default_factory=list)


class Pipeline:
    """Owns observation, the directory's writes and the outbox's writes, all in its own thread."""

    def __init__(self, config: Config, store: Store, clock: Clock, desk: CommandDesk | None = None) -> None:
        """Go on where the store says that the last run ended; without a desk, commands must not come."""
        self._store = store
        self._clock = clock
        self._desk = desk
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._binding = Binding(config, store, clock)
        self._observer = _observer(config)
        self._pending = _Pending()
        self._restore()
        self.house = Housekeeping(config, store, clock)
        """Other threads only look."""
        self._review_at = 0
        self._last_commit = 0
        self._retry_at = 0
        self._failure: StoreError | None = None
        """Why nothing could be committed at the last attempt; None when all is well."""
        self.store_trouble = ""
        """Why nothing can be committed now; empty when all is well. Other threads only look."""
        self.damaged = ""
        """What is damaged in the database, until whoever sets it aside clears this; empty when all is well."""
        self.observations_lost = 0
        """Given up for want of memory while nothing could be committed; other threads only look."""
        self.reads = 0
        """Tag reads taken so far; other threads only look."""
        self.events = 0
        """Location events committed so far; other threads only look."""
        self.unknown = 0
        """Observations so far of tags that no entry knew; other threads only look."""
        self.counts = ObservationCounts((zone.id for zone in config.zones), (door.id for door in config.doors))
        """Passages and presence changes so far; other threads only look."""
        self.commits = Durations(COMMIT_BOUNDS_US)
        """How long commits took; other threads only look."""
        self._lesser = LesserForms()

    def follow(self, config: Config, *, places: bool) -> None:
        """Go by another configuration of the same gateway, between two drains.

        Observation goes on as after a restart, and only where `places` says that it has other rules: what was in mind
        of doors and zones that are still there stays; what was in mind of the others is forgotten without an event.

        Raises:
            StoreError: everything follows, but the database did not take its new limits yet.
        """
        self._binding.follow(config)
        if places:
            self._observe_anew(config)
        self.house.follow(config)

    def _observe_anew(self, config: Config) -> None:
        before, self._observer = self._observer, _observer(config)
        # Not everything that is in mind was committed yet: what changed is carried over, row by row.
        while rows := before.changed():
            self._pending.states.update((row[:3], row) for row in rows)
        self._observer.restore(before.memory(), self._clock.monotonic_us(), self._clock.utc_us())

    # The path of a tag read ----------------------------------------------------------------------------------------

    def drain(self, items: Sequence[Item]) -> Drained:
        """Take what arrived through the whole path in one commit; returns what is committed now."""
        now = self._clock.monotonic_us()
        self._observe(items, now)
        if not self._due(now):
            if self._failure is not None:
                self._answer_without_database(self._failure)
            return Drained()
        self._last_commit = now
        tight = self.house.tight or self.store_trouble
        at_once = COMMIT_TIGHT if tight else COMMIT_MAX
        batch, left = self._pending.observations[:at_once], self._pending.observations[at_once:]
        began = self._clock.monotonic_us()
        try:
            with self._store.transaction():
                replies = self._take_messages()
                late = self._binding.bound_late()
                bound, unknown = self._binding.resolve([*late, *batch])
                events, last_sequence, misplaced = self._binding.append(bound)
                waiting = self._save_states(batch, left)
        except StoreError as error:
            self.keep_for_later(error)
            return Drained()
        self.commits.add(self._clock.monotonic_us() - began)
        self._settle(replies, _Pending(left, states=waiting))
        self.events += events
        self.unknown += len(unknown)
        self._lesser.count(bound)
        located = tuple(each.event for each in bound)
        return Drained(events, last_sequence, located, tuple(unknown), tuple(replies.refused), tuple(misplaced))

    def save(self) -> None:
        """Commit what observation has in mind, whether or not a checkpoint is due: the gateway ends."""
        self._retry_at = 0
        more = True
        while more:
            self._last_commit = -CHECKPOINT_US
            self.drain(())
            more = bool(self._pending.observations) and not self.store_trouble
        if waiting := self._pending.observations:
            log.error("store.observations_lost", reason="the gateway ends", observations=len(waiting))

    def passages_open(self) -> bool:
        """Whether a passage is being observed at any door."""
        return self._observer.passages_open()

    def tidy(self) -> None:
        """Give observations up whose entry has not come for too long, and say so."""
        self._binding.give_up_old()
        self._lesser.tell()
        if self._desk is not None:
            self._desk.tidy()

    @property
    def as_object(self) -> int:
        """Events so far that are ObjectEvents although their step asks for another type; other threads only look."""
        return self._lesser.total

    def review_loads(self) -> list[Incomplete]:
        """Compare the loads that have changed, once a second; returns those that were closed and lack something."""
        now = self._clock.monotonic_us()
        if now < self._review_at:
            return []
        self._review_at = now + REVIEW_US
        try:
            return self._binding.review()
        except StoreError as error:
            log.error("loads.not_reviewed", reason=str(error), retry_in_s=REVIEW_US / 1e6)
            return []

    def _observe(self, items: Sequence[Item], now: int) -> None:
        """Tag reports and photo-eyes become observations: presence in zones, passages through doors."""
        observations, waiting = self._pending.observations, len(self._pending.observations)
        for item in items:
            if isinstance(item, TagReport):
                observations += self._observer.report(item)
                self.reads += len(item.tag_reads)
            elif isinstance(item, GpiEdge):
                observations += self._observer.edge(item)
            elif isinstance(item, ReaderStatus) and item.state not in UP:
                self._observer.lose_reader(item.reader_id, now)
            elif isinstance(item, DirectoryMessage):
                self._pending.messages.append(item)
            elif isinstance(item, Request):
                assert self._desk is not None, "whoever subscribes to commands gives the pipeline a desk"
                self._pending.messages.append(self._desk.receive(item))
        observations += self._observer.expire(now)
        if len(observations) > waiting:
            self.counts.count(observations[waiting:])
        self._bound_what_waits(observations)

    def _bound_what_waits(self, observations: list[Observation]) -> None:
        """Memory ends too: beyond a limit the oldest observations go, counted and said."""
        excess = len(observations) - HELD_MAX
        if excess <= 0 or not self.store_trouble:
            return
        del observations[:excess]
        if not self.observations_lost:
            log.error("store.observations_lost", reason=self.store_trouble, limit=HELD_MAX)
        self.observations_lost += excess

    def _take_messages(self) -> _Replies:
        """Entries of the directory that arrived are written and commands carried out, in the order of their arrival."""
        replies = _Replies()
        for message in self._pending.messages:
            if isinstance(message, DirectoryMessage):
                refusal = self._apply(message)
                replies.refused += [refusal] if refusal else []
            else:
                assert self._desk is not None
                replies.answers.append(self._desk.execute(message))
        return replies

    def _apply(self, message: DirectoryMessage) -> DirectoryRefusal | None:
        """One message of the directory feed; a bad one is passed over and given back, the others count."""
        if not message.payload:
            self._store.directory.delete(message.shipment_id)
            return None
        topic = self._topics.directory(message.shipment_id)
        try:
            shipment = parse_payload(message.shipment_id, message.payload, topic)
        except ShipmentSourceError as error:
            return DirectoryRefusal(topic, str(error), self._clock.utc_us(), message.shipment_id)
        self._store.directory.upsert((shipment,))
        return None

    # What a commit takes, and what happens when it cannot ------------------------------------------------------------

    def _due(self, now: int) -> bool:
        """Whether there is something to commit now; state alone can wait for the next checkpoint."""
        if self.store_trouble:
            return now >= self._retry_at
        if self._pending.observations or self._pending.messages:
            return True
        return now - self._last_commit >= CHECKPOINT_US

    def _save_states(self, batch: Sequence[Observation], left: Sequence[Observation]) -> _States:
        """Write what observation has in mind; returns what waits for the observations that are left.

        What is kept in mind must never be ahead of the events that follow from it: they would be lost with a kill. Nor
        behind: they would be made again. So with a piece go the tags of which it has the last.
        """
        states = self._pending.states
        for row in self._observer.changed():
            states[row[:3]] = row
        waiting: _States = {}
        if left:
            said = {each.epc for each in batch} - {each.epc for each in left}
            waiting = {key: row for key, row in states.items() if row.epc not in said}
        self._store.observation_state.save(StateRow(*row) for key, row in states.items() if key not in waiting)
        return waiting

    def _settle(self, replies: _Replies, left: _Pending) -> None:
        """After a commit: nothing of it waits any longer, and the broker may forget the messages."""
        for answer in replies.answers:
            assert self._desk is not None
            self._desk.say(answer)
        for message in self._pending.messages:
            message.acknowledge()
        self._pending = left
        self._retry_at = 0
        if self.store_trouble and not left.observations:
            # Not before: room for one commit is not yet room for all, and people need not hear of each.
            log.info("store.recovered")
            self.store_trouble = ""
            self._failure = None

    def _answer_without_database(self, error: StoreError) -> None:
        """Who gave a command is told now; messages of the directory wait."""
        waiting: list[DirectoryMessage | Received] = []
        for message in self._pending.messages:
            answer = None
            if isinstance(message, Received) and self._desk is not None:
                answer = self._desk.without_database(message, error)
            if answer is None or self._desk is None:
                waiting.append(message)
            else:
                self._desk.say(answer)
                message.acknowledge()
        self._pending.messages = waiting

    def keep_for_later(self, error: StoreError) -> None:
        """The database did not let something be done: what waits stays in memory, reads go on, and it is tried again.

        Where something can be done about it, that is done first: room is made, a connection opened anew.
        """
        self._answer_without_database(error)
        if not self.store_trouble:
            log.error("store.failed", reason=str(error), waiting=len(self._pending.observations))
        self.store_trouble = str(error)
        self._failure = error
        self._retry_at = self._clock.monotonic_us() + RETRY_US
        if isinstance(error, StoreDamagedError):
            self.damaged = str(error)
        elif not isinstance(error, StoreBusyError):
            try:
                self.house.make_room() if isinstance(error, StoreFullError) else self.reopen()
            except (StoreError, OSError) as again:
                log.debug("store.still_failing", reason=str(again))

    def reopen(self) -> None:
        """Connect anew: a disk may be writable again, or the file be another.

        Raises:
            StoreError: it cannot be opened; the old connection is kept.
        """
        self._store.reopen()
        self._binding.reopened()
        self.house.reopened()

    def _restore(self) -> None:
        """Go on with what observation had in mind; a row that cannot be read is dropped, and said."""
        now, at = self._clock.monotonic_us(), self._clock.utc_us()
        for row in self._store.observation_state.load():
            try:
                self._observer.restore([SavedState(*row)], now, at)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                log.error("state.unreadable", kind=row.kind, place=row.name, epc=row.epc, reason=repr(error))
                self._pending.states[row[:3]] = SavedState(*row[:3], None)


def _observer(config: Config) -> Observer:
    return Observer([zone.rules for zone in config.zones], [door.rules for door in config.doors])
