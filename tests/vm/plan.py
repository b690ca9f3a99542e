"""Which power cuts, at which instants, amid which traffic: a seed becomes a plan. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.field import CROSSING_US, SPOTS, Spot

SECOND = 1_000_000
SPREAD_US = 5 * SECOND
"""A round begins its last passage at some instant of this time; the cut follows within that passage."""
_EARLIEST_US = SECOND
_LAST_MOMENT_US = SECOND
"""Every other arrival comes so shortly before the cut: on its way through the gateway when the power goes."""
_COMING_UP_S = (8.0, 45.0)
"""Instants of booting under software emulation: from the kernel to the gateway's first reads."""


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
    slow: bool
    """The network is slow until then: events and PUBACKs are on their way when the power goes."""
    arrivals: tuple[Arrival, ...]
    at_us: int
    """So long after the round's beginning a tag begins to go through the door; where the broker is away, an event waits
    on disk before that."""
    crossing_us: int
    """So long after that the power is cut."""
    again_after_s: float | None
    """The power is cut once more so long after it came back: the PC is still coming up."""
    taken_away: float
    """Which part of the tags whose events are on disk nobody reads afterwards: they come from the disk or never."""

    @property
    def kind(self) -> str:
        network = "broker away" if self.broker_away else "slow network" if self.slow else "broker there"
        return f"{network}{', twice' if self.again_after_s is not None else ''}"


def plan_cuts(seed: int, cuts: int, spots: Sequence[Spot] = SPOTS) -> list[Cut]:
    """Plan; of three rounds one has a slow network, one a good one and one no broker."""
    chance = random.Random(seed)
    standing: dict[int, str] = {}
    planned: list[Cut] = []
    following = 0
    for number in range(1, cuts + 1):
        arrivals, settled = [], {}
        at, crossing = chance.randrange(_EARLIEST_US, SPREAD_US), chance.randrange(CROSSING_US // 4, CROSSING_US)
        for index in range(chance.randint(4, 8)):
            last_moment = at + crossing - chance.randrange(_LAST_MOMENT_US)
            after = last_moment if index % 2 else chance.randrange(at)
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
                slow=number % 3 == 1,
                arrivals=tuple(arrivals),
                at_us=at,
                crossing_us=crossing,
                again_after_s=chance.uniform(*_COMING_UP_S) if number % 4 == 2 else None,
                taken_away=chance.choice((0.0, 0.5, 1.0)),
            )
        )
    return planned
