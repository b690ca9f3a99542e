"""Payloads of what is retained of shipments and loads: JSON objects, compact, UTF-8. Pure."""

import json
from collections.abc import Sequence

from rfid_gateway.events.times import rfc3339
from rfid_gateway.shipments.directory import Shipment
from rfid_gateway.shipments.loads import LISTED, Comparison, Load, Member, label, state_after
from rfid_gateway.shipments.progress import progress
from rfid_gateway.store.unit_states import UnitState

Values = dict[str, object]

_LISTS = ("outstanding", "missing", "undecided", "wrong_door", "misrouted", "over")


def shipment_status(shipment: Shipment, units: Sequence[UnitState | None], at: int) -> Values | None:
    """How far a shipment is, and its latest event; None if none of its units was ever seen.

    Args:
        shipment: its entry.
        units: one item for each of its units; None for one that was never seen.
        at: UTC in microseconds.
    """
    seen = [unit for unit in units if unit is not None]
    if not seen:
        return None
    latest = max(seen, key=lambda unit: (unit.event_time, unit.sequence or 0))
    how_far = progress([unit.state for unit in seen], len(units))
    return {
        "shipment_id": shipment.shipment_id,
        "orders": shipment.orders,
        "customer_reference": shipment.customer_reference,
        "carrier": shipment.carrier,
        "destination": shipment.destination,
        "state": how_far.state,
        "units": {"total": how_far.total, "seen": how_far.seen, "states": how_far.states},
        "biz_step": latest.biz_step,
        "disposition": latest.disposition,
        "read_point": latest.read_point,
        "biz_location": latest.biz_location,
        "door": latest.door,
        "direction": latest.direction,
        "verdict": latest.verdict,
        "event_time": rfc3339(latest.event_time, "+00:00"),
        "event_id": latest.event_id,
        "sequence": latest.sequence,
        "updated_at": rfc3339(at, "+00:00"),
    }


def load_status(load: Load, comparison: Comparison, at: int) -> Values:
    """Expected against seen of a load; counts are complete, each list holds at most `LISTED` units.

    Args:
        load: the load.
        comparison: what was compared.
        at: UTC in microseconds.
    """
    lists: dict[str, tuple[Member, ...]] = {name: getattr(comparison, name) for name in _LISTS}
    return {
        "load_id": load.load_id,
        "state": state_after(load, comparison).value,
        "door": load.door,
        "planned_departure": _time(load.departure),
        "closed_at": _time(load.closed_at),
        "closed_by": load.closed_by,
        "shipments": comparison.shipments,
        "expected": comparison.expected,
        "seen": comparison.seen,
        **{name: len(members) for name, members in lists.items()},
        "units": {
            name: [{"unit": label(each.unit), "shipment_id": each.shipment_id} for each in members[:LISTED]]
            for name, members in lists.items()
            if members
        },
        "truncated": any(len(members) > LISTED for members in lists.values()),
        "updated_at": _time(at),
    }


def encoded(values: Values | None) -> bytes:
    """The JSON of a payload; None is the empty payload that clears a retained topic."""
    if values is None:
        return b""
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at, "+00:00")
