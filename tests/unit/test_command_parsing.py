"""Payloads of commands and batches: what they become, and what is said of the wrong ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.commands.catalogue import (
    COMMANDS,
    MOST_REPLAYED,
    BindTag,
    CloseLoad,
    FindTag,
    Replay,
    RestartReader,
    Status,
    UnbindTag,
)
from rfid_gateway.commands.envelope import LONGEST_ID, MOST_BYTES, fingerprint, parse_command, read_envelope
from rfid_gateway.commands.reply import Outcome, Reply, encode, refused
from rfid_gateway.commands.rights import Client, RateLimit, Rights, UnknownTokenError, digest_of
from rfid_gateway.shipments import batch
from rfid_gateway.shipments.batch import parse_batch, read_batch
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import Fault, Faults, ShipmentSourceError

SSCC = "340123450000000017"
EPC = "314D7EA5A441C9C381000000"
MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("name", "arguments", "command"),
    [
        ("status", {}, Status()),
        ("restart_reader", {"reader": "dock-1"}, RestartReader("dock-1")),
        ("find_tag", {"epc": EPC}, FindTag(f"(00){SSCC}")),
        ("bind_tag", {"shipment_id": "S-1", "sscc": SSCC}, BindTag("S-1", Unit(f"(00){SSCC}"))),
        (
            "bind_tag",
            {"shipment_id": "S-1", "tid": "E2801160", "parent": SSCC},
            BindTag("S-1", Unit("tid:E2801160", f"(00){SSCC}")),
        ),
        ("unbind_tag", {"unit": f"(00){SSCC}"}, UnbindTag(f"(00){SSCC}")),
        ("close_load", {"load": "Tour 4/7"}, CloseLoad("Tour 4/7")),
        ("replay", {"from_sequence": 5, "to_sequence": 5}, Replay(5, 5)),
    ],
)
def test_fields_become_a_command(name: str, arguments: dict[str, Any], command: object) -> None:
    assert parse_command(name, arguments, "t") == command
    assert COMMANDS[name] is type(command)


@pytest.mark.parametrize(
    ("name", "arguments", "faults"),
    [
        ("status", {"reader": "x"}, ["reader: unknown key; this command has no fields of its own"]),
        ("restart_reader", {}, ["reader: is missing; expected the id of a reader"]),
        ("restart_reader", {"reader": " "}, ["reader: is empty; expected the id of a reader"]),
        ("restart_reader", {"reader": 7}, ["reader: 7 is no text; expected a string"]),
        (
            "restart_reader",
            {"raeder": "dock-1"},
            ["raeder: unknown key; did you mean 'reader'?", "reader: is missing; expected the id of a reader"],
        ),
        (
            "close_load",
            {"load_id": "T-1"},
            ["load_id: unknown key; did you mean 'load'?", "load: is missing; expected the id of a load"],
        ),
        (
            "bind_tag",
            {"shipment_id": "S-1", "sscc": SSCC, "epc": EPC},
            ["names sscc and epc; expected one of sscc, sgtin, grai, giai, epc, tid, unit"],
        ),
        ("unbind_tag", {}, ["names no unit; expected one of sscc, sgtin, grai, giai, epc, tid, unit"]),
        (
            "find_tag",
            {"sscc": "340123450000000018"},
            ["sscc: SSCC 340123450000000018: check digit 8 is wrong, 7 would be right"],
        ),
        (
            "replay",
            {"from_sequence": True, "to_sequence": "9"},
            [
                "from_sequence: is 'True'; expected the sequence of an event, a whole number from 1",
                "to_sequence: is '9'; expected the sequence of an event, a whole number from 1",
            ],
        ),
        (
            "replay",
            {"from_sequence": 9, "to_sequence": 8},
            ["to_sequence: 8 comes before from_sequence; expected it or a later one"],
        ),
        (
            "replay",
            {"from_sequence": 1, "to_sequence": MOST_REPLAYED + 1},
            [f"to_sequence: asks for {MOST_REPLAYED + 1} events; expected at most {MOST_REPLAYED} at a time"],
        ),
    ],
)
def test_wrong_fields_are_refused_each_with_its_key(name: str, arguments: dict[str, Any], faults: list[str]) -> None:
    with pytest.raises(ShipmentSourceError) as refusal:
        parse_command(name, arguments, "t")
    assert [str(fault) for fault in refusal.value.faults] == [f"t: {fault}" for fault in faults]


def test_the_shared_fields_are_taken_off_and_the_token_is_never_shown() -> None:
    payload = {"request_id": "7", "reply_to": "a/b", "token": "s3cret", "expires_at": "2026-11-23T10:45:00Z", "x": 1}
    envelope = read_envelope(json.dumps(payload).encode(), "t")
    assert (envelope.request_id, envelope.reply_to, envelope.token) == ("7", "a/b", "s3cret")
    assert envelope.expires_at == 1_795_430_700_000_000
    assert envelope.arguments == {"x": 1}
    assert envelope.faults == ()
    assert "s3cret" not in repr(envelope)


def test_an_empty_payload_has_no_fields() -> None:
    assert read_envelope(b"", "t") == read_envelope(b"{}", "t")


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b"{", "t:1: column 2: is no JSON: Expecting property name enclosed in double quotes"),
        (b"\xff", "t: byte 1: is not UTF-8"),
        (b"[]", "t: expected a JSON object with the command's fields"),
        (b" " * (MOST_BYTES + 1), f"t: has {MOST_BYTES + 1} bytes; expected at most {MOST_BYTES}"),
        (b'{"request_id":7}', "t: request_id: 7 is no text; expected a string"),
        (b'{"request_id":""}', f"t: request_id: has 0 characters; expected 1 to {LONGEST_ID}"),
        (b'{"token":["s3cret"]}', "t: token: is no text; expected a string"),
        (
            b'{"expires_at":"soon"}',
            "t: expires_at: 'soon' is no RFC 3339 time; expected a form like 2026-11-23T10:45:00.000+01:00",
        ),
    ],
)
def test_a_wrong_payload_is_told(payload: bytes, fault: str) -> None:
    assert [str(each) for each in read_envelope(payload, "t").faults] == [fault]


def test_a_request_id_is_known_although_another_field_is_wrong() -> None:
    envelope = read_envelope(b'{"request_id":"7","expires_at":1}', "t")
    assert (envelope.request_id, len(envelope.faults)) == ("7", 1)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_no_payload_raises(payload: bytes) -> None:
    envelope = read_envelope(payload, "t")
    assert envelope.faults or isinstance(envelope.arguments, dict)


@given(st.dictionaries(st.text(), st.none() | st.text() | st.integers()))
def test_no_fields_raise_anything_but_a_refusal(arguments: dict[str, object]) -> None:
    for name in ("bind_tag", "replay"):
        with pytest.raises(ShipmentSourceError) as refusal:
            parse_command(name, arguments, "t")
        assert json.loads(encode(refused(refusal.value.faults).values("g", name, None, 0)))["outcome"] == "refused"


def test_the_same_fields_in_any_order_have_one_fingerprint() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})


def test_a_client_may_what_anybody_may_and_what_is_its_own() -> None:
    rights = Rights(frozenset({"status"}), [Client("wms", frozenset({"replay"}), digest_of("a" * 16))])
    assert rights.client_of(None) == Client("", frozenset({"status"}))
    assert rights.client_of("a" * 16).allow == {"status", "replay"}
    for wrong in ("", "a" * 15, "b" * 16, "\ud800"):
        with pytest.raises(UnknownTokenError):
            rights.client_of(wrong)


def test_the_rate_is_so_many_at_once_and_so_many_in_a_minute() -> None:
    rate = RateLimit(3, now=0)
    assert [rate.take(0) for _ in range(4)] == [True, True, True, False]
    assert [rate.take(MINUTE // 3) for _ in range(2)] == [True, False]
    assert [rate.take(100 * MINUTE) for _ in range(4)] == [True, True, True, False]


def test_faults_of_a_batch_are_told_by_index_and_key() -> None:
    faults = (
        Fault("t", 4, "[3].units[0].sscc", "wrong"),
        Fault("t", None, "[2]", "no object"),
        Fault("t", None, "x", "?"),
    )
    values = refused(faults).values("gate-1", "directory_batch", "7", 0)
    assert values["faults"] == [
        {"index": 3, "line": 4, "key": "units[0].sscc", "problem": "wrong"},
        {"index": 2, "line": None, "key": "", "problem": "no object"},
        {"index": None, "line": None, "key": "x", "problem": "?"},
    ]
    assert values["detail"] == "3 faults; nothing was changed. [3].units[0].sscc: wrong"


def test_a_reply_has_every_key() -> None:
    reply = Reply(Outcome.DONE, "well", {"a": 1})
    assert json.loads(encode(reply.values("gate-1", "status", None, 1_795_430_700_000_000))) == {
        "request_id": None,
        "gateway": "gate-1",
        "command": "status",
        "outcome": "done",
        "detail": "well",
        "faults": [],
        "result": {"a": 1},
        "at": "2026-11-23T10:45:00.000+00:00",
        "repeated": False,
    }


def batch_of(payload: bytes) -> batch.Batch:
    faults = Faults("t")
    return parse_batch(read_batch(payload, faults), faults)


def faults_of(payload: bytes) -> list[str]:
    with pytest.raises(ShipmentSourceError) as refusal:
        batch_of(payload)
    return [str(fault) for fault in refusal.value.faults]


ENTRY = {"shipment_id": "S-1", "units": [{"sscc": SSCC}]}
DELETION = {"shipment_id": "S-0", "delete": True}
BOTH = batch.Batch((Shipment("S-1", (Unit(f"(00){SSCC}"),)),), ("S-0",))


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps([ENTRY, DELETION]),
        f"\ufeff\n {json.dumps([ENTRY, DELETION], indent=1)}",
        f"{json.dumps(ENTRY)}\r\n\n{json.dumps(DELETION)}\n",
        json.dumps({"entries": [ENTRY, DELETION]}),
    ],
)
def test_an_array_lines_and_an_object_around_them_are_the_same_batch(payload: str) -> None:
    assert batch_of(payload.encode()) == BOTH


def test_one_entry_alone_is_a_batch() -> None:
    assert batch_of(json.dumps(ENTRY, indent=1).encode()).entries == BOTH.entries


def test_the_object_around_the_entries_names_the_request() -> None:
    payload = {"request_id": "7", "reply_to": "r", "entries": [ENTRY]}
    assert read_batch(json.dumps(payload).encode(), Faults("t")).request == {"request_id": "7", "reply_to": "r"}


@pytest.mark.parametrize(
    ("payload", "faults"),
    [
        (b"", ["t: has no entries; expected at least one"]),
        (b"[]", ["t: has no entries; expected at least one"]),
        (b"[1", ["t:1: column 3: is no JSON: Expecting ',' delimiter"]),
        (b"7", ["t:1: [0]: expected an object with the fields of a shipment"]),
        (b'{"entries":7}', ["t: entries: expected a list of entries and deletions"]),
        (b'{"entries":[],"reqest_id":"7"}', ["t: reqest_id: unknown key; did you mean 'request_id'?"]),
        (
            b'[{"shipment_id":"S-1"},{"shipment_id":"S-1","delete":true}]',
            ["t: [1].shipment_id: 'S-1' stands already in [0]"],
        ),
        (
            b'[{"shipment_id":"S-1","delete":false},{"delete":true},{"shipment_id":"S-2","delete":true,"units":[]}]',
            [
                "t: [0].delete: expected true; leave it out to write the entry",
                "t: [1].shipment_id: is missing",
                "t: [2].units: unknown key; expected one of shipment_id, delete",
            ],
        ),
        (
            b'{"shipment_id":"S-1"}\nnonsense\n{"shipment_id":"S-2","units":[{"scc":"1"}]}',
            [
                "t:2: column 1: is no JSON: Expecting value",
                "t:3: [2].units[0].scc: unknown key; did you mean 'sscc'?",
                "t:3: [2].units[0]: names no unit; expected one of sscc, sgtin, grai, giai, epc, tid, unit",
            ],
        ),
    ],
)
def test_a_wrong_batch_is_refused_with_every_place(payload: bytes, faults: list[str]) -> None:
    assert faults_of(payload) == faults


def test_a_unit_in_two_entries_is_a_fault() -> None:
    payload = json.dumps([ENTRY, {**ENTRY, "shipment_id": "S-2"}]).encode()
    assert faults_of(payload) == [f"t: [1].units[0].sscc: (00){SSCC} stands already in [0].units[0].sscc"]


def test_a_batch_has_limits() -> None:
    assert faults_of(b" " * (batch.MOST_BYTES + 1)) == [
        f"t: has {batch.MOST_BYTES + 1} bytes; expected at most 1048576"
    ]
    many = [{"shipment_id": f"S-{number}", "delete": True} for number in range(batch.MOST_ENTRIES + 1)]
    assert faults_of(json.dumps(many).encode()) == ["t: has 2001 entries; expected at most 2000 at a time"]
    assert faults_of(b"{\n" * 200)[-1] == "t:100: not read further after 100 faults"


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_no_batch_raises_anything_but_a_refusal(payload: bytes) -> None:
    assert faults_of(payload)
