"""What is fuzzed: each target takes any bytes and raises only where the code under it breaks a promise. Pure.

The first bytes of an input choose how the rest is used (the state of a session, where segments are cut), so that the
fuzzer finds these ways by itself. Tests call the targets too: an input that once broke one becomes a unit test.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from rfid_drivers.llrp.control import decode_capabilities
from rfid_drivers.llrp.framing import Frame, Framer
from rfid_drivers.llrp.notifications import decode_notification, decode_status
from rfid_drivers.llrp.parameters import LlrpDecodeError
from rfid_drivers.llrp.reports import DecodedReport, ReportDecoder
from rfid_drivers.llrp.rospec import installed_specs
from rfid_drivers.serial.cfprime import CfPrimeReader
from rfid_drivers.serial.chafon import ChafonReader
from rfid_drivers.serial.gx5a import Gx5aReader
from rfid_drivers.serial.line import LineReader, Rdm6300Reader
from rfid_drivers.serial.m100 import M100Reader
from rfid_drivers.serial.mercury import MercuryReader
from rfid_drivers.serial.protocol import Decoder, Instant
from rfid_drivers.serial.protocol import Frame as SerialFrame
from rfid_drivers.serial.r2000 import R2000Reader
from rfid_drivers.serial.reader import SerialReader
from rfid_drivers.serial.session import Session as SerialSession
from rfid_drivers.serial.swct import SwctReader
from rfid_drivers.serial.tsl import TslReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import ReaderError
from tests.llrp_messages import OPTIONS, SECOND, UTC, greeting, ok, tag, usual_tag
from tests.llrp_messages import Dialogue as LlrpDialogue
from tests.llrp_plain_decoder import PlainReader, plain_reading

_START = Instant(utc=UTC, monotonic=5 * SECOND)
_QUIET = Instant(utc=UTC + SECOND, monotonic=6 * SECOND)


def framing(data: bytes) -> None:
    """Frames are the same however the stream is cut, and an error does not take the frames before it."""
    step, stream = _step(data)
    whole, error = Framer().feed(stream)
    framer = Framer()
    frames: list[Frame] = []
    broken: ReaderError | None = None
    for at in range(0, len(stream), step):
        if broken is None:
            more, broken = framer.feed(stream[at : at + step])
            frames += more
    assert frames == whole
    assert str(broken) == str(error)


def session(data: bytes) -> None:
    """A session in any state swallows any stream: `feed` never raises, `tick` only ReaderError."""
    if len(data) < 2:
        return
    ways = _STATES[data[0] % len(_STATES)]
    dialogue = ways()
    step, stream = _step(data[1:])
    under_test = dialogue.session
    for at in range(0, len(stream), max(step, len(stream) // 8)):
        dialogue.now += 1000 * step
        under_test.feed(stream[at : at + step], dialogue.now, UTC + dialogue.now)
        try:
            under_test.tick(dialogue.now)
        except ReaderError:
            return
        assert under_test.deadline >= 0
        under_test.data_to_send()
    under_test.close(dialogue.now)
    with suppress(ReaderError):
        under_test.tick(dialogue.now + 2 * SECOND)
        assert under_test.left


def conversation(data: bytes) -> None:
    """A session answers like any other, whatever stands in the answers: each request gets the next part of the input.

    Ends in ReaderError or in an inventory, never in anything else.
    """
    dialogue = LlrpDialogue(OPTIONS)
    pending = [data]

    def next_part(size: int) -> bytes:
        part, pending[0] = pending[0][:size], pending[0][size:]
        return part

    def answer(request: object) -> bytes:
        good = ok(request)  # type: ignore[arg-type]  # tests' own request type
        body = next_part(int.from_bytes(next_part(2)) % 1024)
        if not body:
            return good
        return good[:2] + (10 + len(body)).to_bytes(4) + good[6:10] + body

    dialogue.answers = dict.fromkeys(range(1024), answer)
    with suppress(ReaderError):
        dialogue.run()
        dialogue.wait(SECOND)


def reports(data: bytes) -> None:
    """The fast decoder says what a plain reader says, with and without what both have seen; it never raises."""
    assert list(_decoded(ReportDecoder(), data).tag_reads) == plain_reading(data, UTC)
    decoder, plain = ReportDecoder(), PlainReader()
    for body in (usual_tag(), data, data, data + data, usual_tag(), data):
        assert list(_decoded(decoder, body).tag_reads) == plain.reading(body, UTC)


def tags(data: bytes) -> None:
    """The same for reports whose tags have the right length: the input is what stands in them."""
    size, content = _step(data)
    reports(b"".join(tag(content[at : at + size]) for at in range(0, len(content), size)))


def control_messages(data: bytes) -> None:
    """Control messages are decoded or refused with LlrpDecodeError."""
    for decode in (decode_notification, decode_status, decode_capabilities, installed_specs):
        with suppress(LlrpDecodeError):
            decode(data)


def serial(ways: tuple[SerialReader[Any], ...], data: bytes) -> None:
    """A serial protocol's frames are the same however the stream is cut, and its session only raises ReaderError.

    The first byte chooses the reader's options, the second how fast the stream comes: pieces of up to 64 bytes, and
    after each a pause of up to a second, so that answers arrive at any point of the dialogue.
    """
    if len(data) < 2:
        return
    reader = ways[data[0] % len(ways)]
    size, pause_us = 1 + data[1] % 64, _PAUSES_US[data[1] // 64]
    stream = data[2:]
    whole = _serial_frames(reader.decoder(), [stream])
    assert _serial_frames(reader.decoder(), [bytes((byte,)) for byte in stream]) == whole
    conversation = SerialSession(reader.decoder(), reader.dialogue(), reader.options, _START)
    now = _START
    with suppress(ReaderError):
        for at in range(0, len(stream), size):
            now = Instant(now.utc + pause_us, now.monotonic + pause_us)
            conversation.advance(stream[at : at + size], now)
            conversation.advance(b"", now)


_PAUSES_US = (1_000, 50_000, 300_000, SECOND)


def _serial_frames(decoder: Decoder, chunks: list[bytes]) -> list[SerialFrame]:
    items = [item for chunk in chunks for item in decoder.feed(chunk, _START)]
    return [item for item in items + decoder.feed(b"", _QUIET) if isinstance(item, SerialFrame)]


def _decoded(decoder: ReportDecoder, data: bytes) -> DecodedReport:
    return decoder.decode(data, UTC)


def _step(data: bytes) -> tuple[int, bytes]:
    """Take one byte as a size of at least 1."""
    return (data[0] or 1, data[1:]) if data else (1, b"")


def _greeting() -> LlrpDialogue:
    return LlrpDialogue(OPTIONS)


def _setting_up() -> LlrpDialogue:
    dialogue = LlrpDialogue(OPTIONS)
    dialogue.session.feed(greeting(), 0, UTC)
    dialogue.session.data_to_send()
    return dialogue


def _running() -> LlrpDialogue:
    return LlrpDialogue(OPTIONS).run()


def _leaving() -> LlrpDialogue:
    dialogue = LlrpDialogue(OPTIONS).run()
    dialogue.session.close(dialogue.now)
    return dialogue


_STATES = (_greeting, _setting_up, _running, _leaving)


def _ways(kind: type[SerialReader[Any]], *options: dict[str, object]) -> tuple[SerialReader[Any], ...]:
    """One reader, never run, for each set of options."""
    ports = [{"port": "/dev/ttyS0"} | one for one in options or ({},)]
    return tuple(kind("fuzzed", kind.Options.model_validate(one), SystemClock()) for one in ports)


SERIAL: dict[str, tuple[SerialReader[Any], ...]] = {
    "cfprime": _ways(CfPrimeReader, {}, {"mode": "start"}),
    "chafon": _ways(ChafonReader, {}, {"mode": "poll"}, {"push_command": "real_time"}),
    "gx5a": _ways(Gx5aReader, {}, {"address": 3, "phase_steps": 128}),
    "line": _ways(
        LineReader,
        {},
        {"line_ends": "", "doubled_epc": True},
        {"epc_format": "decimal", "regex": r"(?P<epc>\d+),(?P<antenna>\d*),(?P<rssi>[-\d.]*)"},
    ),
    "m100": _ways(M100Reader, {}, {"region": "EU", "power_dbm": 20}, {"framing": "aa"}),
    "mercury": _ways(MercuryReader, {}, {"power_dbm": 20}),
    "r2000": _ways(R2000Reader, {}, {"antennas": [1, 2], "power_dbm": 25, "session": 1}, {"address": 255}),
    "rdm6300": _ways(Rdm6300Reader),
    "swct": _ways(SwctReader, {}, {"mode": "poll"}, {"acknowledge": True}),
    "tsl": _ways(TslReader, {}, {"mode": "trigger"}),
}
"""Every serial protocol with the options that change what is decoded or said."""

TARGETS: dict[str, Callable[[bytes], None]] = {
    **{target.__name__: target for target in (framing, session, conversation, reports, tags, control_messages)},
    **{name: partial(serial, ways) for name, ways in SERIAL.items()},
}
