"""Tag reports at an exact rate, encoded before and stamped when they are due: a load that costs little CPU. Pure.

Source: LLRP 1.0.1 14.2.3 (RO_ACCESS_REPORT), 16.2.7.3 (TagReportData).
"""

import struct
from typing import Any

from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.llrp.wire import tlv
from rfid_simulators.steady_field import tag_epc

SECOND = 1_000_000
ANTENNAS = 4
_READER_SHIFT = 16
_FIRST_SEEN, _LAST_SEEN = slice(1, None, 5), slice(3, None, 5)
"""Places of a tag's five values: head, FirstSeenTimestampUTC, the next one's type, LastSeenTimestampUTC, rest."""


def paced_epcs(reader: int, tags: int) -> tuple[str, ...]:
    """Return the EPCs that reader number `reader` of a fleet reads, in turn; no two readers share one."""
    return tuple(tag_epc(reader << _READER_SHIFT | number) for number in range(tags))


class PacedReports:
    """Reports of one reader. Owned by that reader's thread, but for `silent`.

    Args:
        reader: number of the reader, which decides the EPCs.
        rate: tag reads per second.
        tags: tags that are read in turn.
        per_report: tag reads in one report.
        world_began: what the reader's clock shows at world time 0, microseconds UTC.
    """

    def __init__(self, reader: int, *, rate: int, tags: int, per_report: int, world_began: int) -> None:
        self.silent = False
        """Whether nothing is read any more; anybody may set it."""
        self._per_report = per_report
        self._rate = rate
        self._began = world_began
        self._layouts = [_layout(epcs) for epcs in _reports(paced_epcs(reader, tags), per_report)]

    def __call__(self, start: int, end: int) -> list[bytes]:
        """Return the report bodies due from world time `start` to before `end`; report `n` ends with read `n + 1`."""
        if self.silent:
            return []
        first, last = self._reports_before(start), self._reports_before(end)
        return [self._body(number) for number in range(first, last)]

    def _reports_before(self, at: int) -> int:
        return at * self._rate // (SECOND * self._per_report)

    def _body(self, number: int) -> bytes:
        packer, values = self._layouts[number % len(self._layouts)]
        first_read = number * self._per_report
        stamps = [
            self._began + read * SECOND // self._rate for read in range(first_read, first_read + self._per_report)
        ]
        values[_FIRST_SEEN] = values[_LAST_SEEN] = stamps
        return packer.pack(*values)


def _reports(epcs: tuple[str, ...], per_report: int) -> list[list[tuple[int, str]]]:
    """Return the reports after which everything repeats: tags in turn, with their numbers."""
    count = len(epcs)
    reads = range(count * per_report)
    return [
        [(read % count, epcs[read % count]) for read in reads[at : at + per_report]]
        for at in range(0, len(reads), per_report)
    ]


def _layout(tags: list[tuple[int, str]]) -> tuple[struct.Struct, list[Any]]:
    forms: list[str] = []
    values: list[Any] = []
    for number, epc in tags:
        tag = tlv(
            P.TAG_REPORT_DATA,
            b"\x8d" + bytes.fromhex(epc),
            struct.pack("!BHBbBH", 0x81, 1 + number % ANTENNAS, 0x86, -50 - number % 20, 0x87, 1),
            struct.pack("!BQBQBH", 0x82, 0, 0x84, 0, 0x88, 1),
        )
        head, between, rest = tag[:-20], tag[-12:-11], tag[-3:]
        forms.append(f"{len(head)}sQ{len(between)}sQ{len(rest)}s")
        values += [head, 0, between, 0, rest]
    return struct.Struct("!" + "".join(forms)), values
