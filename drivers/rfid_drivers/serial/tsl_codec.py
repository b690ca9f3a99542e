r"""Readers that speak TSL's ASCII 2 (handheld and sled readers on Bluetooth or USB). Codec, no I/O.

Line map (TSL ASCII 2 protocol; captured inventories):

    command   .cc -parameters CR LF           .iv one inventory, .vr version, .ab abort
    answer    CS: .cc...                      the command that is answered, or that the trigger started
              XX: value                       any number of lines
              OK:  or  ER: 005                the end, then a blank line

    EP        EPC in hex: a tag begins; what follows until the next EP or the end is about this tag
    RI        RSSI, dBm                       PC   protocol control word in hex
    MF, US, UF                                of .vr: manufacturer, serial number, firmware

An inventory that the trigger starts comes unasked and looks like any other, so lines are taken as they come. There is
no checksum: a line that has not this form, or whose EPC is no whole number of words, is rejected.
"""

import re
from dataclasses import dataclass, replace

from rfid_drivers.serial.framing import Counters, Rejected
from rfid_drivers.serial.gen2 import EPC_LONGEST
from rfid_drivers.serial.line_splitter import LineSplitter
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Instant, Kind
from rfid_gateway.reads import TagRead

NO_TAG = 5
"""Code of ER where an inventory found nothing."""

_LINE = re.compile(rb"([A-Z]{2}): ?([\x20-\x7e]*)")
_EPC = re.compile(rf"(?:[0-9A-Fa-f]{{4}}){{1,{EPC_LONGEST // 2}}}")
_RSSI = re.compile(r"-?[0-9]{1,3}")
_PC = re.compile(r"[0-9A-Fa-f]{4}")
_CODE = re.compile(r"[0-9]{1,3}")
_LONGEST_LINE = 512


def command(text: str) -> bytes:
    """Build a command."""
    return text.encode("ascii") + b"\r\n"


def read_line(frame: Frame) -> tuple[str, str]:
    """Give name and value of an answer's line."""
    name, _, value = frame.raw.decode("ascii").partition(":")
    return name, value.strip()


def is_typical(frame: Frame) -> bool:
    """Whether a line is one that hardly any other text has: the command that is answered, or a part of the version."""
    name, value = read_line(frame) if frame.kind is Kind.ANSWER else ("", "")
    return name in _OF_VERSION or (name == "CS" and value.startswith("."))


_OF_VERSION = frozenset({"MF", "US", "PV", "UF", "UB"})


@dataclass(slots=True)
class _Pending:
    """A tag whose lines are still coming. Owned by the decoder."""

    raw: bytes
    read: TagRead


class TslDecoder:
    """Bytes of one connection to frames, one per line or tag. Owned by its session."""

    def __init__(self, idle_gap_ms: int) -> None:
        self._idle_gap_us = idle_gap_ms * US_PER_MS
        self._splitter = LineSplitter(b"", b"\r\n", _LONGEST_LINE, self._idle_gap_us)
        self._pending: _Pending | None = None
        self._last_byte_at = 0

    @property
    def counters(self) -> Counters:
        """What the line has carried."""
        return self._splitter.counters

    def feed(self, data: bytes, at: Instant) -> list[Frame | Rejected]:
        """Take what arrived; give what is complete. A tag is complete when another line begins or none comes."""
        found: list[Frame | Rejected] = []
        if at.monotonic - self._last_byte_at >= self._idle_gap_us:
            self._end_tag(found)
        if data:
            self._last_byte_at = at.monotonic
        for item in self._splitter.feed(data, at.monotonic):
            if isinstance(item, Rejected):
                self._end_tag(found)
                found.append(item)
            else:
                self._take(item, at.utc, found)
        return found

    def _take(self, raw: bytes, seen_at: int, found: list[Frame | Rejected]) -> None:
        match = _LINE.fullmatch(raw)
        name, value = (match[1].decode(), match[2].decode().strip()) if match else ("", "")
        if name in ("RI", "PC") and self._pending and self._belongs(self._pending, name, value):
            self._pending.raw += b"\r\n" + raw
            return
        self._end_tag(found)
        if not match or (name == "EP" and not _EPC.fullmatch(value)):
            self.counters.resync_bytes += len(raw)
            found.append(Rejected(raw, "no EPC of whole words" if match else "no line of an answer"))
        elif name == "EP":
            self._pending = _Pending(raw, TagRead(value.upper(), 0, seen_at, seen_at))
        else:
            self.counters.frames += 1
            found.append(_answer(raw, name, value))

    @staticmethod
    def _belongs(pending: _Pending, name: str, value: str) -> bool:
        """Take a line into its tag; False where it has one already or the value is none."""
        read = pending.read
        if name == "RI" and read.peak_rssi is None and _RSSI.fullmatch(value):
            pending.read = read._replace(peak_rssi=float(value))
            return True
        if name == "PC" and read.pc is None and _PC.fullmatch(value):
            pending.read = read._replace(pc=int(value, 16))
            return True
        return False

    def _end_tag(self, found: list[Frame | Rejected]) -> None:
        if self._pending:
            self.counters.frames += 1
            found.append(Frame(Kind.TAGS, self._pending.raw, tag_reads=(self._pending.read,)))
            self._pending = None


def _answer(raw: bytes, name: str, value: str) -> Frame:
    frame = Frame(Kind.ANSWER, raw)
    if name == "OK":
        return replace(frame, status=0)
    if name == "ER" and _CODE.fullmatch(value):
        code = int(value)
        return replace(frame, status=code, detail="no tag" if code == NO_TAG else f"error {value}")
    return frame
