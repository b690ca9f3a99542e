"""What of a stored payload goes into the PUBLISH, and what beside it: `mqtt.format`. Pure."""

import json

from rfid_gateway.events import payload
from rfid_gateway.mqtt.happenings import Publication
from rfid_gateway.mqtt.outbox import Row
from rfid_gateway.mqtt.properties import packed
from rfid_gateway.mqtt.settings import Format

_JSON = packed("application/json")
_JSON_LD = "application/ld+json"
_ASIDE = ("event_id", "sequence", "shipment_id", "logistic_unit", "direction", "confidence", "verdict", "withdraws")


def publication(row: Row, payload_format: Format, *, replayed: bool) -> Publication:
    """The PUBLISH of a row: the location event as it is stored, or the bare EPCIS event with the rest beside it.

    Args:
        row: of the outbox.
        payload_format: see `[mqtt]`.
        replayed: it may have been sent before.
    """
    if payload_format == "epcis":
        return Publication(row.topic, payload.bare_epcis(row.payload), properties=_beside(row.payload, replayed))
    content = (payload.sent_again if replayed else payload.sent_first)(row.payload)
    return Publication(row.topic, content, properties=_JSON)


def _beside(stored: bytes, replayed: bool) -> bytes:  # noqa: FBT001 - private, and named as the field
    """Content type and user properties; what does not apply (null) is left out."""
    around = payload.envelope(stored)
    aside = [(name, str(around[name])) for name in _ASIDE if around.get(name) is not None]
    orders = json.dumps(around["orders"], ensure_ascii=False, separators=(",", ":"))
    return packed(_JSON_LD, [*aside, ("orders", orders), ("replayed", "true" if replayed else "false")])
