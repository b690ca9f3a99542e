"""From observations to the outbox: whose tag it is, which event that makes, and what follows for units and loads.

All of it but `review` and `give_up_old` belongs into the transaction of one drain.
"""

from collections.abc import Sequence

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.config import Config
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.payload import compose
from rfid_gateway.loading import Loading
from rfid_gateway.mqtt.topics import Topics
from rfid_gateway.observe.observations import Observation
from rfid_gateway.resolve import Bound, Resolver, dump, keys_of, load, time_of
from rfid_gateway.shipments.loads import Incomplete, Misplaced
from rfid_gateway.shipments.progress import state_of
from rfid_gateway.store.connection import Store
from rfid_gateway.store.outbox import OutboxEvent, OutboxRow
from rfid_gateway.store.unbound import UnboundObservation
from rfid_gateway.store.unit_states import UnitState

log = structlog.get_logger(__name__)

LATE_BATCH = 1_000
"""Observations bound late in one commit; a reader may have waited for days, and the pipeline must not."""


class Binding:
    """Binds observations to shipments. Owner: the pipeline, in its thread; holds the configuration and the store."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._topics = Topics(config.mqtt.prefix, config.gateway.site, config.gateway.id)
        self._resolver = Resolver(config)
        self._loading = Loading(config, store)
        self._directory_version = -1

    def reopened(self) -> None:
        """The store has a new connection: what waits for an entry is looked through again."""
        self._directory_version = -1

    def follow(self, config: Config) -> None:
        """Go by another configuration of the same gateway."""
        self._config = config
        self._resolver = self._resolver.following(config)
        self._loading = Loading(config, self._store)

    def give_up_old(self) -> None:
        """Give observations up whose entry has not come for too long, and say so. Raises StoreError."""
        hold_us = round(self._config.shipments.hold_unknown_days * 86_400_000_000)
        dropped = self._store.unbound.expire(self._clock.utc_us() - hold_us)
        if dropped:
            log.warning("unbound.given_up", observations=dropped, after_days=self._config.shipments.hold_unknown_days)

    def review(self) -> list[Incomplete]:
        """Compare the loads that have changed; returns those that were closed and lack something. Raises StoreError."""
        return self._loading.review(self._clock.utc_us())

    def bound_late(self) -> list[Observation]:
        """Observations that waited for an entry which is there now come back."""
        version = self._store.directory.version()
        if version == self._directory_version:
            return []
        # Entries may also come from `shipments import`, another process: the version counts those too.
        waiting = self._store.unbound.take_bound(LATE_BATCH)
        if len(waiting) < LATE_BATCH:
            self._directory_version = version
        return [load(unbound.observation) for unbound in waiting]

    def resolve(self, observations: Sequence[Observation]) -> tuple[list[Bound], list[Observation]]:
        """Observations of known tags become location events; those of unknown tags wait for their entry."""
        bound: list[Bound] = []
        unknown: list[Observation] = []
        directions: dict[str, str | None] = {}
        now = self._clock.utc_us()
        for observation in observations:
            if not self._resolver.concerns(observation):
                continue
            found = self._store.directory.find(keys_of(observation))
            if found is None:
                unknown.append(observation)
                continue
            key = found[1].thing
            if key not in directions:
                state = self._store.unit_states.unit_state(key)
                directions[key] = state.direction if state else None
            bound.append(self._resolver.bind(observation, found, directions[key], now))
            directions[key] = bound[-1].event.direction
        if unknown:
            self._hold(unknown)
        return bound, unknown

    def append(self, bound: Sequence[Bound]) -> tuple[int, int, list[Misplaced]]:
        """Location events get their ids, sequences and place in the outbox; what follows from them is noted."""
        if not bound:
            return 0, 0, []
        events = [self._outbox_event(each.event) for each in bound]
        rows = {row.event_id: row for row in self._store.outbox.append(events)}
        # An event without a row was committed before, with all that follows from it.
        new = [(each, row) for each, event in zip(bound, events, strict=True) if (row := rows.get(event.event_id))]
        self._store.unit_states.set_unit_states(_state_of(each, row) for each, row in new)
        self._store.retained.mark("shipment", {each.event.shipment_id for each, _ in new})
        last_sequence = max((row.sequence for row in rows.values()), default=0)
        return len(rows), last_sequence, self._loading.note([each for each, _ in new])

    def _hold(self, unknown: Sequence[Observation]) -> None:
        limit = self._config.shipments.hold_unknown_max
        dropped = self._store.unbound.add([_unbound(observation) for observation in unknown], limit)
        if dropped:
            log.warning("unbound.full", observations=dropped, limit=limit)

    def _outbox_event(self, event: LocationEvent) -> OutboxEvent:
        composed = compose(event, gln=self._config.gateway.gln)
        return OutboxEvent(
            event_id=composed.event_id,
            event_time=event.event_time,
            epc=event.epc,
            shipment_id=event.shipment_id,
            biz_step=event.biz_step,
            direction=event.direction,
            verdict=event.verdict,
            read_point=event.read_point,
            topic=self._topics.events(event.biz_step),
            encode=composed.payload,
            logistic_unit=event.logistic_unit,
            door=event.door,
        )


def _unbound(observation: Observation) -> UnboundObservation:
    return UnboundObservation(observation.epc, keys_of(observation), dump(observation), time_of(observation))


def _state_of(bound: Bound, row: OutboxRow) -> UnitState:
    event = bound.event
    return UnitState(
        key=bound.unit.thing,
        shipment_id=event.shipment_id,
        biz_step=event.biz_step,
        direction=event.direction,
        read_point=event.read_point,
        event_time=event.event_time,
        state=state_of(event.biz_step, event.verdict),
        disposition=event.disposition,
        biz_location=event.biz_location,
        door=event.door,
        verdict=event.verdict,
        event_id=row.event_id,
        sequence=row.sequence,
    )
