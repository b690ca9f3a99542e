"""What other tags say: neighbour doors that hear a tag louder, and goods that moved through together with it."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

from rfid_gateway.observe.observations import Direction
from rfid_gateway.observe.passage import OpenPassage

TOGETHER = 1_500_000
"""µs. Tags whose middles lie within this moved together: a pallet is 1.2 m long, a forklift does 1 to 3 m/s."""
VOTES_KEPT = 64
MIN_VOTES = 2
AGREEMENT = 0.85
"""Share of the votes that must name one direction; two pallets meeting in a door give no vote."""
PEAK_BELOW_GROUP_DB = 10.0
"""A tag this much weaker than those that crossed was not among them."""
STAYS_KEPT = 20_000
STAYS_PER_TAG = 4
STAY_LIFETIME = 20_000_000
"""µs of monotonic time for which a closed passage still competes with other doors."""


class _Vote(NamedTuple):
    middle: int
    direction: Direction
    peak: float


@dataclass(frozen=True, slots=True)
class Election:
    """What the tags that moved together say."""

    direction: Direction
    votes: int
    confidence: float


class Votes:
    """The latest clear passages of one door. Owner: the door. Bound: `VOTES_KEPT`."""

    def __init__(self) -> None:
        self._votes: deque[_Vote] = deque(maxlen=VOTES_KEPT)

    def add(self, passage: OpenPassage, direction: Direction) -> None:
        """Count a passage that was clear by itself."""
        self._votes.append(_Vote(passage.middle(), direction, passage.peak()))

    def elect(self, passage: OpenPassage) -> Election | None:
        """Ask those that moved together with a tag; None where they are too few, not at one, or much louder."""
        middle = passage.middle()
        votes = [vote for vote in self._votes if abs(vote.middle - middle) <= TOGETHER]
        if len(votes) < MIN_VOTES:
            return None
        if passage.peak() < sum(vote.peak for vote in votes) / len(votes) - PEAK_BELOW_GROUP_DB:
            return None
        outward = sum(vote.direction is Direction.OUT for vote in votes)
        direction, agreeing = max((Direction.OUT, outward), (Direction.IN, len(votes) - outward), key=lambda c: c[1])
        if agreeing < AGREEMENT * len(votes):
            return None
        # Laplace's rule of succession: what n witnesses of one mind are worth.
        return Election(direction, len(votes), (agreeing + 1) / (len(votes) + 2))


class _Stay(NamedTuple):
    door: str
    power: float
    started: int
    ended: int
    monotonic: int


class Stays:
    """Passages closed lately, by tag, for arbitration between doors. Owner: `Doors`. Bound: `STAYS_KEPT` tags."""

    def __init__(self) -> None:
        self._stays: OrderedDict[str, tuple[_Stay, ...]] = OrderedDict()

    def add(self, passage: OpenPassage, monotonic: int) -> None:
        """Remember a closed passage for a while."""
        stay = _Stay(passage.door, passage.power(), passage.origin, passage.seen, monotonic)
        kept = self._stays.pop(passage.epc, ())[1 - STAYS_PER_TAG :]
        self._stays[passage.epc] = (*kept, stay)
        while self._stays and (len(self._stays) > STAYS_KEPT or self._is_old(next(iter(self._stays)), monotonic)):
            self._stays.popitem(last=False)

    def louder_door(self, passage: OpenPassage, others: list[OpenPassage]) -> str | None:
        """The door that heard this tag louder at the same time, if any: `others` are still open there."""
        mine = _Stay(passage.door, passage.power(), passage.origin, passage.seen, 0)
        rivals = [_Stay(other.door, other.power(), other.origin, other.seen, 0) for other in others]
        rivals += [stay for stay in self._stays.get(passage.epc, ()) if stay.door != passage.door]
        louder = [rival for rival in rivals if rival.power > mine.power and _same_time(mine, rival)]
        return max(louder, key=lambda rival: rival.power).door if louder else None

    def _is_old(self, epc: str, monotonic: int) -> bool:
        return self._stays[epc][-1].monotonic + STAY_LIFETIME < monotonic


def _same_time(one: _Stay, other: _Stay) -> bool:
    """Whether two stays overlap by half of the shorter one."""
    overlap = min(one.ended, other.ended) - max(one.started, other.started)
    return overlap >= 0.5 * min(one.ended - one.started, other.ended - other.started)
