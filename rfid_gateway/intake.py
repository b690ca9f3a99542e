"""The one bounded queue: from the readers' threads (and the directory feed) to the pipeline.

While there is room, items wait in the order in which they came. When the tag reads that wait reach the limit, further
reports of a reader are merged per EPC and antenna until the pipeline has caught up: counts are added, the first time,
the strongest signal and the last time are kept. Each EPC keeps a few merged reads per antenna, one after another, so
that a passage still shows which side was stronger last. What was merged is handed over as so many reports, each with
the time at which its first and its last read arrived, in the order of time with all else: timers must not run out over
reads that wait. So detail is lost and counted, a tag never; and what waits is bounded by the number of tags in the
field, whatever the rate.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from threading import Condition

from rfid_gateway.mqtt.requests import Request
from rfid_gateway.reads import GpiEdge, ReaderItem, TagRead, TagReport


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
        self._merging: dict[str, _Merging] = {}
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
            items, self._items = list(self._items), deque()
            merging, self._merging = self._merging, {}
            self._waiting_reads = 0
        # Without the lock: what was merged may be much, and readers must not wait for it.
        if not merging:
            return items
        return _in_order(items, [report for each in merging.values() for report in each.reports()])

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
            merging = self._merging[report.reader_id] = _Merging()
        merging.add(report)
        self._merged_reads += len(report.tag_reads)


class _Merging:
    """Reports of one reader that are being merged per EPC and antenna. Owner: the intake."""

    def __init__(self) -> None:
        self._reads: dict[tuple[str, int], _Slices] = {}

    def add(self, report: TagReport) -> None:
        for read in report.tag_reads:
            key = (read.epc, read.antenna_id)
            slices = self._reads.get(key)
            if slices is None:
                slices = self._reads[key] = _Slices()
            slices.add(_Slice(read, report.received_monotonic, report))

    def reports(self) -> list[TagReport]:
        """One report for each merged read."""
        return [each.report() for slices in self._reads.values() for each in slices.slices]


@dataclass(frozen=True, slots=True)
class _Slice:
    """Reads of one tag at one antenna, merged into one."""

    read: TagRead
    since: int
    """When the first of them arrived, monotonic."""
    last: TagReport
    """The report that brought the last of them."""

    def with_later(self, later: "_Slice") -> "_Slice":
        return _Slice(merge(self.read, later.read), self.since, later.last)

    def report(self) -> TagReport:
        return replace(self.last, tag_reads=(self.read,), merged_since=self.since)


class _Slices:
    """The reads of one tag at one antenna, in slices that each stand for as many as the others. Owner: the intake."""

    def __init__(self) -> None:
        self.slices: list[_Slice] = []
        """At most `SLICES`, in the order in which they came."""
        self._stride = 1
        """How many reads one of them stands for."""
        self._in_last = 0

    def add(self, one: _Slice) -> None:
        if self.slices and self._in_last < self._stride:
            self.slices[-1] = self.slices[-1].with_later(one)
            self._in_last += 1
            return
        if len(self.slices) == SLICES:
            pairs = zip(self.slices[::2], self.slices[1::2], strict=True)
            self.slices = [first.with_later(second) for first, second in pairs]
            self._stride *= 2
        self.slices.append(one)
        self._in_last = 1


def _in_order(items: list[Item], merged: list[TagReport]) -> list[Item]:
    """What waited unmerged and what was merged, in the order in which it came; what has no time keeps its place."""
    came, timed = 0, list[tuple[int, Item]]()
    for item in items:
        if isinstance(item, TagReport | GpiEdge):
            came = max(came, item.received_monotonic)
        timed.append((came, item))
    timed += ((report.merged_since or 0, report) for report in merged)
    return [item for _, item in sorted(timed, key=itemgetter(0))]


def merge(known: TagRead, later: TagRead) -> TagRead:
    """One tag read that stands for two of the same tag at the same antenna."""
    stronger = later if (later.peak_rssi or -999.0) > (known.peak_rssi or -999.0) else known
    return stronger._replace(
        first_seen=min(known.first_seen, later.first_seen),
        last_seen=max(known.last_seen, later.last_seen),
        tag_seen_count=known.tag_seen_count + later.tag_seen_count,
        tid=later.tid or known.tid,
    )
