"""Tags, and populations of them: a fixed one, or one without end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rfid_simulators.world.paths import Path

GCP = 4_012_345
GCP_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag on its way."""

    epc: str
    """Upper-case hex."""
    path: Path
    loss_db: float = 0.0
    """What goods, orientation and detuning take away, both ways together."""


class Population(Protocol):
    """Which tags there are."""

    end: int | None
    """When the last one is gone, µs; None where there is no end."""

    def between(self, start: int, end: int) -> Sequence[Tag]:
        """Tags that are somewhere in that stretch of time, always in the same order."""
        ...


class FixedPopulation:
    """Tags that are all known from the beginning."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._tags = tuple(tags)
        self.end: int | None = max((tag.path.end for tag in tags), default=0)

    def between(self, start: int, end: int) -> Sequence[Tag]:
        """Tags that are somewhere in that stretch of time."""
        return [tag for tag in self._tags if tag.path.start < end and tag.path.end >= start]


def sscc(serial: int, extension: int = 3) -> str:
    """The SSCC (18 digits) with a serial of up to nine digits (GS1 General Specifications 7.9, check digit)."""
    digits = f"{extension}{GCP:0{GCP_DIGITS}d}{serial:09d}"
    weighted = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"


def sscc_96(serial: int, extension: int = 3) -> str:
    """The SSCC-96 EPC of the same unit: 24 hex digits, filter 0, partition 5 (TDS 2.3 14.6.2)."""
    reference = extension * 10**9 + serial
    return f"{0x31 << 88 | 5 << 82 | GCP << 58 | reference << 24:024X}"
