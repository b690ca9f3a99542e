"""What passages mean for loads: which one took a unit, what is wrong with it, and when a load is closed.

`note` belongs into the transaction of the events, `note_anew` into that of a withdrawal; `review` is called now and
then and has one of its own, so that a pallet with 40 tags is compared once.
"""

from collections.abc import Sequence
from dataclasses import replace

from rfid_gateway.config import Config
from rfid_gateway.observe.observations import Direction
from rfid_gateway.resolve import Bound
from rfid_gateway.shipments.loads import (
    COMMAND,
    Comparison,
    Incomplete,
    Kind,
    Load,
    LoadState,
    Misplaced,
    Passing,
    Taken,
    at_the_door,
    state_after,
    taken_by,
)
from rfid_gateway.store.connection import Store
from rfid_gateway.store.loads import LoadUnit

REVIEWED_AT_ONCE = 20
"""Loads in one review: a directory that arrives with a thousand loads must not hold reads up."""
LATE_NEWS_US = 86_400_000_000
"""A load that was closed for its time so long after it, because nobody was there to close it, is no news any more."""


class Loading:
    """Keeps the loads. Owner: the pipeline; holds only the configuration and the store."""

    def __init__(self, config: Config, store: Store) -> None:
        self._store = store
        self._grace = round(config.loads.close_after_departure_s * 1_000_000)
        self._stable = round(config.loads.close_complete_after_s * 1_000_000)
        self._doors = frozenset(door.id for door in config.doors)

    def note(self, bound: Sequence[Bound]) -> list[Misplaced]:
        """Write what passages mean for loads; returns the units that went out with a load that is not theirs."""
        return _note(self._store, [passing for each in bound if (passing := _passing(each)) is not None])

    def review(self, at: int) -> list[Incomplete]:
        """Compare the loads that have changed, and close those whose time has come.

        Returns those that are closed from now on and lack something. `at` is UTC in microseconds.
        """
        lacking = []
        with self._store.transaction():
            self._store.loads.close_due(at, at - self._grace, at - self._stable)
            for load in self._store.loads.to_review(REVIEWED_AT_ONCE):
                comparison = self._store.loads.compare(load)
                if self._review(load, comparison, at) and (comparison.missing or comparison.wrong_door):
                    lacking.append(Incomplete(load, comparison))
        return lacking

    def _review(self, load: Load, comparison: Comparison, at: int) -> bool:
        """Write what a comparison has found; whether people should hear that the load is closed now."""
        if not comparison.shipments:
            self._store.loads.forget(load.load_id)
            self._store.retained.mark_known("load", load.load_id)
            return False
        state = state_after(load, comparison)
        reopened = state is not LoadState.CLOSED and load.closed_at is not None
        self._store.loads.reviewed(
            replace(
                load,
                state=state,
                complete_at=at if state is LoadState.COMPLETE else None,
                closed_at=None if reopened else load.closed_at,
                closed_by=None if reopened else load.closed_by,
            )
        )
        # Each gateway of a site knows every load; the one at whose door it stands speaks of it, and the one to which
        # a person has said that it is closed.
        ours = load.door in self._doors or comparison.touched or load.closed_by == COMMAND
        if ours:
            self._store.retained.mark("load", (load.load_id,))
        news = load.departure is None or at - load.departure - self._grace < LATE_NEWS_US
        return ours and news and state is LoadState.CLOSED and load.state is not LoadState.CLOSED


def note_anew(store: Store, units: Sequence[str], since: int, passings: Sequence[Passing]) -> None:
    """Make anew what a unit's passages mean for loads, because one of them counts no longer.

    Args:
        store: in a transaction.
        units: names that the unit may have.
        since: time of its first known passage, the one that counts no longer included: UTC, microseconds. What it
            went out with before stays.
        passings: those that count, in order of their times.
    """
    store.loads.touch(store.loads.forget_unit(units, since))
    _note(store, passings)


def _note(store: Store, passings: Sequence[Passing]) -> list[Misplaced]:
    if not passings:
        return []
    since = min(each.at for each in passings)
    there = {door: store.loads.at_door(door, since) for door in {each.door for each in passings}}
    own = {name: store.loads.find(name) for each in passings if (name := each.load_id) is not None}
    touched: set[str] = set()
    misplaced = []
    # One by one and in order: what was bound late may hold the whole way of a unit, out and in again.
    for each in passings:
        taken = _note_one(store, each, own.get(each.load_id or ""), there[each.door], touched)
        if taken is not None and taken.load_id is not None and taken.kind in (Kind.MISROUTED, Kind.OVER):
            misplaced.append(
                Misplaced(taken.kind, taken.load_id, each.load_id, each.door, each.shipment_id, each.epc, each.at)
            )
    store.loads.touch(touched)
    return misplaced


def _note_one(
    store: Store, passing: Passing, own: Load | None, there: Sequence[Load], touched: set[str]
) -> Taken | None:
    """Write one passage; where a unit went that went out."""
    loads, at = store.loads, passing.at
    counts = own is not None and own.takes(at)
    if passing.direction == Direction.OUT:
        taken = taken_by(own, at_the_door(there, passing.door, at), passing.door, at)
        if own is not None or taken.load_id is not None:
            touched.update(loads.came_off(passing.unit, at, taken.load_id))
            loads.passed(_load_unit(passing, taken.load_id or ""))
            touched.update(load_id for load_id in (taken.load_id, passing.load_id) if load_id)
        return taken
    if passing.direction == Direction.IN:
        touched.update(loads.came_off(passing.unit, at, None))
        if own is not None and counts:
            # So that an earlier way out that is bound later does not put it on the truck again.
            loads.passed(_load_unit(passing, own.load_id))
    elif own is not None and counts and own.door in (None, passing.door):
        loads.was_undecided(_load_unit(passing, own.load_id))
        touched.add(own.load_id)
    return None


def _load_unit(passing: Passing, load_id: str) -> LoadUnit:
    return LoadUnit(load_id, passing.unit, passing.shipment_id, passing.direction, passing.at)


def _passing(bound: Bound) -> Passing | None:
    event = bound.event
    if event.door is None or event.direction is None:
        return None
    return Passing(
        bound.unit.thing, event.shipment_id, bound.load_id, event.epc, event.door, event.direction, event.event_time
    )
