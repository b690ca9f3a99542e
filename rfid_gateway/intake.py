"""The one bounded queue: from the readers' threads (and the directory feed) to the pipeline.

While there is room, items wait in the order in which they came. When the tag reads that wait reach the limit, further
reports of a reader are merged per EPC and antenna until the pipeline has caught up: counts are added, the first time,
the strongest signal and the last time are kept. Each EPC keeps a few merged reads per antenna, one after another, so
that a passage still shows which side was stronger last. So detail is lost and counted, a tag never; and what waits is
bounded by the number of tags in the field, whatever the rate.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Condition

from rfid_gateway.mqtt.requests import Request
from rfid_gateway.reads import ReaderItem, TagRead, TagReport


@dataclass(frozen=True, slots=True)
class DirectoryMessage:
    """A message of the directory feed, on its way to the pipeline."""

    shipment_id: str
    payload: bytes
    """Empty: the entry is deleted."""
    acknowledge: Callable[[], None]
    """Called by the pipeline once the entry is committed; until then the broker keeps the message for us."""


@dataclass(frozen=True, slots=True)
class DirectoryRefusal:
    """A message of the directory feed that could not be used, for people."""

    topic: str
    reason: str
    at: int
    """UTC, microseconds."""
    shipment_id: str | None = None
    """The one whose entry stays as it was; None where the topic names none."""


SLICES = 8
"""Merged reads of one tag at one antenna; even."""

Item = ReaderItem | DirectoryMessage | Request | DirectoryRefusal


class Intake:
    """The queue. Owners: every producer may put, the pipeline alone drains.

    It has a lock, in its condition, because several threads share it and merging touches what waits.
    """

    def __init__(self, limit: int) -> None:
        """Make an empty queue in which at most `limit` tag reads wait unmerged."""
        self._limit = limit
        self._condition = Condition()
        self._items: deque[Item] = deque()
        self._waiting_reads = 0
        self._merging: dict[str, _MergedReport] = {}
        self._merged_reads = 0

    def follow(self, limit: int) -> None:
        """Let so many tag reads wait unmerged from now on."""
        with self._condition:
            self._limit = limit

    @property
    def merged_reads(self) -> int:
        """Tag reads so far that were merged because the pipeline was behind; the first few keep their detail."""
        return self._merged_reads

    def put(self, item: Item) -> None:
        """Hand an item over; never blocks, never refuses, never loses a tag."""
        with self._condition:
            if isinstance(item, TagReport):
                self._put_report(item)
            else:
                self._items.append(item)
            self._condition.notify()

    def drain(self, timeout_s: float) -> list[Item]:
        """Take everything that waits; waits up to `timeout_s` for the first item."""
        with self._condition:
            if not self._items and not self._merging:
                self._condition.wait(timeout_s)
            items = list(self._items)
            items.extend(merged.report() for merged in self._merging.values())
            self._items.clear()
            self._merging.clear()
            self._waiting_reads = 0
            return items

    def wake(self) -> None:
        """Let a waiting drain return now."""
        with self._condition:
            self._condition.notify()

    def _put_report(self, report: TagReport) -> None:
        merging = self._merging.get(report.reader_id)
        if merging is None and self._waiting_reads + len(report.tag_reads) <= self._limit:
            self._items.append(report)
            self._waiting_reads += len(report.tag_reads)
            return
        if merging is None:
            merging = self._merging[report.reader_id] = _MergedReport(report)
        merging.add(report)
        self._merged_reads += len(report.tag_reads)


class _MergedReport:
    """Reports of one reader merged per EPC and antenna. Owner: the intake."""

    def __init__(self, first: TagReport) -> None:
        self._latest = first
        self._reads: dict[tuple[str, int], _MergedReads] = {}

    def add(self, report: TagReport) -> None:
        # The offset may differ from report to report; within the moment that a queue is full it does not.
        self._latest = report
        for read in report.tag_reads:
            key = (read.epc, read.antenna_id)
            merged = self._reads.get(key)
            if merged is None:
                merged = self._reads[key] = _MergedReads()
            merged.add(read)

    def report(self) -> TagReport:
        """One report, its reads in the order of their times: a passage is told by which side was stronger last."""
        reads = [read for merged in self._reads.values() for read in merged.reads]
        return replace(self._latest, tag_reads=tuple(sorted(reads, key=_last_seen)))


class _MergedReads:
    """The reads of one tag at one antenna, each standing for as many as the others. Owner: the intake."""

    def __init__(self) -> None:
        self.reads: list[TagRead] = []
        """At most `SLICES`, in the order in which they came."""
        self._stride = 1
        """How many reads one of them stands for."""
        self._in_last = 0

    def add(self, read: TagRead) -> None:
        if self.reads and self._in_last < self._stride:
            self.reads[-1] = merge(self.reads[-1], read)
            self._in_last += 1
            return
        if len(self.reads) == SLICES:
            self.reads = [merge(*pair) for pair in zip(self.reads[::2], self.reads[1::2], strict=True)]
            self._stride *= 2
        self.reads.append(read)
        self._in_last = 1


def _last_seen(read: TagRead) -> int:
    return read.last_seen


def merge(known: TagRead, later: TagRead) -> TagRead:
    """One tag read that stands for two of the same tag at the same antenna."""
    stronger = later if (later.peak_rssi or -999.0) > (known.peak_rssi or -999.0) else known
    return stronger._replace(
        first_seen=min(known.first_seen, later.first_seen),
        last_seen=max(known.last_seen, later.last_seen),
        tag_seen_count=known.tag_seen_count + later.tag_seen_count,
        tid=later.tid or known.tid,
    )
