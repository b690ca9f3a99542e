"""Location events and the payloads that they become: each case is a folder of tests/golden/events.

`event.json` has the fields of LocationEvent and what the site adds to them, and why it is withdrawn where it is;
`expected.json` the stored payload.
"""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from epcis_event_hash_generator import hash_generator, json_to_py
from jsonschema import Draft7Validator, FormatChecker

from rfid_gateway.epc.decode import decode
from rfid_gateway.events.location import LocationEvent, PersistentDisposition
from rfid_gateway.events.payload import ComposedEvent, bare_epcis, compose
from rfid_gateway.events.times import time_zone_offset
from rfid_gateway.events.withdrawal import MARK, Declaration, withdrawal

CASES = sorted(folder for folder in (Path(__file__).parents[1] / "golden/events").iterdir() if folder.is_dir())

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _composed(case: Path) -> tuple[ComposedEvent, int]:
    given = json.loads((case / "event.json").read_text())
    zone = ZoneInfo(given["time_zone"])
    fields = given["event"]
    persistent = fields.get("persistent_disposition")
    fields |= {
        "orders": tuple(fields["orders"]),
        "time_zone_offset": time_zone_offset(fields["event_time"], zone),
        "persistent_disposition": persistent and PersistentDisposition(**{k: tuple(v) for k, v in persistent.items()}),
    }
    composed = compose(LocationEvent(**fields), gln=given["despatch_advice_gln"])
    if "withdrawal" in given:
        declared = given["withdrawal"]
        offset = time_zone_offset(declared["declared_at"], zone)
        declaration = Declaration(time_zone_offset=offset, **declared)
        composed = withdrawal(composed.payload(given["sequence"] - 1), declaration)
    return composed, given["sequence"]


def _expected(case: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    return expected


def test_event_becomes_the_expected_payload(case: Path) -> None:
    composed, sequence = _composed(case)
    assert json.loads(composed.payload(sequence)) == _expected(case)


def test_event_carries_its_id_outside_and_inside(case: Path) -> None:
    composed, _ = _composed(case)
    expected = _expected(case)
    assert composed.event_id == expected["event_id"]
    assert composed.event_id.removesuffix(MARK if expected["withdraws"] else "") == expected["epcis"]["eventID"]


def test_epcis_event_is_valid_by_itself(case: Path, shared: Path) -> None:
    schema = json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text())
    composed, sequence = _composed(case)
    event = json.loads(bare_epcis(composed.payload(sequence)))
    assert [error.message for error in Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(event)] == []


@pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")  # the tool's way to its context
def test_event_id_is_what_the_usual_tool_computes(case: Path) -> None:
    event = _expected(case)["epcis"]
    # In a document, because the tool hashes the context of a bare event.
    document = {"@context": event.pop("@context"), "type": "EPCISDocument", "epcisBody": {"eventList": [event]}}
    parsed = json_to_py.event_list_from_epcis_document_json(document)
    assert hash_generator.epcis_hashes_from_events(parsed) == [event["eventID"]]


def test_uri_of_the_event_is_what_its_tag_decodes_to(case: Path) -> None:
    event = json.loads((case / "event.json").read_text())["event"]
    decoded = decode(event["epc"])
    assert event["epc_uri"] in {decoded.epc_uri, decoded.digital_link}
