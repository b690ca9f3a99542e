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
from rfid_gateway.loading import note_anew
from rfid_gateway.shipments.loads import Passing
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
    """Commit the withdrawal of an event; the unit, its shipment's status and its load are as if it had not been.

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
        _recount(store, event)
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
        door=event.door,
    )


def _recount(store: Store, withdrawn: HistoryEvent) -> None:
    """The state of the unit and what it went out with, from those of its events that still stand."""
    names = _names(store, withdrawn.epc)
    same: dict[str, bool] = {}
    standing = []
    for event in store.history.standing(withdrawn.epc, withdrawn.shipment_id):
        if event.epc not in same:  # a pallet may have several tags
            same[event.epc] = not set(names).isdisjoint(_names(store, event.epc))
        if same[event.epc]:
            standing.append(event)
    store.unit_states.make_anew(names, [_state(event) for event in standing])
    if withdrawn.direction is not None:
        passings = [passing for event in standing if (passing := _passing(store, names[-1], event)) is not None]
        # Events of a database from before `door_of_event` are no passings: what they meant for loads stays.
        since = min((withdrawn.event_time, *(passing.at for passing in passings)))
        note_anew(store, names, since, passings)


def _names(store: Store, epc: str) -> tuple[str, ...]:
    """The names under which the unit of a tag may stand; the last is the one that the directory has for it now."""
    keys = f"epc:{epc}", decode(epc).key
    found = store.directory.find(keys)
    if found is None:
        return keys
    thing = found[1].thing
    return (*(key for key in keys if key != thing), thing)


def _passing(store: Store, unit: str, event: HistoryEvent) -> Passing | None:
    shipment = store.directory.entry(event.shipment_id)
    if event.door is None or event.direction is None or shipment is None:
        return None
    return Passing(unit, event.shipment_id, shipment.load_id, event.epc, event.door, event.direction, event.event_time)


def _state(event: HistoryEvent) -> UnitState:
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
        door=event.door,
        verdict=event.verdict,
        event_id=event.event_id,
        sequence=event.sequence,
    )
