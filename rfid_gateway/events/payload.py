"""The MQTT payload of a location event: one JSON object, compact, UTF-8.

    {"event_id":"ni:///sha-256;...","sequence":7,"shipment_id":"S-1","orders":["PO-1"],"logistic_unit":"3401...",
     "direction":"out","confidence":0.98,"verdict":"ok","withdraws":null,"epcis":{...},"replayed":false}

It grows in three steps, so that each is paid for once: `compose` when the event happens, `ComposedEvent.payload` when
the outbox has given it a number, `sent_first` or `sent_again` when it is sent. Keys are always there; null says that a
value does not apply.
"""

import json
from dataclasses import dataclass
from json import JSONEncoder
from typing import Any

from rfid_gateway.events.epcis import EpcisEvent, epcis_event, with_event_id
from rfid_gateway.events.event_id import event_id
from rfid_gateway.events.location import LocationEvent

_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode

_SENT_FIRST = b',"replayed":false}'
_SENT_AGAIN = b',"replayed":true}'
_EPCIS = b',"epcis":'


@dataclass(frozen=True, slots=True)
class ComposedEvent:
    """A location event with its id and its payload, which lacks only the sequence number."""

    event_id: str
    _head: bytes
    _tail: bytes

    def payload(self, sequence: int) -> bytes:
        """The payload to store: a complete JSON object but for `replayed`.

        Args:
            sequence: number of the event in this gateway's outbox, without gaps.
        """
        return b"%b%d%b" % (self._head, sequence, self._tail)


def compose(event: LocationEvent, *, gln: str | None = None) -> ComposedEvent:
    """The event as EPCIS 2.0 with its id, serialised.

    Args:
        event: what happened.
        gln: see `epcis_event`.

    Raises:
        ValueError: a time outside the years 1 to 9999, a confidence that is no number, text that is not Unicode, or
            a type of event that its fields do not fit.
    """
    epcis = epcis_event(event, gln=gln)
    identity = event_id(epcis)
    about = {
        "shipment_id": event.shipment_id,
        "orders": event.orders,
        "logistic_unit": event.logistic_unit,
        "direction": event.direction,
        "confidence": event.confidence,
        "verdict": event.verdict,
        "withdraws": None,
    }
    return serialised(identity, about, with_event_id(epcis, identity))


def serialised(identity: str, about: dict[str, Any], epcis: EpcisEvent) -> ComposedEvent:
    """A payload that lacks its sequence number, out of its parts.

    Args:
        identity: the payload's `event_id`.
        about: what stands between `sequence` and `epcis`.
        epcis: the event, with its eventID.
    """
    tail = _encode({**about, "epcis": epcis})
    head = f'{{"event_id":{_encode(identity)},"sequence":'
    return ComposedEvent(identity, head.encode(), f",{tail[1:]}".encode())


def sent_first(payload: bytes) -> bytes:
    """The stored payload as it is sent the first time, however long after the event."""
    return payload[:-1] + _SENT_FIRST


def sent_again(payload: bytes) -> bytes:
    """The stored payload as it is sent when it may have been sent before: no PUBACK came, or no commit after it."""
    return payload[:-1] + _SENT_AGAIN


def bare_epcis(payload: bytes) -> bytes:
    """The EPCIS event alone out of a stored payload, for sites that want `format = "epcis"`.

    The mark that is looked for cannot occur earlier: quotes inside JSON strings are escaped.
    """
    _, _, epcis = payload.partition(_EPCIS)
    return epcis[:-1]


def envelope(payload: bytes) -> dict[str, Any]:
    """What a stored payload says around its EPCIS event: `event_id`, `sequence`, ... `withdraws`."""
    head, _, _ = payload.partition(_EPCIS)
    around: dict[str, Any] = json.loads(head + b"}")
    return around
