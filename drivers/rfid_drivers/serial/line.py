r"""Readers that send text, one tag a line: any reader set to "serial output", and the RDM6300. No I/O.

What a line looks like is configuration: how it ends, a regular expression with named groups for its parts, what to
ignore. A plain line has no checksum, so the expression must match the whole line, and the more exactly it says how
long an EPC is, the less a lost byte can pretend to be another tag.

    RDM6300, ID-12   02  V V D D D D D D D D  X X  03      9600 baud, every 65 ms while a tag is there
                     V   two hex digits of version or customer      D   eight hex digits, the printed number
                     X   two hex digits: exclusive or of the five bytes before
"""

import re
from collections.abc import Callable
from functools import reduce
from operator import xor
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from rfid_drivers.serial.detect_text import TextDetection
from rfid_drivers.serial.detection import Detection, FrameDetection
from rfid_drivers.serial.framing import Counters, Rejected
from rfid_drivers.serial.line_splitter import LineSplitter
from rfid_drivers.serial.protocol import US_PER_MS, Frame, Health, Instant, Kind, SerialOptions
from rfid_drivers.serial.reader import SerialReader
from rfid_gateway.driver import DriverOptions
from rfid_gateway.reads import TagRead

_GROUPS = frozenset({"epc", "antenna", "rssi", "count", "checksum"})

_BLANK = " \t\r\n\0\x02"
"""Stripped from both ends of a line: with the usual line ends a STX before a line needs no configuration."""

_SEPARATORS = re.compile(r"[\s:.-]")


def _checked_pattern(pattern: str) -> str:
    """Refuse what `re` cannot compile, with its own words on where."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return pattern


def _checked_tag_pattern(pattern: str) -> str:
    """Refuse groups that would be lost without a word, and a pattern without an EPC."""
    groups = re.compile(_checked_pattern(pattern)).groupindex.keys()
    unknown = sorted(groups - _GROUPS)
    if unknown or "epc" not in groups:
        raise ValueError(
            f"needs a group (?P<epc>...) and may have {', '.join(sorted(_GROUPS - {'epc'}))}"
            + (f"; unknown: {', '.join(unknown)}" if unknown else ""),
        )
    return pattern


def _checked_bytes(text: str) -> str:
    """Refuse characters that are no single byte."""
    try:
        text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError("only characters up to \\u00ff: each stands for one byte") from error
    return text


Pattern = Annotated[str, AfterValidator(_checked_pattern)]
Bytes = Annotated[str, AfterValidator(_checked_bytes)]


class LineOptions(SerialOptions):
    """Options of a reader that sends lines of text."""

    baud: int = Field(default=9600, ge=300, le=4_000_000, description="Bits per second; ignored with socket://.")
    silence_timeout_s: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="Without a line for this long the reader counts as gone; 0 (as most such readers are silent "
        "without tags) trusts it. Set it where the reader sends a heartbeat or is polled.",
    )
    line_start: Bytes = Field(
        default="", max_length=1, description='Character that begins each line ("\\u0002" is STX); empty: none.'
    )
    line_ends: Bytes = Field(
        default="\r\n\0\x03",
        description="Characters of which each ends a line; empty: the idle gap ends a line.",
    )
    max_line: int = Field(default=512, ge=8, le=8192, description="Bytes; what is longer is rejected.")
    encoding: Literal["ascii", "latin-1", "utf-8"] = Field(default="ascii", description="Encoding of the text.")
    regex: Annotated[str, AfterValidator(_checked_tag_pattern)] = Field(
        default=r"(?P<epc>(?:[0-9A-Fa-f]{4}){4,31})",
        description="Matches a whole line with a tag. Groups: epc; antenna, rssi, count; checksum (two hex digits, "
        "the exclusive or of the EPC's bytes).",
    )
    ignore: tuple[Pattern, ...] = Field(
        default=(), strict=False, description="Regular expressions of whole lines that mean nothing: banners, NOREAD."
    )
    heartbeat: Pattern = Field(
        default="", description="Regular expression of a whole line that only shows that the reader lives."
    )
    epc_format: Literal["hex", "hex_reversed", "decimal"] = Field(
        default="hex",
        description="How the EPC is written: hex digits, hex digits with the last byte first, or a decimal number.",
    )
    doubled_epc: bool = Field(default=False, description="The reader writes the EPC twice in a row: take it once.")
    rssi_unit: Literal["dbm", "raw"] = Field(default="dbm", description="Unit of the group rssi.")
    init: Bytes = Field(default="", description='Sent once after opening ("\\r" is a carriage return).')
    poll: Bytes = Field(default="", description="Sent again and again to ask for tags.")
    poll_interval_ms: int = Field(default=500, ge=10, le=600_000, description="Time between two polls.")


class Rdm6300Options(LineOptions):
    """Options of an RDM6300 or ID-12: those of a line reader with the format of these modules."""

    line_start: Bytes = Field(default="\x02", max_length=1, description="STX begins a line.")
    line_ends: Bytes = Field(default="\x03", description="ETX ends a line.")
    regex: Annotated[str, AfterValidator(_checked_tag_pattern)] = Field(
        default=r"(?P<epc>[0-9A-Fa-f]{10})(?P<checksum>[0-9A-Fa-f]{2})",
        description="Ten hex digits of the tag and two of the checksum.",
    )


def _from_hex(text: str) -> bytes:
    return bytes.fromhex(text)


def _from_reversed_hex(text: str) -> bytes:
    return bytes.fromhex(text)[::-1]


def _from_decimal(text: str) -> bytes:
    """Take a number as whole 16-bit words."""
    number = int(text)
    return number.to_bytes(2 * max(1, -(-number.bit_length() // 16)), "big")


_EPC_FORMATS: dict[str, Callable[[str], bytes]] = {
    "hex": _from_hex,
    "hex_reversed": _from_reversed_hex,
    "decimal": _from_decimal,
}


class LineDecoder:
    """Bytes of one connection to lines, lines to tag reads. Owned by its session."""

    def __init__(self, options: LineOptions) -> None:
        self._options = options
        self._tag = re.compile(options.regex)
        self._heartbeat = re.compile(options.heartbeat)
        self._ignored = tuple(re.compile(pattern) for pattern in options.ignore)
        self._splitter = LineSplitter(
            options.line_start.encode("latin-1"),
            options.line_ends.encode("latin-1"),
            options.max_line,
            options.idle_gap_ms * US_PER_MS,
        )

    @property
    def counters(self) -> Counters:
        """What the line has carried."""
        return self._splitter.counters

    def feed(self, data: bytes, at: Instant) -> list[Frame | Rejected]:
        """Take what arrived; give what is complete. Blank lines are nothing."""
        return [
            item if isinstance(item, Rejected) else self._decode(item, at.utc)
            for item in self._splitter.feed(data, at.monotonic)
        ]

    def _decode(self, raw: bytes, seen_at: int) -> Frame | Rejected:
        try:
            text = raw.decode(self._options.encoding).strip(_BLANK)
        except UnicodeDecodeError as error:
            return self._reject(raw, f"no {self._options.encoding} text: {error.reason} at byte {error.start}")
        if self._options.heartbeat and self._heartbeat.fullmatch(text):
            return self._accept(Frame(Kind.HEARTBEAT, raw))
        if any(pattern.fullmatch(text) for pattern in self._ignored):
            return self._accept(Frame(Kind.IGNORED, raw))
        match = self._tag.fullmatch(text)
        if match is None:
            return self._reject(raw, "the line does not match the regular expression")
        try:
            read = self._tag_read(match.groupdict(), seen_at)
        except ValueError as error:
            return self._reject(raw, str(error))
        return self._accept(Frame(Kind.TAGS, raw, tag_reads=(read,)))

    def _accept(self, frame: Frame) -> Frame:
        self.counters.frames += 1
        return frame

    def _reject(self, raw: bytes, reason: str) -> Rejected:
        self.counters.resync_bytes += len(raw)
        return Rejected(raw, reason)

    def _tag_read(self, groups: dict[str, str | None], seen_at: int) -> TagRead:
        epc = self._epc(_SEPARATORS.sub("", groups["epc"] or ""))
        checksum = groups.get("checksum")
        if checksum is not None and reduce(xor, epc, 0) != int(checksum, 16):
            self.counters.crc_errors += 1
            raise ValueError(f"wrong checksum {checksum}, expected {reduce(xor, epc, 0):02X}")
        rssi = groups.get("rssi")
        dbm = self._options.rssi_unit == "dbm"
        return TagRead(
            epc=epc.hex().upper(),
            antenna_id=int(groups.get("antenna") or 0),
            first_seen=seen_at,
            last_seen=seen_at,
            peak_rssi=float(rssi) if rssi and dbm else None,
            tag_seen_count=int(groups.get("count") or 1),
            rssi_raw=int(rssi) if rssi and not dbm else None,
        )

    def _epc(self, text: str) -> bytes:
        half = len(text) // 2
        if self._options.doubled_epc and text[:half] == text[half:]:
            text = text[:half]
        try:
            epc = _EPC_FORMATS[self._options.epc_format](text)
        except ValueError as error:
            raise ValueError(f"EPC {text!r} is not {self._options.epc_format}: {error}") from error
        if not epc:
            raise ValueError("the EPC is empty")
        return epc


class LineDialogue:
    """Sends what is configured to be sent. Owned by one session."""

    health = Health(model="text lines")

    def __init__(self, options: LineOptions) -> None:
        self._init = options.init.encode("latin-1")
        self._poll = options.poll.encode("latin-1")
        self._interval_us = options.poll_interval_ms * US_PER_MS
        self._poll_at: int | None = None

    def hear(self, _frame: Frame, _now: int) -> list[bytes]:
        """Lines need no answer."""
        return []

    def tick(self, now: int) -> list[bytes]:
        """Send `init` once and `poll` in its interval, the first time one interval after `init`."""
        if self._poll_at is None:
            self._poll_at = now + self._interval_us
            return [self._init] if self._init else []
        if not self._poll or now < self._poll_at:
            return []
        self._poll_at = now + self._interval_us
        return [self._poll]


class LineReader(SerialReader[LineOptions]):
    """A reader that sends lines of text (entry point `line`)."""

    Options: ClassVar[type[DriverOptions]] = LineOptions
    detection: ClassVar[Detection] = TextDetection()

    def decoder(self) -> LineDecoder:
        """Make the decoder of a new connection."""
        return LineDecoder(self.options)

    def dialogue(self) -> LineDialogue:
        """Make the dialogue of a new connection."""
        return LineDialogue(self.options)


class Rdm6300Reader(LineReader):
    """An RDM6300 or ID-12 module (entry point `rdm6300`)."""

    Options: ClassVar[type[DriverOptions]] = Rdm6300Options
    detection: ClassVar[Detection] = FrameDetection(bauds=(9_600,))
