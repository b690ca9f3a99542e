"""Chafon and its many rebrands (UHFReader18, UHFReader288, RRU98xx, UHFReader86, E310, E710). Codec, no I/O.

Byte map (vendor manuals of UHFReader18, UHFReader288MP and RRU9813M; frames checked against field captures):

    command   LEN ADR CMD data...          CRClo CRChi     LEN = 4 + len(data), the bytes after LEN
    answer    LEN ADR CMD STATUS data...   CRClo CRChi     LEN = 5 + len(data)

    ADR       00 as delivered; FF in a command is for everybody, and the reader answers with its own
    CRC       CRC-16/MCRF4XX (polynomial 8408 reflected, initial FFFF) over LEN..data, low byte first

There is no header byte: any byte may be a LEN, so only the CRC tells a frame.

    CMD 21    get information: version 2, type 1, protocols 1, highest and lowest frequency 2, power 1, scan time 1;
              then, from the UHFReader288 on: antennas 1, reserved 2, antenna check 1
    CMD 01    inventory        UHFReader18   Num, Num x [Len, EPC]
    CMD 0F    single tag                     the same, Num = 1
    CMD 01    inventory        UHFReader288  Ant, Num, Num x [Len, EPC, RSSI]
    CMD EE    pushed unasked   UHFReader18   EPC                   an even number of bytes
                               UHFReader288  Ant, Len, EPC, RSSI   an odd number of bytes
              with STATUS 28   heartbeat: packets 4, antennas 4, total 4

    Ant       bit mask, bit 0 is antenna 1
    Len       bytes of the EPC; with bit 7 set (FastID) 12 bytes of TID follow the EPC within that length
    RSSI      one byte in a unit that no manual gives: never dBm
"""

from typing import NamedTuple

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind, foreign
from rfid_gateway.reads import TagRead

INVENTORY = 0x01
SINGLE_TAG = 0x0F
GET_INFORMATION = 0x21
SET_ACTIVE_MODE = 0x35
SET_REAL_TIME_MODE = 0x76
PUSH = 0xEE

EVERYBODY = 0xFF
"""Address that every reader answers to."""

MORE_FOLLOWS = 0x03
STATISTICS = 0x26
HEARTBEAT = 0x28

STATUS_WORDS = {
    0x00: "",
    0x01: "inventory done",
    0x02: "inventory timed out, part of the tags",
    MORE_FOLLOWS: "more tags follow",
    0x04: "the reader's memory is full, part of the tags",
    0x05: "wrong access password",
    STATISTICS: "statistics of the inventory",
    HEARTBEAT: "heartbeat",
    0xF8: "an antenna is missing or damaged",
    0xF9: "the command failed",
    0xFA: "poor communication with the tag",
    0xFB: "no tag",
    0xFC: "the tag returned an error",
    0xFD: "wrong length of the command",
    0xFE: "command unknown or damaged",
    0xFF: "wrong parameter",
}

_WITH_TAGS = frozenset({0x00, 0x01, 0x02, MORE_FOLLOWS, 0x04})
"""Statuses whose data may be tags."""

_SHORTEST = 4
"""Least LEN: a command without data."""

_LONGEST = {PUSH: 0x48}
"""Greatest LEN by command where it is known: Ant, Len, an EPC of 62 bytes and RSSI make 0x46. Else the byte's own
limit: an inventory answer may be full."""

_COMMANDS = frozenset(
    {
        0x00,  # in the answer to a command that arrived damaged
        *range(0x01, 0x20),  # tags
        *range(0x20, 0x80),  # the reader itself
        PUSH,
    },
)

_HEADER = 3
_CRC = 2
_TID_BYTES = 12
_FAST_ID = 0x80
_EPC_LONGEST = 62
"""Bytes: 31 words is the most that a Gen2 PC can announce."""


def crc16(data: bytes) -> int:
    """Compute CRC-16/MCRF4XX; over a whole frame with its CRC it is 0."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(byte: int) -> int:
    crc = byte
    for _ in range(8):
        crc = (crc >> 1) ^ (0x8408 if crc & 1 else 0)
    return crc


_CRC_TABLE = tuple(_crc_of_byte(byte) for byte in range(256))


def command(code: int, data: bytes = b"", address: int = EVERYBODY) -> bytes:
    """Build a command. To be written in one piece: the reader discards what pauses for 15 ms."""
    body = bytes((_SHORTEST + len(data), address, code)) + data
    return body + crc16(body).to_bytes(_CRC, "little")


def needed(buffer: bytearray) -> int | None:
    """Say how many bytes the frame at the buffer's start has, as far as its header tells (see FrameFormat)."""
    length = buffer[0]
    if length < _SHORTEST:
        return None
    if len(buffer) < _HEADER:
        return _HEADER
    code = buffer[2]
    if code not in _COMMANDS or length > _LONGEST.get(code, 0xFF):
        return None
    return length + 1


class Information(NamedTuple):
    """Answer to GET_INFORMATION."""

    firmware: str
    type_code: int
    has_antennas: bool
    """The answer is of the longer form, which came with the UHFReader288 and its Ant and RSSI bytes."""


def read_information(frame: Frame) -> Information | None:
    """Read what a reader says of itself; None where the frame is no such answer."""
    data = frame.raw[4:-_CRC]
    if frame.command != GET_INFORMATION or frame.status != 0 or len(data) < _INFORMATION:
        return None
    return Information(f"{data[0]}.{data[1]}", data[2], len(data) >= _INFORMATION_WITH_ANTENNAS)


_INFORMATION = 8
_INFORMATION_WITH_ANTENNAS = 12


class _Tag(NamedTuple):
    epc: bytes
    antenna_mask: int = 0
    rssi_raw: int | None = None
    tid: bytes | None = None


def _split_id(length: int, content: bytes) -> tuple[bytes, bytes | None] | None:
    """Part EPC from TID; None where this cannot be an EPC, which is 1 to 31 whole words."""
    with_tid = bool(length & _FAST_ID)
    epc = content[:-_TID_BYTES] if with_tid else content
    if not epc or len(epc) % 2 or len(epc) > _EPC_LONGEST:
        return None
    return epc, content[-_TID_BYTES:] if with_tid else None


def _tags(data: bytes, trailer: int) -> list[tuple[bytes, bytes | None, bytes]] | None:
    """Read `Num, Num x [Len, EPC, trailer bytes]`; None unless it fits to the byte."""
    found = []
    at = 1
    for _ in range(data[0]):
        if at >= len(data):
            return None
        end = at + 1 + (data[at] & ~_FAST_ID)
        parts = _split_id(data[at], data[at + 1 : end])
        if parts is None or end + trailer > len(data):
            return None
        found.append((*parts, data[end : end + trailer]))
        at = end + trailer
    return found if at == len(data) else None


def _plain_inventory(data: bytes) -> list[_Tag] | None:
    tags = _tags(data, trailer=0) if data else None
    return None if tags is None else [_Tag(epc, tid=tid) for epc, tid, _ in tags]


def _antenna_inventory(data: bytes) -> list[_Tag] | None:
    tags = _tags(data[1:], trailer=1) if len(data) > 1 else None
    return None if tags is None else [_Tag(epc, data[0], rssi[0], tid) for epc, tid, rssi in tags]


def _inventory(data: bytes) -> list[_Tag] | None:
    """Read either layout: the type byte is a hint at best, the length to the byte is proof.

    A body that fits both is read with antenna and RSSI: the plain reading would be EPCs of one word.
    """
    tags = _antenna_inventory(data)
    return _plain_inventory(data) if tags is None else tags


def _pushed(data: bytes) -> list[_Tag] | None:
    """EPCs are whole words, so the parity of the length tells the layout."""
    if len(data) % 2:
        return _antenna_inventory(data[:1] + b"\x01" + data[1:])
    parts = _split_id(0, data)
    return None if parts is None else [_Tag(parts[0])]


_READ_TAGS = {INVENTORY: _inventory, SINGLE_TAG: _inventory, PUSH: _pushed}


def parse(raw: bytes, seen_at: int) -> Frame:
    """Say what a verified frame means; `seen_at` (UTC, microseconds) becomes the time of its tag reads."""
    code = raw[2]
    if len(raw) == _HEADER + _CRC:
        return Frame(Kind.ANSWER, raw, code, detail="a command")
    status = raw[3]
    words = STATUS_WORDS.get(status, f"unknown status {status:02X}")
    if code == PUSH and status == HEARTBEAT:
        return Frame(Kind.HEARTBEAT, raw, code, status, words)
    data = raw[4:-_CRC]
    if code not in _READ_TAGS or status not in _WITH_TAGS or not data:
        return Frame(Kind.ANSWER, raw, code, status, words)
    tags = _READ_TAGS[code](data)
    if tags is None:
        return Frame(Kind.ANSWER, raw, code, status, "no layout of tags fits this data")
    reads = tuple(_tag_read(tag, seen_at) for tag in tags)
    return Frame(Kind.TAGS if reads else Kind.ANSWER, raw, code, status, words, reads)


def _tag_read(tag: _Tag, seen_at: int) -> TagRead:
    return TagRead(
        epc=tag.epc.hex().upper(),
        antenna_id=_antenna_id(tag.antenna_mask),
        first_seen=seen_at,
        last_seen=seen_at,
        rssi_raw=tag.rssi_raw,
        tid=tag.tid.hex().upper() if tag.tid else None,
    )


def _antenna_id(mask: int) -> int:
    """Number of the only antenna in a bit mask; 0 where it names several: the reader does not say which."""
    return mask.bit_length() if mask.bit_count() == 1 else 0


class ChafonDecoder:
    """Bytes of one connection to frames. Owned by its session."""

    def __init__(self, idle_gap_ms: int, address: int = EVERYBODY) -> None:
        self._address = address
        self._framer = Framer(FrameFormat(needed, lambda frame: crc16(frame) == 0), idle_gap_ms * US_PER_MS)

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
        if self._address not in (EVERYBODY, raw[1]):
            return foreign(raw, raw[2], raw[1])
        return parse(raw, seen_at)
