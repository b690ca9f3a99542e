import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial import cfprime_codec as codec
from rfid_drivers.serial.cfprime import CfPrimeDialogue, CfPrimeOptions
from rfid_drivers.serial.cfprime_codec import CfPrimeDecoder
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session, Turn
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

TAG = bytes.fromhex("CF0000011200FD3A01000CE28069950000400A8F3981330A1D")


def vectors(shared: Path) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [vector for vector in known if vector["protocol"] == "chafon_cf"]


def decode(data: bytes) -> tuple[list[Frame], list[Rejected]]:
    decoder = CfPrimeDecoder(200)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def answer(code: int, status: int, data: bytes = b"") -> bytes:
    body = bytes((0xCF, 0)) + code.to_bytes(2, "big") + bytes((1 + len(data), status)) + data
    return body + codec.crc16(body).to_bytes(2, "big")


def tag(epc: bytes, *, length: int | None = None) -> bytes:
    return answer(1, 0, b"\xfd\xa8\x02\x07" + bytes((len(epc) if length is None else length,)) + epc)


def text(words: str, size: int) -> bytes:
    return words.encode().ljust(size, b"\0")


INFORMATION = answer(
    0x70,
    0,
    text("CF591", 32) + text("V1.30", 32) + bytes(range(12)) + text("V3", 32) + text("E710", 32) + bytes(12),
)
ACTIVE = answer(0x72, 0, bytes((0, 0, 1)) + bytes(22))
ANSWERS_ONLY = answer(0x72, 0, bytes(25))
STOPPED = answer(2, 0)


def test_every_vector_is_one_frame(shared: Path) -> None:
    known = vectors(shared)
    assert len(known) >= 7
    for vector in known:
        assert vector["verified"]
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert ([frame.raw for frame in frames], rejected) == ([raw], []), vector["meaning"]
        assert (frames[0].status == 0) == vector["meaning"].endswith("ok")


def test_every_vector_with_one_byte_changed_is_rejected(shared: Path) -> None:
    for vector in vectors(shared):
        raw = bytes.fromhex(vector["hex"])
        for place in range(len(raw)):
            damaged = raw[:place] + bytes((raw[place] ^ 0x10,)) + raw[place + 1 :]
            frames, rejected = decode(damaged)
            assert frames == []
            assert b"".join(run.raw for run in rejected) == damaged


def test_the_tag_that_was_captured_is_read() -> None:
    (frame,), rejected = decode(TAG)
    (read,) = frame.tag_reads
    assert (read.epc, read.peak_rssi, read.antenna_id, read.channel) == ("E28069950000400A8F398133", -71.0, 1, 0)
    assert read.first_seen == read.last_seen == START.utc
    assert (rejected, frame.kind, read.rssi_raw) == ([], Kind.TAGS, None)


def test_the_two_bytes_that_come_with_a_tcp_connection_are_passed_over() -> None:
    frames, rejected = decode(b"\0\0" + INFORMATION)
    assert [run.raw for run in rejected] == [b"\0\0"]
    assert codec.read_information(frames[0]) == codec.Information("CF591", "V1.30", "000102030405060708090A0B")


def test_the_information_is_a_frame_of_160_bytes_and_may_hold_anything_for_text() -> None:
    assert len(INFORMATION) == 160
    (frame,), _ = decode(answer(0x70, 0, b"\xff\x07A" + bytes(149)))
    information = codec.read_information(frame)
    assert information is not None
    assert information.hardware.endswith("A")
    assert "\x07" not in information.hardware


def test_an_information_that_is_cut_short_is_none() -> None:
    (frame,), _ = decode(answer(0x70, 0, bytes(151)))
    assert codec.read_information(frame) is None


def test_a_stream_decodes_the_same_one_byte_at_a_time(shared: Path) -> None:
    stream = b"".join(bytes.fromhex(vector["hex"]) for vector in vectors(shared)) + TAG + INFORMATION
    decoder = CfPrimeDecoder(200)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) >= 9


@pytest.mark.parametrize("offset", range(1, len(TAG)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((TAG * 20)[offset:])
    assert [frame.raw for frame in frames] == [TAG] * 19


def test_a_false_length_does_not_hold_back_a_frame_longer_than_the_idle_gap() -> None:
    decoder = CfPrimeDecoder(200)
    stray = bytes.fromhex("CF00000140")
    assert decoder.feed(stray + TAG, START) == []
    assert decoder.feed(b"", Instant(0, START.monotonic + 199_999)) == []
    found = decoder.feed(b"", Instant(0, START.monotonic + 200_000))
    assert [item.raw for item in found] == [stray, TAG]


def test_two_megabytes_of_noise_make_no_frame() -> None:
    decoder = CfPrimeDecoder(200)
    noise = random.Random(7)
    items = [item for _ in range(512) for item in decoder.feed(noise.randbytes(4096), START)]
    assert [item for item in items if isinstance(item, Frame)] == []


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = CfPrimeDecoder(200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@given(st.integers(0, 0x1FF), st.binary(max_size=200))
def test_whatever_a_right_checksum_stands_behind_comes_out_once(code: int, data: bytes) -> None:
    raw = answer(code, 0, data)
    decoder = CfPrimeDecoder(200)
    items = decoder.feed(raw, START) + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == raw
    for item in items:
        if isinstance(item, Frame):
            assert (codec.read_information(item) is None) == (code != codec.GET_INFORMATION or len(data) < 152)


@given(st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)), st.data())
def test_an_epc_of_any_length_survives_any_split(epc: bytes, data: st.DataObject) -> None:
    frame = tag(epc)
    cut = data.draw(st.integers(0, len(frame)))
    decoder = CfPrimeDecoder(200)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    assert [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads] == [epc.hex().upper()]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(tag(bytes(12), length=10), id="longer than its length byte says"),
        pytest.param(tag(bytes(12), length=14), id="shorter than its length byte says"),
        pytest.param(tag(bytes(11)), id="EPC of five and a half words"),
        pytest.param(tag(b""), id="no EPC"),
        pytest.param(answer(1, 0, b"\xfd\xa8"), id="nothing but an RSSI"),
    ],
)
def test_a_right_checksum_around_an_impossible_body_gives_no_tag(raw: bytes) -> None:
    (frame,), _ = decode(raw)
    assert (frame.kind, frame.tag_reads) == (Kind.ANSWER, ())
    assert frame.detail == "no layout of tags fits this data"


@pytest.mark.parametrize(
    ("status", "words"),
    [(0x12, "inventory done, or no tag"), (0x01, "wrong parameter"), (0x77, "unknown status 77")],
)
def test_a_status_is_put_into_words(status: int, words: str) -> None:
    (frame,), _ = decode(answer(1, status))
    assert (frame.status, frame.detail) == (status, words)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (codec.GET_INFORMATION, "CF FF 00 70 00 24 15"),
        (codec.STOP_INVENTORY, "CF FF 00 02 00 E7 61"),
        (codec.GET_PARAMETERS, "CF FF 00 72 00 17 A5"),
    ],
)
def test_commands_are_the_bytes_that_were_captured(code: int, expected: str) -> None:
    assert codec.command(code) == bytes.fromhex(expected)


def session(**options: Any) -> Session:
    chosen = CfPrimeOptions(port="/dev/ttyS0", **options)
    return Session(CfPrimeDecoder(200), CfPrimeDialogue(chosen), chosen, at(0))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


ASK_INFORMATION = codec.command(codec.GET_INFORMATION)
ASK_PARAMETERS = codec.command(codec.GET_PARAMETERS)
STOP = codec.command(codec.STOP_INVENTORY)
FOREVER = codec.command(codec.START_INVENTORY, bytes(5))


def state(turn: Turn) -> tuple[ReaderState, str] | None:
    return (turn.health.state, turn.health.detail) if turn.health else None


def test_a_reader_in_active_mode_is_asked_who_it_is_and_then_left_alone() -> None:
    listening = session()
    assert listening.advance(b"", at(0)).send == (ASK_INFORMATION,)
    assert listening.advance(TAG, at(999)).send == ()
    assert listening.advance(TAG, at(1000)).send == (ASK_INFORMATION,)
    introduced = listening.advance(INFORMATION, at(1010))
    assert introduced.send == (ASK_PARAMETERS,)
    assert introduced.health is not None
    assert (introduced.health.model, introduced.health.firmware) == ("Chafon UHF Prime CF591", "V1.30")
    assert listening.advance(ACTIVE, at(1020)).send == ()
    assert {listening.advance(TAG, at(ms)).send for ms in range(1030, 60_000, 500)} == {()}


def test_a_reader_that_only_answers_is_degraded_in_words_that_help() -> None:
    listening = session()
    listening.advance(INFORMATION, at(0))
    turn = listening.advance(ANSWERS_ONLY, at(10))
    assert turn.health is not None
    assert turn.health.state == ReaderState.DEGRADED
    assert 'mode = "start"' in turn.health.detail
    assert state(listening.advance(TAG, at(20))) == (ReaderState.ONLINE, "")


def test_a_quiet_reader_is_asked_for_its_parameters_and_gone_when_it_stays_quiet() -> None:
    listening = session(silence_timeout_s=9.0)
    listening.advance(INFORMATION + ACTIVE, at(0))
    assert listening.advance(b"", at(2999)).send == ()
    assert listening.advance(b"", at(3000)).send == (ASK_PARAMETERS,)
    assert listening.advance(ACTIVE, at(3010)).send == ()
    assert listening.advance(b"", at(6010)).send == (ASK_PARAMETERS,)
    with pytest.raises(ReaderError, match=r"nothing understood .* for 9\.0 s"):
        listening.advance(b"", at(12_010))


def test_an_inventory_is_stopped_and_then_started_without_an_end() -> None:
    starting = session(mode="start")
    assert starting.advance(INFORMATION, at(0)).send == (STOP,)
    assert starting.advance(b"", at(999)).send == ()
    assert starting.advance(b"", at(1000)).send == (STOP,)
    assert starting.advance(STOPPED, at(1010)).send == (FOREVER,)
    assert {starting.advance(TAG, at(ms)).send for ms in range(1020, 60_000, 500)} == {()}


def test_a_quiet_inventory_is_stopped_and_started_again_in_case_the_reader_restarted() -> None:
    starting = session(mode="start", silence_timeout_s=9.0)
    starting.advance(INFORMATION, at(0))
    starting.advance(STOPPED, at(10))
    assert starting.advance(b"", at(3009)).send == ()
    assert starting.advance(b"", at(3010)).send == (STOP,)
    assert starting.advance(STOPPED, at(3020)).send == (FOREVER,)


def test_an_inventory_that_the_reader_ended_is_started_again() -> None:
    starting = session(mode="start")
    starting.advance(INFORMATION, at(0))
    starting.advance(STOPPED, at(10))
    assert starting.advance(answer(1, codec.DONE), at(500)).send == ()
    assert starting.advance(b"", at(549)).send == ()
    assert starting.advance(b"", at(550)).send == (FOREVER,)


def test_a_polled_reader_runs_one_round_after_the_other_and_a_lost_one_is_stopped() -> None:
    polling = session(mode="poll")
    one_round = codec.command(codec.START_INVENTORY, codec.ONE_ROUND)
    polling.advance(INFORMATION, at(0))
    assert polling.advance(STOPPED, at(10)).send == (one_round,)
    assert polling.advance(TAG + answer(1, codec.DONE), at(20)).send == ()
    assert polling.advance(b"", at(70)).send == (one_round,)
    assert polling.advance(TAG, at(1000)).send == ()
    assert polling.advance(b"", at(1999)).send == ()
    assert polling.advance(b"", at(2000)).send == (STOP,)


def test_a_polled_reader_that_sends_again_after_a_restart_is_stopped() -> None:
    polling = session(mode="poll")
    polling.advance(INFORMATION, at(0))
    polling.advance(STOPPED, at(10))
    polling.advance(answer(1, codec.DONE), at(20))
    assert polling.advance(TAG, at(30)).send == (STOP,)


def test_a_refused_inventory_degrades_is_tried_once_a_second_and_heals() -> None:
    starting = session(mode="start")
    starting.advance(INFORMATION, at(0))
    starting.advance(STOPPED, at(10))
    refused = starting.advance(answer(1, 0x02), at(20))
    assert state(refused) == (ReaderState.DEGRADED, "inventory: the command failed inside the reader")
    assert starting.advance(b"", at(1019)).send == ()
    assert starting.advance(b"", at(1020)).send == (FOREVER,)
    assert state(starting.advance(TAG, at(1030))) == (ReaderState.ONLINE, "")


def test_where_silence_is_trusted_the_inventory_is_not_restarted_without_end() -> None:
    starting = session(mode="start", silence_timeout_s=0)
    starting.advance(INFORMATION, at(0))
    starting.advance(STOPPED, at(0))
    sent = [turn for ms in range(10, 9010, 10) if (turn := starting.advance(b"", at(ms)).send)]
    assert sent[0] == (STOP,)
    assert len(sent) <= 7
