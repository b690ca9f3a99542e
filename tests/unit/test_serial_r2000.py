import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial import r2000_codec as codec
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import Frame, Health, Instant, Kind
from rfid_drivers.serial.r2000 import R2000Dialogue, R2000Options, R2000Reader
from rfid_drivers.serial.r2000_codec import R2000Decoder
from rfid_drivers.serial.session import Session
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderError
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

TAG = bytes.fromhex("A013018B1030003009663781DB02974876FC6A672B")
FIRMWARE = bytes.fromhex("A00501720109DE")
LAST_STEP_OF_THE_TABLE = 90


def vectors(shared: Path, *, verified: bool) -> list[dict[str, Any]]:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    return [v for v in known if v["protocol"] == "r2000_a0" and v["verified"] == verified]


def decode(data: bytes, address: int = 1) -> tuple[list[Frame], list[Rejected]]:
    decoder = R2000Decoder(200, address)
    items = decoder.feed(data, START) + decoder.feed(b"", QUIET)
    return [item for item in items if isinstance(item, Frame)], [item for item in items if isinstance(item, Rejected)]


def answer(code: int, data: bytes, address: int = 1) -> bytes:
    body = bytes((0xA0, 3 + len(data), address, code)) + data
    return body + bytes((-sum(body) & 0xFF,))


def tag(epc: bytes, *, code: int = 0x89, rssi: int = 70, where: int = 0, phase: bytes = b"") -> bytes:
    return answer(code, bytes((where,)) + (len(epc) // 2 << 11).to_bytes(2, "big") + epc + bytes((rssi,)) + phase)


def end(antenna: int, code: int = 0x89) -> bytes:
    return answer(code, bytes((antenna - 1, 0, 20, 0, 0, 0, 1)))


def test_every_verified_vector_is_one_frame_with_the_tag_that_it_is_said_to_have(shared: Path) -> None:
    known = vectors(shared, verified=True)
    assert len(known) >= 15
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        frames, rejected = decode(raw)
        assert ([frame.raw for frame in frames], rejected) == ([raw], []), vector["meaning"]
        said = vector.get("decoded", {})
        assert codec.ends_round(frames[0]) == said.get("event", "").startswith("inventory_end")
        if said.get("event") != "tag":
            assert frames[0].tag_reads == ()
            continue
        (read,) = frames[0].tag_reads
        assert (read.epc, f"{read.pc:04X}") == (said["epc"], said["pc"])
        assert (read.antenna_id, read.channel) == (said["antenna"], said["freq_index"])
        # The vectors reckon raw - 129 throughout; the vendor's table has a step of 1 dB below 90.
        step = 0 if said["rssi_raw"] >= LAST_STEP_OF_THE_TABLE else 1
        assert read.peak_rssi == said["rssi_dbm"] - step


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
    decoder = R2000Decoder(200, 1)
    slowly = [item for byte in stream for item in decoder.feed(bytes((byte,)), START)]
    assert slowly == decode(stream)[0]
    assert len(slowly) >= 15


@pytest.mark.parametrize("offset", range(1, len(TAG)))
def test_joining_a_stream_at_any_offset_loses_only_the_frame_that_was_cut(offset: int) -> None:
    frames, _ = decode((TAG * 20)[offset:])
    assert [frame.raw for frame in frames] == [TAG] * 19


def test_a_frame_that_never_ends_does_not_hold_back_the_next_longer_than_the_idle_gap() -> None:
    decoder = R2000Decoder(200, 1)
    begun = bytes.fromhex("A047018900F800")
    assert decoder.feed(begun + TAG, START) == []
    assert decoder.feed(b"", Instant(0, START.monotonic + 199_999)) == []
    found = decoder.feed(b"", Instant(0, START.monotonic + 200_000))
    assert [item.raw for item in found] == [begun, TAG]
    assert decoder.counters.gap_flushes == 1


@pytest.mark.parametrize("address", [1, codec.EVERYBODY])
def test_two_megabytes_of_noise_make_no_frame(address: int) -> None:
    decoder = R2000Decoder(200, address)
    noise = random.Random(7)
    items = [item for _ in range(512) for item in decoder.feed(noise.randbytes(4096), START)]
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame for frame in frames if frame.tag_reads] == []
    assert len(frames) <= 1


def test_next_to_no_tag_is_invented_where_frames_lose_their_ends() -> None:
    chance = random.Random(3)
    epcs = [chance.randbytes(12) for _ in range(20_000)]
    stream = b"".join(tag(epc)[: chance.randrange(4, 21) if number % 2 else None] for number, epc in enumerate(epcs))
    frames, _ = decode(stream)
    read = [bytes.fromhex(frame.tag_reads[0].epc) for frame in frames if frame.tag_reads]
    whole = {epc for number, epc in enumerate(epcs) if number % 2 == 0}
    invented = set(read) - set(epcs)
    assert len(invented) <= 12
    assert len(whole & set(read)) >= len(whole) - 100


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_arrives_every_byte_comes_out_once_as_a_frame_or_as_rejected(chunks: list[bytes]) -> None:
    decoder = R2000Decoder(200)
    items = [item for chunk in chunks for item in decoder.feed(chunk, START)] + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == b"".join(chunks)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=90))
def test_whatever_a_right_checksum_stands_behind_comes_out_once(address: int, code: int, data: bytes) -> None:
    raw = answer(code, data, address)
    decoder = R2000Decoder(200)
    items = decoder.feed(raw, START) + decoder.feed(b"", QUIET)
    assert b"".join(item.raw for item in items) == raw


@given(
    st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words)),
    st.sampled_from([0x89, 0x8A, 0x8B]),
    st.sampled_from([b"", b"\x01\x02"]),
    st.data(),
)
def test_an_epc_of_any_length_survives_any_split_with_and_without_a_phase(
    epc: bytes, code: int, phase: bytes, data: st.DataObject
) -> None:
    frame = tag(epc, code=code, phase=phase)
    cut = data.draw(st.integers(0, len(frame)))
    decoder = R2000Decoder(200, 1)
    items = decoder.feed(frame[:cut], START) + decoder.feed(frame[cut:], START)
    assert [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads] == [epc.hex().upper()]


@pytest.mark.parametrize(("raw", "dbm"), [(98, -31), (90, -39), (89, -41), (31, -99), (0, -130), (0x80 | 70, None)])
def test_rssi_follows_the_vendors_table_and_is_kept_raw_beyond_it(raw: int, dbm: float | None) -> None:
    (frame,), _ = decode(tag(bytes(range(12)), rssi=raw))
    (read,) = frame.tag_reads
    assert (read.peak_rssi, read.rssi_raw) == (dbm, raw if dbm is None else None)
    assert read.first_seen == read.last_seen == START.utc


@pytest.mark.parametrize(
    ("what", "raw"),
    [
        ("longer than its PC says", answer(0x89, bytes((0, 0x30, 0)) + bytes(17) + b"\x40")),
        ("shorter than its PC says", answer(0x89, bytes((0, 0x30, 0)) + bytes(10) + b"\x40")),
        ("of a tag without an EPC", answer(0x89, bytes((0, 0, 0, 0x40, 0, 0)))),
        ("of another reader", answer(0x89, bytes((0, 0x30, 0)) + bytes(12) + b"\x40", address=2)),
        ("with an unknown command", answer(0x42, b"\x10")),
        ("of a length that its command never has", answer(0x74, bytes(7))),
        ("longer than any", answer(0x81, bytes(0x60))),
    ],
)
def test_a_frame_is_rejected_in_spite_of_its_checksum_when_it_is(what: str, raw: bytes) -> None:
    frames, rejected = decode(raw)
    assert frames == [], what
    assert b"".join(run.raw for run in rejected) == raw


def test_two_frames_joined_by_a_loss_are_no_tag_even_when_the_sum_is_right() -> None:
    first, second = tag(bytes(range(12))), tag(bytes(range(100, 112)))
    for kept in range(7, 17):
        for last in range(256):
            joined = (first[:kept] + second)[:20] + bytes((last,))
            assert not (sum(joined) & 0xFF == 0 and decode(joined)[0]), (kept, last)


def test_an_end_with_total_and_time_of_a_fast_switch_is_told_from_a_short_epc_by_its_pc() -> None:
    (ended, short), _ = decode(answer(0x8A, bytes((0, 0, 0, 7, 0, 0, 1, 0))) + tag(bytes(4), code=0x8A))
    assert codec.ends_round(ended)
    assert not codec.ends_round(short)
    assert [read.epc for read in short.tag_reads] == ["00000000"]


def test_a_missing_antenna_of_a_fast_switch_is_named() -> None:
    (frame,), _ = decode(answer(0x8A, bytes((2, 0x22))))
    assert (frame.status, frame.detail) == (0x22, "antenna 3: the antenna is missing")


@pytest.mark.parametrize(
    ("status", "words"),
    [(0x10, ""), (0x48, "wrong parameter (status 48)"), (0x77, "unknown status 77"), (0x36, "no tag")],
)
def test_a_status_is_put_into_words(status: int, words: str) -> None:
    (frame,), _ = decode(answer(0x74, bytes((status,))))
    assert (frame.status, frame.detail) == (status, words)


@pytest.mark.parametrize(
    ("code", "data", "address", "expected"),
    [
        (codec.GET_FIRMWARE_VERSION, b"", 1, "A0 03 01 72 EA"),
        (codec.GET_FIRMWARE_VERSION, b"", 0xFF, "A0 03 FF 72 EC"),
        (codec.INVENTORY, b"\x01", 1, "A0 04 01 89 01 D1"),
        (codec.SESSION_INVENTORY, b"\x01\x00\x01", 0xFF, "A0 06 FF 8B 01 00 01 CE"),
    ],
)
def test_commands_are_the_bytes_that_were_captured(code: int, data: bytes, address: int, expected: str) -> None:
    assert codec.command(code, data, address) == bytes.fromhex(expected)


def session(**options: Any) -> Session:
    chosen = R2000Options(port="/dev/ttyS0", **options)
    return Session(R2000Decoder(200, chosen.address), R2000Dialogue(chosen), chosen, at(0))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


def asked(**options: Any) -> Session:
    """A session that waits for the firmware version."""
    loop = session(**options)
    assert loop.advance(b"", at(0)).send == (ASK_FIRMWARE,)
    return loop


def select(antenna: int) -> bytes:
    return codec.command(codec.SET_ANTENNA, bytes((antenna - 1,)), 1)


def ok(code: int) -> bytes:
    return answer(code, b"\x10")


ASK_FIRMWARE = codec.command(codec.GET_FIRMWARE_VERSION, b"", 1)
INVENTORY = codec.command(codec.INVENTORY, b"\x01", 1)
SELECTED = ok(codec.SET_ANTENNA)


def degraded(health: Health | None) -> str:
    assert health is not None
    assert health.state == ReaderState.DEGRADED
    return health.detail


def test_the_firmware_is_asked_for_until_it_answers_then_antenna_and_round_follow_each_other_at_once() -> None:
    loop = session(antennas=(1, 3), round_timeout_ms=500)
    assert loop.advance(b"", at(0)).send == (ASK_FIRMWARE,)
    assert loop.advance(b"", at(499)).send == ()
    assert loop.advance(b"", at(500)).send == (ASK_FIRMWARE,)
    introduced = loop.advance(FIRMWARE, at(1010))
    assert introduced.health == Health(model="R2000", firmware="1.9")
    assert introduced.send == (select(1),)
    assert loop.advance(SELECTED, at(1020)).send == (INVENTORY,)
    told = loop.advance(tag(bytes(range(12))), at(1030))
    assert (len(told.tag_reads), told.send) == (1, ())
    assert loop.advance(end(1), at(1040)).send == (select(3),)
    assert loop.advance(SELECTED, at(1050)).send == (INVENTORY,)
    assert loop.advance(end(3), at(1060)).send == (select(1),)


def test_a_single_antenna_is_selected_once() -> None:
    loop = asked()
    loop.advance(FIRMWARE, at(0))
    assert loop.advance(SELECTED, at(10)).send == (INVENTORY,)
    assert [loop.advance(end(1), at(ms)).send for ms in (20, 30, 40)] == [(INVENTORY,)] * 3


def test_a_session_is_asked_for_with_its_own_command() -> None:
    loop = asked(session=2, target="B", rounds=3)
    loop.advance(FIRMWARE, at(0))
    assert loop.advance(SELECTED, at(10)).send == (codec.command(codec.SESSION_INVENTORY, b"\x02\x01\x03", 1),)
    assert loop.advance(end(1, 0x8B), at(20)).send != ()


def test_a_round_that_hangs_is_started_anew_with_its_antenna_but_not_while_tags_come() -> None:
    loop = asked(round_timeout_ms=1500)
    loop.advance(FIRMWARE, at(0))
    loop.advance(SELECTED, at(0))
    assert loop.advance(tag(bytes(12)), at(1400)).send == ()
    assert loop.advance(b"", at(2899)).send == ()
    assert loop.advance(b"", at(2900)).send == (ASK_FIRMWARE,)
    assert loop.advance(FIRMWARE, at(2910)).send == (select(1),)


def test_a_round_that_ends_at_another_antenna_than_before_means_a_restart() -> None:
    loop = asked(antennas=(2,))
    loop.advance(FIRMWARE, at(0))
    loop.advance(answer(codec.SET_ANTENNA, b"\x10"), at(10))
    assert ASK_FIRMWARE not in loop.advance(end(2), at(20)).send
    assert loop.advance(end(1), at(30)).send == (ASK_FIRMWARE,)
    assert loop.advance(FIRMWARE, at(40)).send == (select(2),)


def test_a_reader_that_never_names_the_antenna_rightly_is_read_all_the_same() -> None:
    loop = asked(antennas=(2,))
    loop.advance(FIRMWARE, at(0))
    loop.advance(answer(codec.SET_ANTENNA, b"\x10"), at(10))
    assert all(ASK_FIRMWARE not in loop.advance(end(1), at(20 + ms)).send for ms in range(0, 100, 10))


def test_the_power_is_set_until_the_next_restart_and_again_only_after_the_reader_was_lost() -> None:
    loop = asked(power_dbm=27, round_timeout_ms=1500)
    power = codec.command(codec.SET_TEMPORARY_POWER, bytes((27,)), 1)
    assert loop.advance(FIRMWARE, at(0)).send == (power,)
    assert loop.advance(ok(codec.SET_TEMPORARY_POWER), at(10)).send == (select(1),)
    loop.advance(SELECTED, at(20))
    assert all(power not in loop.advance(end(1), at(20 + ms)).send for ms in range(0, 5000, 10))
    assert loop.advance(b"", at(7000)).send == (ASK_FIRMWARE,)
    assert loop.advance(FIRMWARE, at(7010)).send == (power,)


def test_a_reader_that_answers_no_setting_is_told_thrice_and_read_all_the_same() -> None:
    loop = asked(power_dbm=27, round_timeout_ms=500)
    power = codec.command(codec.SET_TEMPORARY_POWER, bytes((27,)), 1)
    sent = [loop.advance(b"", at(ms)).send for ms in range(500, 3001, 500)]
    assert sent == [(ASK_FIRMWARE,)] * 2 + [(power,)] * 3 + [(select(1),)]
    assert degraded(loop.advance(SELECTED, at(3010)).health) == "power: the reader did not answer"


def test_a_refused_power_degrades_and_the_reader_reads_all_the_same() -> None:
    loop = asked(power_dbm=33)
    loop.advance(FIRMWARE, at(0))
    refused = loop.advance(answer(codec.SET_TEMPORARY_POWER, b"\x48"), at(10))
    assert degraded(refused.health) == "power: wrong parameter (status 48)"
    assert refused.send == (select(1),)


def test_a_missing_antenna_degrades_is_left_out_for_a_second_and_heals() -> None:
    loop = asked(antennas=(1, 2))
    loop.advance(FIRMWARE, at(0))
    loop.advance(SELECTED, at(0))
    loop.advance(end(1), at(10))
    assert loop.advance(SELECTED, at(20)).send == (INVENTORY,)
    missing = loop.advance(answer(0x89, b"\x22"), at(30))
    assert degraded(missing.health) == "antenna 2: the antenna is missing"
    assert missing.send == (select(1),)
    loop.advance(SELECTED, at(40))
    assert loop.advance(end(1), at(50)).send == (INVENTORY,)
    assert loop.advance(end(1), at(1030)).send == (select(2),)
    loop.advance(SELECTED, at(1040))
    healed = loop.advance(end(2), at(1050)).health
    assert healed is not None
    assert (healed.state, healed.detail) == (ReaderState.ONLINE, "")


def test_while_every_antenna_is_left_out_nothing_is_sent() -> None:
    loop = asked()
    loop.advance(FIRMWARE, at(0))
    assert loop.advance(answer(codec.SET_ANTENNA, b"\x22"), at(10)).send == ()
    assert loop.advance(b"", at(1009)).send == ()
    assert loop.advance(b"", at(1010)).send == (select(1),)


def test_no_tag_in_a_round_is_no_fault() -> None:
    loop = asked()
    loop.advance(FIRMWARE, at(0))
    loop.advance(SELECTED, at(10))
    turn = loop.advance(answer(0x89, b"\x36"), at(20))
    assert (turn.health, turn.send) == (None, (INVENTORY,))


def test_a_late_answer_to_another_command_moves_nothing() -> None:
    loop = asked()
    loop.advance(FIRMWARE, at(0))
    loop.advance(SELECTED, at(10))
    assert loop.advance(SELECTED + end(1, 0x8B), at(20)).send == ()


def test_a_reader_that_never_answers_is_gone_and_the_words_name_its_address() -> None:
    loop = session(silence_timeout_s=3.0)
    loop.advance(b"", at(0))
    with pytest.raises(ReaderError, match=r"nothing understood .* and its address"):
        loop.advance(b"", at(3000))


def test_a_list_of_antennas_is_taken_and_one_that_the_protocol_cannot_tell_is_refused() -> None:
    assert R2000Options.model_validate({"port": "/dev/ttyS0", "antennas": [1, 4]}).antennas == (1, 4)
    for antennas in ([5], [0], []):
        with pytest.raises(ValueError, match="antennas"):
            R2000Options.model_validate({"port": "/dev/ttyS0", "antennas": antennas})


def test_a_command_seen_on_the_line_is_no_tag() -> None:
    frames, _ = decode(INVENTORY + codec.command(0x72, b"", 0xFF))
    assert [frame.kind for frame in frames] == [Kind.ANSWER] * 2


def test_bytes_of_a_reader_with_another_address_are_explained_too() -> None:
    reader = R2000Reader("r", R2000Options(port="/dev/ttyS0"), SystemClock())
    (record,) = reader.explain(answer(0x74, b"\x22", address=7))
    assert record["detail"] == "the antenna is missing"


@pytest.mark.parametrize("options", [{"rounds": 34}, {"rounds": 0}, {"power_dbm": 16}])
def test_an_option_whose_command_would_look_like_an_answer_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        R2000Options.model_validate({"port": "/dev/ttyS0", **options})


@pytest.mark.parametrize("rounds", [1, 15, 255])
def test_no_inventory_command_is_the_bytes_of_a_status_that_is_known(rounds: int) -> None:
    assert R2000Options.model_validate({"port": "/dev/ttyS0", "rounds": rounds}).rounds == rounds
    (echo,), _ = decode(codec.command(codec.INVENTORY, bytes((rounds,)), 1))
    assert echo.detail.startswith("unknown status")
