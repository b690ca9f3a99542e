"""How each reader is doing, for `rfid-gateway status`, the status topics and the dashboard. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rfid_gateway.reads import UP, ReaderState, ReaderStatus, TagReport

RATE_OVER_S = 10
NAMED = 5
"""Readers that a line names; `rfid-gateway status` has all."""
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class ReaderView:
    """One reader now. Times are UTC in microseconds."""

    state: ReaderState
    since: int
    """When it came into this state."""
    detail: str = ""
    """What is wrong and what helps; empty when all is well."""
    model: str = ""
    firmware: str = ""
    antennas: tuple[int, ...] | None = None
    """Connected ones; None where the reader does not say."""
    temperature: float | None = None
    """Degrees Celsius."""
    reads_per_second: float = 0.0
    """Over the last ten seconds."""
    reads: int = 0
    """Since the gateway started."""
    clock_offset: int | None = None
    """Reader's clock minus the gateway's, microseconds; None before the first read."""
    last_read_at: int | None = None
    last_error: str = ""
    """What went wrong last and what helps; stays when all is well again."""
    last_error_at: int | None = None
    reconnects: int = 0
    """Times that it came back since the gateway started."""
    heard_antennas: tuple[int, ...] = ()
    """Antennas that reads came from since the gateway started, as far as samples tell."""


class ReaderViews:
    """All readers. Owner: the pipeline's thread; others only look at what `view` and `online` give."""

    def __init__(self, readers: Iterable[str], at: int) -> None:
        self._views = {reader: ReaderView(ReaderState.CONNECTING, at) for reader in readers}
        self._reading = {reader: _Reading() for reader in self._views}
        self._was_up: set[str] = set()

    def __len__(self) -> int:
        """Readers that are configured."""
        return len(self._views)

    def __contains__(self, reader_id: object) -> bool:
        """Whether this reader is configured."""
        return reader_id in self._views

    def follow(self, readers: Iterable[str], at: int) -> None:
        """Let the set be these readers; those that stay keep their figures. `at`: UTC in microseconds."""
        ids = tuple(readers)
        self._reading = {reader: self._reading.get(reader) or _Reading() for reader in ids}
        # Replaced as a whole: other threads look.
        self._views = {reader: self._views.get(reader) or ReaderView(ReaderState.CONNECTING, at) for reader in ids}
        self._was_up &= self._views.keys()

    @property
    def online(self) -> int:
        """Readers that read and have no complaint."""
        return sum(view.state is ReaderState.ONLINE for view in tuple(self._views.values()))

    def line(self) -> str:
        """How many are online, and which are not and why not, for `systemctl status`."""
        views = tuple(self._views.items())
        others = [f"{name} {view.state}" for name, view in views if view.state is not ReaderState.ONLINE]
        more = f", {len(others) - NAMED} more" if len(others) > NAMED else ""
        named = f" ({', '.join(others[:NAMED])}{more})" if others else ""
        return f"{len(views) - len(others)} of {len(views)} readers online{named}"

    def view(self, reader_id: str, now: int) -> ReaderView:
        """One reader at the monotonic time `now`."""
        reading = self._reading[reader_id]
        return replace(
            self._views[reader_id],
            reads_per_second=reading.per_second(now),
            reads=reading.reads,
            clock_offset=reading.clock_offset,
            last_read_at=reading.last_read_at,
            heard_antennas=tuple(sorted(reading.heard_antennas)),
        )

    def all(self, now: int) -> dict[str, ReaderView]:
        """Every reader by its id, at the monotonic time `now`."""
        return {reader: self.view(reader, now) for reader in self._views}

    def report(self, report: TagReport) -> None:
        """Count a report's reads."""
        self._reading[report.reader_id].add(report)

    def status(self, status: ReaderStatus) -> None:
        """Take a change of a reader's state; what it does not say stays as it was."""
        known = self._views[status.reader_id]
        up, was_up = status.state in UP, known.state in UP
        error = status.detail if status.detail and status.state is not ReaderState.CONNECTING else ""
        self._views[status.reader_id] = replace(
            known,
            state=status.state,
            since=known.since if known.state is status.state else status.at,
            detail=status.detail,
            model=status.model or known.model,
            firmware=status.firmware or known.firmware,
            antennas=known.antennas if status.antennas is None else status.antennas,
            temperature=known.temperature if status.temperature is None else status.temperature,
            last_error=error or known.last_error,
            last_error_at=status.at if error else known.last_error_at,
            reconnects=known.reconnects + (up and not was_up and status.reader_id in self._was_up),
        )
        if up:
            self._was_up.add(status.reader_id)


class _Reading:
    """What changes with every report of one reader. Owner: the views."""

    def __init__(self) -> None:
        self.reads = 0
        self.clock_offset: int | None = None
        self.last_read_at: int | None = None
        self.heard_antennas: set[int] = set()
        self._seconds: deque[list[int]] = deque(maxlen=RATE_OVER_S + 1)
        """Monotonic second and the reads in it."""

    def add(self, report: TagReport) -> None:
        reads = len(report.tag_reads)
        self.reads += reads
        self.clock_offset = report.clock_offset
        self.last_read_at = report.received_at
        if reads:
            # Samples: each antenna comes first in some report soon, and this is called for every report.
            self.heard_antennas.add(report.tag_reads[0].antenna_id)
        second = report.received_monotonic // _SECOND
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1][1] += reads
        else:
            self._seconds.append([second, reads])

    def per_second(self, now: int) -> float:
        """Mean over the last whole seconds; the present one has only begun."""
        second = now // _SECOND
        # A copy, made at once: another thread than the one that adds may ask.
        reads = sum(count for begun, count in tuple(self._seconds) if second - RATE_OVER_S <= begun < second)
        return reads / RATE_OVER_S
