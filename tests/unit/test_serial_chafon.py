import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial import chafon_codec as codec
from rfid_drivers.serial.chafon import ChafonDialogue, ChafonOptions
from rfid_drivers.serial.chafon_codec import ChafonDecoder
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

PUSH = bytes.fromhex("1100EE00E28436110000100009494 4AA9ACC".replace(" ", ""))
INFORMATION_18 = bytes.fromhex("0D0021000502860231801A14975C")
INVENTORY_288 = bytes.fromhex("2300010301020C0000000000000000000003136B0C0000000000000000000003146C70F2")


def vectors(shared: Path, *, verified: bool) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [v for v in known if v["protocol"] == "chafon_len" and v["verified"] == verified]


def decode(data: bytes) -> tuple[list[Frame], list[Rejected]]:
    decoder = ChafonDecoder(idle_gap_ms=200)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def seal(body: bytes) -> bytes:
    return body + codec.crc16(body).to_bytes(2, "little")


def test_every_verified_vector_is_one_frame_with_the_tags_that_it_is_said_to_have(shared: Path) -> None:
    known = vectors(shared, verified=True)
    assert len(known) >= 29
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert [frame.raw for frame in frames] == [raw], vector["meaning"]
        assert rejected == []
        said = vector.get("decoded", {})
        tags = said.get("tags", [said] if "epc" in said else [])
        reads = frames[0].tag_reads
        assert [read.epc for read in reads] == [tag["epc"] for tag in tags]
        assert [read.rssi_raw for read in reads] == [tag.get("rssi_raw") for tag in tags]
        if "antenna_mask" in said:
            assert {1 << (read.antenna_id - 1) for read in reads} == {said["antenna_mask"]}
        assert frames[0].status == said.get("status", frames[0].status)


def test_every_damaged_vector_is_rejected(shared: Path) -> None:
    known = vectors(shared, verified=False)
    assert len(known) >= 5
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert frames == [], vector["meaning"]
        assert b"".join(run.raw for run in rejected) == raw


def test_a_stream_decodes_the_same_one_byte_at_a_time(shared: Path) -> None:
    stream = b"".join(bytes.fromhex(vector["hex"]) for vector in vectors(shared, verified=True))
    decoder = ChafonDecoder(idle_gap_ms=200)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) >= 29


@pytest.mark.parametrize("offset", range(1, len(PUSH)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((PUSH * 20)[offset:])
    assert [frame.raw for frame in frames] == [PUSH] * 19


def test_a_false_length_does_not_hold_back_a_frame_longer_than_the_idle_gap() -> None:
    decoder = ChafonDecoder(idle_gap_ms=200)
    stray = bytes((0xF0, 0x00, 0x01))
    assert decoder.feed(stray + PUSH, START) == []
    just_before = Instant(0, START.monotonic + 199_999)
    assert decoder.feed(b"", just_before) == []
    found = decoder.feed(b"", Instant(0, START.monotonic + 200_000))
    assert [item.raw for item in found] == [stray, PUSH]
    assert decoder.counters.gap_flushes == 1
    assert decoder.counters.resync_bytes == 3


def test_a_quarter_of_a_megabyte_of_noise_makes_next_to_no_frame_and_no_tag() -> None:
    decoder = ChafonDecoder(idle_gap_ms=200)
    noise = random.Random(7)
    items = [item for _ in range(64) for item in decoder.feed(noise.randbytes(4096), START)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) < 8
    assert [frame for frame in frames if frame.tag_reads] == []


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = ChafonDecoder(idle_gap_ms=200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@given(st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)), st.data())
def test_a_pushed_epc_of_any_length_survives_any_split(epc: bytes, data: st.DataObject) -> None:
    frame = seal(bytes((5 + len(epc), 0, 0xEE, 0)) + epc)
    cut = data.draw(st.integers(0, len(frame)))
    decoder = ChafonDecoder(idle_gap_ms=200)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    assert [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads] == [epc.hex().upper()]


def test_a_push_with_antenna_and_rssi_is_told_from_a_bare_epc_by_its_length() -> None:
    body = bytes((0x04, 12)) + bytes(range(12)) + bytes((0x6B,))
    (frame,), _ = decode(seal(bytes((5 + len(body), 0, 0xEE, 0)) + body))
    (read,) = frame.tag_reads
    assert (read.epc, read.antenna_id, read.rssi_raw) == (bytes(range(12)).hex().upper(), 3, 0x6B)
    assert read.peak_rssi is None
    assert read.first_seen == read.last_seen == START.utc


def test_with_fast_id_the_tid_is_parted_from_the_epc() -> None:
    epc, tid = bytes(range(12)), bytes(range(100, 112))
    body = bytes((0x01, 1, 0x80 | 24)) + epc + tid + bytes((0x70,))
    (frame,), _ = decode(seal(bytes((5 + len(body), 0, 0x01, 0x01)) + body))
    assert [(read.epc, read.tid) for read in frame.tag_reads] == [(epc.hex().upper(), tid.hex().upper())]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bytes((1, 2, 12)) + bytes(13), id="second tag missing"),
        pytest.param(bytes((1, 1, 12)) + bytes(12), id="RSSI missing"),
        pytest.param(bytes((1, 1, 3)) + bytes(4), id="EPC of one and a half words"),
        pytest.param(bytes((1, 1, 64)) + bytes(65), id="EPC longer than Gen2 knows"),
    ],
)
def test_a_right_checksum_around_an_impossible_body_gives_no_tag(body: bytes) -> None:
    (frame,), _ = decode(seal(bytes((5 + len(body), 0, 0x01, 0x01)) + body))
    assert frame.kind == Kind.ANSWER
    assert frame.tag_reads == ()
    assert frame.detail == "no layout of tags fits this data"


def test_a_heartbeat_is_told_from_a_tag() -> None:
    (frame,), _ = decode(seal(bytes((17, 0, 0xEE, 0x28)) + bytes(12)))
    assert frame.kind == Kind.HEARTBEAT


def test_an_unknown_status_is_named_by_its_number() -> None:
    (frame,), _ = decode(seal(bytes((5, 0, 0x01, 0x77))))
    assert frame.detail == "unknown status 77"


@pytest.mark.parametrize(
    ("code", "data", "address", "expected"),
    [
        (codec.GET_INFORMATION, b"", 0xFF, "04 FF 21 19 95"),
        (codec.INVENTORY, b"", 0x00, "04 00 01 DB 4B"),
        (codec.SET_ACTIVE_MODE, bytes.fromhex("000204020600"), 0x00, "0A 00 35 00 02 04 02 06 00 CD 09"),
        (codec.INVENTORY, bytes.fromhex("040000800B"), 0x00, "09 00 01 04 00 00 80 0B AB CB"),
    ],
)
def test_commands_are_the_bytes_that_were_captured(code: int, data: bytes, address: int, expected: str) -> None:
    assert codec.command(code, data, address) == bytes.fromhex(expected)


def session(**options: Any) -> Session:
    chosen = ChafonOptions(port="/dev/ttyS0", **options)
    return Session(ChafonDecoder(chosen.idle_gap_ms), ChafonDialogue(chosen), chosen, at(0))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


def test_polling_asks_who_is_there_and_then_runs_one_inventory_after_the_other() -> None:
    polling = session(mode="poll", address=0, poll_interval_ms=20)
    assert polling.advance(b"", at(0)).send == (codec.command(0x21, b"", 0),)
    introduced = polling.advance(INFORMATION_18, at(50))
    assert introduced.send == (bytes.fromhex("040001DB4B"),)
    assert introduced.health is not None
    assert (introduced.health.state, introduced.health.firmware) == (ReaderState.ONLINE, "5.2")
    more = polling.advance(INVENTORY_288, at(100))
    assert len(more.tag_reads) == 2
    assert more.send == ()
    assert polling.advance(seal(bytes((5, 0, 1, 0xFB))), at(150)).send == ()
    assert polling.advance(b"", at(169)).send == ()
    assert polling.advance(b"", at(170)).send == (bytes.fromhex("040001DB4B"),)


def test_a_round_that_never_ends_is_started_again() -> None:
    polling = session(mode="poll", address=0, scan_time_ms=500)
    first = polling.advance(INFORMATION_18, at(0)).send
    assert polling.advance(b"", at(2499)).send == ()
    assert polling.advance(b"", at(2500)).send == first


def test_a_reader_with_antennas_is_polled_with_q_session_and_antenna() -> None:
    information = seal(bytes((17, 0, 0x21, 0, 1, 8, 0x20, 2, 0x31, 0x80, 26, 20, 1, 0, 0, 0)))
    sent = session(mode="poll", address=0, q=4, scan_time_ms=1100).advance(information, at(0)).send
    assert sent == (bytes.fromhex("09 00 01 04 00 00 80 0B AB CB"),)


def test_a_pushing_reader_that_is_to_be_polled_is_told_to_stop_until_it_does() -> None:
    polling = session(mode="poll", address=0)
    stop = bytes.fromhex("0A00350002040206 00CD09")
    assert polling.advance(PUSH + INFORMATION_18, at(0)).send == (stop,)
    assert polling.advance(PUSH, at(99)).send == ()
    assert polling.advance(PUSH, at(100)).send == (bytes.fromhex("040001DB4B"),)
    assert polling.advance(PUSH, at(999)).send == ()
    assert polling.advance(b"", at(1000)).send == (stop,)
    assert polling.advance(b"", at(2000)).send == (bytes.fromhex("040001DB4B"),)


def test_a_fault_of_the_antenna_degrades_and_a_good_inventory_heals() -> None:
    polling = session(mode="poll")
    polling.advance(INFORMATION_18, at(0))
    degraded = polling.advance(seal(bytes((5, 0, 1, 0xF8))), at(50)).health
    assert degraded is not None
    assert degraded.state == ReaderState.DEGRADED
    assert "antenna" in degraded.detail
    healed = polling.advance(seal(bytes((5, 0, 1, 0xFB))), at(100)).health
    assert healed is not None
    assert (healed.state, healed.detail) == (ReaderState.ONLINE, "")


def test_a_silent_reader_is_told_to_push_only_after_it_had_time_to_push_by_itself() -> None:
    listening = session(mode="push", push_command="real_time", address=0)
    listening.advance(INFORMATION_18, at(0))
    assert listening.advance(b"", at(1999)).send == ()
    assert listening.advance(b"", at(2000)).send == (codec.command(0x76, b"\x01", 0),)
    assert listening.advance(b"", at(2050)).send == ()


def test_a_reader_that_pushes_is_left_alone() -> None:
    listening = session(mode="push", push_command="active_mode")
    listening.advance(INFORMATION_18 + PUSH, at(0))
    assert [listening.advance(PUSH, at(ms)).send for ms in range(100, 9000, 100)] == [()] * 89


def test_a_quiet_reader_is_asked_for_its_information_and_gone_when_it_stays_quiet() -> None:
    listening = session(mode="push", silence_timeout_s=9.0)
    listening.advance(INFORMATION_18, at(0))
    assert listening.advance(b"", at(2999)).send == ()
    assert listening.advance(b"", at(3000)).send == (bytes.fromhex("04FF211995"),)
    with pytest.raises(ReaderError, match=r"nothing understood .* for 9\.0 s .*baud rate \(57600\)"):
        listening.advance(b"", at(9000))


def test_the_echo_of_a_half_duplex_adapter_is_no_sign_of_life() -> None:
    listening = session(mode="push", silence_timeout_s=3.0)
    for ms in range(0, 3000, 1000):
        (question,) = listening.advance(b"", at(ms)).send
        echoed = listening.advance(question, at(ms + 10))
        assert echoed.health is None
    with pytest.raises(ReaderError, match="nothing understood"):
        listening.advance(b"", at(3000))


def test_a_wrong_baud_rate_is_suspected_after_four_kilobytes_of_noise() -> None:
    listening = session()
    listening.advance(b"\xe0" * 4095, at(0))
    with pytest.raises(ReaderError, match="4096 bytes arrived and none made a frame: check the baud rate"):
        listening.advance(b"\xe0", at(10))


@pytest.mark.parametrize("port", ["ttyUSB0", "socket://reader", "tcp://reader:4001", "socket://:1", "COM3"])
def test_what_cannot_be_a_port_is_refused_with_what_was_expected(port: str) -> None:
    with pytest.raises(ValueError, match="expected a path"):
        ChafonOptions(port=port)
