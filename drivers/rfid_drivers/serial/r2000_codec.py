"""Readers with the Impinj R2000 or E710 board protocol (Invelion, Rodinbell, IND90x, YR90x). Codec, no I/O.

Byte map (vendor manual of the IND903 module, V2.2; frames checked against field captures):

    command   A0 LEN ADR CMD data... CHK         LEN = 3 + len(data), the bytes after LEN
    answer    A0 LEN ADR CMD data... CHK         the same; answers to settings have one byte of data, a status
    CHK       makes the sum of the whole frame 0 (modulo 256)
    ADR       01 as delivered; FF in a command is for everybody, and the reader answers with its own

    CMD 72    get firmware version    answer: major 1, minor 1
    CMD 74    set antenna             Ant, counted from 0; answer: status
    CMD 66    set power until the next restart: dBm 1; answer: status
    CMD 89    inventory               rounds 1
    CMD 8B    inventory               Session, Target, rounds
    CMD 8A    inventory that switches antennas by itself; decoded here, never started by us
      a tag       FreqAnt, PC 2, EPC, RSSI           LEN = 7 + len(EPC), always odd
                  FreqAnt, PC 2, EPC, RSSI, phase 2  newer firmware; no manual gives the phase a unit
      the end     89, 8B: Ant, rate 2, total 4       LEN 0A; firmware of V2.2: Ant, total 4, LEN 08
                  8A: total 3, milliseconds 4        LEN 0A; firmware of V2.2: total 4, milliseconds 4, LEN 0B
      an error    status, LEN 04; 8A: Ant, 22, LEN 05

    FreqAnt   antenna, counted from 0, in the low two bits; channel in the high six: 0 to 6 are 865 MHz and 500 kHz
              each, 7 to 59 are 902 MHz and 500 kHz each from 7 on
    PC        its high five bits are the words of the EPC
    RSSI      dBm + 129 from 90 on, dBm + 130 below: the vendor's own table has that step

A checksum of eight bits lets one damaged frame in 256 pass. So a frame also has to have the reader's address, a
command that is known, one of that command's lengths and, where it is a tag, the length that its PC tells; and it may
not hold the head of another frame of its own kind, as two frames do that were joined by a loss. (The price: an EPC
that happens to have these four bytes in it is not read: of random EPCs of 12 bytes one in 480 million.)
"""

from typing import NamedTuple

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind
from rfid_gateway.reads import TagRead

SET_TEMPORARY_POWER = 0x66
GET_FIRMWARE_VERSION = 0x72
SET_ANTENNA = 0x74
INVENTORY = 0x89
FAST_SWITCH_INVENTORY = 0x8A
SESSION_INVENTORY = 0x8B

EVERYBODY = 0xFF
"""Address that every reader answers to."""

SUCCESS = 0x10
ANTENNA_MISSING = 0x22

STATUS_WORDS = {
    SUCCESS: "",
    0x11: "the command failed",
    0x20: "the reader's controller could not be reset",
    0x21: "the carrier could not be switched on",
    ANTENNA_MISSING: "the antenna is missing",
    0x36: "no tag",
    0x38: "the buffer is empty",
    0x50: "RN16 could not be set",
    0x51: "DRM could not be set",
    0x52: "the PLL does not lock",
    0x53: "the radio chip does not answer",
    0x54: "the output power cannot be reached",
    0x55: "the copyright check failed",
    0x56: "the spectrum regulation could not be set",
    0x57: "the output power is too low",
}

_HEAD = 0xA0
_HEADER = 4
_CHECK = 1
_LEAST_LENGTH = 3
_GREATEST_LENGTH = 0x50
"""Of LEN: a tag with 62 bytes of EPC and a phase has 0x47."""
_ANSWERED = 4
"""LEN of a status."""
_PC_AT = 5
_TAG_HEADER = 7
_EPC_AT = 7
_TAG_OVERHEAD = 7
"""LEN of a tag less its EPC: ADR, CMD, FreqAnt, PC, RSSI, CHK."""
_PHASE = 2

_INVENTORIES = frozenset({INVENTORY, FAST_SWITCH_INVENTORY, SESSION_INVENTORY})

_LENGTHS = {
    **dict.fromkeys((0x63, 0x6A, 0x70, 0x75, 0x7F), frozenset({3, 4})),
    **dict.fromkeys((0x62, SET_TEMPORARY_POWER, 0x69, 0x71, 0x73, SET_ANTENNA, 0x7A), frozenset({4})),
    **dict.fromkeys((0x60, 0x7B), frozenset({3, 4, 5})),
    GET_FIRMWARE_VERSION: frozenset({3, 4, 5, 6, 7}),
    0x61: frozenset({4, 5}),
    0x67: frozenset({4, 15}),
    0x68: frozenset({3, 15}),
    **dict.fromkeys((0x76, 0x77, 0x97), frozenset({3, 4, 7, 11})),
    **dict.fromkeys((0x78, 0x79), frozenset({3, 4, 6, 9})),
    0x80: frozenset({4, 12}),
    **dict.fromkeys((0x92, 0x93), frozenset({3, 4, 5})),
}
"""Every LEN that a frame of these commands can have, command and answer; settings and questions."""

_TAG_OPERATIONS = frozenset({0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x90, 0x91, 0x94})
"""Commands whose frames have any length: to read, write, lock, kill and select tags, and the tag buffer."""

_ENDS = {INVENTORY: (8, 10), SESSION_INVENTORY: (8, 10), FAST_SWITCH_INVENTORY: (10, 11)}
"""LEN of the end of a round, by command."""

_COMMAND_LENGTHS = {INVENTORY: (), SESSION_INVENTORY: (6, 7), FAST_SWITCH_INVENTORY: (13, 21)}
"""LEN of the commands themselves, as an RS-485 adapter echoes them; that of 89 is an error's."""


def checksum(data: bytes) -> int:
    """Compute the byte that makes the sum 0."""
    return -sum(data) & 0xFF


def command(code: int, data: bytes = b"", address: int = EVERYBODY) -> bytes:
    """Build a command."""
    body = bytes((_HEAD, _LEAST_LENGTH + len(data), address, code)) + data
    return body + bytes((checksum(body),))


def _epc_bytes(frame: bytes | bytearray) -> int:
    """Tell from the PC of a tag how many bytes its EPC has."""
    return frame[_PC_AT] >> 3 << 1


def _is_tag(frame: bytes | bytearray) -> bool:
    """Whether the PC of what may be a tag fits its length."""
    epc = _epc_bytes(frame)
    return epc > 0 and frame[1] - _TAG_OVERHEAD - epc in (0, _PHASE)


class _Expected(NamedTuple):
    """Which frames can be on this line."""

    address: int
    """The reader's own; EVERYBODY takes any."""

    def needed(self, buffer: bytearray) -> int | None:
        """Say how many bytes the frame at the buffer's start has, as far as its header tells (see FrameFormat)."""
        if buffer[0] != _HEAD:
            return None
        if len(buffer) < _HEADER:
            return _HEADER
        _, length, address, code = buffer[:_HEADER]
        if not self._is_ours(address) or not _LEAST_LENGTH <= length <= _GREATEST_LENGTH:
            return None
        if code in _INVENTORIES:
            return self._needed_of_inventory(buffer, length, code)
        if code in _TAG_OPERATIONS or length in _LENGTHS.get(code, ()):
            return length + 2
        return None

    def _is_ours(self, address: int) -> bool:
        return EVERYBODY in (self.address, address) or address == self.address

    def _needed_of_inventory(self, buffer: bytearray, length: int, code: int) -> int | None:
        fixed = length == _ANSWERED or length in _ENDS[code] or length in _COMMAND_LENGTHS[code]
        missing_antenna = code == FAST_SWITCH_INVENTORY and length == _ANSWERED + 1
        if fixed or missing_antenna:
            return length + 2
        if length <= _TAG_OVERHEAD:
            return None
        if len(buffer) < _TAG_HEADER:
            return _TAG_HEADER
        return length + 2 if _is_tag(buffer) else None


def _verifies(frame: bytes) -> bool:
    return sum(frame) & 0xFF == 0 and frame.find(frame[:_HEADER], _HEADER) < 0


def decibels(raw: int) -> float | None:
    """Turn an RSSI byte into dBm by the vendor's table; None beyond it (eight-port models use the top bit).

    The table (IND903 manual V2.2) goes from 98, -31 dBm, to 31, -99 dBm, in steps of one, and leaves out -40 dBm
    between 90 and 89. So it is raw - 129 from 90 on and raw - 130 below. Programs that subtract 129 throughout show
    1 dB more than the vendor below 90; the table is taken as it is, for it is all that the vendor has published.
    """
    if raw > _RSSI_GREATEST:
        return None
    return float(raw - 129 if raw >= _RSSI_STEP else raw - 130)


_RSSI_GREATEST = 0x7F
_RSSI_STEP = 90


def ends_round(frame: Frame) -> bool:
    """Whether a frame is the end of an inventory without an error."""
    return frame.raw[1] in _ENDS.get(frame.raw[3], ()) and not frame.tag_reads


def antenna_of_end(frame: Frame) -> int | None:
    """Tell from the end of a round by 89 or 8B at which antenna, counted from 1, it was; None of other frames."""
    if frame.raw[3] == FAST_SWITCH_INVENTORY or not ends_round(frame):
        return None
    return frame.raw[_HEADER] + 1


def read_firmware_version(frame: Frame) -> str | None:
    """Read the answer to GET_FIRMWARE_VERSION; None where the frame is none."""
    if frame.command != GET_FIRMWARE_VERSION or frame.raw[1] <= _ANSWERED:
        return None
    return f"{frame.raw[4]}.{frame.raw[5]}"


def address_of(frame: Frame) -> int:
    """Give the address of the reader that sent a frame."""
    return frame.raw[2]


def parse(raw: bytes, seen_at: int) -> Frame:
    """Say what a verified frame means; `seen_at` (UTC, microseconds) becomes the time of its tag reads."""
    length, code = raw[1], raw[3]
    if length == _LEAST_LENGTH or raw[2] == EVERYBODY:
        return Frame(Kind.ANSWER, raw, code, detail="a command")
    if length == _ANSWERED:
        status = raw[_HEADER]
        return Frame(Kind.ANSWER, raw, code, status, status_in_words(status))
    if code not in _INVENTORIES:
        return Frame(Kind.ANSWER, raw, code)
    return _parse_inventory(raw, length, code, seen_at)


def _parse_inventory(raw: bytes, length: int, code: int, seen_at: int) -> Frame:
    if length > _TAG_OVERHEAD and length % 2 and _is_tag(raw):
        return Frame(Kind.TAGS, raw, code, tag_reads=(_tag_read(raw, seen_at),))
    if length in _ENDS[code]:
        return Frame(Kind.ANSWER, raw, code, detail="end of the round")
    if code == FAST_SWITCH_INVENTORY and length == _ANSWERED + 1:
        antenna, status = raw[_HEADER], raw[_HEADER + 1]
        return Frame(Kind.ANSWER, raw, code, status, f"antenna {antenna + 1}: {status_in_words(status)}")
    return Frame(Kind.ANSWER, raw, code, detail="a command")


def status_in_words(status: int) -> str:
    """Say what a status means."""
    if status in _WRONG_PARAMETER:
        return f"wrong parameter (status {status:02X})"
    return STATUS_WORDS.get(status, f"unknown status {status:02X}")


_WRONG_PARAMETER = range(0x40, 0x50)


def _tag_read(raw: bytes, seen_at: int) -> TagRead:
    end = _EPC_AT + _epc_bytes(raw)
    rssi = decibels(raw[end])
    return TagRead(
        epc=raw[_EPC_AT:end].hex().upper(),
        antenna_id=(raw[_HEADER] & 0b11) + 1,
        first_seen=seen_at,
        last_seen=seen_at,
        peak_rssi=rssi,
        pc=int.from_bytes(raw[_PC_AT:_EPC_AT], "big"),
        channel=raw[_HEADER] >> 2,
        rssi_raw=raw[end] if rssi is None else None,
    )


class R2000Decoder:
    """Bytes of one connection to frames. Owned by its session."""

    def __init__(self, idle_gap_ms: int, address: int = EVERYBODY) -> None:
        self._framer = Framer(FrameFormat(_Expected(address).needed, _verifies), idle_gap_ms * US_PER_MS)

    @property
    def counters(self) -> Counters:
        """What the line has carried."""
        return self._framer.counters

    def feed(self, data: bytes, at: Instant) -> list[Frame | Rejected]:
        """Take what arrived; give what is complete."""
        return [
            item if isinstance(item, Rejected) else parse(item, at.utc)
            for item in self._framer.feed(data, at.monotonic)
        ]
