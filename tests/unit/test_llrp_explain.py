"""What `frames llrp` says about recorded bytes."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sllurp import llrp_proto

from rfid_drivers.llrp.explain import explain
from rfid_drivers.llrp.vocabulary import MESSAGES, PARAMETERS, TV_PARAMETERS
from tests.llrp_messages import custom, message, notification, status, tlv, usual_tag


def test_every_message_of_a_recorded_session_is_named(shared: Path) -> None:
    records = explain((shared / "vectors/llrp/dx101_a.bin").read_bytes())
    assert {record["kind"] for record in records} == {"tags", "event", "request", "answer"}
    assert sum(record["kind"] == "tags" for record in records) == 130
    assert sum(not str(record["type"]).isupper() for record in records) == 0
    assert len({(record["version"], record["id"], record["type"]) for record in records}) > 1


def test_numbers_and_names_are_those_that_another_implementation_uses() -> None:
    messages = {entry["type"]: name for name, entry in llrp_proto.Message_struct.items() if entry["type"] != 1023}
    assert {number: MESSAGES[number].name for number in messages} == messages
    theirs = {entry["type"]: name for name, entry in llrp_proto.Param_struct.items() if "type" in entry}
    both = {number: (spec.name, theirs[number]) for number, spec in PARAMETERS.items() if number in theirs}
    differing = {number for number, (mine, other) in both.items() if mine != other}
    # sllurp shortens EPCData and the level warning, gives 180 to two parameters and has many of type 1023.
    assert differing <= {180, 241, 250, 1023}
    assert all(theirs[number] == spec.name for number, spec in TV_PARAMETERS.items())


def test_a_tag_has_the_fields_of_the_contract_and_its_place() -> None:
    keepalive = message(62)
    (beat, tag) = explain(keepalive + message(61, usual_tag(rssi=-61, antenna=3), 9))
    assert beat["kind"] == "heartbeat"
    assert (tag["kind"], tag["antenna"], tag["rssi"], tag["id"], tag["offset"]) == ("tags", 3, -61.0, 9, 20)
    assert tag["epc"] == "3034257BF7194E4000001A85"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (tlv(256, struct.pack("!H", 2)), "connection refused: another client is connected"),
        (tlv(248, b"\x00\x02\x80"), "input 2 went high"),
        (tlv(249, struct.pack("!BII", 2, 7, 8)), "ROSpec 7 was preempted"),
        (tlv(255, b"\x00\x00\x04"), "antenna 4 disconnected"),
        (tlv(252, b"\x00\x03hot"), "reader exception: hot"),
        (tlv(700, b"xy"), "parameter 700 of 6 bytes"),
    ],
)
def test_an_event_is_told_in_words(event: bytes, words: str) -> None:
    (record,) = explain(notification(event))
    assert (record["kind"], record["detail"]) == ("event", words)


def test_a_refusal_names_the_code_the_text_and_the_place() -> None:
    refusal = tlv(287, struct.pack("!HH", 101, 3) + b"bad" + tlv(288, struct.pack("!HH", 4, 101)))
    (record,) = explain(message(30, refusal))
    assert (record["type"], record["status"], record["detail"]) == (
        "ADD_ROSPEC_RESPONSE",
        101,
        "wrong field, bad, at field 4",
    )


def test_what_is_unknown_is_told_by_number_and_length() -> None:
    (strange, answer) = explain(message(777, b"abc") + message(12, status() + tlv(600, b"zz") + custom(38, b"\1")))
    assert (strange["kind"], strange["type"]) == ("unknown", "message 777 of 13 bytes")
    assert [p["parameter"] for p in answer["parameters"]] == [  # type: ignore[attr-defined]  # a list by contract
        "LLRPStatus",
        "parameter 600 of 6 bytes",
        "ImpinjLinkMonitorConfiguration",
    ]


def test_a_body_without_header_is_refused_with_what_it_looks_like() -> None:
    (record,) = explain(usual_tag())
    assert (record["kind"], record["offset"]) == ("rejected", 0)
    assert "begins with the parameter TagReportData (240)" in str(record["reason"])


def test_a_message_that_was_cut_off_is_told_with_its_place() -> None:
    whole = message(62)
    (_, rest) = explain(whole + message(61, usual_tag())[:-1])
    assert (rest["kind"], rest["offset"]) == ("rejected", 10)
    assert "only 52 are there" in str(rest["reason"])


def test_damage_in_a_tag_is_told_and_its_neighbours_are_kept() -> None:
    broken = tlv(240, b"\xff\xff")
    records = explain(message(61, usual_tag() + broken + usual_tag()))
    assert [record["kind"] for record in records][:3] == ["tags", "rejected", "tags"]


@given(st.binary(max_size=200))
def test_any_bytes_are_explained_or_rejected(data: bytes) -> None:
    for record in explain(data):
        assert record["kind"] != "rejected" or record["reason"]


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=120))
def test_any_content_of_any_message_is_explained(kind: int, body: bytes) -> None:
    assert all(record["command"] == kind for record in explain(message(kind, body)))


@given(st.sampled_from(sorted(PARAMETERS)), st.binary(max_size=60))
def test_any_content_of_any_parameter_is_explained(kind: int, body: bytes) -> None:
    (record, *_) = explain(message(12, status() + tlv(kind, body)))
    assert record["status"] == 0
