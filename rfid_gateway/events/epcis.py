"""A location event as EPCIS 2.0: an ObjectEvent with action OBSERVE, in JSON (EPCIS 2.0 10.1)."""

import re
from typing import Any
from urllib.parse import quote

from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.times import rfc3339

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
"""With it, a bare event is valid without a document around it."""

EpcisEvent = dict[str, Any]
"""An EPCIS 2.0 event as `json` reads and writes it."""

_TRANSACTION_URI = re.compile(
    r"(?:urn:[a-z0-9][a-z0-9-]{1,31}:|https?://)(?:[\w.~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+", re.ASCII
)
_URN_CHARACTERS = "!$'()*+,;:=@-._~"


def object_event(event: LocationEvent, *, gln: str | None = None) -> EpcisEvent:
    """The complete EPCIS 2.0 event but for its eventID, which is computed from it.

    An undecided passage has no bizStep: only the observation is claimed. What EPCIS has no field for (shipment,
    orders, direction) stays outside, in the payload around it: an extension would change the event hash between
    versions of CBV.

    Args:
        event: what happened.
        gln: GLN of the party that numbers the despatch advices (13 digits); needed to name one that is given as
            a plain number.
    """
    epcis: EpcisEvent = {
        "@context": CONTEXT,
        "type": "ObjectEvent",
        "eventTime": rfc3339(event.event_time, event.time_zone_offset),
        "eventTimeZoneOffset": event.time_zone_offset,
        "epcList": [event.epc_uri],
        "action": "OBSERVE",
    }
    if event.biz_step is not None:
        epcis["bizStep"] = event.biz_step
    if event.disposition is not None:
        epcis["disposition"] = event.disposition
    epcis["readPoint"] = {"id": event.read_point}
    if event.biz_location is not None:
        epcis["bizLocation"] = {"id": event.biz_location}
    despatch_advice = business_transaction(event.despatch_advice, gln)
    if despatch_advice is not None:
        # type first: the usual tool hashes the two members in the order in which they stand.
        epcis["bizTransactionList"] = [{"type": "desadv", "bizTransaction": despatch_advice}]
    return epcis


def with_event_id(epcis: EpcisEvent, event_id: str) -> EpcisEvent:
    """A copy of the event that carries its eventID."""
    return {**epcis, "eventID": event_id}


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
