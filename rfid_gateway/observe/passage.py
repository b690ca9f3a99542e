"""A passage being observed: one tag at one door, as running sums per antenna."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from rfid_gateway.observe.background import Port
from rfid_gateway.observe.sums import Sums

KIND = "passage"

HALF_LIFETIME = 6_000_000
"""µs that may lie between the two sides of one slow passage, where the door frame hides the tag."""
LATE = 60_000_000
"""µs after its last read within which others may come late that belong to a passage: the connection was away and the
reader kept them, or this PC was too busy to take them. A reader whose clock stands still must not make all passages
one."""
RESTED_READS = 5
RESTED_EVERY = 200_000


class Ended(NamedTuple):
    """How a passage was decided."""

    reported: str | None
    """Direction, if it was an event."""
    half: bool
    """Only one side heard it, and the other may be about to."""


class OpenPassage:
    """One tag at one door. Owner: `Doors`. `origin` and `seen` are UTC, the other times monotonic.

    Kept for a while when it has ended, because it may turn out to go on.
    """

    __slots__ = (
        "door",
        "ended",
        "epc",
        "follows",
        "held",
        "last",
        "opened",
        "origin",
        "rested",
        "seen",
        "stored",
        "sums",
        "tid",
        "waits",
    )

    def __init__(self, door: str, epc: str, tid: str | None, origin: int, opened: int) -> None:
        self.door = door
        self.epc = epc
        self.tid = tid
        self.origin = self.seen = origin
        self.opened = self.last = opened
        self.waits = False
        self.held = False
        """Quiet and not clear by itself: waiting for the votes of tags that moved with it."""
        self.follows: str | None = None
        """Direction already reported for the same stay, where the cap came before the tag was gone."""
        self.ended: Ended | None = None
        self.sums: dict[Port, Sums] = {}
        self.rested: dict[Port, float] = {}
        """Levels at which the tag rested before, so that antennas at the edge of hearing it stay known."""
        self.stored = False

    def key(self) -> tuple[str, str, str]:
        """Kind, door and EPC."""
        return KIND, self.door, self.epc

    def state(self) -> str:
        """Everything but the timers."""
        return json.dumps(
            {
                "origin": self.origin,
                "seen": self.seen,
                "tid": self.tid,
                "follows": self.follows,
                "ended": self.ended,
                "rested": [[reader, antenna, level] for (reader, antenna), level in self.rested.items()],
                "sums": [[reader, antenna, *sums.state()] for (reader, antenna), sums in self.sums.items()],
            }
        )

    @classmethod
    def restored(cls, door: str, epc: str, text: str, monotonic: int, utc: int) -> "OpenPassage":
        """As it was: quiet time counts anew from now, the cap from when it was opened."""
        state = json.loads(text)
        passage = cls(door, epc, state["tid"], state["origin"], monotonic - max(0, utc - state["origin"]))
        passage.last = monotonic
        passage.seen = state["seen"]
        passage.follows = state["follows"]
        ended = state.get("ended")  # rows of an older gateway have none
        passage.ended = Ended._make(ended) if ended is not None else None
        passage.sums = {(reader, antenna): Sums.restored(sums) for reader, antenna, *sums in state["sums"]}
        passage.rested = {(reader, antenna): level for reader, antenna, level in state["rested"]}
        passage.stored = True
        return passage

    def goes_on(self, at: int, now: int, quiet: int, *, rested: bool) -> bool:
        """Whether a read at `at` (UTC), taken now (monotonic), is still of this passage, which has ended.

        Args:
            at: when the tag was read.
            now: when that arrived.
            quiet: of the door, µs. A read less than this after the one before is of the same passage, and came late.
            rested: the tag rested at the door until now.
        """
        assert self.ended is not None
        if self.ended.half:
            return at - self.seen < HALF_LIFETIME
        late = self.origin - quiet < at < self.seen + quiet
        return late and not rested and now - self.last < LATE

    def reopen(self, now: int) -> None:
        """Go on, although it had ended."""
        assert self.ended is not None
        self.opened = self.last = now
        self.follows = self.ended.reported or self.follows
        self.ended = None
        self.held = self.waits = False

    def reads(self) -> int:
        """Reads at all antennas."""
        return sum(sums.n for sums in self.sums.values())

    def power(self) -> float:
        """Power at all antennas in mW, all reads added."""
        return sum(sums.p for sums in self.sums.values())

    def peak(self) -> float:
        """Strongest read in dBm."""
        return max(sums.peak for sums in self.sums.values())

    def middle(self) -> int:
        """UTC of the middle of all power: about when the tag was in the door."""
        return self.origin + int(1e6 * sum(sums.tp for sums in self.sums.values()) / self.power())

    def levels(self) -> dict[Port, float]:
        """Present smoothed RSSI at each antenna that gives one."""
        return self.rested | {port: sums.level for port, sums in self.sums.items() if sums.rssi_n}

    def begin_resting(self, rested: Mapping[Port, tuple[int, float]], levels: Mapping[Port, float]) -> None:
        """Begin with where the tag rested until it was picked up, as if read a few times in the second before.

        By the time its level has left the resting one, a forklift has already taken it past the antenna.
        """
        self.rested = dict(levels)
        if not rested:
            return
        self.origin = min(heard for heard, _ in rested.values()) - RESTED_READS * RESTED_EVERY
        for port, (heard, level) in rested.items():
            sums = self.sums[port] = Sums()
            for back in range(RESTED_READS, 0, -1):
                sums.add((heard - back * RESTED_EVERY - self.origin) * 1e-6, level)
