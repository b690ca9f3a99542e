"""Location events as EPCIS 2.0, and what GS1's schema sees and does not see."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

from rfid_gateway.events.epcis import EpcisEvent, business_transaction, epcis_event, with_event_id
from rfid_gateway.events.location import LocationEvent, PersistentDisposition

GLN = "4012345000009"
EVENT = LocationEvent(
    event_time=1795427100_123_456,
    time_zone_offset="+01:00",
    epc="3154F4E4E4B2D05E01000000",
    epc_uri="urn:epc:id:sscc:4012345.3000000001",
    shipment_id="S-1",
    logistic_unit="340123450000000017",
    orders=("PO-901",),
    biz_step="loading",
    disposition="in_progress",
    read_point="urn:epc:id:sgln:4012345.00010.door-7",
    biz_location="urn:epc:id:sgln:4012345.00010.0",
    direction="out",
    confidence=0.98,
    verdict="ok",
    despatch_advice=f"urn:epcglobal:cbv:bt:{GLN}:DES-22",
)

Errors = Callable[[EpcisEvent], list[str]]


@pytest.fixture(scope="module")
def schema(shared: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def errors(schema: dict[str, Any]) -> Errors:
    """Validation as everybody should do it."""
    validator = Draft7Validator(schema, format_checker=FormatChecker())
    return lambda event: [error.message for error in validator.iter_errors(event)]


@pytest.fixture(scope="module")
def errors_without_formats(schema: dict[str, Any]) -> Errors:
    """Validation as most people do it."""
    validator = Draft7Validator(schema)
    return lambda event: [error.message for error in validator.iter_errors(event)]


def test_event_is_valid_with_and_without_its_id(errors: Errors) -> None:
    event = epcis_event(EVENT)
    assert errors(event) == []
    assert errors(with_event_id(event, "ni:///sha-256;00?ver=CBV2.0")) == []


def test_event_needs_its_own_context_to_stand_alone(errors: Errors) -> None:
    event = epcis_event(EVENT)
    del event["@context"]
    assert errors(event) == ["'@context' is a required property"]


def test_undecided_passage_claims_no_business_step() -> None:
    event = epcis_event(replace(EVENT, biz_step=None, disposition=None))
    assert "bizStep" not in event
    assert "disposition" not in event


def test_event_in_transit_has_no_business_location() -> None:
    assert "bizLocation" not in epcis_event(replace(EVENT, biz_location=None))


def test_giving_an_id_leaves_the_event_itself_as_it_was() -> None:
    event = epcis_event(EVENT)
    with_event_id(event, "ni:///sha-256;00?ver=CBV2.0")
    assert "eventID" not in event


def test_type_of_the_despatch_advice_stands_first() -> None:
    [transaction] = epcis_event(EVENT)["bizTransactionList"]
    assert list(transaction.items()) == [("type", "desadv"), ("bizTransaction", EVENT.despatch_advice)]


@pytest.mark.parametrize(
    ("number", "uri"),
    [
        ("DES-22", f"urn:epcglobal:cbv:bt:{GLN}:DES-22"),
        ("DES 22/7#ä", f"urn:epcglobal:cbv:bt:{GLN}:DES%2022%2F7%23%C3%A4"),
        ("DES:22", f"urn:epcglobal:cbv:bt:{GLN}:DES:22"),
        (f"urn:epcglobal:cbv:bt:{GLN}:DES-22", f"urn:epcglobal:cbv:bt:{GLN}:DES-22"),
        ("https://shop.example/asn/22?x=1", "https://shop.example/asn/22?x=1"),
        ("", None),
        (None, None),
    ],
)
def test_number_of_a_document_becomes_a_uri_and_a_uri_stays(number: str | None, uri: str | None) -> None:
    assert business_transaction(number, GLN) == uri


def test_plain_number_without_a_gln_is_left_out() -> None:
    assert "bizTransactionList" not in epcis_event(replace(EVENT, despatch_advice="DES-22"))
    assert "bizTransactionList" in epcis_event(replace(EVENT, despatch_advice="DES-22"), gln=GLN)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_number_of_a_despatch_advice_gives_a_valid_uri(errors: Errors, number: str) -> None:
    event = epcis_event(replace(EVENT, despatch_advice=number), gln=GLN)
    assert errors(event) == []


AGGREGATION = replace(EVENT, event_type="AggregationEvent", parent="https://id.gs1.org/00/340123450000000017")
TRANSACTION = replace(EVENT, event_type="TransactionEvent", orders=("PO-1", "https://shop.example/orders/2", "PO-1"))


def test_only_a_transaction_event_names_the_orders_and_each_once() -> None:
    assert [each["type"] for each in epcis_event(EVENT, gln=GLN)["bizTransactionList"]] == ["desadv"]
    assert [each["type"] for each in epcis_event(AGGREGATION, gln=GLN)["bizTransactionList"]] == ["desadv"]
    assert epcis_event(TRANSACTION, gln=GLN)["bizTransactionList"] == [
        {"type": "desadv", "bizTransaction": f"urn:epcglobal:cbv:bt:{GLN}:DES-22"},
        {"type": "po", "bizTransaction": f"urn:epcglobal:cbv:bt:{GLN}:PO-1"},
        {"type": "po", "bizTransaction": "https://shop.example/orders/2"},
    ]


@pytest.mark.parametrize(
    "broken",
    [
        replace(AGGREGATION, parent=None),
        replace(EVENT, event_type="AssociationEvent"),
        replace(EVENT, parent="https://id.gs1.org/00/340123450000000017"),
        replace(TRANSACTION, despatch_advice=None, orders=("PO-1",)),
        replace(AGGREGATION, persistent_disposition=PersistentDisposition(("damaged",))),
        replace(EVENT, persistent_disposition=PersistentDisposition()),
    ],
)
def test_event_of_a_type_that_its_fields_do_not_fit_is_refused(broken: LocationEvent) -> None:
    with pytest.raises(ValueError, match=r"Event .*(expected|needs)"):
        epcis_event(broken)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"bizSteps": "loading"}, "bizSteps"),
        ({"bizStep": "load"}, "is not valid under any of the given schemas"),
        ({"epcList": ["3154F4E4E4B2D05E01000000"]}, "is not a 'uri'"),
        ({"eventTime": "2026-11-23T10:45:00.123"}, "is not a 'date-time'"),
    ],
)
def test_broken_event_is_caught_by_the_format_checker_alone(
    errors: Errors,
    errors_without_formats: Errors,
    change: EpcisEvent,
    complaint: str,
) -> None:
    broken = epcis_event(EVENT) | change
    assert any(complaint in message for message in errors(broken))
    assert errors_without_formats(broken) == []


@pytest.mark.parametrize(
    "change",
    [
        {"eventTimeZoneOffset": "Z"},
        {"eventTimeZoneOffset": "+1:00"},
        {"bizStep": "urn:epcglobal:cbv:bizstep:loading"},
        {"readPoint": "urn:epc:id:sgln:4012345.00010.door-7"},
        {"action": "SEEN"},
    ],
)
def test_broken_event_is_caught_by_the_schema_itself(errors_without_formats: Errors, change: EpcisEvent) -> None:
    assert errors_without_formats(epcis_event(EVENT) | change)


@pytest.mark.parametrize(
    "change",
    [
        {"epcList": []},
        {"epcList": ["urn:epc:raw:96.xE2009A9040060AF000000000"]},
        {"bizStep": "https://ref.gs1.org/cbv/BizStep-loading"},
        {"shop:order": "PO-901"},
        {"eventTimeZoneOffset": "+05:00"},
        {"bizStep": "departing", "disposition": "in_progress"},
    ],
)
def test_what_the_schema_does_not_catch_even_with_formats(errors: Errors, change: EpcisEvent) -> None:
    """An empty list, a raw EPC, CBV's long form, an undeclared prefix, an offset that contradicts the time, and
    steps that do not go with each other: the first two are legal, for the rest the gateway must look itself."""
    assert errors(epcis_event(EVENT) | change) == []
