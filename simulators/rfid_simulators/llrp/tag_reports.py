"""TagReportData: what the radio heard, merged per tag and antenna and encoded as the client selected. Pure.

Source: LLRP 1.0.1 14.2.3 (RO_ACCESS_REPORT), 16.2.7.3 (TagReportData). Layouts are compiled once per ROSpec,
because a benchmark asks 64 readers for 1000 tag reads per second each.
"""

import hashlib
import struct
from binascii import crc_hqx
from collections.abc import Callable
from functools import lru_cache
from math import tau
from operator import itemgetter
from typing import Any, NamedTuple

from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.rospec import ReportSpec
from rfid_simulators.llrp.vendor import (
    PEAK_RSSI,
    RF_DOPPLER_FREQUENCY,
    RF_PHASE_ANGLE,
    SERIALIZED_TID,
    ZEBRA_TAG_PHASE,
)
from rfid_simulators.llrp.wire import CUSTOM, IMPINJ, ZEBRA, custom, tlv, u16v
from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.world.sighting import Sighting

EPC_96_BYTES = 12
MOST_SEEN = 0xFFFF
"""TagSeenCount has 16 bits and stays at its highest value."""

_TLV = struct.Struct("!HH")
_TAG_REPORT_DATA = int(P.TAG_REPORT_DATA)


class TagMemory(NamedTuple):
    """What a report tells of a tag's memory, encoded where it is a parameter."""

    epc: bytes
    """EPC-96 or EPCData parameter."""
    pc: int
    crc: int
    tid: bytes
    """ImpinjSerializedTID parameter."""


@lru_cache(maxsize=1 << 16)
def tag_memory(epc: str) -> TagMemory:
    """Work out the memory of a simulated tag from its EPC (hex, whole words); the TID is made up from it."""
    data = bytes.fromhex(epc)
    pc = len(data) // 2 << 11
    crc = crc_hqx(pc.to_bytes(2, "big") + data, 0xFFFF) ^ 0xFFFF
    parameter = (
        b"\x8d" + data if len(data) == EPC_96_BYTES else tlv(P.EPC_DATA, (len(data) * 8).to_bytes(2, "big"), data)
    )
    tid = b"\xe2\x80\x11\x60" + hashlib.blake2b(data, digest_size=8).digest()
    return TagMemory(parameter, pc, crc, custom(IMPINJ, SERIALIZED_TID, u16v(struct.unpack("!6H", tid))))


class SeenTag:
    """One tag at one antenna since the last report. Owned by the accumulator that made it."""

    __slots__ = ("count", "first", "last", "strongest")

    def __init__(self, sighting: Sighting) -> None:
        self.first = self.last = sighting.at
        self.strongest = sighting
        self.count = 1

    def again(self, sighting: Sighting) -> None:
        """Merge another sighting of the same tag at the same antenna."""
        self.last = sighting.at
        self.count += 1
        if sighting.rssi > self.strongest.rssi:
            self.strongest = sighting


class Accumulator:
    """Tags since the last report, in order of their first sighting. Owned by one run of a ROSpec."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], SeenTag] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, sighting: Sighting) -> None:
        """Count one sighting."""
        key = (sighting.epc, sighting.antenna_id)
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = SeenTag(sighting)
        else:
            seen.again(sighting)

    def take(self) -> list[SeenTag]:
        """Return what there is and start anew."""
        seen = list(self._seen.values())
        self._seen.clear()
        return seen


# One row per optional parameter, in the order of TagReportData: whether it is selected, its fixed leading bytes, the
# format of its value, and the value's place in the tuple that `TagEncoder.encode` makes.
_Row = tuple[Callable[[ReportSpec], bool], bytes, str, int]
_ROSPEC_ID, _SPEC_INDEX, _INVENTORY_SPEC, _ANTENNA, _RSSI, _CHANNEL, _FIRST, _LAST, _COUNT, _PC, _CRC = range(11)
_ACCESSSPEC = 11
_VALUES = 12


def _selected(bit: int) -> Callable[[ReportSpec], bool]:
    return lambda report: bool(report.content >> bit & 1)


def _tv(kind: int) -> bytes:
    return bytes((0x80 | kind,))


def _rows(*, has_utc: bool) -> tuple[_Row, ...]:
    return (
        (_selected(15), _tv(9), "I", _ROSPEC_ID),
        (_selected(14), _tv(14), "H", _SPEC_INDEX),
        (_selected(13), _tv(10), "H", _INVENTORY_SPEC),
        (_selected(12), _tv(1), "H", _ANTENNA),
        (_selected(10), _tv(6), "b", _RSSI),
        (_selected(11), _tv(7), "H", _CHANNEL),
        (_selected(9), _tv(2 if has_utc else 3), "Q", _FIRST),
        (_selected(8), _tv(4 if has_utc else 5), "Q", _LAST),
        (_selected(7), _tv(8), "H", _COUNT),
        (lambda report: report.with_pc, _tv(12), "H", _PC),
        (lambda report: report.with_crc, _tv(11), "H", _CRC),
        (_selected(6), _tv(16), "I", _ACCESSSPEC),
    )


_EXTENSION = struct.Struct("!HHIIh")
_EXTENSIONS: tuple[tuple[int, int, Callable[[Sighting], int]], ...] = (
    (IMPINJ, RF_PHASE_ANGLE, lambda sighting: round(sighting.phase / tau * 4096) & 0xFFF),
    (IMPINJ, PEAK_RSSI, lambda sighting: _within(round(sighting.rssi * 100), 16)),
    (IMPINJ, RF_DOPPLER_FREQUENCY, lambda sighting: _within(round(sighting.doppler * 16), 16)),
    (ZEBRA, ZEBRA_TAG_PHASE, lambda sighting: (round(sighting.phase / tau * 65536) + 0x8000) % 0x10000 - 0x8000),
)
"""Vendors' parameters of a 16-bit value: 1/4096 turn, 1/100 dBm, 1/16 Hz; 1/65536 turn, above half a turn negative."""


class TagEncoder:
    """Encodes tags as one ROSpec's content selector asks for.

    Args:
        report: what the client selected.
        clock: the reader's clock, which also decides between UTC and uptime.
        rospec_id: the ROSpec that reads.
    """

    def __init__(self, report: ReportSpec, clock: ReaderClock, rospec_id: int) -> None:
        chosen = [row for row in _rows(has_utc=clock.has_utc) if row[0](report)]
        self._heads = tuple(head for _, head, _, _ in chosen)
        self._pack = struct.Struct("!" + "".join(f"{len(head)}s{form}" for _, head, form, _ in chosen)).pack
        places = [place for at, row in enumerate(chosen) for place in (_VALUES + at, row[3])]
        self._pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] = itemgetter(*places) if places else lambda _: ()
        self._extensions = [row for row in _EXTENSIONS if row[1] in report.extensions]
        self._with_tid = SERIALIZED_TID in report.extensions
        self._clock = clock
        self._rospec_id = rospec_id

    def encode(self, seen: SeenTag, spec_index: int, inventory_spec: int) -> bytes:
        """Encode one TagReportData; `spec_index` counts from 1."""
        best = seen.strongest
        memory = tag_memory(best.epc)
        first = self._clock.shows(seen.first)
        values = (
            self._rospec_id,
            spec_index,
            inventory_spec,
            best.antenna_id,
            _within(round(best.rssi), 8),
            best.channel,
            first,
            first if seen.count == 1 else self._clock.shows(seen.last),
            min(seen.count, MOST_SEEN),
            memory.pc,
            memory.crc,
            0,
        )
        content = memory.epc + self._pack(*self._pick(values + self._heads))
        for vendor, subtype, value in self._extensions:
            content += _EXTENSION.pack(CUSTOM, _EXTENSION.size, vendor, subtype, value(best))
        if self._with_tid:
            content += memory.tid
        return _TLV.pack(_TAG_REPORT_DATA, _TLV.size + len(content)) + content


def _within(value: int, bits: int) -> int:
    """Keep a value in the range of a signed field."""
    highest = (1 << (bits - 1)) - 1
    if -highest <= value <= highest:
        return value
    return highest if value > 0 else -highest - 1
