"""What passages mean for loads: which one took a unit, what is wrong with it, and when a load is closed.

`note` belongs into the transaction of the events; `review` is called now and then and has one of its own, so that a
pallet with 40 tags is compared once.
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
        passages = [each for each in bound if each.event.door is not None]
        if not passages:
            return []
        since = min(each.event.event_time for each in passages)
        doors = {each.event.door for each in passages if each.event.door is not None}
        there = {door: self._store.loads.at_door(door, since) for door in doors}
        own = {name: self._store.loads.find(name) for each in passages if (name := each.load_id) is not None}
        touched: set[str] = set()
        misplaced = []
        # One by one and in order: what was bound late may hold the whole way of a unit, out and in again.
        for each in passages:
            assert each.event.door is not None
            taken = self._note(each, own.get(each.load_id or ""), there[each.event.door], touched)
            if taken is not None and taken.kind in (Kind.MISROUTED, Kind.OVER):
                misplaced.append(_misplaced(each, taken))
        self._store.loads.touch(touched)
        return misplaced

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

    def _note(self, bound: Bound, own: Load | None, there: Sequence[Load], touched: set[str]) -> Taken | None:
        """Write one passage; where a unit went that went out."""
        event, loads = bound.event, self._store.loads
        assert event.door is not None
        counts = own is not None and own.takes(event.event_time)
        if event.direction == Direction.OUT:
            taken = taken_by(own, at_the_door(there, event.door, event.event_time), event.door, event.event_time)
            if own is not None or taken.load_id is not None:
                touched.update(loads.came_off(bound.unit.thing, event.event_time, taken.load_id))
                loads.passed(_unit(bound, taken.load_id or ""))
                touched.update(load_id for load_id in (taken.load_id, bound.load_id) if load_id)
            return taken
        if event.direction == Direction.IN:
            touched.update(loads.came_off(bound.unit.thing, event.event_time, None))
            if own is not None and counts:
                # So that an earlier way out that is bound later does not put it on the truck again.
                loads.passed(_unit(bound, own.load_id))
        elif own is not None and counts and own.door in (None, event.door):
            loads.was_undecided(_unit(bound, own.load_id))
            touched.add(own.load_id)
        return None


def _unit(bound: Bound, load_id: str) -> LoadUnit:
    event = bound.event
    return LoadUnit(load_id, bound.unit.thing, event.shipment_id, str(event.direction), event.event_time)


def _misplaced(bound: Bound, taken: Taken) -> Misplaced:
    event = bound.event
    assert taken.load_id is not None
    assert event.door is not None
    return Misplaced(
        taken.kind,
        taken.load_id,
        bound.load_id,
        event.door,
        event.shipment_id,
        event.epc,
        event.event_time,
    )
