"""MagicRF M100, QM100 and R200 modules (YRM100x, JRD-100, JRD-4035, M5Stack UHF RFID). Codec, no I/O.

Byte map (MagicRF M100 manual; R200 user protocol V2.3.3; frames checked against field captures):

    HEAD TYPE CMD PLhi PLlo params... CHK TAIL

    HEAD, TAIL   BB 7E (M100, QM100) or AA DD (R200); a module answers in the framing in which it was asked
    TYPE         00 command, 01 answer, 02 tag
    PL           bytes of params
    CHK          sum of TYPE..params, low 8 bits

    TYPE 02 CMD 22   RSSI 1 (dBm, signed), PC 2, EPC, CRC 2       PL = 5 + EPC
    TYPE 01 CMD FF   error code, then for tag access: length 1, PC 2, EPC; code 15: a round without a tag
    TYPE 01 CMD 03   00 hardware, 01 software, 02 manufacturer; ASCII
    TYPE 01 others   00 done

Eight bits of checksum are few, so a tag's frame has to have the right CRC of the tag too. There is no antenna, no
time and no frequency.
"""

from rfid_drivers.serial.framing import Counters, FrameFormat, Framer, Rejected
from rfid_drivers.serial.gen2 import split_backscatter
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind
from rfid_gateway.reads import TagRead

GET_VERSION = 0x03
SET_REGION = 0x07
SET_SELECT_MODE = 0x12
TAG = 0x22
START = 0x27
STOP = 0x28
SET_POWER = 0xB6
ERROR = 0xFF

NO_TAG = 0x15

BB, AA = 0xBB, 0xAA
"""The two heads."""

_TAILS = {BB: 0x7E, AA: 0xDD}

_COMMAND, _ANSWER, _NOTICE = 0x00, 0x01, 0x02

_HEADER = 5
_AROUND = 7
"""Bytes of a frame besides its params."""

_LONGEST = 0x100
"""Most params that are believed: more than any tag's bank gives in one answer."""

_ERRORS = {
    0x09: "reading the tag failed",
    0x10: "writing the tag failed",
    0x12: "killing the tag failed",
    0x13: "locking the tag failed",
    NO_TAG: "no tag",
    0x16: "wrong access password",
    0x17: "command unknown or damaged",
    0x20: "no free channel to hop to",
    0x2A: "the tag's NXP command failed",
}

_TAG_ERRORS = {0xA0: "reading", 0xB0: "writing", 0xC0: "locking", 0xD0: "killing"}
"""By the high four bits of the code; the low four are the tag's own error (Gen2, annex I)."""


def command(code: int, params: bytes = b"", head: int = BB) -> bytes:
    """Build a command in one of the two framings."""
    body = bytes((_COMMAND, code)) + len(params).to_bytes(2, "big") + params
    return bytes((head,)) + body + bytes((sum(body) & 0xFF, _TAILS[head]))


def needed(buffer: bytearray) -> int | None:
    """Say how many bytes the frame at the buffer's start has, as far as its header tells (see FrameFormat)."""
    if buffer[0] not in _TAILS or (len(buffer) > 1 and buffer[1] > _NOTICE):
        return None
    if len(buffer) < _HEADER:
        return _HEADER
    params = int.from_bytes(buffer[3:_HEADER], "big")
    return None if params > _LONGEST else _AROUND + params


def verifies(raw: bytes) -> bool:
    """Whether tail, checksum and, where there is a tag, the tag's CRC are right."""
    if raw[-1] != _TAILS[raw[0]] or sum(raw[1:-2]) & 0xFF != raw[-2]:
        return False
    if not _is_tag(raw):
        return True
    tag = split_backscatter(raw[_HEADER + 1 : -2])
    return tag is None or tag.crc_fits


def _is_tag(raw: bytes) -> bool:
    return raw[1] == _NOTICE and raw[2] == TAG


def parse(raw: bytes, seen_at: int) -> Frame:
    """Say what a verified frame means; `seen_at` (UTC, microseconds) becomes the time of its tag read."""
    code, params = raw[2], raw[_HEADER:-2]
    if raw[1] == _COMMAND:
        return Frame(Kind.ANSWER, raw, code, detail="a command")
    if _is_tag(raw):
        return _tag(raw, params, seen_at)
    status = params[0] if params and code != GET_VERSION else None
    if code != ERROR or status is None:
        return Frame(Kind.ANSWER, raw, code, status)
    return Frame(Kind.HEARTBEAT if status == NO_TAG else Kind.ANSWER, raw, code, status, _error_words(status))


def _tag(raw: bytes, params: bytes, seen_at: int) -> Frame:
    tag = split_backscatter(params[1:])
    if tag is None:
        return Frame(Kind.ANSWER, raw, TAG, detail="no EPC of whole words fits this data")
    rssi = float(int.from_bytes(params[:1], "big", signed=True))
    read = TagRead(tag.epc.hex().upper(), 0, seen_at, seen_at, rssi, pc=tag.pc)
    return Frame(Kind.TAGS, raw, TAG, tag_reads=(read,))


def _error_words(code: int) -> str:
    if code in _ERRORS:
        return _ERRORS[code]
    doing = _TAG_ERRORS.get(code & 0xF0)
    return f"the tag refused {doing}, error {code & 0x0F:X}" if doing else f"unknown error {code:02X}"


def read_version(frame: Frame) -> str | None:
    """Read the hardware's name, such as "M100 26dBm V1.0"; None where the frame is no answer to GET_VERSION."""
    params = frame.raw[_HEADER:-2]
    if frame.raw[1] != _ANSWER or frame.command != GET_VERSION or params[:1] != b"\x00":
        return None
    return params[1:].decode("ascii", "ignore").strip(" \0")


class M100Decoder:
    """Bytes of one connection to frames. Owned by its session."""

    def __init__(self, idle_gap_ms: int) -> None:
        self._framer = Framer(FrameFormat(needed, verifies), idle_gap_ms * US_PER_MS)

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
