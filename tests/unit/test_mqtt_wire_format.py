"""Payload and properties of a published event in both formats."""

import json
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from rfid_gateway.events.payload import compose
from rfid_gateway.events.withdrawal import Declaration, withdrawal
from rfid_gateway.mqtt.properties import packed
from rfid_gateway.mqtt.settings import Format
from rfid_gateway.mqtt.wire_format import publication
from tests.unit.test_events_payload import EVENT

COMPOSED = compose(EVENT)
STORED = COMPOSED.payload(7)


class Row(NamedTuple):
    sequence: int
    topic: str
    payload: bytes
    again: bool = False


def read(properties: bytes) -> tuple[str | None, dict[str, str]]:
    """Content type and user properties, as paho reads them."""
    parsed = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types there
    _, length = parsed.unpack(properties)  # type: ignore[no-untyped-call]
    assert length == len(properties)
    return getattr(parsed, "ContentType", None), dict(getattr(parsed, "UserProperty", []))


def test_location_event_says_that_it_is_json_and_has_everything_in_it() -> None:
    sent = publication(Row(7, "t", STORED), "location-event", replayed=False)
    assert json.loads(sent.payload) == json.loads(STORED) | {"replayed": False}
    assert read(sent.properties) == ("application/json", {})
    assert (sent.topic, sent.retain) == ("t", False)


def test_bare_event_has_the_rest_beside_it() -> None:
    sent = publication(Row(7, "t", STORED), "epcis", replayed=True)
    assert json.loads(sent.payload) == json.loads(STORED)["epcis"]
    assert read(sent.properties) == (
        "application/ld+json",
        {
            "event_id": COMPOSED.event_id,
            "sequence": "7",
            "shipment_id": "S-1",
            "orders": '["PO-901","PO-902"]',
            "logistic_unit": "340123450000000017",
            "direction": "out",
            "confidence": "0.98",
            "verdict": "ok",
            "replayed": "true",
        },
    )


def test_bare_withdrawal_names_what_it_withdraws() -> None:
    withdrawn = withdrawal(STORED, Declaration("did_not_occur", EVENT.event_time, "+01:00"))
    sent = publication(Row(8, "t", withdrawn.payload(8)), "epcis", replayed=False)
    _, aside = read(sent.properties)
    assert (aside["event_id"], aside["withdraws"]) == (f"{COMPOSED.event_id}#withdrawn", COMPOSED.event_id)
    assert json.loads(sent.payload)["errorDeclaration"]["reason"] == "did_not_occur"


@pytest.mark.parametrize("payload_format", ["location-event", "epcis"])
def test_event_that_was_stored_before_there_were_withdrawals_is_published_too(payload_format: Format) -> None:
    older = STORED.replace(b'"withdraws":null,', b"")
    sent = publication(Row(7, "t", older), payload_format, replayed=False)
    assert "withdraws" not in read(sent.properties)[1]


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


@given(texts, st.lists(st.tuples(texts, texts), max_size=3))
def test_properties_are_the_bytes_that_paho_would_write(content_type: str, user: list[tuple[str, str]]) -> None:
    theirs = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    theirs.ContentType = content_type
    if user:
        theirs.UserProperty = user
    assert packed(content_type, user) == theirs.pack()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("unfit", ["x" * 65_536, "ä" * 32_768, "a\0b"])
def test_property_that_mqtt_cannot_carry_is_left_out_and_the_others_stay(unfit: str) -> None:
    assert read(packed("t", [("orders", unfit), ("verdict", "ok")])) == ("t", {"verdict": "ok"})
    assert read(packed("t", [("orders", "x" * 65_535)])) == ("t", {"orders": "x" * 65_535})
