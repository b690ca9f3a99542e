"""docs/events.md shows what the code produces."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.events.location import LocationEvent
from rfid_gateway.events.payload import compose, sent_first

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page() -> str:
    return (ROOT / "docs/events.md").read_text()


@pytest.fixture
def payload() -> dict[str, Any]:
    event = LocationEvent(
        event_time=1795427100_123_456,
        time_zone_offset="+01:00",
        epc="3154F4E4E4B2D05E01000000",
        epc_uri="urn:epc:id:sscc:4012345.3000000001",
        shipment_id="S-2026-000815",
        logistic_unit="340123450000000017",
        orders=("PO-901", "PO-902"),
        biz_step="loading",
        disposition="in_progress",
        read_point="urn:epc:id:sgln:4012345.00010.door-7",
        biz_location=None,
        direction="out",
        confidence=0.981,
        verdict="ok",
        despatch_advice="DES-22",
        door="door-7",
    )
    composed = compose(event, gln="4012345000009")
    decoded: dict[str, Any] = json.loads(sent_first(composed.payload(4711)))
    return decoded


def test_example_is_what_the_gateway_sends(page: str, payload: dict[str, Any]) -> None:
    [example] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert json.loads(example) == payload


def test_table_has_every_field_of_the_payload(page: str, payload: dict[str, Any]) -> None:
    assert set(re.findall(r"^\| `(\w+)` \| \S.* \| ", page, re.MULTILINE)) == payload.keys()


def test_table_has_every_field_of_the_epcis_event(page: str, payload: dict[str, Any]) -> None:
    fields = set(re.findall(r"`([\w@]+)(?:\.id)?`", page.partition("| field of `epcis` |")[2].partition("\n\n")[0]))
    assert payload["epcis"].keys() | {"bizLocation"} <= fields
