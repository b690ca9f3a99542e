"""Loads: what one truck is to take, compared with what went out through its door. Pure; time is an argument.

A load is what the directory names so (`load`), or else all shipments with the same planned door and departure. While
it is open, a unit that was not read is *outstanding*: it may stand in the hall. Only when the load is closed it is
*missing*. A load is closed by a person, some time after its planned departure, or when it has been complete for a
while; never on a read.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

LISTED = 100
"""Units that each list of a payload holds at most; counts are always complete."""
COMPLETE = "complete"
TIMEOUT = "timeout"
COMMAND = "command"


class LoadState(StrEnum):
    """Whether anything may still change."""

    OPEN = "open"
    COMPLETE = "complete"
    """Everything was seen; still open: something wrong may follow."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Load:
    """A load as it is kept; times are UTC in microseconds."""

    load_id: str
    door: str | None
    departure: int | None
    state: LoadState = LoadState.OPEN
    """As it was last reviewed."""
    complete_at: int | None = None
    closed_at: int | None = None
    closed_by: str | None = None
    """complete, timeout or command."""

    def takes(self, at: int) -> bool:
        """Whether what happened at that time still counts for it.

        A load that was closed as complete may stand at its door until its departure.
        """
        if self.closed_at is None or at <= self.closed_at:
            return True
        return self.closed_by == COMPLETE and self.departure is not None and at <= self.departure


class Kind(StrEnum):
    """What a unit that went out through a door means there."""

    SEEN = "seen"
    """Its own load took it."""
    MISROUTED = "misrouted"
    """Another load than its own took it."""
    OVER = "over"
    """A load took it that belongs to none."""
    ELSEWHERE = "elsewhere"
    """No load stands there."""


class Taken(NamedTuple):
    """Where a unit went."""

    load_id: str | None
    kind: Kind


class Passing(NamedTuple):
    """A unit went through a door."""

    unit: str
    """`Unit.thing`."""
    shipment_id: str
    load_id: str | None
    """The load that the unit's shipment belongs to."""
    epc: str
    door: str
    direction: str
    """out, in or undecided."""
    at: int
    """UTC, microseconds."""


class Member(NamedTuple):
    """A unit of a load, or one that went with it."""

    unit: str
    """Key of the directory."""
    shipment_id: str


class Sighting(NamedTuple):
    """What is known of a unit at a load's door."""

    unit: str
    shipment_id: str
    own_load: str | None
    """The load that the directory has it on now."""
    direction: str
    """in, out or undecided; `in`: it came back."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Expected against seen of one load."""

    shipments: int
    expected: int
    seen: int
    outstanding: tuple[Member, ...]
    """Not seen, load open."""
    missing: tuple[Member, ...]
    """Not seen, load closed."""
    undecided: tuple[Member, ...]
    """Seen at the door; whether they went out cannot be told."""
    wrong_door: tuple[Member, ...]
    """Went out elsewhere, or with another load."""
    misrouted: tuple[Member, ...]
    """Of another load, went out with this one."""
    over: tuple[Member, ...]
    """Of no load, went out with this one."""

    @property
    def complete(self) -> bool:
        """Whether everything that is expected was seen."""
        return 0 < self.expected == self.seen

    @property
    def touched(self) -> bool:
        """Whether anything happened with it here."""
        return bool(self.seen or self.undecided or self.misrouted or self.over)


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A unit went out with a load that it does not belong to."""

    kind: Kind
    """misrouted or over."""
    load_id: str
    """The load that took it."""
    own_load: str | None
    door: str
    shipment_id: str
    epc: str
    at: int
    """UTC, microseconds."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A load was closed, and units of it were not seen."""

    load: Load
    comparison: Comparison


def at_the_door(loads: Iterable[Load], door: str, at: int) -> Load | None:
    """The load that stands at a door at a time: the next to depart; if none is to, the one that is latest overdue."""
    here = [load for load in loads if load.door == door and load.takes(at)]
    coming = [load for load in here if load.departure is not None and load.departure >= at]
    if coming:
        return min(coming, key=_departure)
    return max(here, key=_departure, default=None)


def taken_by(own: Load | None, there: Load | None, door: str, at: int) -> Taken:
    """Where a unit went that left through a door.

    A unit that leaves through its own door counts for its own load, also before its hour, unless a truck stands there
    that departs earlier: then it is on that one.

    Args:
        own: the unit's load.
        there: the load that stands at the door.
        door: the door.
        at: when.
    """
    if own is not None and own.takes(at) and own.door in (None, door) and not _before(there, own):
        return Taken(own.load_id, Kind.SEEN)
    if there is None:
        return Taken(None, Kind.ELSEWHERE)
    return Taken(there.load_id, Kind.OVER if own is None else Kind.MISROUTED)


def compare(
    load_id: str,
    expected: Collection[Member],
    here: Sequence[Sighting],
    elsewhere: Collection[str],
    *,
    closed: bool,
) -> Comparison:
    """Compare what a load is to take with what is known.

    Args:
        load_id: the load.
        expected: its units.
        here: what happened with units at its door, theirs and others.
        elsewhere: keys of its units that went out elsewhere.
        closed: whether what was not seen is missing.
    """
    directions = {sighting.unit: sighting.direction for sighting in here}
    seen, undecided, wrong_door, unseen = 0, [], [], []
    for member in expected:
        direction = directions.get(member.unit)
        if direction == "out":
            seen += 1
        elif member.unit in elsewhere:
            wrong_door.append(member)
        elif direction == "undecided":
            undecided.append(member)
        else:
            unseen.append(member)
    strangers = [each for each in here if each.direction == "out" and each.own_load != load_id]
    return Comparison(
        shipments=len({member.shipment_id for member in expected}),
        expected=len(expected),
        seen=seen,
        outstanding=() if closed else tuple(unseen),
        missing=tuple(unseen) if closed else (),
        undecided=tuple(undecided),
        wrong_door=tuple(wrong_door),
        misrouted=tuple(Member(each.unit, each.shipment_id) for each in strangers if each.own_load is not None),
        over=tuple(Member(each.unit, each.shipment_id) for each in strangers if each.own_load is None),
    )


def state_after(load: Load, comparison: Comparison) -> LoadState:
    """The state that a load has, given what was compared; one closed as complete opens again when it no longer is."""
    if load.closed_at is not None and (load.closed_by != COMPLETE or comparison.complete):
        return LoadState.CLOSED
    return LoadState.COMPLETE if comparison.complete else LoadState.OPEN


def label(unit: str) -> str:
    """The key as people and backends write it: an SSCC as its 18 digits."""
    return unit.removeprefix("(00)")


def _departure(load: Load) -> int:
    return load.departure or 0


def _before(there: Load | None, own: Load) -> bool:
    if there is None or there.departure is None or own.departure is None:
        return False
    return there.departure < own.departure
