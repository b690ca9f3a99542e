"""What a session tells the reader's thread. All frozen."""

from dataclasses import dataclass
from typing import NamedTuple

from rfid_drivers.llrp.handshake import Settled
from rfid_drivers.llrp.notifications import InputChanged
from rfid_gateway.reads import TagRead


class ReadsArrived(NamedTuple):
    """One RO_ACCESS_REPORT with tags in it. A tuple, because most events are of this kind."""

    tag_reads: tuple[TagRead, ...]
    clock_offset: int
    """As in TagReport."""


@dataclass(frozen=True, slots=True)
class InventoryRuns:
    """The reader is set up and reads."""

    settled: Settled
    antennas: tuple[int, ...] | None = None
    """As in ReaderStatus."""
    temperature: float | None = None
    """As in ReaderStatus."""


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """While the inventory runs: how the reader is now."""

    problems: tuple[str, ...]
    """What is wrong; nothing means all well again."""
    antennas: tuple[int, ...] | None = None
    """As in ReaderStatus."""
    temperature: float | None = None
    """As in ReaderStatus."""


@dataclass(frozen=True, slots=True)
class Alert:
    """As ReaderAlert, not counted yet."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A message, or a part of one, that could not be used and was stepped over."""

    message_type: int
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that an administrator may want to find in the log."""

    text: str


SessionEvent = ReadsArrived | InputChanged | InventoryRuns | HealthChanged | Alert | Skipped | Remark
