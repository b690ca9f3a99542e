"""A plain reading of RO_ACCESS_REPORT, value by value as the standard says: what the fast decoder must agree with."""

import math
from typing import Any

from rfid_gateway.reads import TagRead

IMPINJ = 25882
LATEST = 1 << 57
TV_SIZES = dict.fromkeys((1, 7, 8, 10, 11, 12, 14, 15, 17, 19, 20), 2) | {
    2: 8,
    3: 8,
    4: 8,
    5: 8,
    6: 1,
    9: 4,
    13: 12,
    16: 4,
    18: 4,
}


CARRIED: dict[str, set[object]] = {
    "antenna_id": {1},
    "first_seen": {2, 3},
    "last_seen": {4, 5},
    "peak_rssi": {6, "impinj 57"},
    "channel": {7},
    "tag_seen_count": {8},
    "pc": {12},
}
TIMES = {"first_seen", "last_seen"}


class PlainReader:
    """Reads the reports of one connection one after another."""

    def __init__(self) -> None:
        self.spec = 0
        self.values: dict[int, dict[str, Any]] = {}
        self.clocks: dict[int, str] = {}

    def reading(self, body: bytes, now: int) -> list[TagRead]:
        """Read what can be read; `now` stands in for absent times."""
        reads = []
        position = 0
        while position < len(body):
            length = int.from_bytes(body[position + 2 : position + 4])
            if not 4 <= length <= len(body) - position:
                break
            if int.from_bytes(body[position : position + 2]) & 0x3FF == 240:
                tag = _Tag(body[position + 4 : position + length])
                if tag.bits:
                    reads.append(self._carried(tag, tag.read(now)) if tag.sound else tag.read(now))
            position += length
        return reads

    def _carried(self, tag: "_Tag", read: TagRead) -> TagRead:
        """Fill in from the last read of the same ROSpec what this one leaves out."""
        if 9 in tag.found:
            self.spec = int.from_bytes(tag.found[9])
        values = self.values.setdefault(self.spec, {})
        clock = "utc" if tag.found.keys() & {2, 4} else "uptime" if tag.found.keys() & {3, 5} else ""
        given = {field for field, kinds in CARRIED.items() if tag.found.keys() & kinds}
        if clock and clock != self.clocks.get(self.spec):
            for field in TIMES & values.keys():
                del values[field]
        usable = {field: value for field, value in values.items() if field not in given}
        filled = read._replace(**usable)
        if TIMES & usable.keys() and filled.first_seen > filled.last_seen:
            filled = filled._replace(first_seen=read.first_seen, last_seen=read.last_seen)
        for field in given:
            values[field] = getattr(filled, field)
        self.clocks[self.spec] = clock or self.clocks.get(self.spec, "")
        return filled


def plain_reading(body: bytes, now: int) -> list[TagRead]:
    """Read the first report of a connection."""
    return PlainReader().reading(body, now)


class _Tag:
    def __init__(self, body: bytes) -> None:
        self.found: dict[object, bytes] = {}
        self.bits = 0
        self.sound = True
        while body:
            length = self._tv(body) if body[0] & 0x80 else self._tlv(body)
            if not length:
                self.sound = False
                break
            body = body[length:]

    def _tv(self, body: bytes) -> int:
        kind = body[0] & 0x7F
        size = TV_SIZES.get(kind, len(body))
        value = body[1 : 1 + size]
        if len(value) < size:
            return 0
        if kind == 13:
            self.bits, self.found["epc"] = 96, value
        elif kind not in (2, 3, 4, 5) or int.from_bytes(value) < LATEST:
            self.found[kind] = value
        else:
            self.sound = False  # a time that is none is damage
        return 1 + size

    def _tlv(self, body: bytes) -> int:
        length = int.from_bytes(body[2:4])
        if len(body) < 4 or not 4 <= length <= len(body):
            return 0
        kind, value = int.from_bytes(body[:2]) & 0x3FF, body[4:length]
        sound = True
        if kind == 241:
            sound = self._epc(value)
        elif kind == 1023:
            sound = self._custom(value)
        return length if sound else 0

    def _epc(self, value: bytes) -> bool:
        bits = int.from_bytes(value[:2])
        size = (bits + 7) // 8
        if len(value) < 2 + size:
            return False
        self.bits, self.found["epc"] = bits, value[2 : 2 + size]
        return True

    def _custom(self, value: bytes) -> bool:
        vendor, subtype, content = int.from_bytes(value[:4]), int.from_bytes(value[4:8]), value[8:]
        if len(value) < 8:
            return False
        if vendor != IMPINJ or len(content) < 2:
            return True
        size = int.from_bytes(content[:2]) * 2
        if subtype == 55 and size > len(content) - 2:
            return False
        self.found["tid" if subtype == 55 else f"impinj {subtype}"] = (
            content[2 : 2 + size] if subtype == 55 else content[:2]
        )
        return True

    def _number(self, key: object, *, signed: bool = False) -> int | None:
        return int.from_bytes(self.found[key], signed=signed) if key in self.found else None

    def _first(self, keys: tuple[int, ...], default: int) -> int:
        return next((int.from_bytes(self.found[key]) for key in keys if key in self.found), default)

    def read(self, now: int) -> TagRead:
        phase, count = self._number("impinj 56"), self._number(8)
        fine, doppler = self._number("impinj 57", signed=True), self._number("impinj 68", signed=True)
        return TagRead(
            epc=self.found["epc"].hex().upper()[: (self.bits + 3) // 4],
            antenna_id=self._number(1) or 0,
            first_seen=self._first((2, 4, 3, 5), now),
            last_seen=self._first((4, 2, 5, 3), now),
            peak_rssi=self._number(6, signed=True) if fine is None else fine / 100,
            tag_seen_count=1 if count is None else count,
            pc=self._number(12),
            phase=None if phase is None else phase % 4096 * math.tau / 4096,
            doppler=None if doppler is None else doppler / 16,
            channel=self._number(7),
            tid=self.found["tid"].hex().upper() if "tid" in self.found else None,
        )
