import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial import m100_codec as codec
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.gen2 import split_backscatter, tag_crc
from rfid_drivers.serial.m100 import M100Dialogue, M100Options
from rfid_drivers.serial.m100_codec import M100Decoder
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

TAG = bytes.fromhex("BB02220011C43000E200001D7315016521408FC6B83EC27E")
TAG_AA = bytes.fromhex("AA02220011C9340030751FEB705C5904E3D50D703A76EFDD")
NO_TAG = bytes.fromhex("BB01FF000115167E")
STOPPED = bytes.fromhex("BB01280001002A7E")
STOP = bytes.fromhex("BB00280000287E")
RUN = bytes.fromhex("BB0027000322FFFF4A7E")
ASK_VERSION = bytes.fromhex("BB0003000100047E")
UNSELECT = bytes.fromhex("BB0012000101147E")


def vectors(shared: Path, *, verified: bool) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [v for v in known if v["protocol"] == "m100_bb7e" and v["verified"] == verified]


def decode(data: bytes) -> tuple[list[Frame], list[Rejected]]:
    decoder = M100Decoder(idle_gap_ms=200)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def answer(code: int, params: bytes = b"\x00", kind: int = 1, head: int = codec.BB) -> bytes:
    body = bytes((kind, code, 0, len(params))) + params
    return bytes((head,)) + body + bytes((sum(body) & 0xFF, 0x7E if head == codec.BB else 0xDD))


def tag_frame(reply: bytes, rssi: int = 0xC9) -> bytes:
    return answer(0x22, bytes((rssi,)) + reply + tag_crc(reply).to_bytes(2, "big"), kind=2)


def test_every_verified_vector_is_one_frame_with_the_tag_that_it_is_said_to_have(shared: Path) -> None:
    known = vectors(shared, verified=True)
    assert len(known) >= 47
    assert sum("decoded" in vector for vector in known) >= 6
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert [frame.raw for frame in frames] == [raw], vector["meaning"]
        assert rejected == []
        said = vector.get("decoded")
        tags = [(read.epc, read.peak_rssi, read.pc) for read in frames[0].tag_reads]
        assert tags == ([(said["epc"], said["rssi_dbm"], int(said["pc"], 16))] if said else [])
        assert (frames[0].detail == "a command") == (raw[1] == 0)


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
    decoder = M100Decoder(idle_gap_ms=200)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) >= 47


@pytest.mark.parametrize("offset", range(1, len(TAG)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((TAG * 20)[offset:])
    assert [frame.raw for frame in frames] == [TAG] * 19


def test_a_false_length_does_not_hold_back_a_frame_longer_than_the_idle_gap() -> None:
    decoder = M100Decoder(idle_gap_ms=200)
    stray = bytes.fromhex("BB022200F0")
    assert decoder.feed(stray + TAG, START) == []
    assert decoder.feed(b"", Instant(0, START.monotonic + 199_999)) == []
    found = decoder.feed(b"", Instant(0, START.monotonic + 200_000))
    assert [item.raw for item in found] == [stray, TAG]
    assert (decoder.counters.gap_flushes, decoder.counters.resync_bytes) == (1, 5)


def test_a_quarter_of_a_megabyte_of_noise_makes_no_frame() -> None:
    decoder = M100Decoder(idle_gap_ms=200)
    noise = random.Random(7)
    items = [item for _ in range(64) for item in decoder.feed(noise.randbytes(4096), START)]
    assert [item for item in items if isinstance(item, Frame)] == []


def test_a_tag_whose_own_crc_is_wrong_is_rejected_although_the_sum_is_right() -> None:
    swapped = bytearray(TAG)
    swapped[8], swapped[12] = swapped[12], swapped[8]
    assert sum(swapped[1:-2]) & 0xFF == swapped[-2]
    frames, rejected = decode(bytes(swapped))
    assert frames == []
    assert rejected[0].reason == "wrong checksum"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = M100Decoder(idle_gap_ms=200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@given(st.integers(0, 2), st.integers(0, 255), st.binary(max_size=100), st.sampled_from([codec.BB, codec.AA]))
def test_whatever_a_frame_carries_it_comes_out_once(kind: int, code: int, params: bytes, head: int) -> None:
    frame = answer(code, params, kind, head)
    frames, rejected = decode(frame)
    assert b"".join([*(item.raw for item in frames), *(run.raw for run in rejected)]) == frame


@given(st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)), st.data())
def test_an_epc_of_any_length_survives_any_split(epc: bytes, data: st.DataObject) -> None:
    frame = tag_frame((len(epc) // 2 << 11).to_bytes(2, "big") + epc)
    cut = data.draw(st.integers(0, len(frame)))
    decoder = M100Decoder(idle_gap_ms=200)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    assert [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads] == [epc.hex().upper()]


@pytest.mark.parametrize(
    ("reply", "epc"),
    [
        pytest.param("3000 00112233445566778899AABB", "00112233445566778899AABB", id="no XPC"),
        pytest.param("3A00 4001 00112233445566778899AABB", "00112233445566778899AABB", id="XPC_W1"),
        pytest.param("4200 8001 0002 00112233445566778899AABB", "00112233445566778899AABB", id="XPC_W1 and XPC_W2"),
    ],
)
def test_xpc_words_are_no_part_of_the_epc(reply: str, epc: str) -> None:
    (frame,), _ = decode(tag_frame(bytes.fromhex(reply)))
    assert [read.epc for read in frame.tag_reads] == [epc]


def test_with_an_xpc_word_the_stored_crc_of_pc_and_epc_alone_is_right_too() -> None:
    pc, epc = bytes.fromhex("3200"), bytes(range(12))
    tag = split_backscatter(pc + b"\x40\x01" + epc + tag_crc(pc + epc).to_bytes(2, "big"))
    assert tag is not None
    assert (tag.epc, tag.crc_fits) == (epc, True)


@pytest.mark.parametrize("reply", [b"", b"\x30", b"\x00\x00", b"\x08\x00\xab", b"\x30\x00" + bytes(66)])
def test_a_tag_without_an_epc_of_whole_words_gives_no_read(reply: bytes) -> None:
    (frame,), _ = decode(tag_frame(reply))
    assert (frame.kind, frame.tag_reads) == (Kind.ANSWER, ())


@pytest.mark.parametrize(
    ("code", "words"),
    [(0x16, "wrong access password"), (0xA3, "the tag refused reading, error 3"), (0x77, "unknown error 77")],
)
def test_errors_come_in_words(code: int, words: str) -> None:
    (frame,), _ = decode(answer(0xFF, bytes((code,))))
    assert (frame.status, frame.detail) == (code, words)


def test_an_empty_round_is_a_sign_of_life() -> None:
    (frame,), _ = decode(NO_TAG)
    assert (frame.kind, frame.detail) == (Kind.HEARTBEAT, "no tag")


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


def session(**options: Any) -> Session:
    chosen = M100Options(port="/dev/ttyS0", **options)
    return Session(M100Decoder(chosen.idle_gap_ms), M100Dialogue(chosen), chosen, at(0))


def set_up(talk: Session, *answers: bytes) -> list[bytes]:
    """Everything sent while these answers come in, 10 ms apart."""
    sent = list(talk.advance(b"", at(0)).send)
    for number, data in enumerate(answers, 1):
        sent += talk.advance(data, at(10 * number)).send
    return sent


VERSION = answer(0x03, b"\x00M100 26dBm V1.0")
STANDARD = (STOPPED, VERSION, answer(0x12))


def test_it_is_stopped_asked_freed_of_a_selection_and_started() -> None:
    talk = session()
    assert set_up(talk, *STANDARD) == [STOP, ASK_VERSION, UNSELECT, RUN]
    turn = talk.advance(TAG, at(100))
    assert [read.epc for read in turn.tag_reads] == ["E200001D7315016521408FC6"]
    assert turn.tag_reads[0].first_seen == at(100).utc
    assert turn.health is not None
    assert (turn.health.state, turn.health.model) == (ReaderState.ONLINE, "M100")
    assert turn.health.firmware == "M100 26dBm V1.0"


def test_region_and_power_are_set_where_they_are_configured() -> None:
    sent = set_up(session(region="EU", power_dbm=20), STOPPED, VERSION, answer(0x07), answer(0xB6), answer(0x12))
    assert sent[2:4] == [bytes.fromhex("BB00070001030B7E"), bytes.fromhex("BB00B6000207D08F7E")]


def test_tags_that_were_on_their_way_when_it_was_stopped_are_read() -> None:
    talk = session()
    talk.advance(b"", at(0))
    turn = talk.advance(TAG + STOPPED, at(10))
    assert len(turn.tag_reads) == 1
    assert turn.send == (ASK_VERSION,)


def test_an_unanswered_command_is_repeated_in_the_other_framing_and_the_answer_decides() -> None:
    talk = session()
    assert talk.advance(b"", at(0)).send == (STOP,)
    assert talk.advance(b"", at(299)).send == ()
    assert talk.advance(b"", at(300)).send == (bytes.fromhex("AA0028000028DD"),)
    assert talk.advance(answer(0x28, head=codec.AA), at(310)).send == (bytes.fromhex("AA000300010004DD"),)
    assert talk.advance(b"", at(610)).send == (bytes.fromhex("AA000300010004DD"),)


def test_a_configured_framing_is_never_left() -> None:
    talk = session(framing="aa")
    sent = [command for ms in range(0, 3000, 100) for command in talk.advance(b"", at(ms)).send]
    assert {command[0] for command in sent} == {0xAA}


def test_a_command_that_is_never_answered_does_not_keep_it_from_reading() -> None:
    talk = session()
    sent = [command for ms in range(0, 6000, 100) for command in talk.advance(b"", at(ms)).send]
    assert RUN in sent or bytes.fromhex("AA0027000322FFFF4ADD") in sent


def test_a_module_that_has_stopped_is_set_up_anew_after_two_seconds() -> None:
    talk = session()
    set_up(talk, *STANDARD)
    assert talk.advance(NO_TAG, at(1000)).send == ()
    assert talk.advance(b"", at(2999)).send == ()
    assert talk.advance(b"", at(3000)).send == (STOP,)


def test_empty_rounds_keep_it_alone() -> None:
    talk = session()
    set_up(talk, *STANDARD)
    assert [talk.advance(NO_TAG, at(ms)).send for ms in range(100, 60_000, 1000)] == [()] * 60


def test_a_refused_setting_degrades_and_names_what_was_refused() -> None:
    talk = session(region="KR")
    sent = set_up(talk, STOPPED, VERSION, answer(0xFF, b"\x17"), answer(0x12))
    assert sent[-1] == RUN
    health = talk.advance(NO_TAG, at(100)).health
    assert health is not None
    assert health.state == ReaderState.DEGRADED
    assert health.detail == "the module refused region KR: command unknown or damaged"


def test_a_fault_of_the_inventory_degrades_and_a_good_round_heals() -> None:
    talk = session()
    set_up(talk, *STANDARD)
    degraded = talk.advance(answer(0xFF, b"\x20"), at(100)).health
    assert degraded is not None
    assert (degraded.state, degraded.detail) == (ReaderState.DEGRADED, "inventory: no free channel to hop to")
    healed = talk.advance(NO_TAG, at(200)).health
    assert healed is not None
    assert (healed.state, healed.detail) == (ReaderState.ONLINE, "")
