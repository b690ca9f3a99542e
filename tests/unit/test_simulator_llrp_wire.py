"""The simulated LLRP reader takes bytes apart in any slicing and says what is wrong with a request."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_simulators.llrp.grammar import parse_request
from rfid_simulators.llrp.status import RequestError, StatusCode
from rfid_simulators.llrp.wire import Frame, Framer, MessageType, WireError, message, tlv
from tests import llrp_requests as client

STREAM = message(26, 7) + client.add(client.rospec(), 8) + message(62, 0xFFFFFFFF, b"abc")
FRAMES = Framer().feed(STREAM)


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STREAM))))
def test_however_the_stream_is_sliced_the_messages_are_the_same(cuts: list[int]) -> None:
    framer, frames = Framer(), list[Frame]()
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        frames += framer.feed(STREAM[start:end])
    assert frames == FRAMES
    assert [(frame.type, frame.message_id) for frame in frames] == [(26, 7), (20, 8), (62, 0xFFFFFFFF)]


@pytest.mark.parametrize("length", [0, 9, 0xFFFFFFFF])
def test_a_length_that_cannot_be_is_refused_by_its_value(length: int) -> None:
    with pytest.raises(WireError, match=f"message length {length}, expected 10 to"):
        Framer().feed(b"\x04\x1a" + length.to_bytes(4, "big") + bytes(4))


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from(sorted(MessageType)))
def test_any_body_is_parsed_or_refused_with_a_status(body: bytes, kind: MessageType) -> None:
    try:
        outcome = parse_request(kind, body).raw
    except RequestError as error:
        outcome = error.status
    assert outcome == body or outcome.startswith(b"\x01\x1f")


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_rospec_is_parsed_or_refused_but_never_breaks_the_parser(at: int, value: int) -> None:
    body = bytearray(client.rospec())
    body[at % len(body)] = value
    reader = client.make_reader()
    reader.connect(0)
    (answer,) = client.answers(reader.feed(message(MessageType.ADD_ROSPEC, 5, bytes(body)), 1))
    assert (answer.type, answer.message_id) == (MessageType.ADD_ROSPEC_RESPONSE, 5)


def status_of(kind: MessageType, body: bytes) -> bytes:
    with pytest.raises(RequestError) as caught:
        parse_request(kind, body)
    return caught.value.status


def test_a_missing_parameter_is_named_by_the_path_to_where_it_belongs() -> None:
    boundary = tlv(178, tlv(179, b"\x01"))  # lacks the ROSpecStopTrigger
    status = status_of(MessageType.ADD_ROSPEC, tlv(177, bytes(6), boundary, client.ai_spec()))
    text = b"ROBoundarySpec lacks ROSpecStopTrigger"
    inner = tlv(289, b"\x00\xb2" + StatusCode.P_MISSING_PARAMETER.to_bytes(2, "big"))
    outer = tlv(289, b"\x00\xb1" + StatusCode.P_PARAMETER_ERROR.to_bytes(2, "big") + inner)
    assert status == tlv(287, b"\x00\x64" + len(text).to_bytes(2, "big") + text + outer)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", StatusCode.M_MISSING_PARAMETER),
        (client.rospec() + client.rospec(2), StatusCode.M_DUPLICATE_PARAMETER),
        (tlv(237, bytes(3)), StatusCode.M_UNEXPECTED_PARAMETER),
        (tlv(900), StatusCode.M_UNKNOWN_PARAMETER),
        (b"\x8d" + bytes(12), StatusCode.M_UNEXPECTED_PARAMETER),
        (b"\x00\xb1\x00\x00", StatusCode.M_PARAMETER_ERROR),
        (b"\x00\xb1\x00\xff", StatusCode.M_PARAMETER_ERROR),
        (b"\x00\xb1", StatusCode.M_PARAMETER_ERROR),
    ],
)
def test_each_fault_of_a_message_has_its_own_status_code(body: bytes, code: StatusCode) -> None:
    assert int.from_bytes(status_of(MessageType.ADD_ROSPEC, body)[4:6], "big") == code


def test_fields_that_are_cut_short_are_a_field_error() -> None:
    status = status_of(MessageType.DELETE_ROSPEC, b"\x00\x00\x01")
    assert int.from_bytes(status[4:6], "big") == StatusCode.M_FIELD_ERROR
    assert b"DELETE_ROSPEC ends after 3 bytes, expected at least 4" in status
