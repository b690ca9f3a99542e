"""The CBV event hash, against the usual tool where that is right and against literal values where it is not."""

import json
import string
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from epcis_event_hash_generator import hash_generator, json_to_py
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

from rfid_gateway.events.canonical import canonical_uri
from rfid_gateway.events.epcis import EpcisEvent, epcis_event, with_event_id
from rfid_gateway.events.event_id import event_id, pre_hash
from rfid_gateway.events.location import LocationEvent, PersistentDisposition
from rfid_gateway.events.payload import bare_epcis, compose
from rfid_gateway.events.vocabulary import BIZ_STEPS, DISPOSITIONS, EventType, action_of
from rfid_gateway.events.withdrawal import Declaration, withdrawal

# The tool opens its packaged JSON-LD contexts with it.
pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")

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
    biz_location=None,
    direction="out",
    confidence=0.98,
    verdict="ok",
    despatch_advice="urn:epcglobal:cbv:bt:4012345000009:DES-22",
)
EXAMPLES = Path("epcis/examples")


def tool(event: EpcisEvent) -> str:
    """Pre-hash of epcis-event-hash-generator, which changes what it is given and hashes an event's own context."""
    copy = json.loads(json.dumps(event))
    document = {"@context": copy.pop("@context"), "type": "EPCISDocument", "epcisBody": {"eventList": [copy]}}
    [text] = hash_generator.derive_prehashes_from_events(json_to_py.event_list_from_epcis_document_json(document))
    return str(text)


def example(shared: Path, name: str) -> EpcisEvent:
    """First event of an example document, with the document's context."""
    document = json.loads((shared / EXAMPLES / name).read_text())
    return {"@context": document["@context"], **document["epcisBody"]["eventList"][0]}


digits = st.text(string.digits, min_size=12, max_size=13)
serials = st.text(string.ascii_letters + string.digits + "-_.=;'!()*+,:", min_size=1, max_size=12).filter(
    lambda serial: serial != "0",
)
prefix_lengths = st.integers(6, 11)


@st.composite
def epc_uris(draw: st.DrawFn) -> str:
    length, number, serial = draw(prefix_lengths), draw(st.text(string.digits, min_size=17, max_size=17)), draw(serials)
    prefix, reference = number[:length], number[length:]
    return draw(
        st.sampled_from(
            [
                f"urn:epc:id:sscc:{prefix}.{reference}",
                f"urn:epc:id:sgtin:{prefix}.{reference[: 13 - length]}.{serial}",
                f"urn:epc:id:grai:{prefix}.{reference[: 12 - length]}.{serial}",
                f"urn:epc:id:giai:{prefix}.{serial}",
                f"urn:epc:id:gid:{prefix}.{reference}.{number[:4].lstrip('0') or '0'}",
                f"urn:epc:raw:96.x{number}ABCDEF0",
                f"https://id.gs1.org/00/{number}0",
                f"https://shop.example/a/01/{number[:14]}/10/LOT/21/{number[:7]}?15=271231",
            ],
        ),
    )


@st.composite
def places(draw: st.DrawFn) -> str:
    length, number, extension = draw(prefix_lengths), draw(digits), draw(serials)
    return draw(
        st.sampled_from(
            [
                f"urn:epc:id:sgln:{number[:length]}.{number[length:12]}.0",
                f"urn:epc:id:sgln:{number[:length]}.{number[length:12]}.{extension}",
                f"https://warehouse.example/414/{number.zfill(13)}/254/door-7",
                "https://warehouse.example/doors/7",
                "geo:52.5200,13.4050",
            ],
        ),
    )


location_events = st.builds(
    replace,
    st.just(EVENT),
    event_time=st.integers(0, 4_000_000_000_000_000),
    time_zone_offset=st.sampled_from(["+00:00", "+01:00", "+05:45", "-03:30", "+14:00"]),
    epc_uri=epc_uris(),
    biz_step=st.none() | st.sampled_from(sorted(BIZ_STEPS)),
    disposition=st.none() | st.sampled_from(sorted(DISPOSITIONS)),
    read_point=places(),
    biz_location=st.none() | places(),
    despatch_advice=st.sampled_from([None, "urn:epcglobal:cbv:bt:4012345000009:DES-22", "https://shop.example/asn/1"]),
)


own_steps = st.just("https://shop.example/steps/weighing")
some_dispositions = st.lists(st.sampled_from(sorted(DISPOSITIONS)), unique=True, max_size=3).map(tuple)
persistent_dispositions = st.builds(PersistentDisposition, some_dispositions, some_dispositions).filter(
    lambda persistent: persistent != PersistentDisposition()
)


@st.composite
def events_of_every_type(draw: st.DrawFn) -> LocationEvent:
    """Location events with what only their type may have."""
    event_type: EventType = draw(st.sampled_from(get_args(EventType)))
    biz_step = draw(st.sampled_from(sorted(BIZ_STEPS)) | own_steps)
    event: LocationEvent = replace(
        draw(location_events), event_type=event_type, biz_step=biz_step, action=action_of(event_type, biz_step)
    )
    if event_type == "ObjectEvent":
        event = replace(event, persistent_disposition=draw(st.none() | persistent_dispositions))
    elif event_type == "TransactionEvent":
        event = replace(event, orders=draw(st.sampled_from([("PO-1",), ("PO-1", "PO 2"), ("https://a.example/o/1",)])))
    else:
        event = replace(event, parent=draw(epc_uris() | st.just("https://warehouse.example/trailers/7")))
    return event


@given(events_of_every_type())
@settings(max_examples=150, deadline=None)
def test_any_event_of_any_type_is_hashed_as_the_usual_tool_does_and_valid(
    schema_errors: Callable[[EpcisEvent], list[str]], event: LocationEvent
) -> None:
    epcis = epcis_event(event, gln="4012345000009")
    assert pre_hash(epcis) == tool(epcis)
    assert schema_errors(with_event_id(epcis, event_id(epcis))) == []


@given(events_of_every_type())
@settings(deadline=None)
def test_withdrawal_of_any_event_is_valid_and_keeps_the_hash(
    schema_errors: Callable[[EpcisEvent], list[str]], event: LocationEvent
) -> None:
    composed = compose(event, gln="4012345000009")
    declaration = Declaration("incorrect_data", event.event_time + 1, "+01:00", (composed.event_id.replace("0", "1"),))
    epcis = json.loads(bare_epcis(withdrawal(composed.payload(1), declaration).payload(2)))
    assert schema_errors(epcis) == []
    assert epcis["eventID"] == event_id(epcis) == composed.event_id


@pytest.fixture(scope="module")
def schema_errors(shared: Path) -> Callable[[EpcisEvent], list[str]]:
    """Validation as everybody should do it."""
    schema = json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text())
    validator = Draft7Validator(schema, format_checker=FormatChecker())
    return lambda event: [error.message for error in validator.iter_errors(event)]


@given(location_events)
@settings(max_examples=60, deadline=None)
def test_any_location_event_is_hashed_as_the_usual_tool_does(event: LocationEvent) -> None:
    epcis = epcis_event(event)
    assert pre_hash(epcis) == tool(epcis)


@pytest.mark.parametrize(
    "name",
    [
        "gs1_Example_9.6.1-ObjectEvent.jsonld",
        "gs1_Example_9.6.1-ObjectEventWithDigitalLink.jsonld",
        "wh_03_receiving.jsonld",
        "wh_05_storing.jsonld",
        "wh_07_packing_aggregation.jsonld",
        "wh_09_loading_onto_roll_cage_association.jsonld",
        "wh_13_return_received.jsonld",
        "wh_17_geo_read_point_mobile_reader.jsonld",
        "wh_19_error_declaration.jsonld",
        "wh_23_scan_did_not_occur.jsonld",
    ],
)
def test_example_is_hashed_as_the_usual_tool_does(shared: Path, name: str) -> None:
    event = _with_one_party_list(example(shared, name))
    assert pre_hash(event) == tool(event)
    assert event_id(event) == hash_generator.calculate_hashes_from_pre_hashes([tool(event)])[0]


def _with_one_party_list(event: EpcisEvent) -> EpcisEvent:
    """The tool puts destinationList before sourceList, so they are compared one at a time."""
    return {name: value for name, value in event.items() if name != "destinationList"}


@pytest.mark.parametrize(
    "epc_uri",
    [
        "urn:epc:id:sgln:401234500010..door-7",
        "urn:epc:id:sgcn:401234500010..7",
        "urn:epc:id:gdti:4012345.00042.7",
        "urn:epc:id:pgln:401234500010.",
        "urn:epc:id:cpi:4012345.5PQ7%2FZ43.12345",
        "urn:epc:id:gsrn:4012345.0123456789",
        "urn:epc:id:sgtin:4012345.077781.a%2Fb%22",
        "urn:epc:id:sscc:4012345.30000000012",
    ],
)
def test_other_schemes_and_malformed_urns_are_hashed_as_the_usual_tool_does(epc_uri: str) -> None:
    event = epcis_event(replace(EVENT, epc_uri=epc_uri))
    assert pre_hash(event) == tool(event)


def test_transaction_event_is_hashed_as_the_usual_tool_does(shared: Path) -> None:
    event = example(shared, "wh_13_return_received.jsonld") | {"type": "TransactionEvent", "action": "ADD"}
    event |= {"parentID": "urn:epc:id:sscc:4012345.1000000018", "bizStep": "https://shop.example/steps/refund"}
    assert pre_hash(event) == tool(event)


def test_source_stands_before_destination_where_the_tool_has_them_the_other_way_round(shared: Path) -> None:
    event = example(shared, "wh_11_departing.jsonld")
    ours, theirs = pre_hash(event), tool(event)
    assert ours.index("sourceList") < ours.index("destinationList")
    head, _, destinations_then_sources = theirs.partition("destinationList")
    destinations, _, sources = destinations_then_sources.partition("sourceList")
    assert ours == f"{head}sourceList{sources}destinationList{destinations}"


def test_type_stands_first_in_whatever_order_the_json_has_it() -> None:
    event = epcis_event(EVENT)
    [transaction] = event["bizTransactionList"]
    turned = event | {"bizTransactionList": [dict(reversed(transaction.items()))]}
    assert event_id(turned) == event_id(event)
    assert pre_hash(event) == tool(event)
    assert pre_hash(turned) != tool(turned)


def test_asset_of_a_twelve_digit_prefix_gets_its_link_where_the_tool_keeps_the_urn() -> None:
    event = epcis_event(replace(EVENT, epc_uri="urn:epc:id:grai:401234500010..7"))
    assert "epcListepc=https://id.gs1.org/8003/04012345000108" in pre_hash(event)
    assert "epcListepc=urn:epc:id:grai:401234500010..7" in tool(event)


def test_context_of_a_bare_event_is_outside_where_the_tool_hashes_it() -> None:
    event = epcis_event(EVENT)
    document = {"type": "EPCISDocument", "@context": event["@context"], "epcisBody": {"eventList": [dict(event)]}}
    [theirs] = hash_generator.derive_prehashes_from_events(json_to_py.event_list_from_epcis_document_json(document))
    assert theirs.replace(f"@context={event['@context']}", "") == pre_hash(event) != theirs


def test_time_that_rounds_up_to_the_next_second_is_hashed_where_the_tool_drops_the_event() -> None:
    event = epcis_event(EVENT) | {"eventTime": "2026-11-23T10:45:00.9997+01:00"}
    assert "eventTime=2026-11-23T09:45:01.000Z" in pre_hash(event)
    with pytest.raises(ValueError, match="not enough values to unpack"):
        tool(event)


def test_transaction_without_type_is_hashed_where_the_tool_fails() -> None:
    event = epcis_event(EVENT) | {"bizTransactionList": [{"bizTransaction": "https://shop.example/asn/1"}]}
    assert pre_hash(event).endswith("bizTransactionListbizTransaction=https://shop.example/asn/1")
    with pytest.raises(IndexError):
        tool(event)


def test_pre_hash_is_spelled_out_once() -> None:
    assert pre_hash(epcis_event(EVENT)) == (
        "eventType=ObjectEvent"
        "eventTime=2026-11-23T09:45:00.123Z"
        "eventTimeZoneOffset=+01:00"
        "epcListepc=https://id.gs1.org/00/340123450000000017"
        "action=OBSERVE"
        "bizStep=https://ref.gs1.org/cbv/BizStep-loading"
        "disposition=https://ref.gs1.org/cbv/Disp-in_progress"
        "readPointid=https://id.gs1.org/414/4012345000108/254/door-7"
        "bizTransactionListtype=https://ref.gs1.org/cbv/BTT-desadvbizTransaction=urn:epcglobal:cbv:bt:4012345000009:DES-22"
    )


@pytest.mark.parametrize(
    "epc_uri",
    [
        "urn:epc:id:sscc:401234.35000000001",
        "urn:epc:id:sscc:401234500.30000001",
        "https://id.gs1.org/00/340123450000000017",
        "https://shop.example/units/sscc/340123450000000017?x=1#top",
    ],
)
def test_one_unit_has_one_event_id_however_it_is_written(epc_uri: str) -> None:
    assert event_id(epcis_event(replace(EVENT, epc_uri=epc_uri))) == event_id(epcis_event(EVENT))


@pytest.mark.parametrize(
    "added",
    [
        {"recordTime": "2026-11-23T09:45:01.000Z"},
        {"eventID": "urn:uuid:6f0f6f0e-2c0b-4a36-9c44-2f6f6a5b0a01"},
        {"errorDeclaration": {"declarationTime": "2026-11-23T10:20:00.000+01:00", "reason": "did_not_occur"}},
        {"@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]},
    ],
)
def test_record_time_event_id_and_retraction_are_outside_the_hash(added: EpcisEvent) -> None:
    assert event_id(epcis_event(EVENT) | added) == event_id(epcis_event(EVENT))


@pytest.mark.parametrize(
    "other",
    [
        replace(EVENT, event_time=EVENT.event_time + 1000),
        replace(EVENT, time_zone_offset="+02:00"),
        replace(EVENT, epc_uri="urn:epc:id:sscc:4012345.3000000002"),
        replace(EVENT, biz_step=None),
        replace(EVENT, disposition=None),
        replace(EVENT, read_point="urn:epc:id:sgln:4012345.00010.door-8"),
        replace(EVENT, biz_location="urn:epc:id:sgln:4012345.00010.0"),
        replace(EVENT, despatch_advice=None),
    ],
)
def test_whatever_epcis_says_differently_gives_another_event_id(other: LocationEvent) -> None:
    assert event_id(epcis_event(other)) != event_id(epcis_event(EVENT))


def test_two_events_of_one_unit_within_a_millisecond_at_one_place_are_one() -> None:
    later = replace(EVENT, event_time=EVENT.event_time + 500)
    assert event_id(epcis_event(later)) == event_id(epcis_event(EVENT))


def test_order_of_a_list_does_not_matter() -> None:
    event = epcis_event(EVENT)
    event["epcList"] = ["urn:epc:id:sscc:4012345.3000000002", "urn:epc:id:sscc:4012345.3000000001"]
    turned = event | {"epcList": event["epcList"][::-1]}
    assert event_id(event) == event_id(turned)
    assert pre_hash(event) == tool(event)


def test_empty_lists_are_as_good_as_absent() -> None:
    event = epcis_event(EVENT)
    empty = event | {"sourceList": [], "persistentDisposition": {}, "childEPCs": []}
    assert event_id(empty) == event_id(event)


@pytest.mark.parametrize(
    "added",
    [
        {"shop:order": "PO-901"},
        {"quantityList": [{"epcClass": "urn:epc:class:lgtin:4012345.012345.998877", "quantity": 200}]},
        {"sensorElementList": []},
        {"readPoint": {"id": "geo:1,2", "shop:floor": "2"}},
    ],
)
def test_what_is_not_covered_is_refused_by_name_and_never_skipped(added: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="not covered by the event hash") as caught:
        event_id({**epcis_event(EVENT), **added})
    assert str(caught.value).startswith(next(iter(added)))


def test_event_id_has_the_form_of_a_named_information_uri() -> None:
    identity = event_id(epcis_event(EVENT))
    scheme, digest = identity.removesuffix("?ver=CBV2.0").split(";")
    assert scheme == "ni:///sha-256"
    assert len(bytes.fromhex(digest)) == 32
    assert event_id(with_event_id(epcis_event(EVENT), identity)) == identity


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("https://shop.example/gtin/4012345123456/lot/L1/ser/7", "https://id.gs1.org/01/04012345123456/21/7"),
        ("https://id.gs1.org/01/04012345123456/22/2A/10/L1", "https://id.gs1.org/01/04012345123456/10/L1"),
        ("http://shop.example/x/y/414/4012345000108/", "https://id.gs1.org/414/4012345000108"),
        ("https://id.gs1.org/8010/4012345ABC/8011/12", "https://id.gs1.org/8010/4012345ABC/8011/12"),
        ("https://shop.example/01/readme", "https://shop.example/01/readme"),
        ("https://shop.example/01/2026-plan", "https://shop.example/01/2026-plan"),
        ("https://shop.example/414/4012345000108/414", "https://shop.example/414/4012345000108/414"),
        ("https://shop.example", "https://shop.example"),
        ("urn:epc:id:sgtin:0614141.812345.6789(1)!", "https://id.gs1.org/01/80614141123458/21/6789%281%29%21"),
        ("urn:epc:id:gid:1.2.3", "urn:epc:id:gid:1.2.3"),
        ("geo:52.52,13.40", "geo:52.52,13.40"),
    ],
)
def test_gs1_keys_have_one_canonical_link_and_other_uris_stay(uri: str, canonical: str) -> None:
    assert canonical_uri(uri) == canonical


@given(
    st.lists(
        st.sampled_from(
            ["urn:epc:id:", "sscc:", "sgtin:", "https://", "a.b", "/", "01", "00", "4012345123456", "?", ".", "0", "x"]
        )
    )
)
def test_canonical_link_is_canonical_and_nothing_makes_it_fail(parts: list[str]) -> None:
    canonical = canonical_uri("".join(parts))
    assert canonical_uri(canonical) == canonical
