import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial import gx5a_codec as codec
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.gx5a import Gx5aDialogue, Gx5aOptions
from rfid_drivers.serial.gx5a_codec import Gx5aDecoder
from rfid_drivers.serial.gx5a_time import ReaderClock
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session, Turn
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

EPC = bytes.fromhex("E28069950000400A8F398133")


def vectors(shared: Path) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [vector for vector in known if vector["protocol"] == "gx_5a"]


def decode(data: bytes, phase_steps: int | None = None) -> tuple[list[Frame], list[Rejected]]:
    decoder = Gx5aDecoder(200, phase_steps)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def tag(epc: bytes = EPC, parameters: bytes = b"", *, length: int | None = None) -> bytes:
    counted = (len(epc) if length is None else length).to_bytes(2, "big") + epc
    return codec.command(codec.TAG, counted + b"\x30\x00\x02" + parameters)


TAG = tag(parameters=bytes.fromhex("0150 14FFC3 0940"))
INFORMATION = codec.command(codec.GET_INFORMATION, b"\0\x03GX1" + bytes(4) + b"\0\x02ab" + b"\x01\x01\x02\x00\x07")
STOPPED = codec.command(codec.STOP_INVENTORY, b"\0")
STARTED = bytes.fromhex("5A00010210000100 29B5")
ENDED = codec.command(codec.INVENTORY_ENDED, b"\x01")
HEARTBEAT = codec.command(codec.HEARTBEAT, b"\0\0\0\x07")


def test_every_verified_vector_is_one_frame_and_no_other_is_any(shared: Path) -> None:
    known = vectors(shared)
    assert len(known) >= 7
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        if vector["verified"]:
            assert ([frame.raw for frame in frames], rejected) == ([raw], []), vector["meaning"]
        else:
            assert frames == []


def test_every_vector_with_one_byte_changed_is_rejected(shared: Path) -> None:
    for vector in vectors(shared):
        raw = bytes.fromhex(vector["hex"])
        for place in range(len(raw)):
            damaged = raw[:place] + bytes((raw[place] ^ 0x10,)) + raw[place + 1 :]
            frames, rejected = decode(damaged)
            assert frames == []
            assert b"".join(run.raw for run in rejected) == damaged


def test_a_tag_has_all_that_its_parameters_tell() -> None:
    parameters = bytes.fromhex("0150 0200 030004E2801160 0601 08000D3A5C 0940 14FFC3 15ABCD 2000024758 2200000009")
    (frame,), rejected = decode(tag(parameters=parameters), phase_steps=128)
    (read,) = frame.tag_reads
    assert (read.epc, read.pc, read.antenna_id) == (EPC.hex().upper(), 0x3000, 2)
    assert (read.peak_rssi, read.rssi_raw, read.tid) == (-61.0, 0x50, "E2801160")
    assert read.phase == pytest.approx(math.pi)
    assert (rejected, codec.read_notification_number(frame)) == ([], b"\0\0\0\x09")


def test_a_phase_without_a_unit_is_left_out() -> None:
    (frame,), _ = decode(TAG)
    assert frame.tag_reads[0].phase is None


def test_an_rssi_that_cannot_be_dbm_is_left_out() -> None:
    (frame,), _ = decode(tag(parameters=bytes.fromhex("14E890")))
    assert frame.tag_reads[0].peak_rssi is None


def test_a_parameter_that_nobody_knows_ends_the_parameters_and_not_the_tag() -> None:
    (frame,), _ = decode(tag(parameters=bytes.fromhex("0150 7F00 14FFC3")))
    assert (frame.tag_reads[0].rssi_raw, frame.tag_reads[0].peak_rssi) == (0x50, None)


def utc(seconds: int, microseconds: int) -> bytes:
    return tag(parameters=b"\x07" + seconds.to_bytes(4, "big") + microseconds.to_bytes(4, "big"))


def test_the_spacing_of_reads_is_the_readers_and_their_date_the_gateways() -> None:
    (first, second), _ = decode(utc(100, 0) + utc(100, 0))
    assert first.tag_reads[0].first_seen == second.tag_reads[0].first_seen == START.utc
    clock = ReaderClock()
    assert clock.seen_at(100, 5_000_000) == 5_000_000
    assert clock.seen_at(30_100, 5_090_000) == 5_030_000


def test_a_read_is_never_after_its_arrival_and_at_most_a_second_before() -> None:
    clock = ReaderClock()
    clock.seen_at(0, 5_000_000)
    assert clock.seen_at(2_000_000, 6_000_000) == 6_000_000
    assert clock.seen_at(2_000_000, 7_000_000) == 6_000_000
    assert clock.seen_at(2_000_000, 7_000_001) == 7_000_001


def test_frames_of_rs485_are_read_like_others() -> None:
    frame = codec.command(codec.TAG, codec.data_of(decode(TAG)[0][0]), address=9)
    (read,), rejected = decode(frame)
    assert (frame[3], frame[5]) == (0x32, 9)
    assert (read.command, read.tag_reads[0].epc, rejected) == (codec.TAG, EPC.hex().upper(), [])


def test_an_information_names_serial_number_and_version() -> None:
    (frame,), _ = decode(INFORMATION)
    assert codec.read_information(frame) == codec.Information("GX1", "1.2.0.7")
    (question,), _ = decode(codec.command(codec.GET_INFORMATION))
    assert codec.read_information(question) is None


def test_a_stream_decodes_the_same_one_byte_at_a_time(shared: Path) -> None:
    stream = b"".join(bytes.fromhex(vector["hex"]) for vector in vectors(shared)) + TAG + INFORMATION
    decoder = Gx5aDecoder(200)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) >= 9


@pytest.mark.parametrize("offset", range(1, len(TAG)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((TAG * 20)[offset:])
    assert [frame.raw for frame in frames] == [TAG] * 19


def test_two_megabytes_of_noise_make_no_frame() -> None:
    decoder = Gx5aDecoder(200)
    noise = random.Random(7)
    items = [item for _ in range(512) for item in decoder.feed(noise.randbytes(4096), START)]
    assert [item for item in items if isinstance(item, Frame)] == []


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = Gx5aDecoder(200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@given(st.sampled_from((codec.TAG, codec.GET_INFORMATION, codec.HEARTBEAT, codec.STOP_INVENTORY)), st.binary())
def test_whatever_a_right_checksum_stands_behind_comes_out_once(code: int, data: bytes) -> None:
    (frame,), _ = decode(codec.command(code, data))
    assert codec.data_of(frame) == data
    codec.read_information(frame)
    codec.read_notification_number(frame)


@given(st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)), st.data())
def test_an_epc_of_any_length_survives_any_split(epc: bytes, data: st.DataObject) -> None:
    frame = tag(epc)
    cut = data.draw(st.integers(0, len(frame)))
    decoder = Gx5aDecoder(200)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    assert [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads] == [epc.hex().upper()]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(tag(length=14), id="EPC shorter than its length says"),
        pytest.param(tag(bytes(11)), id="EPC of five and a half words"),
        pytest.param(tag(b""), id="no EPC"),
        pytest.param(tag(bytes(64)), id="EPC of 32 words"),
        pytest.param(codec.command(codec.TAG), id="nothing at all"),
    ],
)
def test_a_right_checksum_around_an_impossible_body_gives_no_tag(raw: bytes) -> None:
    (frame,), _ = decode(raw)
    assert (frame.kind, frame.tag_reads) == (Kind.ANSWER, ())
    assert frame.detail == "no layout of tags fits this data"


def session(**options: Any) -> Session:
    chosen = Gx5aOptions(port="/dev/ttyS0", **options)
    return Session(Gx5aDecoder(200), Gx5aDialogue(chosen), chosen, at(0))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


ASK_INFORMATION = bytes.fromhex("5A000101000000DCE5")
STOP = bytes.fromhex("5A000102FF0000885A")
START_ALL = bytes.fromhex("5A00010210000500 00000F01D788")
ALL = (1, 2, 3, 4)


def state(turn: Turn) -> tuple[ReaderState, str] | None:
    return (turn.health.state, turn.health.detail) if turn.health else None


def test_an_inventory_is_stopped_and_then_started_without_an_end() -> None:
    reading = session(antennas=ALL)
    assert reading.advance(b"", at(0)).send == (ASK_INFORMATION,)
    introduced = reading.advance(INFORMATION, at(10))
    assert introduced.send == (STOP,)
    assert introduced.health is not None
    assert (introduced.health.model, introduced.health.firmware) == ("GX GX1", "1.2.0.7")
    assert reading.advance(b"", at(1009)).send == ()
    assert reading.advance(b"", at(1010)).send == (STOP,)
    assert reading.advance(STOPPED, at(1020)).send == (START_ALL,)
    assert reading.advance(STARTED, at(1030)).send == ()
    assert {reading.advance(TAG, at(ms)).send for ms in range(1040, 60_000, 500)} == {()}


def started(**options: Any) -> Session:
    reading = session(antennas=ALL, **options)
    for answer in (INFORMATION, STOPPED, STARTED):
        reading.advance(answer, at(0))
    return reading


def test_a_reader_that_does_not_say_who_it_is_is_read_all_the_same() -> None:
    reading = session()
    sent = [reading.advance(b"", at(ms)).send for ms in (0, 1000, 2000, 3000)]
    assert sent == [(ASK_INFORMATION,)] * 3 + [(STOP,)]


def test_a_quiet_inventory_is_started_again_in_spite_of_heartbeats() -> None:
    reading = started(silence_timeout_s=9.0)
    answer = codec.command(codec.HEARTBEAT_ANSWER, b"\0\0\0\x07")
    assert reading.advance(HEARTBEAT, at(2000)).send == (answer,)
    assert reading.advance(b"", at(2999)).send == ()
    assert reading.advance(b"", at(3000)).send == (STOP,)
    assert reading.advance(STOPPED, at(3010)).send == (START_ALL,)


def test_a_reader_that_stays_quiet_is_gone() -> None:
    reading = started(silence_timeout_s=9.0)
    with pytest.raises(ReaderError, match=r"nothing understood .* for 9\.0 s"):
        reading.advance(b"", at(9000))


def test_an_inventory_that_the_reader_ended_is_started_again() -> None:
    reading = started()
    assert reading.advance(ENDED, at(100)).send == ()
    assert reading.advance(b"", at(149)).send == ()
    assert reading.advance(b"", at(150)).send == (START_ALL,)


def test_a_polled_reader_runs_one_round_after_the_other() -> None:
    reading = session(antennas=ALL, mode="poll")
    start_once = codec.command(codec.START_INVENTORY, b"\0\0\0\x0f\0")
    reading.advance(INFORMATION, at(0))
    assert reading.advance(STOPPED, at(10)).send == (start_once,)
    assert reading.advance(STARTED, at(20)).send == ()
    assert reading.advance(TAG + ENDED, at(30)).send == ()
    assert reading.advance(b"", at(80)).send == (start_once,)


def test_a_round_that_never_ends_is_stopped_but_not_while_tags_come() -> None:
    reading = session(antennas=ALL, mode="poll")
    for answer in (INFORMATION, STOPPED, STARTED):
        reading.advance(answer, at(0))
    assert reading.advance(TAG, at(1900)).send == ()
    assert reading.advance(b"", at(3899)).send == ()
    assert reading.advance(b"", at(3900)).send == (STOP,)


def test_an_answer_is_awaited_until_it_is_complete_or_late() -> None:
    options = Gx5aOptions(port="/dev/ttyUSB0", antennas=ALL, mode="poll")
    dialogue = Gx5aDialogue(options)
    reading = Session(Gx5aDecoder(200), dialogue, options, at(0))
    until = []
    for answer in (b"", INFORMATION, STOPPED, STARTED, TAG, ENDED):
        reading.hear(answer, at(0))
        until.append(dialogue.awaited_until)
        reading.advance(b"", at(0))
    late, round_late = at(1000).monotonic, at(2000).monotonic
    assert until == [0, 0, 0, round_late, round_late, 0]
    assert late < round_late


def test_a_refused_inventory_degrades_is_tried_once_a_second_and_heals() -> None:
    reading = session(antennas=ALL)
    reading.advance(INFORMATION, at(0))
    reading.advance(STOPPED, at(0))
    refused = reading.advance(codec.command(codec.START_INVENTORY, b"\x01"), at(10))
    assert state(refused) == (ReaderState.DEGRADED, "inventory: wrong antennas")
    assert reading.advance(b"", at(1009)).send == ()
    assert reading.advance(b"", at(1010)).send == (START_ALL,)
    assert state(reading.advance(STARTED, at(1020))) == (ReaderState.ONLINE, "")


def test_a_numbered_tag_is_acknowledged() -> None:
    turn = started().advance(tag(parameters=bytes.fromhex("2200000009")), at(10))
    assert turn.send == (codec.command(codec.TAG_ARRIVED, b"\0\0\0\x09"),)


def test_the_address_stands_in_every_command() -> None:
    assert session(address=7).advance(b"", at(0)).send == (codec.command(codec.GET_INFORMATION, address=7),)
