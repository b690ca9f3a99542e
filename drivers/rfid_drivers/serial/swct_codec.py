"""Readers that speak SW/CT (53 57 asks, 43 54 answers; many unbranded integrated readers). Codec, no I/O.

Byte map (vendor manual "UHF RFID Reader User's Manual" V2.0; frames checked against its examples):

    command   53 57 LEN 2 ADR CMD data...          CHK      LEN = 3 + len(data), high byte first: what follows it
    answer    43 54 LEN 2 ADR CMD STATUS data...   CHK      LEN = 4 + len(data)

    CHK       makes the sum of the whole frame 0 (modulo 256)
    ADR       00 as delivered; FF in a command is for everybody, and the reader answers with its own
    STATUS    01 success, 00 failure: the other way round than in any other protocol here

    CMD 01    one inventory           number of tags 2, tags; without a tag STATUS is 00
    CMD 10    get who the reader is   software, hardware, serial number 7
    CMD 40    stop sending tags       no data
    CMD 41    start to send tags      no data
    CMD 45    tags, sent unasked      serial number 7, number of tags 1, tags; as a command: they have arrived
    CMD FF    heartbeat, sent unasked serial number 7
      a tag   length 1, type 1, antenna 1, EPC, RSSI 1      the length counts what follows it: 0F for 12 bytes of EPC

    antenna   counted from 1
    RSSI      without a unit

A checksum of eight bits lets one damaged frame in 256 pass. So a frame of tags also has to be filled by as many tags as
it announces, to the byte, and no frame may hold the head of another of its own kind, as two frames do that were joined
by a loss. (The price: an EPC with these four bytes at the right distance is not read, of random ones one in hundreds of
millions.)
"""

from typing import NamedTuple

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.gen2 import EPC_LONGEST
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind, foreign
from rfid_gateway.reads import TagRead

INVENTORY = 0x01
GET_INFORMATION = 0x10
STOP_SENDING = 0x40
START_SENDING = 0x41
SENT_TAGS = 0x45
HEARTBEAT = 0xFF

EVERYBODY = 0xFF
"""Address that every reader answers to."""

FAILURE = 0x00
SUCCESS = 0x01

STATUS_WORDS = {FAILURE: "the command failed", SUCCESS: ""}

_COMMAND_HEAD = b"\x53\x57"
_ANSWER_HEAD = b"\x43\x54"
_HEADER = 4
_CHECK = 1
_ADDRESS_AT = 4
_CODE_AT = 5
_STATUS_AT = 6
_DATA_AT = 7
_LEAST_LENGTH = {_COMMAND_HEAD: 3, _ANSWER_HEAD: 4}
_GREATEST_LENGTH = {_COMMAND_HEAD: 0x60, _ANSWER_HEAD: 0x1000}
"""Ours, of LEN: 200 tags with 12 bytes of EPC have 0CAE."""
_SERIAL_NUMBER = 7
_TAG_OVERHEAD = 3
"""Length of a tag less its EPC: type, antenna, RSSI."""

_COMMANDS = frozenset({*range(0x01, 0x90), *range(0xE0, 0xF0), HEARTBEAT})

_TAGS_AT = {INVENTORY: (_DATA_AT, 2), SENT_TAGS: (_DATA_AT + _SERIAL_NUMBER, 1)}
"""Where the number of tags stands and how many bytes it has."""


def checksum(data: bytes) -> int:
    """Compute the byte that makes the sum 0."""
    return -sum(data) & 0xFF


def command(code: int, data: bytes = b"", address: int = EVERYBODY) -> bytes:
    """Build a command."""
    length = _LEAST_LENGTH[_COMMAND_HEAD] + len(data)
    body = _COMMAND_HEAD + length.to_bytes(2, "big") + bytes((address, code)) + data
    return body + bytes((checksum(body),))


def needed(buffer: bytearray) -> int | None:
    """Say how many bytes the frame at the buffer's start has, as far as its header tells (see FrameFormat)."""
    head = bytes(buffer[:2])
    if not any(known.startswith(head) for known in _LEAST_LENGTH):
        return None
    if len(buffer) < _HEADER:
        return _HEADER
    length = _length(buffer)
    if not _LEAST_LENGTH[head] <= length <= _GREATEST_LENGTH[head]:
        return None
    if len(buffer) > _CODE_AT and buffer[_CODE_AT] not in _COMMANDS:
        return None
    return _HEADER + length


def _length(frame: bytes | bytearray) -> int:
    return frame[2] << 8 | frame[3]


def _verifies(frame: bytes) -> bool:
    if sum(frame) & 0xFF or frame[_CODE_AT] not in _COMMANDS or _holds_a_head(frame):
        return False
    return not _has_tags(frame) or _tags(frame) is not None


def _holds_a_head(frame: bytes) -> bool:
    """Whether a frame of the same kind from the same reader seems to begin within this one."""
    at = frame.find(frame[:2], 1)
    while at != -1:
        if frame[at + _ADDRESS_AT : at + _STATUS_AT] == frame[_ADDRESS_AT:_STATUS_AT]:
            return True
        at = frame.find(frame[:2], at + 1)
    return False


def _has_tags(frame: bytes) -> bool:
    return frame[:2] == _ANSWER_HEAD and frame[_CODE_AT] in _TAGS_AT and frame[_STATUS_AT] == SUCCESS


class _Tag(NamedTuple):
    """One tag of a frame."""

    antenna: int
    epc: bytes
    rssi: int


def _tags(frame: bytes) -> list[_Tag] | None:
    """Part a frame of tags; None unless it is filled by as many as it announces."""
    at, width = _TAGS_AT[frame[_CODE_AT]]
    announced = int.from_bytes(frame[at : at + width], "big")
    rest = frame[at + width : -_CHECK]
    tags = []
    while rest:
        record = rest[1 : 1 + rest[0]]
        epc = record[2:-1]
        if len(record) < rest[0] or not 0 < len(epc) <= EPC_LONGEST or len(epc) % 2:
            return None
        tags.append(_Tag(record[1], epc, record[-1]))
        rest = rest[1 + len(record) :]
    return tags if len(frame) > at + width and len(tags) == announced else None


class Information(NamedTuple):
    """Answer to GET_INFORMATION."""

    software: str
    hardware: str
    serial_number: str


def read_information(frame: Frame) -> Information | None:
    """Read what a reader says of itself; None where the frame is no such answer.

    Firmware gives the two versions one byte each or two: what precedes the serial number is halved.
    """
    data = frame.raw[_DATA_AT:-_CHECK]
    versions = len(data) - _SERIAL_NUMBER
    if frame.command != GET_INFORMATION or frame.status != SUCCESS or versions < 2 or versions % 2:  # noqa: PLR2004 - two versions
        return None
    half = versions // 2
    return Information(data[:half].hex(), data[half:versions].hex(), data[versions:].hex().upper())


def parse(raw: bytes, seen_at: int) -> Frame:
    """Say what a verified frame means; `seen_at` (UTC, microseconds) becomes the time of its tag reads."""
    code = raw[_CODE_AT]
    if raw[:2] == _COMMAND_HEAD:
        return Frame(Kind.ANSWER, raw, code, detail="a command")
    status = raw[_STATUS_AT]
    if code == INVENTORY and status == FAILURE:
        return Frame(Kind.ANSWER, raw, code, status, "no tag")
    words = STATUS_WORDS.get(status, f"unknown status {status:02X}")
    if code == HEARTBEAT:
        return Frame(Kind.HEARTBEAT, raw, code, status, words)
    tags = (_tags(raw) or []) if _has_tags(raw) else []
    reads = tuple(_tag_read(tag, seen_at) for tag in tags)
    return Frame(Kind.TAGS if reads else Kind.ANSWER, raw, code, status, words, reads)


def _tag_read(tag: _Tag, seen_at: int) -> TagRead:
    return TagRead(
        epc=tag.epc.hex().upper(),
        antenna_id=tag.antenna,
        first_seen=seen_at,
        last_seen=seen_at,
        rssi_raw=tag.rssi,
    )


class SwctDecoder:
    """Bytes of one connection to frames. Owned by its session."""

    def __init__(self, idle_gap_ms: int, address: int = EVERYBODY) -> None:
        self._address = address
        self._framer = Framer(FrameFormat(needed, _verifies), idle_gap_ms * US_PER_MS)

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

    def _parse(self, raw: bytes, seen_at: int) -> Frame:
        if self._address not in (EVERYBODY, raw[_ADDRESS_AT]):
            return foreign(raw, raw[_CODE_AT], raw[_ADDRESS_AT])
        return parse(raw, seen_at)
