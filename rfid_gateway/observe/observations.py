"""What observation concludes from tag reads. All frozen; times are the gateway's UTC in microseconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Presence(StrEnum):
    """What a tag did in a zone (ALE additions and deletions)."""

    ARRIVED = "arrived"
    MOVED = "moved"
    DEPARTED = "departed"


class Direction(StrEnum):
    """Which way a tag went through a door; UNDECIDED where the reads do not tell."""

    IN = "in"
    OUT = "out"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class PresenceChange:
    """A tag arrived in a zone, moved into it from another, or departed from it."""

    epc: str
    zone: str
    change: Presence
    at: int
    """When it happened: first qualifying read for ARRIVED and MOVED, last read for DEPARTED."""
    previous_zone: str | None = None
    """Only for MOVED."""
    tid: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A tag went through a door, or was at it in a way that cannot be decided."""

    epc: str
    door: str
    direction: Direction
    confidence: float
    """0 to 1; of the direction, or for UNDECIDED of the better one."""
    started: int
    ended: int
    evidence: Mapping[str, float | int | str]
    """What led to the decision, for the log and for `analyse`; never needed to go on."""
    tid: str | None = None


Observation = PresenceChange | Passage
