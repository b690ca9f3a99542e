"""The location event: one observation of one tagged unit, bound to its shipment.

Everything that the order backend is told about it, in our own frozen form; `epcis` turns it into EPCIS 2.0.
"""

from dataclasses import dataclass

from rfid_gateway.events.vocabulary import Action, EventType


@dataclass(frozen=True, slots=True)
class PersistentDisposition:
    """EPCIS persistentDisposition: what holds until another event unsets it, as CBV words or URIs of the site."""

    set: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocationEvent:
    """Where a unit was seen, when, and what that means. Complete but for id and sequence, which follow from it."""

    event_time: int
    """When it happened: the gateway's UTC in microseconds."""
    time_zone_offset: str
    """Local offset at that time, `+01:00`."""
    epc: str
    """Upper-case hex."""
    epc_uri: str
    """What stands in epcList: EPC URN, GS1 Digital Link, or `urn:epc:raw:...`."""
    shipment_id: str
    logistic_unit: str | None
    """SSCC, 18 digits, where the unit has one."""
    orders: tuple[str, ...]
    biz_step: str | None
    """CBV bare word, or a URI of the site; None for an undecided passage: nothing is claimed about the step then."""
    disposition: str | None
    """CBV bare word, or a URI of the site."""
    read_point: str
    """URI (SGLN with extension, or the site's own)."""
    biz_location: str | None
    """URI; None in transit."""
    direction: str | None
    """in, out, undecided at a door; None in a zone."""
    confidence: float | None
    """0 to 1 at a door; None in a zone."""
    verdict: str
    """ok, wrong_door, undecided, returned."""
    despatch_advice: str | None = None
    event_type: EventType = "ObjectEvent"
    action: Action = "OBSERVE"
    parent: str | None = None
    """URI of what the unit is packed into or tied to; AggregationEvent and AssociationEvent have one, others none."""
    persistent_disposition: PersistentDisposition | None = None
    """Only with an ObjectEvent."""
    zone: str | None = None
    """Zone or None."""
    door: str | None = None
    """Door or None."""
