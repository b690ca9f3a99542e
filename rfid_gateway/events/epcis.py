"""A location event as EPCIS 2.0, in JSON (EPCIS 2.0 10.1)."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.times import rfc3339
from rfid_gateway.events.vocabulary import EventType

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
"""With it, a bare event is valid without a document around it."""

EpcisEvent = dict[str, Any]
"""An EPCIS 2.0 event as `json` reads and writes it."""

_TRANSACTION_URI = re.compile(
    r"(?:urn:[a-z0-9][a-z0-9-]{1,31}:|https?://)(?:[\w.~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII
)
_WITH_PARENT = frozenset({"AggregationEvent", "AssociationEvent"})
_URN_CHARACTERS = "!$'()*+,;:=@-._~"


def epcis_event(event: LocationEvent, *, gln: str | None = None) -> EpcisEvent:
    """The complete EPCIS 2.0 event but for its eventID, which is computed from it.

    An undecided passage has no bizStep: only the observation is claimed. What EPCIS has no field for (shipment,
    orders, direction) stays outside, in the payload around it: an extension would change the event hash between
    versions of CBV.

    Args:
        event: what happened.
        gln: GLN of the party that numbers despatch advices and orders (13 digits); needed to name one that is given
            as a plain number.

    Raises:
        ValueError: the event is of a type that its fields do not fit: a parent where none belongs or none where
            there must be one, a TransactionEvent without a transaction, a persistent disposition in no ObjectEvent.
    """
    epcis: EpcisEvent = {
        "@context": CONTEXT,
        "type": event.event_type,
        "eventTime": rfc3339(event.event_time, event.time_zone_offset),
        "eventTimeZoneOffset": event.time_zone_offset,
        **_what(event),
        "action": event.action,
    }
    if event.biz_step is not None:
        epcis["bizStep"] = event.biz_step
    if event.disposition is not None:
        epcis["disposition"] = event.disposition
    if event.persistent_disposition is not None:
        epcis["persistentDisposition"] = _persistent(event)
    epcis["readPoint"] = {"id": event.read_point}
    if event.biz_location is not None:
        epcis["bizLocation"] = {"id": event.biz_location}
    transactions = business_transactions(event.event_type, event.despatch_advice, event.orders, gln)
    if transactions:
        epcis["bizTransactionList"] = transactions
    elif event.event_type == "TransactionEvent":
        raise ValueError("a TransactionEvent needs a despatch advice or an order that has a URI")
    return epcis


def _what(event: LocationEvent) -> EpcisEvent:
    """The unit: in epcList, or below its parent where the event ties it to one (EPCIS 2.0 7.4)."""
    if (event.event_type in _WITH_PARENT) != (event.parent is not None):
        raise ValueError(
            f"{event.event_type} with parent {event.parent!r}: expected one in {sorted(_WITH_PARENT)} only"
        )
    if event.parent is None:
        return {"epcList": [event.epc_uri]}
    return {"parentID": event.parent, "childEPCs": [event.epc_uri]}


def _persistent(event: LocationEvent) -> dict[str, list[str]]:
    persistent = event.persistent_disposition
    if persistent is None or event.event_type != "ObjectEvent" or not (persistent.set or persistent.unset):
        raise ValueError(f"{event.event_type} with {persistent}: expected an ObjectEvent that sets or unsets something")
    members = {"set": list(persistent.set), "unset": list(persistent.unset)}
    return {name: words for name, words in members.items() if words}


def with_event_id(epcis: EpcisEvent, event_id: str) -> EpcisEvent:
    """A copy of the event that carries its eventID."""
    return {**epcis, "eventID": event_id}


def business_transactions(
    event_type: EventType, despatch_advice: str | None, orders: Iterable[str], gln: str | None
) -> list[dict[str, str]]:
    """The documents that an event of this type is tied to: the despatch advice; in a TransactionEvent the orders, too.

    The type stands first: the usual tool hashes the two members in the order in which they stand.
    """
    uri = business_transaction(despatch_advice, gln)
    listed = [] if uri is None else [{"type": "desadv", "bizTransaction": uri}]
    if event_type == "TransactionEvent":
        uris = dict.fromkeys(business_transaction(order, gln) for order in orders)
        listed += [{"type": "po", "bizTransaction": order} for order in uris if order is not None]
    return listed


def business_transaction(number: str | None, gln: str | None) -> str | None:
    """URI of a business document, or None where none can be formed (CBV 2.0 8.5).

    A URI (`urn:`, `http:`, `https:`) is kept; a plain number becomes `urn:epcglobal:cbv:bt:<gln>:<number>`; a plain
    number without a GLN has no URI, because two companies may have the same number.
    """
    if not number:
        return None
    if _TRANSACTION_URI.fullmatch(number):
        return number
    if gln is None:
        return None
    return f"urn:epcglobal:cbv:bt:{gln}:{quote(number, safe=_URN_CHARACTERS)}"
