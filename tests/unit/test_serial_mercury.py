import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfid_drivers.serial import mercury_codec as codec
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.gen2 import tag_crc
from rfid_drivers.serial.mercury import MercuryDialogue, MercuryOptions
from rfid_drivers.serial.mercury_codec import MercuryDecoder
from rfid_drivers.serial.mercury_time import CycleTime
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

TAG = bytes.fromhex(
    "FF28220000 10001B01FF01 01C4110E164000000127000005 00000F 00803000000000000000000000001545E94A 561D"
)
STOP = bytes.fromhex("FF032F0000025E86")


def answer(code: int, data: bytes = b"", status: int = 0) -> bytes:
    body = bytes((len(data), code)) + status.to_bytes(2, "big") + data
    return b"\xff" + body + codec.crc16(body).to_bytes(2, "big")


def streamed(flags: int, metadata: bytes, reply: bytes) -> bytes:
    record = metadata + (8 * len(reply)).to_bytes(2, "big") + reply
    return answer(0x22, b"\x10\x00\x1b" + flags.to_bytes(2, "big") + b"\x01" + record)


def with_crc(reply: bytes) -> bytes:
    return reply + tag_crc(reply).to_bytes(2, "big")


KEEP_ALIVE = answer(0x22, status=0x0400)
STARTED, STOPPED = answer(0x2F, b"\x01"), answer(0x2F, b"\x02")
VERSION = answer(0x03, bytes.fromhex("1212020030000001 20230914 010D0003 00000010"))
APPLICATION, BOOTLOADER = answer(0x0C, b"\x12"), answer(0x0C, b"\x11")
SETTINGS = (answer(0x97), answer(0x93), answer(0x91), answer(0x9A))


def vectors(shared: Path, *, verified: bool) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [v for v in known if v["protocol"] == "mercury" and v["verified"] == verified]


def decode(data: bytes) -> tuple[list[Frame], list[Rejected]]:
    decoder = MercuryDecoder(idle_gap_ms=200)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def test_every_verified_vector_is_one_frame_of_the_kind_that_it_is_said_to_be(shared: Path) -> None:
    known = vectors(shared, verified=True)
    assert len(known) >= 33
    assert sum("decoded" in vector for vector in known) >= 12
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert [frame.raw for frame in frames] == [raw], vector["meaning"]
        assert rejected == []
        said = vector.get("decoded", {})
        assert (frames[0].status is not None) == bool(said), vector["meaning"]
        if "opcode" in said:
            assert (frames[0].command, frames[0].status) == (int(said["opcode"], 16), int(said["status"], 16))
        if "fw_version" in said:
            assert codec.read_version(frames[0]) == (0x01, "01.07.02.09")


def test_the_captured_stream_record_gives_everything_that_it_carries(shared: Path) -> None:
    said = next(
        v["decoded"] for v in vectors(shared, verified=True) if v.get("decoded", {}).get("event") == "tag_stream"
    )
    (frame,), _ = decode(TAG)
    (read,) = frame.tag_reads
    assert (read.epc, read.pc, read.peak_rssi) == (said["epc"], int(said["pc"], 16), said["rssi_dbm"])
    assert (read.antenna_id, read.tag_seen_count) == (said["antenna_tx"], said["read_count"])
    assert read.phase == said["phase"]
    assert read.channel == codec.channel(said["freq_khz"])
    assert frame.detail == ""


def test_a_single_read_is_a_tag_where_the_tag_crc_proves_it() -> None:
    (frame,), _ = decode(bytes.fromhex("FF0E210000E200322FE20DF9311328B7E3D100AAD0"))
    assert [(read.epc, read.pc) for read in frame.tag_reads] == [("E200322FE20DF9311328B7E3", 0x3000)]
    (unproven,), _ = decode(answer(0x21, bytes(14)))
    assert unproven.tag_reads == ()


def test_every_damaged_vector_is_rejected(shared: Path) -> None:
    known = vectors(shared, verified=False)
    assert known
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert frames == [], vector["meaning"]
        assert b"".join(run.raw for run in rejected) == raw


def test_a_stream_decodes_the_same_one_byte_at_a_time(shared: Path) -> None:
    stream = b"".join(bytes.fromhex(vector["hex"]) for vector in vectors(shared, verified=True))
    decoder = MercuryDecoder(idle_gap_ms=200)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) >= 33


@pytest.mark.parametrize("offset", range(1, len(TAG)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((TAG * 20)[offset:])
    assert [frame.raw for frame in frames] == [TAG] * 19


def test_a_false_length_does_not_hold_back_a_frame_longer_than_the_idle_gap() -> None:
    decoder = MercuryDecoder(idle_gap_ms=200)
    stray = bytes.fromhex("FFF0220000")
    assert decoder.feed(stray + TAG, START) == []
    assert decoder.feed(b"", Instant(0, START.monotonic + 199_999)) == []
    found = decoder.feed(b"", Instant(0, START.monotonic + 200_000))
    assert [item.raw for item in found] == [stray, TAG]
    assert (decoder.counters.gap_flushes, decoder.counters.resync_bytes) == (1, 5)


def test_a_quarter_of_a_megabyte_of_noise_makes_no_tag() -> None:
    decoder = MercuryDecoder(idle_gap_ms=200)
    noise = random.Random(7)
    items = [item for _ in range(64) for item in decoder.feed(noise.randbytes(4096), START)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) < 4
    assert [frame for frame in frames if frame.tag_reads] == []


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = MercuryDecoder(idle_gap_ms=200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@example(0x21, b"\x00", 0)
@given(st.sampled_from([0x03, 0x0C, 0x21, 0x22, 0x2F, 0x9D]), st.binary(max_size=200), st.integers(0, 0xFFFF))
def test_whatever_an_answer_carries_it_comes_out_once(code: int, data: bytes, status: int) -> None:
    frame = answer(code, data, status)
    frames, rejected = decode(frame)
    assert b"".join([*(item.raw for item in frames), *(run.raw for run in rejected)]) == frame


@given(st.integers(0, 0x1FF), st.binary(max_size=60))
def test_a_stream_record_of_any_bytes_never_raises(flags: int, record: bytes) -> None:
    frames, _ = decode(answer(0x22, b"\x10\x00\x1b" + flags.to_bytes(2, "big") + b"\x01" + record))
    assert len(frames) == 1


@given(st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)), st.data())
def test_an_epc_of_any_length_survives_any_split(epc: bytes, data: st.DataObject) -> None:
    frame = streamed(0, b"", with_crc((len(epc) // 2 << 11).to_bytes(2, "big") + epc))
    cut = data.draw(st.integers(0, len(frame)))
    decoder = MercuryDecoder(idle_gap_ms=200)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    assert [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads] == [epc.hex().upper()]


FIELDS = {
    0x01: b"\x03",
    0x02: b"\xd8",
    0x04: b"\x21",
    0x08: (865_700).to_bytes(3, "big"),
    0x10: (7).to_bytes(4, "big"),
    0x20: (90).to_bytes(2, "big"),
    0x40: b"\x05",
    0x80: b"\x00\x20ABCD",
    0x100: b"\x0f",
}


@given(st.integers(0, 0x1FF))
def test_metadata_is_read_in_the_order_of_its_flags_whichever_are_set(flags: int) -> None:
    metadata = b"".join(field for flag, field in FIELDS.items() if flags & flag)
    (frame,), _ = decode(streamed(flags, metadata, with_crc(b"\x30\x00" + bytes(range(12)))))
    (read,) = frame.tag_reads
    assert read.epc == bytes(range(12)).hex().upper()
    assert read.tag_seen_count == (3 if flags & 1 else 1)
    assert read.peak_rssi == (-40.0 if flags & 2 else None)
    assert read.antenna_id == (2 if flags & 4 else 0)
    assert read.channel == (1028 if flags & 8 else None)
    assert read.phase == (math.pi / 2 if flags & 0x20 else None)


def test_xpc_words_are_no_part_of_the_epc() -> None:
    epc = bytes(range(12))
    for start in ("3A004001", "420080010002"):
        (frame,), _ = decode(streamed(0, b"", with_crc(bytes.fromhex(start) + epc)))
        assert [read.epc for read in frame.tag_reads] == [epc.hex().upper()]


def test_a_wrong_tag_crc_within_a_right_frame_is_said_and_the_tag_kept() -> None:
    (frame,), _ = decode(streamed(0, b"", b"\x30\x00" + bytes(12) + b"\xab\xcd"))
    assert (len(frame.tag_reads), frame.detail) == (1, "the tag's own CRC is wrong")


@pytest.mark.parametrize(
    ("flags", "record"),
    [
        pytest.param(0x0003, b"\x01", id="metadata cut off"),
        pytest.param(0x0200, bytes(20), id="metadata that nobody knows"),
        pytest.param(0, b"\x00\x70" + bytes(16), id="fewer bits than bytes"),
        pytest.param(0, b"\x00\x20" + bytes(4), id="no EPC"),
        pytest.param(0, b"\x00\x28" + bytes(5), id="half a word"),
    ],
)
def test_a_right_checksum_around_an_impossible_record_gives_no_tag(flags: int, record: bytes) -> None:
    (frame,), _ = decode(answer(0x22, b"\x10\x00\x1b" + flags.to_bytes(2, "big") + b"\x01" + record))
    assert (frame.kind, frame.detail) == (Kind.ANSWER, "no layout of a tag fits this data")


@pytest.mark.parametrize(
    ("status", "words"),
    [(0x0503, "an antenna is not connected"), (0x0123, "command refused (0123)"), (0x0999, "unknown status (0999)")],
)
def test_statuses_come_in_words(status: int, words: str) -> None:
    (frame,), _ = decode(answer(0x97, status=status))
    assert (frame.status, frame.detail) == (status, words)


def test_the_text_of_a_firmware_fault_is_kept() -> None:
    (frame,), _ = decode(answer(0x22, b"hal.c:17", 0x7F01))
    assert frame.detail == "fault inside the module's firmware: hal.c:17"


def test_keep_alive_and_state_are_signs_of_life_and_autonomous_mode_is_named() -> None:
    state = answer(0x22, bytes.fromhex("10001B01FF02") + bytes(4))
    frames, _ = decode(KEEP_ALIVE + state + answer(0x9D))
    assert [frame.kind for frame in frames] == [Kind.HEARTBEAT, Kind.HEARTBEAT, Kind.ANSWER]
    assert "autonomous" in frames[2].detail


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        (codec.GET_VERSION, b"", "FF00031D0C"),
        (codec.SET_REGION, b"\x08", "FF0197084BB5"),
        (codec.SET_PROTOCOL, b"\x00\x05", "FF02930005517D"),
        (codec.SET_POWER, b"\x03\xe8", "FF029203E842B1"),
        (codec.STREAM, b"\x00\x00\x02", "FF032F0000025E86"),
    ],
)
def test_commands_are_the_bytes_that_were_captured(code: int, data: bytes, expected: str) -> None:
    assert codec.command(code, data) == bytes.fromhex(expected)


def test_within_a_cycle_reads_keep_the_spacing_of_the_module() -> None:
    time = CycleTime()
    assert time.place(100, 1_000_000) == 1_000_000
    assert time.place(150, 1_080_000) == 1_050_000  # came 30 ms late
    assert time.place(160, 1_055_000) == 1_055_000  # less delayed than all before: the cycle began earlier
    assert time.place(170, 1_090_000) == 1_065_000


def test_a_new_cycle_a_set_clock_and_a_count_that_falls_begin_the_estimate_anew() -> None:
    time = CycleTime()
    assert time.place(900, 1_900_000) == 1_900_000
    time.cycle_ended()
    assert time.place(950, 2_990_000) == 2_990_000
    assert time.place(10, 3_200_000) == 3_200_000
    assert time.place(20, 9_000_000_000) == 9_000_000_000


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**50)), max_size=30))
def test_no_read_is_placed_after_its_arrival_nor_long_before(reads: list[tuple[int, int]]) -> None:
    time = CycleTime()
    for count_ms, arrived in reads:
        assert 0 <= arrived - time.place(count_ms, arrived) <= 250_000


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


def session(**options: Any) -> Session:
    chosen = MercuryOptions(port="/dev/ttyS0", **options)
    return Session(MercuryDecoder(chosen.idle_gap_ms), MercuryDialogue(chosen), chosen, at(0))


def set_up(talk: Session, *answers: bytes) -> list[bytes]:
    """Everything sent while these answers come in, 10 ms apart."""
    sent = list(talk.advance(b"", at(0)).send)
    for number, data in enumerate(answers, 1):
        sent += talk.advance(data, at(10 * number)).send
    return sent


STANDARD = (STOPPED, VERSION, APPLICATION, *SETTINGS, STARTED)


def test_it_is_set_up_in_the_order_that_the_modules_want() -> None:
    talk = session(region="EU3", antennas=(1, 2), power_dbm=10)
    sent = set_up(talk, STOPPED, VERSION, APPLICATION, *SETTINGS[:3], answer(0x92), SETTINGS[3], STARTED)
    assert [(command[2], command[3:-2].hex()) for command in sent] == [
        (0x2F, "000002"),
        (0x03, ""),
        (0x0C, ""),
        (0x97, "08"),
        (0x93, "0005"),
        (0x91, "0201010202"),
        (0x92, "03e8"),
        (0x9A, "010c00"),
        (0x2F, "00000122000005072210001b03e801ff"),
    ]


def test_once_the_stream_runs_it_is_online_and_asked_nothing() -> None:
    talk = session()
    set_up(talk, *STANDARD[:-1])
    health = talk.advance(STARTED, at(100)).health
    assert health is not None
    assert (health.state, health.model, health.firmware) == (ReaderState.ONLINE, "M6e Nano", "01.0D.00.03")
    assert [talk.advance(KEEP_ALIVE, at(ms)).send for ms in range(1000, 60_000, 1000)] == [()] * 59


def test_a_bootloader_is_booted_before_the_region_is_set() -> None:
    sent = set_up(
        session(), answer(0x2F, status=0x0101), VERSION, BOOTLOADER, answer(0x04, VERSION[5:-2]), answer(0x97)
    )
    assert [command[2] for command in sent] == [0x2F, 0x03, 0x0C, 0x04, 0x97, 0x93]


def test_a_stream_that_runs_already_is_stopped_and_its_tags_are_read_until_it_has_drained() -> None:
    talk = session()
    assert talk.advance(b"", at(0)).send == (STOP,)
    turn = talk.advance(TAG * 3, at(10))
    assert (len(turn.tag_reads), turn.send) == (3, ())
    turn = talk.advance(TAG + STOPPED, at(20))
    assert len(turn.tag_reads) == 1
    assert [command[2] for command in turn.send] == [0x03]


def test_a_sleeping_module_is_woken_before_it_is_stopped_again() -> None:
    talk = session()
    talk.advance(b"", at(0))
    assert talk.advance(b"", at(1999)).send == ()
    assert talk.advance(b"", at(2000)).send == (b"\xff" * 16 + STOP,)
    assert [command[2] for command in talk.advance(b"", at(4000)).send] == [0x03]


@pytest.mark.parametrize(
    "restart", [VERSION, answer(0x04, VERSION[5:-2]), answer(0x22, b"\x10\x00\x1b\x01\xff\x00"), STOPPED]
)
def test_a_restart_or_the_end_of_the_stream_means_set_up_again(restart: bytes) -> None:
    talk = session()
    set_up(talk, *STANDARD)
    assert talk.advance(restart, at(1000)).send == (STOP,)


def test_three_seconds_of_quiet_mean_set_up_again() -> None:
    talk = session()
    set_up(talk, *STANDARD)
    talk.advance(KEEP_ALIVE, at(1000))
    assert talk.advance(b"", at(3999)).send == ()
    assert talk.advance(b"", at(4000)).send == (STOP,)


@pytest.mark.parametrize(
    ("status", "words"), [(0x0503, "antenna is not connected"), (0x0504, "too hot"), (0x0505, "high return loss")]
)
def test_a_fault_degrades_until_it_has_not_come_for_three_seconds(status: int, words: str) -> None:
    talk = session()
    set_up(talk, *STANDARD)
    degraded = talk.advance(answer(0x22, status=status), at(1000)).health
    assert degraded is not None
    assert degraded.state == ReaderState.DEGRADED
    assert words in degraded.detail
    assert talk.advance(KEEP_ALIVE + TAG, at(2000)).health is None
    assert talk.advance(KEEP_ALIVE, at(3999)).health is None
    healed = talk.advance(KEEP_ALIVE, at(4000)).health
    assert healed is not None
    assert (healed.state, healed.detail) == (ReaderState.ONLINE, "")


def test_a_refused_region_degrades_and_is_tried_again_after_five_seconds() -> None:
    talk = session(region="NA")
    set_up(talk, *STANDARD[:3])
    turn = talk.advance(answer(0x97, status=0x010B), at(100))
    assert turn.send == ()
    assert turn.health is not None
    assert turn.health.state == ReaderState.DEGRADED
    assert turn.health.detail == "the module refused region NA: the module does not know this region"
    assert talk.advance(b"", at(5099)).send == ()
    assert talk.advance(b"", at(5100)).send == (STOP,)


def test_a_refused_antenna_degrades_but_the_rest_is_read() -> None:
    talk = session(antennas=(1, 7))
    set_up(talk, STOPPED, VERSION, APPLICATION, SETTINGS[0], SETTINGS[1], answer(0x91, status=0x0105), SETTINGS[3])
    health = talk.advance(STARTED, at(200)).health
    assert health is not None
    assert (health.state, health.detail) == (
        ReaderState.DEGRADED,
        "the module refused antennas 1, 7: wrong parameter",
    )


def test_a_module_that_cannot_stream_says_so() -> None:
    talk = session()
    set_up(talk, *STANDARD[:-1])
    health = talk.advance(answer(0x2F, status=0x0101), at(200)).health
    assert health is not None
    assert "an M5e cannot read continuously" in health.detail
