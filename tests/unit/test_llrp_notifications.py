import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_drivers.llrp.notifications import (
    AntennaChanged,
    BufferFilling,
    BufferOverflowed,
    ConnectionAttempted,
    ConnectionClosed,
    InputChanged,
    Notification,
    ReaderException,
    SpecChanged,
    decode_notification,
    decode_status,
)
from rfid_drivers.llrp.parameters import LlrpDecodeError
from tests.llrp_messages import UTC, custom, notification, status, tlv

EVENTS = [
    (tlv(248, struct.pack("!HB", 2, 0x80)), InputChanged(2, high=True)),
    (tlv(248, struct.pack("!HB", 65535, 0)), InputChanged(65535, high=False)),
    (tlv(249, struct.pack("!BII", 1, 1380, 0)), SpecChanged(1380, 1)),
    (tlv(250, b"\x5a"), BufferFilling(90)),
    (tlv(251), BufferOverflowed()),
    (tlv(252, struct.pack("!H4s", 4, b"warm") + b"\x81\x00\x01"), ReaderException("warm")),
    (tlv(255, struct.pack("!BH", 0, 3)), AntennaChanged(3, connected=False)),
    (tlv(255, struct.pack("!BH", 1, 3)), AntennaChanged(3, connected=True)),
    (tlv(256, struct.pack("!H", 4)), ConnectionAttempted(4)),
    (tlv(256, struct.pack("!H", 77)), ConnectionAttempted(77)),
    (tlv(257), ConnectionClosed()),
]


@pytest.mark.parametrize(("encoded", "event"), EVENTS)
def test_each_event_is_decoded(encoded: bytes, event: Notification) -> None:
    decoded = decode_notification(notification(encoded)[10:])
    assert decoded.events == (event,)
    assert (decoded.reader_time, decoded.clock, decoded.skipped) == (UTC, "utc", 0)


def test_several_events_in_one_message_all_count() -> None:
    body = notification(*(encoded for encoded, _ in EVENTS))[10:]
    assert decode_notification(body).events == tuple(event for _, event in EVENTS)


def test_a_reader_without_utc_tells_its_uptime() -> None:
    decoded = decode_notification(notification(tlv(251), at=5, timestamp=129)[10:])
    assert (decoded.reader_time, decoded.clock) == (5, "uptime")


def test_unknown_and_custom_events_are_stepped_over() -> None:
    body = notification(tlv(777, b"new"), custom(99, b"vendor"), tlv(251))[10:]
    assert decode_notification(body).events == (BufferOverflowed(),)
    assert decode_notification(body).skipped == 2


def test_the_recorded_notification_is_decoded(shared: Path) -> None:
    body = (shared / "vectors/llrp/ReaderEventNotification-000.bytes").read_bytes()
    decoded = decode_notification(body)
    assert decoded.reader_time == 1596721689842138
    assert decoded.events == (ConnectionClosed(),)


@pytest.mark.parametrize(
    "body", [b"", b"\x00", tlv(999), tlv(246, b"\x00"), tlv(246, tlv(248, b"\x00")), b"\x81\x00\x01"]
)
def test_damage_is_told_as_a_decode_error(body: bytes) -> None:
    with pytest.raises(LlrpDecodeError):
        decode_notification(body)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_hostile_bytes_raise_decode_errors_only(body: bytes) -> None:
    try:
        decoded = decode_notification(body)
    except LlrpDecodeError:
        return
    assert body[0] & 0x80 == 0
    assert decoded.skipped + len(decoded.events) <= len(body) // 4


def test_a_status_says_what_the_reader_said_and_where() -> None:
    field_error = tlv(288, struct.pack("!HH", 3, 101))
    text = b"bad field"
    body = tlv(287, struct.pack("!HH", 101, len(text)) + text + field_error)
    assert str(decode_status(body)) == "bad field at field 3 (code 101) (LLRP status 101)"
    assert not decode_status(body).ok


@pytest.mark.parametrize("code", [112, 402, 65535])
def test_status_codes_beyond_llrp_1_0_1_arrive_as_numbers(code: int) -> None:
    assert decode_status(status(code)).code == code


def test_an_answer_without_a_status_is_an_error() -> None:
    with pytest.raises(LlrpDecodeError, match="LLRPStatus"):
        decode_status(tlv(137, b""))
