"""From an observation to a location event: whose tag it is, what it means at this place, and whether it is right.

Tags that the directory does not know wait (`store.unbound`); when their entry arrives, their observations come through
here again and are published then, with the times at which they really happened.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo

from rfid_gateway.config import Config, Door, Step, Zone
from rfid_gateway.epc.decode import decode
from rfid_gateway.event_form import form_of
from rfid_gateway.events.location import LocationEvent, PersistentDisposition
from rfid_gateway.events.times import time_zone_offset
from rfid_gateway.observe.observations import Direction, Observation, Passage, Presence, PresenceChange
from rfid_gateway.shipments.directory import Shipment, Unit

Find = Callable[[Sequence[str]], tuple[Shipment, Unit] | None]
"""Looks the first of several keys up that the directory knows."""


_DAY_US = 86_400_000_000
_OLDEST_US = 366 * _DAY_US
_FUTURE_US = _DAY_US


@dataclass(frozen=True, slots=True)
class Bound:
    """An observation whose tag is known: the event, and the unit that it is about."""

    unit: Unit
    event: LocationEvent
    wanting: str = ""
    """Why it is an ObjectEvent although its step asks for another type; empty where it is what was asked for."""
    load_id: str | None = None
    """The load that the unit's shipment belongs to."""


class Resolver:
    """Turns observations into location events. Owner: the pipeline; holds only the configuration."""

    def __init__(self, config: Config) -> None:
        self._zones = {zone.id: zone for zone in config.zones}
        self._doors = {door.id: door for door in config.doors}
        self._zone_info: ZoneInfo = config.zone_info
        self._gateway = config.gateway

    def following(self, config: Config) -> "Resolver":
        """Return one for another configuration, in whose place it stands.

        A place that is gone keeps its last meaning, for what was observed there and is not committed yet, or waits for
        its entry.
        """
        other = Resolver(config)
        other._zones = self._zones | other._zones
        other._doors = self._doors | other._doors
        return other

    def concerns(self, observation: Observation) -> bool:
        """Whether the configuration wants an event for this kind of observation at this place."""
        if isinstance(observation, Passage):
            undecided = observation.direction is Direction.UNDECIDED
            return observation.door in self._doors and (undecided or self._step(observation) is not None)
        return self._step(observation) is not None

    def bind(
        self, observation: Observation, found: tuple[Shipment, Unit], last_direction: str | None, now: int
    ) -> Bound:
        """Make the location event of an observation.

        Args:
            observation: one that `concerns` us.
            found: the directory's answer for the tag.
            last_direction: which way this unit last went through a door; None if never.
            now: the gateway's UTC in microseconds.
        """
        shipment, unit = found
        place = self._place(observation)
        step = self._step(observation)
        passage = observation if isinstance(observation, Passage) else None
        decoded = decode(observation.epc)
        at = _plausible(time_of(observation), now)
        form = form_of(step, decoded, found, self._gateway)
        event = LocationEvent(
            event_time=at,
            time_zone_offset=time_zone_offset(at, self._zone_info),
            epc=observation.epc,
            epc_uri=decoded.uri,
            shipment_id=shipment.shipment_id,
            logistic_unit=decoded.sscc or _sscc(unit.key) or _sscc(unit.parent),
            orders=shipment.orders,
            biz_step=step.biz_step if step else None,
            disposition=step.disposition if step else None,
            read_point=place.read_point,
            biz_location=step.biz_location if step else None,
            direction=passage.direction.value if passage else None,
            confidence=round(passage.confidence, 3) if passage else None,
            verdict=_verdict(passage, shipment, last_direction),
            despatch_advice=shipment.despatch_advice,
            event_type=form.event_type,
            action=form.action,
            parent=form.parent,
            persistent_disposition=_persistent(step),
            zone=None if passage else place.id,
            door=place.id if passage else None,
        )
        return Bound(unit, event, form.wanting, shipment.load_id)

    def _place(self, observation: Observation) -> Zone | Door:
        if isinstance(observation, Passage):
            return self._doors[observation.door]
        return self._zones[observation.zone]

    def _step(self, observation: Observation) -> Step | None:
        """What the configuration calls this observation; None where it wants no event."""
        if isinstance(observation, Passage):
            door = self._doors.get(observation.door)
            if door is None or observation.direction is Direction.UNDECIDED:
                return None
            return door.into if observation.direction is Direction.IN else door.out
        zone = self._zones.get(observation.zone)
        if zone is None:
            return None
        return zone.departed if observation.change is Presence.DEPARTED else zone.arrived


def time_of(observation: Observation) -> int:
    """When it happened (UTC, microseconds): a passage when its tag was read last."""
    return observation.ended if isinstance(observation, Passage) else observation.at


def keys_of(observation: Observation) -> tuple[str, ...]:
    """The directory keys that a tag may be known by, the most specific first."""
    tid = [f"tid:{observation.tid}"] if observation.tid else []
    return tuple(dict.fromkeys([*tid, f"epc:{observation.epc}", decode(observation.epc).key]))


def dump(observation: Observation) -> str:
    """JSON of an observation that has to wait for its entry."""
    values = asdict(observation)
    if isinstance(observation, Passage):
        values["evidence"] = dict(observation.evidence)
    return json.dumps(values, separators=(",", ":"))


def load(text: str) -> Observation:
    """The observation that `dump` wrote."""
    values = json.loads(text)
    if "door" in values:
        return Passage(**{**values, "direction": Direction(values["direction"])})
    return PresenceChange(**{**values, "change": Presence(values["change"])})


def _verdict(passage: Passage | None, shipment: Shipment, last_direction: str | None) -> str:
    """ok, undecided, wrong_door or returned: what a person at the door has to know at once."""
    if passage is None:
        return "ok"
    if passage.direction is Direction.UNDECIDED:
        return "undecided"
    if passage.direction is Direction.IN:
        return "returned" if last_direction == Direction.OUT else "ok"
    planned = shipment.planned_door
    return "wrong_door" if planned is not None and planned != passage.door else "ok"


def _plausible(at: int, now: int) -> int:
    """The time itself, or now where a reader's clock went so far astray that no date could be right."""
    return at if now - _OLDEST_US <= at <= now + _FUTURE_US else now


def _persistent(step: Step | None) -> PersistentDisposition | None:
    table = step.persistent_disposition if step else None
    return PersistentDisposition(table.set, table.unset) if table else None


def _sscc(key: str | None) -> str | None:
    return key[4:] if key is not None and key.startswith("(00)") else None
