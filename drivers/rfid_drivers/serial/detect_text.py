r"""Recognises readers that write tags as lines of text, and writes the options with which `line` reads them. Pure.

A line with a tag is what has one run of hex digits as long as an EPC (16 to 124 digits, whole words; or pairs of them
with separators). What stands around it becomes the rest of a regular expression: words as they are, numbers as
numbers; a negative one of the size of dBm is the RSSI, one after "ant" the antenna. How often that very expression
matches, read by the driver itself, is the evidence. Text has no checksum: this is never certain.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rfid_drivers.serial.detection import DetectableDriver, Finding, Options
from rfid_drivers.serial.framing import Rejected
from rfid_drivers.serial.line_splitter import LineSplitter
from rfid_drivers.serial.protocol import US_PER_MS, US_PER_S, Frame, Instant, Kind
from rfid_gateway.clock import SystemClock
from rfid_gateway.driver import DriverOptions

_KEPT_BYTES = 65_536
"""Bytes of a window that are looked at: more proves nothing more."""

_ENOUGH_SHARE = 4
"""Ours: lines with tags are at least one in so many of the bytes that arrived."""

_LATER_US = 3600 * US_PER_S
_IDLE_GAP_MS = 200
_LONGEST_LINE = 512

_PLAIN = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{4}){4,62}(?![0-9A-Za-z])")
_PAIRS = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{2}(?:[ :-][0-9A-Fa-f]{2}){7,61}(?![0-9A-Za-z])")
_NUMBER = re.compile(r"(?<![0-9A-Za-z])-[0-9]+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?")
_AFTER_ANTENNA = re.compile(r"\b(?:ant|antenna|port)[ :=_#-]*$", re.IGNORECASE)
_RSSI = re.compile(r"-(?:[1-9][0-9]|1[0-2][0-9])(?:\.[0-9]+)?")
_SHORTEST_HALF = 16
_BLANK = " \t\r\n\0\x02\x03"


class _Layout(NamedTuple):
    """How lines begin and end."""

    start: str
    ends: str


_LAYOUTS = (_Layout("\x02", "\x03"), _Layout("", "\r\n\0\x03"), _Layout("", ""))
"""Tried in this order; the last is ended by a pause."""


class Shape(NamedTuple):
    """What the lines of one reader have in common."""

    regex: str
    doubled: bool


def shape_of(line: str) -> Shape | None:
    """Give the shape of a line with one tag; None where it has none, or more than one run that could be one."""
    runs = _PLAIN.findall(line) or _PAIRS.findall(line)
    if len(runs) != 1:
        return None
    (run,) = runs
    before, after = line.split(run, 1)
    half = len(run) // 2
    doubled = half >= _SHORTEST_HALF and not half % 4 and run[:half] == run[half:]
    parts = _Around()
    return Shape(parts.regex(before) + _epc_regex(run) + parts.regex(after), doubled)


def _epc_regex(run: str) -> str:
    digits = "[0-9A-Fa-f]" if any(character in "abcdef" for character in run) else "[0-9A-F]"
    separator = re.search(r"[ :-]", run)
    if separator is None:
        return f"(?P<epc>{digits}{{{len(run)}}})"
    return f"(?P<epc>{digits}{{2}}(?:{separator[0]}{digits}{{2}}){{{len(run) // 3}}})"


class _Around:
    """Makes a regular expression of what stands around the EPC; each group is given once. Owned by `shape_of`."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def regex(self, text: str) -> str:
        """Give the expression of one piece of a line."""
        made, at = [], 0
        for number in _NUMBER.finditer(text):
            made.append(_escaped(text[at : number.start()]))
            made.append(self._number(number[0], text[: number.start()]))
            at = number.end()
        return "".join([*made, _escaped(text[at:])])

    def _number(self, number: str, before: str) -> str:
        if _RSSI.fullmatch(number) and "rssi" not in self._given:
            self._given.add("rssi")
            return r"(?P<rssi>-[0-9]+(?:\.[0-9]+)?)"
        if number.isdigit() and _AFTER_ANTENNA.search(before) and "antenna" not in self._given:
            self._given.add("antenna")
            return "(?P<antenna>[0-9]+)"
        return r"-?[0-9]+(?:\.[0-9]+)?"


def _escaped(text: str) -> str:
    """Escape only what has a meaning: `re.escape` would put a backslash before each space."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


class TextRecogniser:
    """Recognises lines of text with tags. Owned by the search."""

    hopeful = False
    """Nothing is asked, so nothing is asked again."""

    def __init__(self, driver: DetectableDriver) -> None:
        self._driver = driver
        self._arrived: list[tuple[bytes, Instant]] = []
        self._bytes = 0

    def feed(self, data: bytes, at: Instant) -> None:
        """Take what arrived."""
        if data and self._bytes < _KEPT_BYTES:
            self._arrived.append((data, at))
            self._bytes += len(data)

    def finding(self) -> Finding | None:
        """Take the window for ended; say what was recognised."""
        for layout in _LAYOUTS:
            shape = self._commonest_shape(layout)
            if shape is not None:
                return self._checked(layout, shape)
        return None

    def _commonest_shape(self, layout: _Layout) -> Shape | None:
        """Give the shape of most lines; of as many, the longest: the first line may have lost its beginning."""
        splitter = LineSplitter(
            layout.start.encode(), layout.ends.encode(), _LONGEST_LINE, idle_gap_us=_IDLE_GAP_MS * US_PER_MS
        )
        shapes: Counter[Shape] = Counter()
        for data, at in self._until_later():
            for item in splitter.feed(data, at.monotonic):
                shape = None if isinstance(item, Rejected) else _shape_of_bytes(item)
                if shape is not None:
                    shapes[shape] += 1
        return max(shapes, key=lambda shape: (shapes[shape], len(shape.regex), shape), default=None)

    def _until_later(self) -> Iterator[tuple[bytes, Instant]]:
        yield from self._arrived
        if self._arrived:
            last = self._arrived[-1][1]
            yield b"", Instant(last.utc, last.monotonic + _LATER_US)

    def _checked(self, layout: _Layout, shape: Shape) -> Finding | None:
        """Let the driver read all of it with the options found."""
        options = _options(layout, shape, self._driver.Options)
        model = self._driver.Options.model_validate({"port": "/dev/null", **options})
        decoder = self._driver("", model, SystemClock()).decoder()
        items = [item for data, at in self._until_later() for item in decoder.feed(data, at)]
        frames = [item for item in items if isinstance(item, Frame) and item.kind is Kind.TAGS]
        explained = sum(len(frame.raw) for frame in frames)
        if not frames or explained * _ENOUGH_SHARE < self._bytes:
            return None
        reads = [read for frame in frames for read in frame.tag_reads]
        others = sorted({bytes(item.raw) for item in items if not isinstance(item, Frame)})
        return Finding(
            certainty="likely" if len(frames) > 1 else "possible",
            evidence=f"lines of text with an EPC: {len(frames)}; they have no checksum",
            explained_bytes=explained,
            model="text lines",
            antennas=tuple(sorted({read.antenna_id for read in reads if read.antenna_id})),
            sample_epc=reads[0].epc,
            detail=f"other lines: {_in_words(others)}; `ignore` takes those that mean nothing" if others else "",
            options=options,
        )


def _shape_of_bytes(line: bytes) -> Shape | None:
    try:
        text = line.decode("ascii").strip(_BLANK)
    except UnicodeDecodeError:
        return None
    return shape_of(text) if text.isprintable() else None


def _options(layout: _Layout, shape: Shape, known: type[DriverOptions]) -> Options:
    """Give the options of a `line` reader that are not its defaults."""
    wanted: dict[str, str | bool] = {
        "line_start": layout.start,
        "line_ends": layout.ends,
        "regex": shape.regex,
        "doubled_epc": shape.doubled,
    }
    return {key: value for key, value in wanted.items() if known.model_fields[key].default != value}


def _in_words(lines: Sequence[bytes]) -> str:
    shown = ", ".join(repr(line.decode("latin-1")) for line in lines[:_SHOWN])
    return f"{shown}, and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else shown


_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TextDetection:
    """Detects text readers: they say what they say by themselves, and only where nothing else was recognised."""

    bauds: tuple[int, ...] = ()
    probes: tuple[bytes, ...] = ()
    last_resort: bool = True

    def recogniser(self, driver: DetectableDriver) -> TextRecogniser:
        """Make the recogniser of one window."""
        return TextRecogniser(driver)
