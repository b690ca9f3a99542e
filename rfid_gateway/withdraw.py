"""Withdrawing a committed event: its error declaration is a further event in the outbox. Called from a command.

One transaction on the database beside the running gateway, as an import of shipments is: BEGIN IMMEDIATE keeps the
pipeline's drains and this apart, and the publisher looks at the outbox once a second without being woken.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from rfid_gateway.epc.decode import decode
from rfid_gateway.events.times import time_zone_offset
from rfid_gateway.events.withdrawal import Declaration, Reason, withdrawal, withdrawal_id
from rfid_gateway.shipments.progress import state_of
from rfid_gateway.store.connection import Store
from rfid_gateway.store.history import HistoryEvent
from rfid_gateway.store.outbox import OutboxEvent
from rfid_gateway.store.unit_states import UnitState


class WithdrawalError(Exception):
    """The event cannot be withdrawn; says why."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was done."""

    event: HistoryEvent
    """The event that is withdrawn."""
    sequence: int
    """Of the event that says so."""


def withdraw(store: Store, name: str, reason: Reason, corrective: Sequence[str], now: int, zone: ZoneInfo) -> Withdrawn:
    """Commit the withdrawal of an event; the unit, its shipment's status and its load are as before it.

    Args:
        store: the gateway's database.
        name: the event's id, or its sequence in digits.
        reason: `did_not_occur` or `incorrect_data`.
        corrective: event ids of what is right instead, or sequences of this gateway.
        now: UTC, microseconds.
        zone: the site's time zone.

    Raises:
        WithdrawalError: there is no such event, it is withdrawn already or is a withdrawal itself, or the corrective
            events do not fit.
        StoreError: in words.
    """
    with store.transaction():
        event = _known(store, name)
        if event.withdrawn_by is not None:
            raise WithdrawalError(f"event {event.sequence} was withdrawn already, by event {event.withdrawn_by}")
        corrections = tuple(dict.fromkeys(_event_id(store, text) for text in corrective))
        try:
            composed = withdrawal(event.payload, Declaration(reason, now, time_zone_offset(now, zone), corrections))
        except ValueError as error:
            raise WithdrawalError(str(error)) from error
        (row,) = store.outbox.append([_outbox_event(event, composed.payload)])
        things = _things(store, event.epc)
        store.unit_states.put_back(things, event.event_time, _state(store.history.before(event)))
        store.loads.never_passed(things, event.event_time)
        store.retained.mark("shipment", (event.shipment_id,))
    return Withdrawn(event, row.sequence)


def _known(store: Store, name: str) -> HistoryEvent:
    event = store.history.event(name)
    if event is None:
        raise WithdrawalError(f"there is no event {name!r} here (any more); expected its event id or its sequence")
    return event


def _event_id(store: Store, text: str) -> str:
    """The id of a corrective event, which another system may have made."""
    if text.isdecimal():
        return _known(store, text).event_id
    parts = urlsplit(text)
    if not parts.scheme or not (parts.path or parts.netloc) or any(map(str.isspace, text)):
        raise WithdrawalError(f"corrective event {text!r}: expected an event id, which is a URI, or a sequence")
    return text


def _outbox_event(event: HistoryEvent, encode: Callable[[int], bytes]) -> OutboxEvent:
    return OutboxEvent(
        event_id=withdrawal_id(event.event_id),
        event_time=event.event_time,
        epc=event.epc,
        shipment_id=event.shipment_id,
        biz_step=event.biz_step,
        direction=event.direction,
        verdict=event.verdict,
        read_point=event.read_point,
        topic=event.topic,
        encode=encode,
        logistic_unit=event.logistic_unit,
    )


def _things(store: Store, epc: str) -> tuple[str, ...]:
    """The names under which the unit of a tag may stand: its own, and the one of a unit with several keys."""
    keys = f"epc:{epc}", decode(epc).key
    found = store.directory.find(keys)
    return keys if found is None else tuple(dict.fromkeys((*keys, found[1].thing)))


def _state(event: HistoryEvent | None) -> UnitState | None:
    if event is None:
        return None
    epcis = json.loads(event.payload)["epcis"]
    return UnitState(
        key="",
        shipment_id=event.shipment_id,
        biz_step=event.biz_step,
        direction=event.direction,
        read_point=event.read_point,
        event_time=event.event_time,
        state=state_of(event.biz_step, event.verdict),
        disposition=epcis.get("disposition"),
        biz_location=epcis.get("bizLocation", {}).get("id"),
        verdict=event.verdict,
        event_id=event.event_id,
        sequence=event.sequence,
    )
