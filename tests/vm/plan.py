"""Which power cuts, at which instants, amid which traffic: a seed becomes a plan. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.field import CROSSING_US, SPOTS, Spot

SECOND = 1_000_000
SPREAD_US = 4 * SECOND
"""Arrivals of a round are spread over this time."""
_BEFORE_US, _AFTER_US = SECOND, 3 * SECOND
"""The cut comes at some instant from the first after the round's beginning to this after its last arrival."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A tag comes to a spot, after so many microseconds of the round."""

    number: int
    spot: Spot
    after_us: int
    moves: bool
    """It stood somewhere else before."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One round: traffic, a power cut, and what else is the matter."""

    number: int
    broker_away: bool
    """The broker cannot be reached from the round's beginning until the gateway is READY again."""
    arrivals: tuple[Arrival, ...]
    at_us: int
    """The power is cut so long after the round's beginning; where the broker is away, after an event waits on disk."""
    crossing_us: int
    """A tag that goes through the door at the cut had begun so long before it."""
    taken_away: float
    """Which part of the tags whose events are on disk nobody reads afterwards: they come from the disk or never."""

    @property
    def kind(self) -> str:
        return "broker away" if self.broker_away else "broker there"


def plan_cuts(seed: int, cuts: int, spots: Sequence[Spot] = SPOTS) -> list[Cut]:
    """Plan; every third round has no broker."""
    chance = random.Random(seed)
    standing: dict[int, str] = {}
    planned: list[Cut] = []
    following = 0
    for number in range(1, cuts + 1):
        arrivals, settled = [], {}
        for _ in range(chance.randint(4, 8)):
            after = chance.randrange(SPREAD_US)
            if standing and chance.random() < 0.25:
                # Each tag moves once at most, so that a place and a tag are one event for ever.
                tag = chance.choice(sorted(standing))
                spot = chance.choice([spot for spot in spots if spot.zone != standing[tag]])
                del standing[tag]
                arrivals.append(Arrival(tag, spot, after, moves=True))
            else:
                tag, following = following, following + 1
                spot = chance.choice(list(spots))
                settled[tag] = spot.zone
                arrivals.append(Arrival(tag, spot, after, moves=False))
        standing |= settled
        planned.append(
            Cut(
                number,
                broker_away=number % 3 == 0,
                arrivals=tuple(arrivals),
                at_us=chance.randrange(_BEFORE_US, SPREAD_US + _AFTER_US),
                crossing_us=chance.randrange(CROSSING_US // 4, CROSSING_US),
                taken_away=chance.choice((0.0, 0.5, 1.0)),
            )
        )
    return planned
