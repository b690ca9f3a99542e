"""The simulated reader negotiates LLRP 1.1 where its profile knows it, and leaves out what has not changed."""

from dataclasses import replace

import pytest

from rfid_simulators.llrp.profiles import GENERIC, GENERIC_1_1, TERSE, ReaderProfile
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.status import StatusCode
from rfid_simulators.llrp.wire import Frame, Framer, MessageType, message
from tests import llrp_requests as client

ASK = message(MessageType.GET_SUPPORTED_VERSION, 7, version=2)
SUCCESS = bytes.fromhex("011f000800000000")


def set_version(version: int) -> bytes:
    return message(MessageType.SET_PROTOCOL_VERSION, 8, bytes((version,)), version=2)


def connected(profile: ReaderProfile = GENERIC_1_1) -> SimulatedReader:
    reader = client.make_reader([client.sighting(at, antenna_id=1 + at // 3) for at in range(6)], profile)
    reader.connect(0)
    return reader


def answer(reader: SimulatedReader, request: bytes) -> Frame:
    (frame,) = Framer().feed(b"".join(reader.feed(request, 0)))
    return frame


def test_a_1_1_reader_tells_its_versions_and_speaks_the_one_that_is_set() -> None:
    reader = connected()
    told = answer(reader, ASK)
    assert (told.version, told.type, told.message_id) == (2, MessageType.GET_SUPPORTED_VERSION_RESPONSE, 7)
    assert told.body == b"\x01\x02" + SUCCESS
    done = answer(reader, set_version(2))
    assert (done.version, done.type, done.body) == (2, MessageType.SET_PROTOCOL_VERSION_RESPONSE, SUCCESS)
    listed = answer(reader, message(MessageType.GET_ROSPECS, 9, version=2))
    assert (listed.version, listed.type) == (2, MessageType.GET_ROSPECS_RESPONSE)
    assert answer(reader, ASK).body[:2] == b"\x02\x02"


def test_events_and_reports_carry_the_negotiated_version_and_the_next_session_begins_at_1_0_1() -> None:
    reader = connected()
    reader.feed(set_version(2), 0)
    requests = [(MessageType.ADD_ROSPEC, client.rospec()), (MessageType.ENABLE_ROSPEC, bytes((0, 0, 0, 1)))]
    reader.feed(b"".join(message(kind, 1, body, version=2) for kind, body in requests), 0)
    assert {frame.version for frame in Framer().feed(b"".join(reader.tick(5)))} == {2}
    reader.disconnected(5)
    assert [frame.version for frame in Framer().feed(b"".join(reader.connect(6)))] == [1]


def test_a_version_that_is_not_the_sessions_is_refused() -> None:
    reader = connected()
    too_new = answer(reader, message(MessageType.GET_ROSPECS, 1, version=2))
    assert (too_new.version, too_new.type) == (1, MessageType.ERROR_MESSAGE)
    reader.feed(set_version(2), 0)
    too_old = answer(reader, message(MessageType.GET_ROSPECS, 1))
    assert too_old.type == MessageType.ERROR_MESSAGE
    assert {frame.body[4:6] for frame in (too_new, too_old)} == {StatusCode.M_UNSUPPORTED_VERSION.to_bytes(2, "big")}


def test_the_version_is_settled_once_and_not_above_what_the_reader_knows() -> None:
    reader = connected()
    unknown = answer(reader, set_version(3))
    assert unknown.type == MessageType.SET_PROTOCOL_VERSION_RESPONSE
    assert unknown.body[4:6] == StatusCode.M_UNSUPPORTED_VERSION.to_bytes(2, "big")
    assert answer(reader, set_version(1)).body == SUCCESS
    again = answer(reader, set_version(2))
    assert again.body[4:6] == StatusCode.M_UNEXPECTED_MESSAGE.to_bytes(2, "big")


@pytest.mark.parametrize("request_", [ASK, set_version(2)], ids=["get", "set"])
def test_a_1_0_1_reader_answers_negotiation_with_an_error_message_of_its_own_version(request_: bytes) -> None:
    refused = answer(connected(GENERIC), request_)
    assert (refused.version, refused.type) == (1, MessageType.ERROR_MESSAGE)
    assert refused.body[4:6] == StatusCode.M_UNSUPPORTED_VERSION.to_bytes(2, "big")


EPC_96 = b"\x8d" + bytes.fromhex(client.EPC)


def reports(profile: ReaderProfile, content: int) -> list[bytes]:
    """The content of the TagReportData of every report: six sightings at antennas 1, 1, 1, 2, 2, 2."""
    reader = connected(profile)
    reader.feed(client.add(client.rospec(report=client.report_spec(1, 2, content))) + client.enable(), 0)
    return [one.body[4:] for one in client.answers(reader.tick(10))]


def test_unchanged_parameters_are_left_out_and_changed_ones_are_not() -> None:
    rospec_and_antenna = 0x9000
    assert reports(TERSE, rospec_and_antenna) == [
        EPC_96 + b"\x89\x00\x00\x00\x01" + b"\x81\x00\x01",
        EPC_96,
        EPC_96,
        EPC_96 + b"\x81\x00\x02",
        EPC_96,
        EPC_96,
    ]


def test_what_is_left_out_is_what_was_told_before() -> None:
    """Carried forward, the short reports say what the whole ones say."""
    whole, told, carried = reports(GENERIC, 0xFFC0), reports(TERSE, 0xFFC0), dict[int, bytes]()
    lengths = {1: 3, 2: 9, 4: 9, 6: 2, 7: 3, 8: 3, 9: 5, 10: 3, 13: 13, 14: 3, 16: 5}
    for complete, short in zip(whole, told, strict=True):
        assert len(short) < len(complete) or not carried
        at = 0
        while at < len(short):
            kind = short[at] & 0x7F
            carried[kind] = short[at : at + lengths[kind]]
            at += lengths[kind]
        assert set(carried.values()) == {complete[at : at + size] for at, size in _cuts(complete, lengths)}


def _cuts(tag: bytes, lengths: dict[int, int]) -> list[tuple[int, int]]:
    cuts: list[tuple[int, int]] = []
    at = 0
    while at < len(tag):
        cuts.append((at, lengths[tag[at] & 0x7F]))
        at += cuts[-1][1]
    return cuts


def test_a_new_session_is_told_everything_again() -> None:
    reader = connected(replace(TERSE))
    reader.feed(client.add(client.rospec(report=client.report_spec(1, 2, 0x9000))) + client.enable(), 0)
    reader.tick(2)
    reader.disconnected(2)
    reader.connect(2)
    (first,) = client.answers(reader.tick(3))
    assert first.body[4:] == EPC_96 + b"\x89\x00\x00\x00\x01" + b"\x81\x00\x01"
