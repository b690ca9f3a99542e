import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.shipments.csv_source import COLUMNS, parse_csv
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import ShipmentSourceError
from rfid_gateway.shipments.json_source import NAMES, parse_json, parse_payload

TOPIC = "rfid/hall/directory/shipments/S-1"
PALLET = "340123450000000017"
PARCEL = "340123450000000024"
FULL = {
    "shipment_id": "S-1",
    "units": [{"sscc": PALLET}, {"epc": "3034257BF7194E4000001A85", "parent": PALLET}, {"unit": f"(00){PARCEL}"}],
    "orders": ["4711", "4712"],
    "customer_reference": "K-7",
    "despatch_advice": "DA-1",
    "carrier": "DHL",
    "destination": "Köln",
    "planned_door": "dock-1",
    "planned_departure": "2026-11-23T18:30:00+01:00",
}
ENTRY = Shipment(
    "S-1",
    (
        Unit(f"(00){PALLET}"),
        Unit("(01)80614141123458(21)6789", parent=f"(00){PALLET}"),
        Unit(f"(00){PARCEL}"),
    ),
    ("4711", "4712"),
    "K-7",
    "DA-1",
    "DHL",
    "Köln",
    "dock-1",
    "2026-11-23T18:30:00+01:00",
)


def payload_faults(payload: bytes) -> list[str]:
    with pytest.raises(ShipmentSourceError) as caught:
        parse_payload("S-1", payload, TOPIC)
    return [str(fault).removeprefix(TOPIC) for fault in caught.value.faults]


def file_faults(content: bytes) -> list[str]:
    with pytest.raises(ShipmentSourceError) as caught:
        parse_json(content.splitlines(keepends=True), "s.json")
    return [str(fault) for fault in caught.value.faults]


def test_a_payload_with_every_field_is_read() -> None:
    assert parse_payload("S-1", json.dumps(FULL).encode(), TOPIC) == ENTRY


def test_a_payload_may_leave_everything_out_or_null() -> None:
    assert parse_payload("S-1", b"{}", TOPIC) == Shipment("S-1")
    assert parse_payload("S-1", b'{"carrier": null, "units": [{"sscc": null, "tid": "E2801160"}]}', TOPIC) == (
        Shipment("S-1", (Unit("tid:E2801160"),))
    )


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ({"shipment_id": "S-2"}, ": shipment_id: is 'S-2', but the topic says 'S-1'"),
        ({"order": ["1"]}, ": order: unknown key; did you mean 'orders'?"),
        ({"units": [{"scc": PALLET, "tid": "E2801160"}]}, ": units[0].scc: unknown key; did you mean 'sscc'?"),
        ({"units": [{"sscc": "340123450000000018"}]},
         ": units[0].sscc: SSCC 340123450000000018: check digit 8 is wrong, 7 would be right"),
        ({"units": [{"sscc": int(PALLET)}]}, f": units[0].sscc: {PALLET} is no text; expected a string"),
        ({"units": [{"parent": PALLET}]},
         ": units[0]: names no unit; expected one of sscc, sgtin, grai, giai, epc, tid, unit"),
        ({"units": {"sscc": PALLET}}, ': units: expected a list such as [{"sscc": "340123450000000017"}]'),
        ({"units": [PALLET]}, ': units[0]: expected an object such as {"sscc": "340123450000000017"}'),
        ({"units": [{"sscc": PALLET}, {"unit": PALLET}]},
         f": units[1].unit: (00){PALLET} stands already in units[0].sscc"),
        ({"orders": "4711"}, ': orders: expected a list of strings such as ["4711"]'),
        ({"orders": [4711]}, ": orders: 4711 is no text; expected a string"),
        ({"carrier": ["DHL"]}, ": carrier: ['DHL'] is no text; expected a string"),
        ({"carrier": "D\ud800L"}, ": carrier: 'D\\ud800L' holds the control character '\\ud800'; expected plain text"),
        ({"planned_departure": "tomorrow"},
         ": planned_departure: 'tomorrow' is no time with an offset; expected one such as 2026-11-23T18:30:00+01:00"),
        ([], ": expected an object with the fields of a shipment"),
        (None, ": expected an object with the fields of a shipment"),
    ],
)  # fmt: skip
def test_a_fault_names_topic_key_and_what_was_expected(payload: object, fault: str) -> None:
    assert payload_faults(json.dumps(payload).encode()) == [fault]


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b'{"orders": [}', ":1: column 13: is no JSON: Expecting value"),
        (b'{"carrier": "K\xf6ln"}', ": byte 15: is not UTF-8"),
        (b"[" * 100_000, ": is no JSON that can be read: maximum recursion depth"),
        (b"1" * 5000, ": is no JSON that can be read: Exceeds the limit"),
        (b"", ":1: column 1: is no JSON"),
    ],
)
def test_a_payload_that_is_no_json_is_refused_in_words(payload: bytes, fault: str) -> None:
    (told,) = payload_faults(payload)
    assert told.startswith(fault)


def test_all_faults_of_a_payload_are_told_at_once() -> None:
    assert len(payload_faults(b'{"shipment_id": "S-2", "units": [{"sscc": "1"}], "orders": 1, "cargo": "x"}')) == 4


SECOND = {"shipment_id": "S-2", "units": [{"tid": "E2801160"}]}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([FULL, SECOND]),
        "\ufeff\r\n" + json.dumps([FULL, SECOND], indent=2),
        f"{json.dumps(FULL)}\n\n{json.dumps(SECOND)}\r\n",
        f"\ufeff{json.dumps(FULL)}\n{json.dumps(SECOND)}",
    ],
)
def test_a_file_is_an_array_or_one_entry_on_each_line(content: str) -> None:
    shipments = parse_json(content.encode().splitlines(keepends=True), "s.json")
    assert shipments == (ENTRY, Shipment("S-2", (Unit("tid:E2801160"),)))


def test_a_file_without_entries_has_none() -> None:
    assert parse_json([], "s.json") == ()
    assert parse_json([b"[]"], "s.json") == ()


def test_a_fault_in_json_lines_names_its_line() -> None:
    told = file_faults(b'{"shipment_id": "S-1"}\n{"shipment_id": "S-2", "cargo": 1}\nnonsense\n{"units": []}\n')
    assert [fault.split(": ")[:2] for fault in told] == [
        ["s.json:2", "cargo"],
        ["s.json:3", "column 1"],
        ["s.json:4", "shipment_id"],
    ]


def test_a_fault_in_an_array_names_its_entry() -> None:
    told = file_faults(b'[{"shipment_id": "S-1", "carrier": 1},\n {"units": []}, 7]')
    assert [fault.split(": ")[1] for fault in told] == ["[0].carrier", "[1].shipment_id", "[2]"]


def test_a_fault_in_the_syntax_of_an_array_names_its_line() -> None:
    assert file_faults(b'\n[{"shipment_id": "S-1"},\n {"units": }]')[0].startswith("s.json:3: column 12: is no JSON")


def test_a_shipment_or_unit_that_stands_twice_in_a_file_is_a_fault() -> None:
    one = b'{"shipment_id": "S-1", "units": [{"tid": "E2801160"}]}'
    assert file_faults(one + b"\n" + one) == [
        "s.json:2: units[0].tid: tid:E2801160 stands already in line 1, units[0].tid",
        "s.json:2: shipment_id: 'S-1' stands already further up",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["units", "orders", "sscc", "parent", "carrier", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=json_values)
def test_any_json_is_an_entry_or_refused_in_words(value: object) -> None:
    payload = json.dumps(value).encode()
    try:
        told = parse_payload("S-1", payload, TOPIC).shipment_id
    except ShipmentSourceError as error:
        told = str(error)
    assert told == "S-1" or told.startswith(f"{TOPIC}: ")


DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "shipments.md").read_text(encoding="utf-8")


def test_the_examples_of_the_documentation_are_valid() -> None:
    blocks = re.findall(r"^```(csv|json)\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    (table,) = (text.encode() for kind, text in blocks if kind == "csv")
    listed, payload = (text.encode() for kind, text in blocks if kind == "json")
    assert len(parse_csv(table.splitlines(keepends=True), "docs")[0].units) == 3
    assert [each.shipment_id for each in parse_json(listed.splitlines(keepends=True), "docs")] == ["S-1001", "S-1002"]
    assert len(parse_payload("S-1", payload, TOPIC).units) == 3


@pytest.mark.parametrize("name", [*COLUMNS, *NAMES])
def test_every_field_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENT or f'"{name}"' in DOCUMENT
