"""Chafon readers of the generation "UHF Prime" (CF59x, 60x, 61x, 81x; gates). Codec, no I/O.

Byte map (vendor manual "UHF Prime Reader" V1.3; frames checked against field captures):

    command   CF ADR CMD 2 LEN data...          CRChi CRClo     LEN = len(data)
    answer    CF ADR CMD 2 LEN STATUS data...   CRChi CRClo     LEN = 1 + len(data)

    ADR       00 as delivered; FF in a command is for everybody, and the reader answers with its own
    CRC       CRC-16/MCRF4XX (polynomial 8408 reflected, initial FFFF) over CF..data, *high* byte first: the sibling
              protocol in `chafon_codec.py` sends the low one first

    CMD 0001  start an inventory      how it ends 1 (0 after a time, 1 after rounds), that number 4; 0 goes on for ever
              a tag, asked or unasked: RSSI 2, antenna 1, channel 1, length 1, EPC
              the end: status 12, no data
    CMD 0002  stop the inventory
    CMD 0070  get who the reader is   hardware 32, firmware 32, serial number 12, module version 32, module 32,
                                      its serial number 12; texts, filled up with zeros
    CMD 0072  get all parameters      the third is the work mode: 0 answers only, 1 sends tags unasked, 2 on a trigger

    RSSI      signed, 0.1 dBm
    antenna   counted from 1

Some firmware sends 00 00 when a TCP client connects: no frame begins like that, so it is passed over.
"""

from typing import NamedTuple

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind, foreign
from rfid_gateway.reads import TagRead

START_INVENTORY = 0x0001
STOP_INVENTORY = 0x0002
GET_INFORMATION = 0x0070
GET_PARAMETERS = 0x0072

EVERYBODY = 0xFF
"""Address that every reader answers to."""

DONE = 0x12

STATUS_WORDS = {
    0x00: "",
    0x01: "wrong parameter",
    0x02: "the command failed inside the reader",
    DONE: "inventory done, or no tag",
    0x14: "the tag did not answer in time",
    0x15: "the tag's answer could not be demodulated",
    0x16: "the tag refused the authentication",
    0x17: "wrong access password",
    0xFF: "no more data",
}

FOREVER = bytes(5)
"""Data of START_INVENTORY: until STOP_INVENTORY."""
ONE_ROUND = bytes((1, 0, 0, 0, 1))
"""Data of START_INVENTORY: one round."""

_HEAD = 0xCF
_HEADER = 5
_CRC = 2
_DATA_AT = 6
_TAG_HEADER = 5
_EPC_LONGEST = 62
"""Bytes: 31 words is the most that a Gen2 PC can announce."""

_COMMANDS = range(0x0001, 0x0090)

_LONGEST = {START_INVENTORY: 1 + _TAG_HEADER + _EPC_LONGEST}
"""Greatest LEN by command where it is known; else the byte's own limit."""


def crc16(data: bytes) -> int:
    """Compute CRC-16/MCRF4XX."""
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
    """Build a command."""
    body = bytes((_HEAD, address)) + code.to_bytes(2, "big") + bytes((len(data),)) + data
    return body + crc16(body).to_bytes(_CRC, "big")


def needed(buffer: bytearray) -> int | None:
    """Say how many bytes the frame at the buffer's start has, as far as its header tells (see FrameFormat)."""
    if buffer[0] != _HEAD:
        return None
    if len(buffer) < _HEADER:
        return _HEADER
    code, length = _code(buffer), buffer[4]
    if code not in _COMMANDS or length > _LONGEST.get(code, 0xFF):
        return None
    return _HEADER + length + _CRC


def _code(frame: bytes | bytearray) -> int:
    return frame[2] << 8 | frame[3]


def _verifies(frame: bytes) -> bool:
    return crc16(frame[:-_CRC]) == int.from_bytes(frame[-_CRC:], "big")


class Information(NamedTuple):
    """Answer to GET_INFORMATION."""

    hardware: str
    firmware: str
    serial_number: str


def read_information(frame: Frame) -> Information | None:
    """Read what a reader says of itself; None where the frame is no such answer."""
    data = frame.raw[_DATA_AT:-_CRC]
    if frame.command != GET_INFORMATION or frame.status != 0 or len(data) < _INFORMATION:
        return None
    return Information(_text(data[:32]), _text(data[32:64]), data[64:76].hex().upper())


_INFORMATION = 152
"""Bytes of the answer's data: with header, status and CRC a frame of 160."""


def _text(field: bytes) -> str:
    text = field.split(b"\x00")[0].decode("ascii", errors="replace")
    return "".join(character for character in text if character.isprintable()).strip()


def read_work_mode(frame: Frame) -> int | None:
    """Read the work mode (see the byte map) of an answer to GET_PARAMETERS; None where the frame is none."""
    data = frame.raw[_DATA_AT:-_CRC]
    if frame.command != GET_PARAMETERS or frame.status != 0 or len(data) <= _WORK_MODE_AT:
        return None
    return data[_WORK_MODE_AT]


_WORK_MODE_AT = 2


def parse(raw: bytes, seen_at: int) -> Frame:
    """Say what a verified frame means; `seen_at` (UTC, microseconds) becomes the time of its tag reads."""
    code = _code(raw)
    if raw[1] == EVERYBODY or raw[4] == 0:
        return Frame(Kind.ANSWER, raw, code, detail="a command")
    status = raw[_HEADER]
    words = STATUS_WORDS.get(status, f"unknown status {status:02X}")
    data = raw[_DATA_AT:-_CRC]
    if code != START_INVENTORY or status != 0 or not data:
        return Frame(Kind.ANSWER, raw, code, status, words)
    read = _tag_read(data, seen_at)
    if read is None:
        return Frame(Kind.ANSWER, raw, code, status, "no layout of tags fits this data")
    return Frame(Kind.TAGS, raw, code, status, words, (read,))


def _tag_read(data: bytes, seen_at: int) -> TagRead | None:
    """Read one tag; None unless the length byte fits and the EPC is 1 to 31 whole words."""
    epc = data[_TAG_HEADER:]
    if not epc or len(epc) % 2 or data[_TAG_HEADER - 1] != len(epc):
        return None
    return TagRead(
        epc=epc.hex().upper(),
        antenna_id=data[2],
        first_seen=seen_at,
        last_seen=seen_at,
        peak_rssi=int.from_bytes(data[:2], "big", signed=True) / 10,
        channel=data[3],
    )


class CfPrimeDecoder:
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
        if self._address not in (EVERYBODY, raw[1]):
            return foreign(raw, _code(raw), raw[1])
        return parse(raw, seen_at)
