"""The MQTT payload of a location event."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.events.event_id import event_id
from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.payload import bare_epcis, compose, envelope, sent_again, sent_first

EVENT = LocationEvent(
    event_time=1795427100_123_456,
    time_zone_offset="+01:00",
    epc="3154F4E4E4B2D05E01000000",
    epc_uri="urn:epc:id:sscc:4012345.3000000001",
    shipment_id="S-1",
    logistic_unit="340123450000000017",
    orders=("PO-901", "PO-902"),
    biz_step="loading",
    disposition="in_progress",
    read_point="urn:epc:id:sgln:4012345.00010.door-7",
    biz_location=None,
    direction="out",
    confidence=0.98,
    verdict="ok",
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def test_stored_payload_is_json_and_lacks_replayed_alone() -> None:
    stored = json.loads(compose(EVENT).payload(7))
    assert json.loads(sent_first(compose(EVENT).payload(7))) == stored | {"replayed": False}
    assert json.loads(sent_again(compose(EVENT).payload(7))) == stored | {"replayed": True}
    assert "replayed" not in stored


def test_fields_of_the_event_are_in_the_payload() -> None:
    payload = json.loads(compose(EVENT).payload(7))
    epcis = payload.pop("epcis")
    assert payload == {
        "event_id": event_id(epcis),
        "sequence": 7,
        "shipment_id": "S-1",
        "orders": ["PO-901", "PO-902"],
        "logistic_unit": "340123450000000017",
        "direction": "out",
        "confidence": 0.98,
        "verdict": "ok",
        "withdraws": None,
    }


def test_every_key_is_there_even_where_it_does_not_apply() -> None:
    bare = replace(EVENT, logistic_unit=None, orders=(), direction=None, confidence=None, biz_step=None)
    assert json.loads(compose(bare).payload(1)).keys() == json.loads(compose(EVENT).payload(1)).keys()


@pytest.mark.parametrize("sequence", [1, 2**63 - 1])
def test_sequence_is_put_in_without_serialising_again(sequence: int) -> None:
    composed = compose(EVENT)
    assert json.loads(composed.payload(sequence)) == json.loads(composed.payload(0)) | {"sequence": sequence}


def test_payload_is_compact_utf_8() -> None:
    payload = compose(replace(EVENT, shipment_id="Käufer")).payload(7)
    assert "Käufer".encode() in payload
    assert payload.decode() == json.dumps(json.loads(payload), ensure_ascii=False, separators=(",", ":"))


@given(TEXT, st.lists(TEXT), TEXT)
def test_epcis_event_is_cut_out_whatever_the_other_fields_say(
    shipment_id: str,
    orders: list[str],
    verdict: str,
) -> None:
    payload = compose(replace(EVENT, shipment_id=shipment_id, orders=tuple(orders), verdict=verdict)).payload(7)
    assert json.loads(bare_epcis(payload)) == json.loads(payload)["epcis"]
    assert envelope(payload) | {"epcis": json.loads(payload)["epcis"]} == json.loads(payload)


def test_text_that_looks_like_the_mark_does_not_mislead() -> None:
    payload = compose(replace(EVENT, shipment_id='S","epcis":{"')).payload(7)
    assert json.loads(bare_epcis(payload)) == json.loads(payload)["epcis"]


@pytest.mark.parametrize("confidence", [float("nan"), float("inf")])
def test_confidence_that_is_no_number_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        compose(replace(EVENT, confidence=confidence))


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        compose(replace(EVENT, shipment_id="\ud800"))
