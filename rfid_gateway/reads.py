"""What readers report: the types that flow from drivers into the gateway. All frozen.

Times are integer microseconds. `first_seen` and `last_seen` are in the *reader's* clock, because readers' clocks
lie and both times are to be kept; `TagReport.clock_offset` turns them into the gateway's UTC:

    utc = reader_time - clock_offset

A driver whose reader gives no time puts its own `received_at` into both and reports an offset of 0.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class TagRead(NamedTuple):
    """One tag at one antenna, as a reader reported it (LLRP 1.0.1 section 14.2.3.1, TagReportData).

    A tuple rather than a dataclass: a busy site makes 64 000 of these per second, and a named tuple is built from
    a decoded record in a fifth of the time. Nothing checks the fields here; the decoders that build it do.
    """

    epc: str
    """Upper-case hex of the EPC alone: no PC, no CRC."""
    antenna_id: int
    """Counted from 1; 0 where the reader does not say."""
    first_seen: int
    """Reader's clock, microseconds."""
    last_seen: int
    """Reader's clock, microseconds; equal to `first_seen` where the reader gives one time."""
    peak_rssi: float | None = None
    """dBm; None where the reader gives none or only a raw value."""
    tag_seen_count: int = 1
    """Reads that this record stands for."""
    pc: int | None = None
    """Protocol control word (Gen2 PC), 16 bits."""
    phase: float | None = None
    """Radians, 0 to 2 pi."""
    doppler: float | None = None
    """Hz."""
    channel: int | None = None
    """Channel index as the reader counts it."""
    tid: str | None = None
    """Upper-case hex of the TID bank's content, where the reader delivers it."""
    rssi_raw: int | None = None
    """Signal strength in the reader's own unit, where it is not dBm."""


@dataclass(frozen=True, slots=True)
class TagReport:
    """Tag reads that arrived together from one reader (LLRP RO_ACCESS_REPORT); the queue's item."""

    reader_id: str
    received_at: int
    """Gateway's UTC at arrival, microseconds."""
    received_monotonic: int
    """Gateway's monotonic clock at arrival, microseconds: what timers count from."""
    tag_reads: tuple[TagRead, ...]
    clock_offset: int = 0
    """Reader's clock minus the gateway's UTC, microseconds, as the driver estimates it now."""
    merged_since: int | None = None
    """Where a full queue merged several reports into this one: `received_monotonic` of the first of them."""


@dataclass(frozen=True, slots=True)
class GpiEdge:
    """An input of a reader changed (LLRP GPIEvent): a photo-eye, a door contact."""

    reader_id: str
    received_at: int
    received_monotonic: int
    port: int
    """Counted from 1."""
    high: bool


class ReaderState(StrEnum):
    """How a reader is doing, for people and for the status topic."""

    CONNECTING = "connecting"
    ONLINE = "online"
    """Connected, configured and reading."""
    DEGRADED = "degraded"
    """Reading, but something is wrong: an antenna is gone, reports were lost in the reader."""
    BUSY = "busy"
    """Another client holds the reader."""
    OFFLINE = "offline"


UP = frozenset({ReaderState.ONLINE, ReaderState.DEGRADED})
"""States in which a reader delivers tag reads and edges."""


@dataclass(frozen=True, slots=True)
class ReaderStatus:
    """A change of a reader's state, in words that say what to do."""

    reader_id: str
    at: int
    """Gateway's UTC, microseconds."""
    state: ReaderState
    detail: str = ""
    """What happened and what helps; empty when all is well."""
    model: str = ""
    firmware: str = ""
    antennas: tuple[int, ...] | None = None
    """Antennas that are connected, counted from 1; None where the reader does not say."""
    temperature: float | None = None
    """Degrees Celsius, where the reader gives it."""


@dataclass(frozen=True, slots=True)
class ReaderAlert:
    """Something at a reader that a person should know although it goes on reading."""

    reader_id: str
    at: int
    """Gateway's UTC, microseconds."""
    kind: str
    """A word for programs: report_buffer_overflow, rival_client, setting_refused, ..."""
    detail: str
    """What happened and what helps, for people."""
    count: int = 1
    """How many of them (lost reports, refused settings); 1 where counting makes no sense."""


ReaderItem = TagReport | GpiEdge | ReaderStatus | ReaderAlert
"""Whatever a driver may emit."""
