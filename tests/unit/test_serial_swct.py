import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial import swct_codec as codec
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session, Turn
from rfid_drivers.serial.swct import SwctDialogue, SwctOptions
from rfid_drivers.serial.swct_codec import SwctDecoder
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)


def vectors(shared: Path) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [vector for vector in known if vector["protocol"] == "swct_5357"]


def decode(data: bytes) -> tuple[list[Frame], list[Rejected]]:
    decoder = SwctDecoder(200)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def answer(code: int, status: int, data: bytes = b"") -> bytes:
    body = b"CT" + (4 + len(data)).to_bytes(2, "big") + bytes((0, code, status)) + data
    return body + bytes((codec.checksum(body),))


def record(epc: bytes, *, length: int | None = None) -> bytes:
    return bytes((3 + len(epc) if length is None else length, 1, 2)) + epc + b"\x49"


def sent(*records: bytes, announced: int | None = None) -> bytes:
    number = len(records) if announced is None else announced
    return answer(0x45, 1, SERIAL_NUMBER + bytes((number,)) + b"".join(records))


SERIAL_NUMBER = bytes(range(7))
EPC = bytes.fromhex("E2002067551602701270920F")
TAG = sent(record(EPC))
INFORMATION = answer(0x10, 1, b"\x26\x12" + SERIAL_NUMBER)
NO_TAG = bytes.fromhex("43540004000100 64")
STARTED = answer(0x41, 1)
STOPPED = answer(0x40, 1)
HEARTBEAT = answer(0xFF, 1, SERIAL_NUMBER)


def test_every_verified_vector_is_one_frame_and_no_other_is_any(shared: Path) -> None:
    known = vectors(shared)
    assert len(known) >= 26
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        if vector["verified"]:
            assert ([frame.raw for frame in frames], rejected) == ([raw], []), vector["meaning"]
        else:
            assert frames == []
            assert b"".join(run.raw for run in rejected) == raw


def test_the_tags_of_a_vector_are_read(shared: Path) -> None:
    decoded = [vector for vector in vectors(shared) if "decoded" in vector]
    assert decoded
    for vector in decoded:
        (frame,), _ = decode(bytes.fromhex(vector["hex"]))
        assert [(read.antenna_id, read.epc, read.rssi_raw) for read in frame.tag_reads] == [
            (tag["antenna"], tag["epc"], tag["rssi_raw"]) for tag in vector["decoded"]["tags"]
        ]


def test_every_vector_with_one_byte_changed_is_rejected(shared: Path) -> None:
    for vector in vectors(shared):
        raw = bytes.fromhex(vector["hex"])
        for place in range(len(raw)):
            damaged = raw[:place] + bytes((raw[place] ^ 0x10,)) + raw[place + 1 :]
            frames, rejected = decode(damaged)
            assert frames == []
            assert b"".join(run.raw for run in rejected) == damaged


def test_a_tag_sent_unasked_has_the_antenna_and_a_raw_rssi_only() -> None:
    (frame,), rejected = decode(TAG)
    (read,) = frame.tag_reads
    assert (read.epc, read.antenna_id, read.rssi_raw, read.peak_rssi) == (EPC.hex().upper(), 2, 0x49, None)
    assert read.first_seen == read.last_seen == START.utc
    assert (rejected, frame.kind) == ([], Kind.TAGS)


def test_a_heartbeat_is_one_and_an_inventory_without_a_tag_is_no_fault() -> None:
    (heartbeat, empty), _ = decode(HEARTBEAT + NO_TAG)
    assert heartbeat.kind == Kind.HEARTBEAT
    assert (empty.kind, empty.status, empty.detail) == (Kind.ANSWER, 0, "no tag")


@pytest.mark.parametrize("versions", [b"\x26\x12", b"\x00\x26\x00\x12"])
def test_versions_have_one_byte_each_or_two(versions: bytes) -> None:
    (frame,), _ = decode(answer(0x10, 1, versions + SERIAL_NUMBER))
    information = codec.read_information(frame)
    assert information is not None
    assert (information.software[-2:], information.hardware[-2:]) == ("26", "12")
    assert information.serial_number == "00010203040506"


@pytest.mark.parametrize("data", [b"", SERIAL_NUMBER, b"\x01\x02\x03" + SERIAL_NUMBER])
def test_an_information_of_another_length_is_none(data: bytes) -> None:
    (frame,), _ = decode(answer(0x10, 1, data))
    assert codec.read_information(frame) is None


def test_a_stream_decodes_the_same_one_byte_at_a_time(shared: Path) -> None:
    known = [vector for vector in vectors(shared) if vector["verified"]]
    stream = b"".join(bytes.fromhex(vector["hex"]) for vector in known) + TAG
    decoder = SwctDecoder(200)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) == len(known) + 1


@pytest.mark.parametrize("offset", range(1, len(TAG)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((TAG * 20)[offset:])
    assert [frame.raw for frame in frames] == [TAG] * 19


def test_a_false_length_does_not_hold_back_a_frame_longer_than_the_idle_gap() -> None:
    decoder = SwctDecoder(200)
    stray = bytes.fromhex("435400400045")
    assert decoder.feed(stray + TAG, START) == []
    assert decoder.feed(b"", Instant(0, START.monotonic + 199_999)) == []
    found = decoder.feed(b"", Instant(0, START.monotonic + 200_000))
    assert [item.raw for item in found] == [stray, TAG]


def test_two_frames_joined_by_a_loss_are_not_one_tag() -> None:
    joined = bytearray(TAG[:16] + TAG)
    joined[3] = len(joined) - 4
    joined[14] = len(joined) - 16
    joined[-1] = codec.checksum(bytes(joined[:-1]))
    frames, _ = decode(bytes(joined))
    assert [read.epc for frame in frames for read in frame.tag_reads] == []


def test_two_megabytes_of_noise_make_no_frame() -> None:
    decoder = SwctDecoder(200)
    noise = random.Random(7)
    items = [item for _ in range(512) for item in decoder.feed(noise.randbytes(4096), START)]
    assert [item for item in items if isinstance(item, Frame)] == []


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = SwctDecoder(200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@given(st.integers(0, 0xFF), st.integers(0, 2), st.binary(max_size=200))
def test_whatever_a_right_checksum_stands_behind_comes_out_once(code: int, status: int, data: bytes) -> None:
    raw = answer(code, status, data)
    frames, rejected = decode(raw)
    assert sum(len(frame.raw) for frame in frames) + sum(len(run.raw) for run in rejected) == len(raw)
    for frame in frames:
        assert codec.read_information(frame) is None or code == codec.GET_INFORMATION


@given(st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)), st.data())
def test_an_epc_of_any_length_survives_any_split(epc: bytes, data: st.DataObject) -> None:
    frame = sent(record(epc), record(EPC))
    cut = data.draw(st.integers(0, len(frame)))
    decoder = SwctDecoder(200)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    read = [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads]
    assert read == [epc.hex().upper(), EPC.hex().upper()]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(sent(record(EPC, length=14)), id="longer than its length byte says"),
        pytest.param(sent(record(EPC, length=16)), id="shorter than its length byte says"),
        pytest.param(sent(record(EPC), announced=2), id="one tag fewer than announced"),
        pytest.param(sent(record(EPC), record(EPC), announced=1), id="one tag more than announced"),
        pytest.param(sent(record(bytes(11))), id="EPC of five and a half words"),
        pytest.param(sent(record(b"")), id="no EPC"),
        pytest.param(sent(b"\0"), id="a tag of no length"),
        pytest.param(answer(0x45, 1, b"\0"), id="too short for a number of tags"),
        pytest.param(answer(0x99, 1), id="a command that nobody knows"),
    ],
)
def test_a_right_checksum_around_an_impossible_body_is_no_frame(raw: bytes) -> None:
    frames, rejected = decode(raw)
    assert frames == []
    assert b"".join(run.raw for run in rejected) == raw


@pytest.mark.parametrize(("status", "words"), [(0, "the command failed"), (1, ""), (0x77, "unknown status 77")])
def test_a_status_is_put_into_words(status: int, words: str) -> None:
    (frame,), _ = decode(answer(0x24, status))
    assert (frame.status, frame.detail) == (status, words)


def session(**options: Any) -> Session:
    chosen = SwctOptions(port="/dev/ttyS0", **options)
    return Session(SwctDecoder(200), SwctDialogue(chosen), chosen, at(0))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


ASK_INFORMATION = bytes.fromhex("53570003FF1044")
ACKNOWLEDGE = bytes.fromhex("53570003FF450F")
START_SENDING = codec.command(codec.START_SENDING)
STOP_SENDING = codec.command(codec.STOP_SENDING)
INVENTORY = codec.command(codec.INVENTORY)


def state(turn: Turn) -> tuple[ReaderState, str] | None:
    return (turn.health.state, turn.health.detail) if turn.health else None


def test_a_reader_is_asked_who_it_is_told_to_send_and_then_left_alone() -> None:
    listening = session()
    assert listening.advance(b"", at(0)).send == (ASK_INFORMATION,)
    assert listening.advance(TAG, at(999)).send == ()
    assert listening.advance(TAG, at(1000)).send == (ASK_INFORMATION,)
    introduced = listening.advance(INFORMATION, at(1010))
    assert introduced.send == (START_SENDING,)
    assert introduced.health is not None
    assert (introduced.health.model, introduced.health.firmware) == ("SW/CT 12", "26")
    assert listening.advance(STARTED, at(1020)).send == ()
    assert {listening.advance(TAG, at(ms)).send for ms in range(1030, 60_000, 500)} == {()}


def test_a_reader_that_does_not_say_who_it_is_is_read_all_the_same() -> None:
    listening = session()
    sent_so_far = [listening.advance(b"", at(ms)).send for ms in (0, 1000, 2000, 3000)]
    assert sent_so_far == [(ASK_INFORMATION,)] * 3 + [(START_SENDING,)]


def test_a_reader_that_refuses_to_send_is_degraded_in_words_that_help() -> None:
    listening = session()
    listening.advance(INFORMATION, at(0))
    turn = listening.advance(answer(0x41, 0), at(10))
    assert turn.health is not None
    assert turn.health.state == ReaderState.DEGRADED
    assert 'mode = "poll"' in turn.health.detail
    assert listening.advance(b"", at(1009)).send == ()
    assert listening.advance(b"", at(1010)).send == (START_SENDING,)
    assert state(listening.advance(STARTED, at(1020))) == (ReaderState.ONLINE, "")


def test_a_quiet_reader_is_told_to_send_again_and_gone_when_it_stays_quiet() -> None:
    listening = session(silence_timeout_s=9.0)
    listening.advance(INFORMATION, at(0))
    listening.advance(STARTED, at(0))
    assert listening.advance(b"", at(2999)).send == ()
    assert listening.advance(b"", at(3000)).send == (START_SENDING,)
    assert listening.advance(STARTED, at(3010)).send == ()
    assert listening.advance(HEARTBEAT, at(6000)).send == ()
    assert listening.advance(b"", at(6010)).send == (START_SENDING,)
    with pytest.raises(ReaderError, match=r"nothing understood .* for 9\.0 s"):
        listening.advance(b"", at(15_000))


def test_tags_sent_unasked_are_acknowledged_where_that_is_wanted() -> None:
    listening = session(acknowledge=True)
    listening.advance(INFORMATION, at(0))
    listening.advance(STARTED, at(0))
    assert listening.advance(TAG, at(10)).send == (ACKNOWLEDGE,)


def test_a_polled_reader_is_stopped_and_then_asked_for_one_inventory_after_the_other() -> None:
    polling = session(mode="poll", poll_interval_ms=50)
    assert polling.advance(INFORMATION, at(0)).send == (STOP_SENDING,)
    assert polling.advance(STOPPED, at(10)).send == (INVENTORY,)
    assert polling.advance(NO_TAG, at(20)).send == ()
    assert polling.advance(b"", at(70)).send == (INVENTORY,)
    assert polling.advance(b"", at(1569)).send == ()
    assert polling.advance(b"", at(1570)).send == (INVENTORY,)
    assert state(polling.advance(NO_TAG, at(1580))) is None


def test_a_polled_reader_that_sends_again_after_a_restart_is_stopped_again() -> None:
    polling = session(mode="poll")
    polling.advance(INFORMATION, at(0))
    polling.advance(STOPPED, at(10))
    assert [read.epc for read in polling.advance(TAG, at(20)).tag_reads] == [EPC.hex().upper()]
    assert polling.advance(b"", at(1510)).send == (STOP_SENDING,)


def test_the_address_stands_in_every_command() -> None:
    assert session(address=7).advance(b"", at(0)).send == (codec.command(codec.GET_INFORMATION, address=7),)
