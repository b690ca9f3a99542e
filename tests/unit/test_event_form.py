"""Which type of event a step becomes for one unit."""

from typing import Any

import pytest

from rfid_gateway.config_tables import GatewayTable, Step
from rfid_gateway.epc.decode import decode
from rfid_gateway.event_form import OBJECT, Form, form_of
from rfid_gateway.shipments.directory import Shipment, Unit

SSCC_OF_7 = "3154F4E4E4B2D05E01000000"
SSCC_PLUS = "F90340123450000000017000"
ITEM = "3034F4E4E44BF540000003E9"
PALLET = "(00)340123450000000017"
CAGE = "(8003)0401234500042977"
BARE = Shipment("S-1")
GATEWAY = GatewayTable(site="hamburg", id="gate-1", gln="4012345000009")
WITHOUT_GLN = GatewayTable(site="hamburg", id="gate-1")


def form(
    step: dict[str, Any] | None,
    parent: str | None = None,
    *,
    epc: str = ITEM,
    shipment: Shipment = BARE,
    gateway: GatewayTable = GATEWAY,
) -> Form:
    decoded = decode(epc)
    return form_of(Step(**step) if step else None, decoded, (shipment, Unit(decoded.key, parent)), gateway)


def test_step_that_asks_for_nothing_else_and_no_step_at_all_is_an_object_event() -> None:
    assert form(None, PALLET) == form({"biz_step": "packing"}, PALLET) == OBJECT
    assert Form("ObjectEvent", "OBSERVE", None, "") == OBJECT


@pytest.mark.parametrize(("biz_step", "action"), [("packing", "ADD"), ("unpacking", "DELETE"), ("storing", "OBSERVE")])
def test_aggregation_takes_the_parent_of_the_directory(biz_step: str, action: str) -> None:
    found = form({"biz_step": biz_step, "event": "aggregation"}, PALLET)
    assert found == Form("AggregationEvent", action, "urn:epc:id:sscc:4012345.3000000001")  # type: ignore[arg-type]


def test_parent_of_another_company_is_a_link_until_its_company_prefix_is_configured() -> None:
    step = {"biz_step": "loading", "event": "association"}
    foreign = "(8003)0761234500042273"
    assert form(step, foreign).parent == "https://id.gs1.org/8003/0761234500042273"
    known = GatewayTable(site="hamburg", id="gate-1", company_prefixes=("7612345",))
    assert form(step, foreign, gateway=known).parent == "urn:epc:id:grai:7612345.00042.73"


def test_parent_of_a_tag_that_tells_no_company_prefix_is_a_link() -> None:
    step = {"biz_step": "loading", "event": "association"}
    assert form(step, CAGE, epc=SSCC_PLUS).parent == "https://id.gs1.org/8003/0401234500042977"
    assert form(step, CAGE, epc=SSCC_OF_7).parent == "urn:epc:id:grai:4012345.00042.77"


def test_parent_of_the_place_goes_before_that_of_the_directory() -> None:
    trailer = "https://warehouse.example/trailers/7"
    step = {"biz_step": "unloading", "event": "association", "parent": trailer}
    assert form(step, PALLET) == form(step) == Form("AssociationEvent", "DELETE", trailer)


def test_transaction_needs_a_document_with_a_uri() -> None:
    step = {"biz_step": "shipping", "event": "transaction"}
    ordered = Shipment("S-1", orders=("PO-1",))
    assert form(step, shipment=ordered) == Form("TransactionEvent", "ADD")
    assert form(step, shipment=Shipment("S-1", despatch_advice="DES-1")) == Form("TransactionEvent", "ADD")
    for lesser in (form(step), form(step, shipment=ordered, gateway=WITHOUT_GLN)):
        assert (lesser.event_type, lesser.action) == ("ObjectEvent", "OBSERVE")
        assert "no despatch advice" in lesser.wanting


@pytest.mark.parametrize(
    ("parent", "epc", "wanting"),
    [
        (None, ITEM, "names no parent"),
        ("tid:E2801160600002054CE9A1B2", ITEM, "names no parent"),
        (PALLET, SSCC_OF_7, "its own parent"),
        (PALLET, SSCC_PLUS, "its own parent"),
    ],
)
def test_unit_without_a_parent_or_with_itself_as_parent_is_an_object_event(
    parent: str | None, epc: str, wanting: str
) -> None:
    for kind in ("aggregation", "association"):
        lesser = form({"biz_step": "packing", "event": kind}, parent, epc=epc)
        assert (lesser.event_type, lesser.action, lesser.parent) == ("ObjectEvent", "OBSERVE", None)
        assert wanting in lesser.wanting
