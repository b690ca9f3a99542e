"""How the tags of one reader lie in memory: learnt from one tag, proven for the rest, then read at C speed.

A reader repeats the same parameters in the same order for every tag, because its TagReportContentSelector says so.
So one tag is walked with care, and what is found becomes a `Layout`: a struct format for the values, and a mask over
every byte that decides where they lie. Any other tag whose masked bytes are equal has its values at the same places,
and a single comparison of two big integers proves that for a whole report.
"""

import math
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any, Literal

from rfid_drivers.llrp.tag_walk import TagWalk, Value
from rfid_gateway.reads import TagRead

_CACHED_HEX = 100_000
_CACHED_COUNTS = 16
_MOST_CACHED_TAGS = 128
"""Masks for longer reports are made anew each time: they would take megabytes, and cost little beside the tags."""
_PHASE_STEPS = 4096
_HALF_TURN_STEPS = 1 << 15
_PHASES = tuple(step * math.tau / _PHASE_STEPS for step in range(_PHASE_STEPS))


class _HexCache(dict[bytes, str]):
    """Bytes -> upper-case hex. Tags come again and again; bounded by starting anew when full.

    Shared by all readers' threads: every operation is a single one on a dict, and a lost entry is computed again.
    """

    def __missing__(self, data: bytes) -> str:
        if len(self) >= _CACHED_HEX:
            self.clear()
        text = self[data] = data.hex().upper()
        return text


_HEX = _HexCache()


def _cut_hex(bits: int) -> Callable[[bytes], str]:
    """Hex of EPCs whose length is no whole number of bytes (EPCData counts in bits)."""
    digits = (bits + 3) // 4
    return lambda data: _HEX[data][:digits]


_SOURCES: dict[str, tuple[str, ...]] = {
    "epc": ("epc",),
    "antenna_id": ("antenna_id",),
    "first_seen": ("first_utc", "last_utc", "first_uptime", "last_uptime"),
    "last_seen": ("last_utc", "first_utc", "last_uptime", "first_uptime"),
    "peak_rssi": ("rssi_centi_dbm", "rssi_dbm"),
    "tag_seen_count": ("tag_seen_count",),
    "pc": ("pc",),
    "phase": ("phase", "half_turn_phase"),
    "doppler": ("doppler",),
    "channel": ("channel",),
    "tid": ("tid",),
    "rssi_raw": (),
}
"""Field of TagRead -> the values it comes from, best first. A tag's times are all UTC or all Uptime."""

_CLOCKS: dict[Literal["utc", "uptime"], set[str]] = {
    "utc": {"first_utc", "last_utc"},
    "uptime": {"first_uptime", "last_uptime"},
}
"""What a tag's times count from, better first -> the values that tell."""

_CARRIED: dict[str, set[str]] = {
    "antenna_id": {"antenna_id"},
    "first_seen": {"first_utc", "first_uptime"},
    "last_seen": {"last_utc", "last_uptime"},
    "peak_rssi": {"rssi_centi_dbm", "rssi_dbm"},
    "tag_seen_count": {"tag_seen_count"},
    "pc": {"pc"},
    "channel": {"channel"},
}
"""Field of TagRead that a reader may leave out while it does not change -> the values that are it."""

_ABSENT = dict.fromkeys(_SOURCES, 3) | {"antenna_id": 0, "first_seen": 1, "last_seen": 1, "tag_seen_count": 2}
"""Field of TagRead -> its default where the tag has no such value: place in (0, now, 1, None)."""

_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "rssi_centi_dbm": lambda hundredths: hundredths / 100,
    "rssi_dbm": float,
    "phase": lambda steps: _PHASES[steps % _PHASE_STEPS],
    "half_turn_phase": lambda steps: steps * math.pi / _HALF_TURN_STEPS % math.tau,
    "doppler": lambda sixteenths: sixteenths / 16,
    "tid": _HEX.__getitem__,
    "epc": _HEX.__getitem__,
}
"""Value on the wire -> value in TagRead (Impinj: phase in 4096ths of a turn, Doppler in 16ths of a hertz;
Zebra: phase in 32768ths of half a turn, with a sign)."""


class Layout:
    """Reads tags that lie as one learnt tag does. Owner: the decoder of one reader."""

    def __init__(self, walk: TagWalk) -> None:
        """Learn from a walk that found an EPC."""
        self.size = len(walk.tag)
        self.clock = next((clock for clock, names in _CLOCKS.items() if not names.isdisjoint(walk.values)), None)
        self.given = frozenset(field for field, names in _CARRIED.items() if not names.isdisjoint(walk.values))
        self.typical, self.rospec_id = walk.typical, walk.rospec_id
        mask = bytearray(self.size)
        for offset, bits in walk.pinned:
            mask[offset] = bits
        self._mask = bytes(mask)
        self._template = bytes(byte & bits for byte, bits in zip(walk.tag, mask, strict=True))
        self._repeated = lru_cache(_CACHED_COUNTS)(self._repeat)
        names = sorted(walk.values, key=lambda name: walk.values[name].offset)
        self._struct = struct.Struct(_format((walk.values[name] for name in names), self.size))
        conversions = _CONVERSIONS if walk.epc_bits % 8 == 0 else _CONVERSIONS | {"epc": _cut_hex(walk.epc_bits)}
        self._conversions = [(names.index(name), conversions[name]) for name in names if name in conversions]
        self._pick = itemgetter(*(_column(field, names) for field in TagRead._fields))

    def _repeat(self, count: int) -> tuple[int, int]:
        return int.from_bytes(self._mask * count), int.from_bytes(self._template * count)

    def matches(self, tags: bytes) -> bool:
        """Say whether these bytes are whole tags that all lie as the learnt one."""
        count, rest = divmod(len(tags), self.size)
        if rest:
            return False
        mask, template = self._repeated(count) if count <= _MOST_CACHED_TAGS else self._repeat(count)
        return int.from_bytes(tags) & mask == template

    def reads(self, tags: bytes, now: int) -> list[TagRead]:
        """Build the reads of bytes that `matches`; `now` (reader's clock) stands in where tags carry no time."""
        absent = (0, now, 1, None)
        if len(tags) == self.size:  # most reports where a reader reports every read, and columns of one are slow
            values = [*self._struct.unpack(tags), *absent]
            for column, convert in self._conversions:
                values[column] = convert(values[column])
            return [tuple.__new__(TagRead, self._pick(values))]
        columns: list[Iterable[Any]] = [*zip(*self._struct.iter_unpack(tags), strict=True), *map(repeat, absent)]
        for column, convert in self._conversions:
            columns[column] = map(convert, columns[column])
        return list(map(tuple.__new__, repeat(TagRead), zip(*self._pick(columns), strict=False)))


def _format(values: Iterable[Value], size: int) -> str:
    """Struct format of one tag: the values in their places, everything else skipped."""
    form, position = "!", 0
    for value in values:
        form += f"{value.offset - position}x{value.format}"
        position = value.offset + struct.calcsize(f"!{value.format}")
    return f"{form}{size - position}x"


def _column(field: str, names: list[str]) -> int:
    """Column of a field of TagRead; what the tag has not comes from the columns of defaults behind the values."""
    found = (names.index(name) for name in _SOURCES[field] if name in names)
    return next(found, len(names) + _ABSENT[field])
