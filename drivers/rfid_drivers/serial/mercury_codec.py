"""ThingMagic and JADAK modules (M6e, M6e Nano, M7E) and Silion's (SIM, SLR). Codec, no I/O.

Byte map (vendor's programming guides; frames checked against captures of M5e, M6e Nano and Silion modules):

    command   FF LEN OP data...                    CRChi CRClo     LEN = bytes of data
    answer    FF LEN OP STATUShi STATUSlo data...  CRChi CRClo     LEN = bytes of data: the status is not counted

    CRC       polynomial 1021, initial FFFF, over LEN..data, the message shifted in at the low end and without the
              16 zero bits that CRC-16/CCITT-FALSE ends with: not the same, whatever the manuals call it

Nothing in a frame tells a command from an answer but which length makes the CRC right. An answer that carries tags
is never tried as a command: its bytes vary, and one in 65 536 would fit.

    OP 22, LEN 0, status 0400    keep-alive, once a cycle of about a second
    OP 22, LEN 0, other status   a fault: too hot, return loss
    OP 22, status 0000           option 1, search flags 2, metadata flags 2 where option has bit 10, type 1, then by
                                 type: 00 the stream has ended, 01 a tag, 02 the module's state
    tag                          metadata in the order of its flags, each only where its flag is set:
        0001 read count 1    0002 RSSI 1 (dBm, signed)    0004 antenna 1 (transmitting, receiving: 4 bits each)
        0008 frequency 3 (kHz)    0010 time 4 (ms since the keep-alive)    0020 phase 2 (degrees)    0040 protocol 1
        0080 tag memory: bits 2, then bytes    0100 inputs 1
                                 then bits 2, and as many bits of PC, XPC words, EPC, CRC
    OP 21, status 0000           one tag alone: EPC, CRC
    OP 03, 04                    bootloader 4, hardware 4, date 4, firmware 4, protocols 4
    OP 0C                        running program 1: low two bits 01 bootloader, 02 application
    OP 2F                        01 the stream has begun, 02 it has ended
"""

import binascii
import math
from collections.abc import Callable
from typing import NamedTuple

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.gen2 import split_backscatter
from rfid_drivers.serial.mercury_status import NO_TAG, status_words
from rfid_drivers.serial.mercury_time import CycleTime
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind
from rfid_gateway.reads import TagRead

GET_VERSION = 0x03
BOOT = 0x04
GET_PROGRAM = 0x0C
READ_ONE = 0x21
READ = 0x22
GET_TAGS = 0x29
STREAM = 0x2F
SET_ANTENNAS = 0x91
SET_POWER = 0x92
SET_PROTOCOL = 0x93
SET_REGION = 0x97
SET_OPTION = 0x9A
AUTONOMOUS = 0x9D

_TAG_OPCODES = frozenset({READ_ONE, READ, GET_TAGS})

_OPCODES = frozenset(
    {
        *range(0x01, 0x11),  # firmware
        *range(0x21, 0x30),  # tags
        *range(0x61, 0x80),  # questions
        *range(0x90, 0xA0),  # settings
        0xAA,  # Silion's own
        *range(0xC0, 0xCA),  # tests of the radio
    },
)

_HEAD = 0xFF
_COMMAND = 5
_ANSWER = 7
"""Bytes of a frame besides its data."""
_DATA = 5
"""Where an answer's data begins."""
_CRC = 2
_LONGEST = 249
"""Greatest LEN: a module's frame has 256 bytes at most."""

_CRC_INITIAL = binascii.crc_hqx(b"\x00\x00", 0xFFFF)
"""Initial value after which the ordinary CRC, two bytes short, equals the module's before those two are added."""


def crc16(data: bytes) -> int:
    """Compute the module's CRC over LEN..data, two bytes or more (see the byte map)."""
    return binascii.crc_hqx(data[:-2], _CRC_INITIAL) ^ int.from_bytes(data[-2:], "big")


def command(code: int, data: bytes = b"") -> bytes:
    """Build a command."""
    body = bytes((len(data), code)) + data
    return bytes((_HEAD,)) + body + crc16(body).to_bytes(_CRC, "big")


def needed(buffer: bytearray) -> int | None:
    """Say how many bytes the frame at the buffer's start has, as far as its bytes tell (see FrameFormat)."""
    if buffer[0] != _HEAD or (len(buffer) > 1 and buffer[1] > _LONGEST):
        return None
    if len(buffer) > 2 and buffer[2] not in _OPCODES:  # noqa: PLR2004 - its place in the frame
        return None
    if len(buffer) < _COMMAND:
        return _COMMAND
    length = buffer[1]
    if buffer[2] in _TAG_OPCODES and buffer[3:5] == b"\x00\x00":
        return length + _ANSWER
    as_command = length + _COMMAND
    if len(buffer) < as_command or verifies(bytes(buffer[:as_command])):
        return as_command
    return length + _ANSWER


def verifies(raw: bytes) -> bool:
    """Whether a candidate's CRC is right."""
    return crc16(raw[1:-_CRC]) == int.from_bytes(raw[-_CRC:], "big")


class Metadata(NamedTuple):
    """What a module says of one read besides the tag's own bytes; None where it does not."""

    read_count: int = 1
    rssi: int | None = None
    antenna: int = 0
    frequency_khz: int | None = None
    time_ms: int | None = None
    phase_degrees: int | None = None


_FIELDS = (
    (0x0001, 1, "read_count"),
    (0x0002, 1, "rssi"),
    (0x0004, 1, "antenna"),
    (0x0008, 3, "frequency_khz"),
    (0x0010, 4, "time_ms"),
    (0x0020, 2, "phase_degrees"),
    (0x0040, 1, ""),
)
"""Flag, bytes and name, in the order on the wire; no name: not used."""

_MEMORY = 0x0080
_INPUTS = 0x0100

ALL_METADATA = 0x01FF
WITH_METADATA = 0x10
"""Bit of an option: metadata flags follow."""


def read_metadata(flags: int, data: bytes) -> tuple[Metadata, bytes] | None:
    """Read the metadata that flags announce; give them and what follows, None where they are not all there."""
    found: dict[str, int] = {}
    at = 0
    for flag, size, name in _FIELDS:
        if flags & flag:
            if name:
                found[name] = int.from_bytes(data[at : at + size], "big", signed=name == "rssi")
            at += size
    if flags & _MEMORY:
        at += 2 + (int.from_bytes(data[at : at + 2], "big") + 7) // 8
    if flags & _INPUTS:
        at += 1
    if flags & ~ALL_METADATA or at > len(data):
        return None
    return Metadata(**found), data[at:]


Placed = Callable[[int | None], int]
"""Says when (UTC, microseconds) a tag was read, by the module's count of milliseconds."""


def parse(raw: bytes, placed: Placed) -> Frame:
    """Say what a verified frame means; `placed` gives the times of its tag reads."""
    code = raw[2]
    if len(raw) == raw[1] + _COMMAND:
        return Frame(Kind.ANSWER, raw, code, detail="a command")
    status = int.from_bytes(raw[3:5], "big")
    data = raw[_DATA:-_CRC]
    if status == 0 and code == READ and data:
        return _streamed(raw, data, placed)
    if status == 0 and code == READ_ONE and data:
        return _single(raw, data, placed)
    kind = Kind.HEARTBEAT if code == READ and status == NO_TAG else Kind.ANSWER
    words = status_words(status)
    if code == AUTONOMOUS and not words:
        words = "the module reads by itself (autonomous mode)"
    text = data.decode("ascii", "replace").strip("\0 ") if status >> 8 == _INTERNAL else ""
    return Frame(kind, raw, code, status, f"{words}: {text}" if text else words)


_INTERNAL = 0x7F
"""Family of statuses whose data is text."""


_ENDED, _TAG, _STATE = 0, 1, 2


def _streamed(raw: bytes, data: bytes, placed: Placed) -> Frame:
    """Read one answer of a stream: option 1, search flags 2, metadata flags 2, type 1, record."""
    record = data[6:]
    if not data[0] & WITH_METADATA or len(data) < 6:  # noqa: PLR2004 - see above
        return Frame(Kind.ANSWER, raw, READ, 0)
    kind = data[5]
    if kind == _STATE:
        return Frame(Kind.HEARTBEAT, raw, READ, 0, "state of the module")
    if kind == _ENDED:
        return Frame(Kind.ANSWER, raw, READ, 0, STREAM_ENDED)
    found = read_metadata(int.from_bytes(data[3:5], "big"), record) if kind == _TAG else None
    if found is None:
        return _no_tag_fits(raw, READ)
    metadata, rest = found
    bits, reply = int.from_bytes(rest[:2], "big"), rest[2:]
    tag = split_backscatter(reply)
    if tag is None or bits != 8 * len(reply):
        return _no_tag_fits(raw, READ)
    seen_at = placed(metadata.time_ms)
    read = TagRead(
        epc=tag.epc.hex().upper(),
        antenna_id=metadata.antenna >> 4,
        first_seen=seen_at,
        last_seen=seen_at,
        peak_rssi=None if metadata.rssi is None else float(metadata.rssi),
        tag_seen_count=max(1, metadata.read_count),
        pc=tag.pc,
        phase=None if metadata.phase_degrees is None else math.radians(metadata.phase_degrees % 360),
        channel=None if metadata.frequency_khz is None else channel(metadata.frequency_khz),
    )
    # The frame's own CRC was right, so a wrong one of the tag is a tag that changed its PC after it was written.
    return Frame(Kind.TAGS, raw, READ, 0, "" if tag.crc_fits else "the tag's own CRC is wrong", (read,))


STREAM_ENDED = "the stream has ended"


def _single(raw: bytes, data: bytes, placed: Placed) -> Frame:
    """Read EPC and CRC; the PC, which is not sent, is the one of a plain tag if the CRC says so."""
    pc = (len(data) - _CRC) // 2 << 11
    tag = split_backscatter(pc.to_bytes(2, "big") + data) if 0 <= pc <= _PC_LONGEST else None
    if tag is None or not tag.crc_fits:
        return Frame(Kind.ANSWER, raw, READ_ONE, 0)
    seen_at = placed(None)
    read = TagRead(tag.epc.hex().upper(), 0, seen_at, seen_at, pc=pc)
    return Frame(Kind.TAGS, raw, READ_ONE, 0, tag_reads=(read,))


_PC_LONGEST = 31 << 11


def _no_tag_fits(raw: bytes, code: int) -> Frame:
    return Frame(Kind.ANSWER, raw, code, 0, "no layout of a tag fits this data")


_CHANNEL_BASE_KHZ = 840_000
_CHANNEL_STEP_KHZ = 25


def channel(frequency_khz: int) -> int:
    """Number a frequency: steps of 25 kHz above 840 MHz, of which every region's channels are multiples.

    The module itself does not count channels; this numbering is the same in all regions, and no two channels share
    a number.
    """
    return (frequency_khz - _CHANNEL_BASE_KHZ) // _CHANNEL_STEP_KHZ


class Version(NamedTuple):
    """Answer to GET_VERSION or BOOT."""

    hardware: int
    """First byte of the hardware's four: the model."""
    firmware: str


_VERSION_BYTES = 20


def read_version(frame: Frame) -> Version | None:
    """Read what a module says of itself; None where the frame is no such answer."""
    data = frame.raw[_DATA:-_CRC]
    if frame.command not in (GET_VERSION, BOOT) or frame.status != 0 or len(data) < _VERSION_BYTES:
        return None
    return Version(data[4], ".".join(f"{byte:02X}" for byte in data[12:16]))


def is_bootloader(program: bytes) -> bool:
    """Whether the data of an answer to GET_PROGRAM names the bootloader."""
    return bool(program) and program[0] & 0x03 == 1


def answer_data(frame: Frame) -> bytes:
    """Give an answer's data; none where the frame is a command."""
    return b"" if frame.status is None else frame.raw[_DATA:-_CRC]


class MercuryDecoder:
    """Bytes of one connection to frames. Owned by its session."""

    def __init__(self, idle_gap_ms: int) -> None:
        self._framer = Framer(FrameFormat(needed, verifies), idle_gap_ms * US_PER_MS)
        self._time = CycleTime()

    @property
    def counters(self) -> Counters:
        """What the line has carried."""
        return self._framer.counters

    def feed(self, data: bytes, at: Instant) -> list[Frame | Rejected]:
        """Take what arrived; give what is complete."""
        return [
            item if isinstance(item, Rejected) else self._parse(item, at.utc)
            for item in self._framer.feed(data, at.monotonic)
        ]

    def _parse(self, raw: bytes, arrived: int) -> Frame:
        frame = parse(raw, lambda count: arrived if count is None else self._time.place(count, arrived))
        if frame.kind is Kind.HEARTBEAT and frame.status == NO_TAG:
            self._time.cycle_ended()
        return frame
