"""Which type of EPCIS event a step becomes for one unit: the one it asks for, or an ObjectEvent where that is wanting.

An aggregation needs to know the parent, a transaction a document with a URI. Where that is not known the observation
is still true, so it is published as what is certain: the unit was seen there, in this step.
"""

from dataclasses import dataclass

from rfid_gateway.config import Step
from rfid_gateway.config_tables import GatewayTable
from rfid_gateway.epc.decode import DecodedEpc
from rfid_gateway.epc.key_uris import company_prefix, uri_of_key
from rfid_gateway.events.canonical import canonical_uri
from rfid_gateway.events.epcis import business_transactions
from rfid_gateway.events.vocabulary import Action, EventType, action_of
from rfid_gateway.shipments.directory import Shipment, Unit


@dataclass(frozen=True, slots=True)
class Form:
    """The type of an event, and what belongs to that type alone."""

    event_type: EventType = "ObjectEvent"
    action: Action = "OBSERVE"
    parent: str | None = None
    """URI."""
    wanting: str = ""
    """Why it is an ObjectEvent although the step asks for another type; empty where it is what was asked for."""


OBJECT = Form()
_NO_PARENT = "the directory names no parent of the unit that has a URI"
_OWN_PARENT = "the unit would be its own parent"
_NO_TRANSACTION = "the shipment has no despatch advice and no order with a URI (plain numbers need gateway.gln)"


def form_of(step: Step | None, decoded: DecodedEpc, found: tuple[Shipment, Unit], gateway: GatewayTable) -> Form:
    """The form of the event that this step makes of this unit.

    Args:
        step: what the configuration says; None for an undecided passage.
        decoded: the unit's tag.
        found: its shipment and unit in the directory.
        gateway: GLN and company prefixes.
    """
    if step is None or step.event == "object":
        return OBJECT
    shipment, unit = found
    event_type = step.event_type
    action = action_of(event_type, step.biz_step)
    if step.event == "transaction":
        if not business_transactions(event_type, shipment.despatch_advice, shipment.orders, gateway.gln):
            return Form(wanting=_NO_TRANSACTION)
        return Form(event_type, action)
    parent = step.parent or _parent_in_directory(decoded, unit, gateway)
    if parent is None:
        return Form(wanting=_NO_PARENT)
    if canonical_uri(parent) == canonical_uri(decoded.uri):
        return Form(wanting=_OWN_PARENT)
    return Form(event_type, action, parent)


def _parent_in_directory(decoded: DecodedEpc, unit: Unit, gateway: GatewayTable) -> str | None:
    if unit.parent is None:
        return None
    own = company_prefix(decoded.epc_uri)
    return uri_of_key(unit.parent, (*gateway.company_prefixes, own) if own else gateway.company_prefixes)
