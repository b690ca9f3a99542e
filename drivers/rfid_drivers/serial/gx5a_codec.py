"""Readers of the GX protocol (5A 00 01; fixed readers and gates with TCP port 8160, RS-232 and RS-485). Codec, no I/O.

Byte map (the vendor's software development kit; frames checked against field logs):

    frame     5A 00 01 MT MID [ADR] LEN 2 data... CRC 2     LEN = len(data); numbers have their high byte first

    MT        low four bits: 1 reader, 2 radio; 10 a notification, sent unasked; 20 RS-485: ADR follows MID
    CRC       CRC-16/XMODEM (polynomial 1021, initial 0) over all bytes after 5A

    MT 01 MID 00  get who the reader is   answer: serial number (length 2, text), seconds since power-on 4,
                                          compile time (length 2, text), parameters: 01 version 4, ...
    MT 01 MID 1D  a tag has arrived       serial number of the notification 4
    MT 02 MID 10  start an inventory      antennas 4 (bit 0 is antenna 1), 1 for going on for ever; answer: result 1
    MT 02 MID FF  stop it                 no data; answer: result 1
    MT 11 MID 12  heartbeat               counter 4; answered by MT 01 MID 12 with the same
    MT 12 MID 00  a tag                   EPC (length 2, bytes), PC 2, antenna 1, parameters
    MT 12 MID 01  the inventory ended     reason 1

    parameters of a tag, each a number and what is told here:
      01 RSSI 1, without a unit     02 result of reading memory 1
      03 TID, 04 user, 05 reserved, 0A EPC memory: length 2, bytes
      06 sub-antenna 1              07 UTC: seconds 4, microseconds 4     08 frequency 4     09 phase 1
      11, 12, 13 sensors 2 each     14 RSSI, signed 2, dBm                15 CRC 2
      20 serial number of the reader: length 2, text                      22 number of the notification 4

    antenna   counted from 1
    phase     its unit is not told: the options say how many steps a full turn has
"""

import binascii
import math
from collections.abc import Iterator
from typing import NamedTuple

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.gen2 import EPC_LONGEST
from rfid_drivers.serial.gx5a_time import ReaderClock
from rfid_drivers.serial.protocol import US_PER_MS, US_PER_S, Frame, Instant, Kind, foreign
from rfid_gateway.reads import TagRead

# MT and MID as one number, without the bit for RS-485.
GET_INFORMATION = 0x0100
HEARTBEAT_ANSWER = 0x0112
TAG_ARRIVED = 0x011D
START_INVENTORY = 0x0210
STOP_INVENTORY = 0x02FF
HEARTBEAT = 0x1112
TAG = 0x1200
INVENTORY_ENDED = 0x1201

SUCCESS = 0

START_WORDS = {
    SUCCESS: "",
    1: "wrong antennas",
    2: "wrong filter",
    3: "wrong parameter of TID",
    4: "wrong parameter of user memory",
    5: "wrong parameter of reserved memory",
    6: "the reader cannot start",
}

_HEAD = b"\x5a\x00\x01"
_TYPES = frozenset({0x01, 0x02, 0x11, 0x12})
_RS485 = 0x20
_LENGTH = 2
_CRC = 2
_GREATEST_LENGTH = 0x400
"""Ours, of LEN: a tag with all its memory banks fits."""

_RSSI, _TID, _UTC, _PHASE, _RSSI_DBM, _NUMBER = 0x01, 0x03, 0x07, 0x09, 0x14, 0x22
_FIXED = {
    _RSSI: 1,
    0x02: 1,
    0x06: 1,
    _UTC: 8,
    0x08: 4,
    _PHASE: 1,
    0x11: 2,
    0x12: 2,
    0x13: 2,
    _RSSI_DBM: 2,
    0x15: 2,
    _NUMBER: 4,
}
"""Bytes of a tag's parameters of fixed length."""
_WITH_LENGTH = frozenset({_TID, 0x04, 0x05, 0x0A, 0x20})
_PLAUSIBLE_DBM = range(-128, 1)


def crc16(data: bytes) -> int:
    """Compute CRC-16/XMODEM."""
    return binascii.crc_hqx(data, 0)


def command(code: int, data: bytes = b"", address: int | None = None) -> bytes:
    """Build a command; with an address it is one for RS-485."""
    kind, number = code >> 8, code & 0xFF
    header = bytes((kind, number)) if address is None else bytes((kind | _RS485, number, address))
    body = _HEAD + header + len(data).to_bytes(_LENGTH, "big") + data
    return body + crc16(body[1:]).to_bytes(_CRC, "big")


def needed(buffer: bytearray) -> int | None:
    """Say how many bytes the frame at the buffer's start has, as far as its header tells (see FrameFormat)."""
    if not _HEAD.startswith(buffer[: len(_HEAD)]):
        return None
    if len(buffer) <= len(_HEAD):
        return len(_HEAD) + 1
    if buffer[3] & ~_RS485 not in _TYPES:
        return None
    data_at = _data_at(buffer)
    if len(buffer) < data_at:
        return data_at
    length = int.from_bytes(buffer[data_at - _LENGTH : data_at], "big")
    return data_at + length + _CRC if length <= _GREATEST_LENGTH else None


def _data_at(frame: bytes | bytearray) -> int:
    return 8 if frame[3] & _RS485 else 7


def _verifies(frame: bytes) -> bool:
    return crc16(frame[1:-_CRC]) == int.from_bytes(frame[-_CRC:], "big")


def data_of(frame: Frame) -> bytes:
    """Give the data of a verified frame."""
    return frame.raw[_data_at(frame.raw) : -_CRC]


def address_of(frame: Frame) -> int | None:
    """Give the RS-485 address that a frame names; None where it names none."""
    return frame.raw[5] if frame.raw[3] & _RS485 else None


class Information(NamedTuple):
    """Answer to GET_INFORMATION."""

    serial_number: str
    version: str
    """Empty where the reader does not tell."""


def read_information(frame: Frame) -> Information | None:
    """Read what a reader says of itself; None where the frame is no such answer."""
    if frame.command != GET_INFORMATION:
        return None
    data = data_of(frame)
    serial_number, rest = _take_text(data)
    _, parameters = _take_text(rest[4:])
    if not rest:
        return None
    version = ".".join(str(part) for part in parameters[1:5]) if parameters[:1] == b"\x01" else ""
    return Information(serial_number, version)


def _take_text(data: bytes) -> tuple[str, bytes]:
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    text = data[_LENGTH:end].decode("ascii", errors="replace")
    return "".join(character for character in text if character.isprintable()).strip(), data[end:]


class _Tag(NamedTuple):
    """One tag, as it was sent."""

    epc: bytes
    pc: int
    antenna: int
    parameters: dict[int, bytes]


def _read_tag(data: bytes) -> _Tag | None:
    """Part the data of a tag; None unless the EPC is 1 to 31 whole words and all is there."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    epc = data[_LENGTH:end]
    if not epc or len(epc) % 2 or len(epc) > EPC_LONGEST or len(data) < end + 3:
        return None
    pc = int.from_bytes(data[end : end + 2], "big")
    return _Tag(epc, pc, data[end + 2], dict(_parameters(data[end + 3 :])))


def _parameters(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Part parameters; the first that is unknown or cut ends them, as nobody knows its length."""
    while data:
        number, start = data[0], 1
        if number in _WITH_LENGTH:
            start += _LENGTH
            end = start + int.from_bytes(data[1:start], "big")
        elif number in _FIXED:
            end = start + _FIXED[number]
        else:
            return
        if len(data) < end:
            return
        yield number, data[start:end]
        data = data[end:]


def read_notification_number(frame: Frame) -> bytes | None:
    """Give the number under which a tag wants to be acknowledged; None where it wants not."""
    tag = _read_tag(data_of(frame)) if frame.kind == Kind.TAGS else None
    return tag.parameters.get(_NUMBER) if tag else None


class Gx5aDecoder:
    """Bytes of one connection to frames. Owned by its session."""

    def __init__(self, idle_gap_ms: int, phase_steps: int | None = None, address: int | None = None) -> None:
        self._address = address
        self._framer = Framer(FrameFormat(needed, _verifies), idle_gap_ms * US_PER_MS)
        self._phase_steps = phase_steps
        self._clock = ReaderClock()

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

    def _parse(self, raw: bytes, arrived_at: int) -> Frame:
        code = (raw[3] & ~_RS485) << 8 | raw[4]
        data = raw[_data_at(raw) : -_CRC]
        address = raw[5] if raw[3] & _RS485 else None
        if self._address not in (None, address):
            return foreign(raw, code, address)
        if code == TAG:
            tag = _read_tag(data)
            if tag is None:
                return Frame(Kind.ANSWER, raw, code, detail="no layout of tags fits this data")
            return Frame(Kind.TAGS, raw, code, tag_reads=(self._tag_read(tag, arrived_at),))
        if code == HEARTBEAT:
            return Frame(Kind.HEARTBEAT, raw, code)
        if len(data) != 1:
            return Frame(Kind.ANSWER, raw, code)
        return Frame(Kind.ANSWER, raw, code, data[0], _words(code, data[0]))

    def _tag_read(self, tag: _Tag, arrived_at: int) -> TagRead:
        told = tag.parameters
        utc, tid, raw_rssi = told.get(_UTC), told.get(_TID), told.get(_RSSI)
        seen_at = self._clock.seen_at(_microseconds(utc), arrived_at) if utc else arrived_at
        return TagRead(
            epc=tag.epc.hex().upper(),
            antenna_id=tag.antenna,
            first_seen=seen_at,
            last_seen=seen_at,
            peak_rssi=_dbm(told.get(_RSSI_DBM)),
            pc=tag.pc,
            phase=self._radians(told.get(_PHASE)),
            tid=tid.hex().upper() if tid else None,
            rssi_raw=raw_rssi[0] if raw_rssi else None,
        )

    def _radians(self, phase: bytes | None) -> float | None:
        if phase is None or self._phase_steps is None:
            return None
        return phase[0] % self._phase_steps * math.tau / self._phase_steps


def _words(code: int, result: int) -> str:
    if code == INVENTORY_ENDED or result == SUCCESS:
        return ""
    words = START_WORDS if code == START_INVENTORY else {}
    return words.get(result, f"unknown result {result:02X}")


def _microseconds(utc: bytes) -> int:
    return int.from_bytes(utc[:4], "big") * US_PER_S + int.from_bytes(utc[4:], "big")


def _dbm(rssi: bytes | None) -> float | None:
    """Read dBm; none where the number cannot be any."""
    if rssi is None:
        return None
    value = int.from_bytes(rssi, "big", signed=True)
    return float(value) if value in _PLAUSIBLE_DBM else None
