import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.line import LineDecoder, LineDialogue, LineOptions, Rdm6300Options
from rfid_drivers.serial.protocol import Frame, Instant, Kind
from rfid_drivers.serial.session import Session
from rfid_gateway.driver import ReaderError

START = Instant(utc=1_700_000_000_000_000, monotonic=5_000_000)
QUIET = Instant(utc=START.utc + 300_000, monotonic=START.monotonic + 300_000)

EPC = "E28068940000502C6FE618BB"


def line_options(**options: Any) -> LineOptions:
    return LineOptions(port="/dev/ttyS0", **options)


def decode(options: LineOptions, data: bytes) -> list[Frame | Rejected]:
    decoder = LineDecoder(options)
    return decoder.feed(data, START) + decoder.feed(b"", QUIET)


def epcs(items: list[Frame | Rejected]) -> list[str]:
    return [read.epc for item in items if isinstance(item, Frame) for read in item.tag_reads]


def reasons(items: list[Frame | Rejected]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


RDM = Rdm6300Options(port="/dev/ttyS0")
CARD = b"\x026F00538E12" + f"{0x6F ^ 0x00 ^ 0x53 ^ 0x8E ^ 0x12:02X}".encode() + b"\x03"


def test_every_rdm6300_vector_gives_its_tag_and_none_with_a_wrong_digit(shared: Path) -> None:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    known = [vector for vector in known if vector["protocol"] == "rdm6300_ascii"]
    assert len(known) >= 2
    for vector in known:
        raw = bytes.fromhex(vector["hex"])
        assert epcs(decode(RDM, raw)) == [raw[1:11].decode()]
        wrong = bytes((raw[1] ^ 1,))
        assert epcs(decode(RDM, raw[:1] + wrong + raw[2:])) == []


def test_an_rdm6300_stream_decodes_the_same_one_byte_at_a_time() -> None:
    decoder = LineDecoder(RDM)
    slowly = [item for byte in CARD * 3 for item in decoder.feed(bytes((byte,)), START)]
    assert epcs(slowly) == ["6F00538E12"] * 3


@pytest.mark.parametrize("offset", range(1, len(CARD)))
def test_joining_an_rdm6300_stream_at_any_offset_loses_only_the_line_that_was_cut(offset: int) -> None:
    assert epcs(decode(RDM, (CARD * 5)[offset:])) == ["6F00538E12"] * 4


def test_any_of_the_usual_characters_ends_a_line() -> None:
    data = f"{EPC}\r\n{EPC}\n{EPC}\0{EPC}\x03{EPC}\r".encode()
    assert epcs(decode(line_options(), data)) == [EPC] * 5


def test_lines_between_stx_and_etx_need_no_configuration() -> None:
    assert epcs(decode(line_options(), f"\x02{EPC}\x03\x02{EPC}\r\n\x03".encode())) == [EPC, EPC]


def test_a_line_whose_end_was_lost_does_not_join_the_next_line() -> None:
    decoder = LineDecoder(line_options())
    assert decoder.feed(EPC[:16].encode(), START) == []
    items = decoder.feed(f"{EPC}\r".encode(), QUIET)
    assert epcs(items) == [EPC]
    assert reasons(items) == ["the line fell quiet before its end"]


def test_without_delimiters_a_pause_ends_a_line() -> None:
    decoder = LineDecoder(line_options(line_ends=""))
    assert decoder.feed(EPC[:10].encode(), START) == []
    assert decoder.feed(EPC[10:].encode(), Instant(0, START.monotonic + 199_999)) == []
    assert epcs(decoder.feed(b"", Instant(0, START.monotonic + 400_000))) == [EPC]


def test_named_groups_give_antenna_rssi_and_count() -> None:
    options = line_options(regex=r"ANT(?P<antenna>\d),(?P<epc>[0-9A-F]{24}),(?P<rssi>-?[\d.]+),x(?P<count>\d+)")
    (frame,) = decode(options, f"ANT2,{EPC},-61.5,x7\r\n".encode())
    assert isinstance(frame, Frame)
    (read,) = frame.tag_reads
    assert (read.epc, read.antenna_id, read.peak_rssi, read.tag_seen_count) == (EPC, 2, -61.5, 7)
    assert read.first_seen == START.utc


def test_a_raw_rssi_is_never_called_dbm() -> None:
    options = line_options(regex=r"(?P<epc>[0-9A-F]{24});(?P<rssi>\d+)", rssi_unit="raw")
    (frame,) = decode(options, f"{EPC};107\n".encode())
    assert isinstance(frame, Frame)
    assert (frame.tag_reads[0].peak_rssi, frame.tag_reads[0].rssi_raw) == (None, 107)


def test_a_doubled_epc_is_taken_once_where_that_is_configured() -> None:
    assert epcs(decode(line_options(doubled_epc=True), f"{EPC}{EPC}\r{EPC}\r".encode())) == [EPC, EPC]
    assert epcs(decode(line_options(), f"{EPC}{EPC}\r".encode())) == [EPC + EPC]


@pytest.mark.parametrize(
    ("epc_format", "regex", "text", "expected"),
    [
        ("hex", r"(?P<epc>.+)", "e2-80 68:94", "E2806894"),
        ("hex_reversed", r"(?P<epc>.+)", "946880E2", "E2806894"),
        ("decimal", r"(?P<epc>\d+)", "0005476882", "00539212"),
    ],
)
def test_an_epc_is_read_as_it_is_written(epc_format: str, regex: str, text: str, expected: str) -> None:
    assert epcs(decode(line_options(epc_format=epc_format, regex=regex), f"{text}\r".encode())) == [expected]


def test_ignored_lines_and_heartbeats_are_signs_of_life_and_everything_else_is_rejected() -> None:
    options = line_options(ignore=[r"NOREAD", r"FW .*"], heartbeat=r"ALIVE \d+")
    items = decode(options, b"FW 1.2\r\nALIVE 3\r\nNOREAD\r\nhello\r\n")
    assert [item.kind for item in items if isinstance(item, Frame)] == [Kind.IGNORED, Kind.HEARTBEAT, Kind.IGNORED]
    assert reasons(items) == ["the line does not match the regular expression"]


@pytest.mark.parametrize(
    ("regex", "line", "reason"),
    [
        (r"(?P<epc>\w+)", b"XYZ1", r"EPC 'XYZ1' is not hex"),
        (r"(?P<epc>\w+) (?P<antenna>\w+)", b"E280 two", "invalid literal"),
        (r"(?P<epc>\w*);", b";", "the EPC is empty"),
        (r"(?P<epc>\w+)", b"\xe2\x80", "no ascii text"),
    ],
)
def test_a_line_that_cannot_be_a_tag_is_rejected_with_the_reason(regex: str, line: bytes, reason: str) -> None:
    items = decode(line_options(regex=regex), line + b"\r" + f"{EPC};\r".encode())
    assert reason in reasons(items)[0]


def test_an_endless_line_is_rejected_in_pieces_and_the_next_line_is_read() -> None:
    items = decode(line_options(max_line=64), b"A" * 1000 + b"\r" + EPC.encode() + b"\r")
    assert epcs(items) == [EPC]
    assert reasons(items)[0] == "longer than 64 bytes"


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_no_bytes_at_all_break_the_decoder(chunks: list[bytes]) -> None:
    decoder = LineDecoder(RDM)
    for chunk in chunks:
        decoder.feed(chunk, START)
    assert epcs(decoder.feed(b"\x03" + CARD, QUIET))[-1:] == ["6F00538E12"]


@given(st.binary(max_size=12).filter(lambda junk: not set(junk) & {2, 3}))
def test_junk_before_a_start_character_harms_no_line(junk: bytes) -> None:
    assert epcs(decode(RDM, junk + CARD)) == ["6F00538E12"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"regex": "(?P<epc>["}, "no regular expression: unterminated character set at position 8"),
        ({"regex": "[0-9A-F]+"}, r"needs a group \(\?P<epc>"),
        ({"regex": "(?P<epc>.*)(?P<time>.*)"}, "unknown: time"),
        ({"init": "\u20ac"}, "each stands for one byte"),
        ({"ignore": ["("]}, "no regular expression"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_wrong(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        line_options(**options)


def session(options: LineOptions) -> Session:
    return Session(LineDecoder(options), LineDialogue(options), options, at(0))


def at(ms: int) -> Instant:
    return Instant(START.utc + ms * 1000, START.monotonic + ms * 1000)


def test_a_reader_is_initialised_once_and_polled_in_its_interval() -> None:
    talking = session(line_options(init="MODE 1\r", poll="R\r", poll_interval_ms=500))
    sent = [(ms, talking.advance(b"", at(ms)).send) for ms in range(0, 1600, 50)]
    assert [(ms, send) for ms, send in sent if send] == [
        (0, (b"MODE 1\r",)),
        (500, (b"R\r",)),
        (1000, (b"R\r",)),
        (1500, (b"R\r",)),
    ]


def test_a_reader_without_a_heartbeat_may_be_silent_for_ever_and_one_with_a_time_limit_may_not() -> None:
    assert session(line_options()).advance(b"", at(86_400_000)).send == ()
    watched = session(line_options(heartbeat="ALIVE", silence_timeout_s=5.0))
    assert watched.advance(b"ALIVE\r", at(4000)).health is not None
    watched.advance(b"", at(8999))
    with pytest.raises(ReaderError, match="nothing understood from the reader for 5"):
        watched.advance(b"", at(9000))
