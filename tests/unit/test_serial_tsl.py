import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.protocol import Frame, Instant
from rfid_drivers.serial.session import Session
from rfid_drivers.serial.tsl import TslDialogue, TslOptions
from rfid_drivers.serial.tsl_codec import TslDecoder
from rfid_gateway.reads import ReaderState

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

ROUND = b"CS: .iv\r\nEP: 303400000000000000000001\r\nRI: -61\r\nEP: 30340000000000AB\r\nOK:\r\n\r\n"
VERSION = b"CS: .vr\r\nMF: TSL\r\nUF: 2.7.0\r\nOK:\r\n\r\n"


def decode(data: bytes) -> list[Frame | Rejected]:
    decoder = TslDecoder(200)
    return decoder.feed(data, START) + decoder.feed(b"", QUIET)


def tags(items: list[Frame | Rejected]) -> list[tuple[str, float | None]]:
    return [(read.epc, read.peak_rssi) for item in items if isinstance(item, Frame) for read in item.tag_reads]


def test_every_vector_gives_as_many_tags_as_it_has_epcs_and_its_rssi(shared: Path) -> None:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    known = [vector for vector in known if vector["protocol"] == "tsl_ascii2"]
    assert len(known) >= 2
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        found = tags(decode(raw))
        assert len(found) == raw.count(b"EP:")
        if "decoded" in vector:
            assert found == [(vector["decoded"]["epc"], vector["decoded"]["rssi_dbm"])]


def test_an_rssi_belongs_to_the_epc_before_it() -> None:
    assert tags(decode(ROUND)) == [("303400000000000000000001", -61.0), ("30340000000000AB", None)]


def test_a_stream_decodes_the_same_one_byte_at_a_time() -> None:
    decoder = TslDecoder(200)
    assert [item for byte in ROUND for item in decoder.feed(bytes((byte,)), START)] == decode(ROUND)


@pytest.mark.parametrize("offset", range(1, len(ROUND)))
def test_joining_a_stream_at_any_offset_invents_no_tag(offset: int) -> None:
    found = tags(decode((ROUND * 3)[offset:]))
    assert found[-4:] == tags(decode(ROUND)) * 2
    assert {epc for epc, _ in found} <= {"303400000000000000000001", "30340000000000AB"}


def test_a_tag_is_given_when_the_line_falls_quiet() -> None:
    assert tags(decode(b"EP: 30340000000000AB\r\n")) == [("30340000000000AB", None)]


@pytest.mark.parametrize("line", [b"EP: 303", b"EP: 30Z4", b"EP:", b"\x93\x01EP: 3034", b"hello"])
def test_junk_and_impossible_epcs_are_rejected(line: bytes) -> None:
    (item,) = decode(line + b"\r\n")
    assert isinstance(item, Rejected)


@given(st.lists(st.binary(max_size=100), max_size=10))
def test_whatever_arrives_a_whole_inventory_after_it_is_read(chunks: list[bytes]) -> None:
    decoder = TslDecoder(200)
    for chunk in chunks:
        decoder.feed(chunk, START)
    assert tags(decoder.feed(b"\r\n" + ROUND, START))[-2:] == tags(decode(ROUND))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


def session(**options: Any) -> Session:
    chosen = TslOptions(port="/dev/ttyS0", **options)
    return Session(TslDecoder(200), TslDialogue(chosen), chosen, at(0))


def test_inventories_follow_each_other() -> None:
    looping = session()
    assert looping.advance(b"", at(0)).send == (b".ab\r\n", b".vr\r\n")
    assert looping.advance(b"", at(1000)).send == (b".vr\r\n",)
    introduced = looping.advance(VERSION, at(1010))
    assert introduced.send == (b".iv -r on\r\n",)
    assert introduced.health is not None
    assert (introduced.health.model, introduced.health.firmware) == ("TSL", "2.7.0")
    assert looping.advance(ROUND, at(1100)).send == ()
    assert looping.advance(b"", at(1120)).send == (b".iv -r on\r\n",)
    assert looping.advance(b"", at(4120)).send == (b".iv -r on\r\n",)


def test_an_error_degrades_and_no_tag_does_not() -> None:
    looping = session()
    looping.advance(VERSION, at(0))
    assert looping.advance(b"CS: .iv\r\nER: 005\r\n\r\n", at(10)).health is None
    health = looping.advance(b"CS: .iv\r\nER: 011\r\n\r\n", at(50)).health
    assert health is not None
    assert (health.state, health.detail) == (ReaderState.DEGRADED, "inventory: error 011")


def test_in_mode_trigger_the_gateway_only_listens() -> None:
    listening = session(mode="trigger", silence_timeout_s=9.0)
    listening.advance(b"", at(0))
    listening.advance(VERSION, at(0))
    turn = listening.advance(ROUND, at(100))
    assert (len(turn.tag_reads), turn.send) == (2, ())
    assert listening.advance(b"", at(3099)).send == ()
    assert listening.advance(b"", at(3100)).send == (b".vr\r\n",)
