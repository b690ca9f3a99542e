"""The ground truth: which tag stands where, and who goes through the door. What the readers hear follows from it.

A tag that stands somewhere is read again and again until it is taken away, so it is read after any outage. That is
what makes "every arrival is exactly one event" a promise that can be kept: LLRP has no acknowledgement of reports, so
a tag that passes while nobody listens is lost before the gateway. Passages through the door, which are over in a
moment, therefore happen only beside faults that leave gateway and readers alone.

Signals are clean and strong: what the observation stage makes of difficult ones is measured elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rfid_gateway.clock import Clock
from rfid_simulators.world.sighting import Radio, Sighting
from rfid_simulators.world.tags import sscc_96

CROSSING_US = 1_600_000
"""How long a passage through the door is heard."""
_CROSSING_PERIOD_US = 20_000


@dataclass(frozen=True, slots=True)
class Spot:
    """One antenna, which is one zone."""

    zone: str
    reader_id: str
    antenna_id: int


SPOTS = (
    *(Spot(f"shelf-{antenna}", "shelf", antenna) for antenna in (1, 2, 3, 4)),
    Spot("gate-3", "gate", 3),
    Spot("gate-4", "gate", 4),
    Spot("table-1", "table", 1),
    Spot("table-2", "table", 2),
)
DOOR, DOOR_READER, INSIDE, OUTSIDE = "dock", "gate", 1, 2
READERS = ("shelf", "gate", "table")


@dataclass(frozen=True, slots=True)
class Truth:
    """Something that really happened, and must become exactly one event."""

    shipment: str
    place: str
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """A tag at one spot, from `start` (monotonic µs) until it is taken away."""

    shipment: str
    epc: str
    spot: Spot
    start: int
    period_us: int = 100_000


@dataclass(frozen=True, slots=True)
class Crossing:
    """A tag that goes out through the door, from `start` (monotonic µs) on."""

    epc: str
    start: int


def epc_of(number: int) -> str:
    return sscc_96(number)


def shipment_of(number: int) -> str:
    return f"S-{number}"


class Field:
    """What stands and moves now. Owner: the driver, which replaces the tuples whole; readers' threads only look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stays: tuple[Stay, ...] = ()
        self._crossings: tuple[Crossing, ...] = ()

    def put(self, stays: Sequence[Stay], crossings: Sequence[Crossing] = ()) -> None:
        """Have these arrive and go through, each at its time."""
        self._stays += tuple(stays)
        self._crossings += tuple(crossings)

    def take_away(self, shipments: set[str]) -> None:
        """Take the tags of some shipments away."""
        self._stays = tuple(stay for stay in self._stays if stay.shipment not in shipments)

    def clear(self) -> None:
        """Take everything away."""
        self._stays = self._crossings = ()

    def radio(self, reader_id: str) -> Radio:
        """What that reader's antennas hear. Its caller asks for one stretch of its own time after the other.

        They end now, or earlier where the caller lags: so the least difference that was ever seen is the one between
        its clock and ours. With that of each call, a lagging reader would hear part of a passage twice or not at all.
        """
        shift: int | None = None

        def hear(start: int, end: int) -> list[Sighting]:
            nonlocal shift
            behind = self._clock.monotonic_us() - end
            shift = behind if shift is None else min(shift, behind)
            heard = [
                Sighting(at, reader_id, stay.spot.antenna_id, stay.epc, -50.0)
                for stay in self._stays
                if stay.spot.reader_id == reader_id
                for at in _beats(start, end, stay.period_us, stay.start - shift)
            ]
            if reader_id == DOOR_READER:
                heard += _crossing_sightings(self._crossings, start, end, shift)
            return sorted(heard)

        return hear


def _beats(start: int, end: int, period: int, not_before: int) -> range:
    """Multiples of a period from `start` on, before `end`."""
    first = max(start, not_before)
    return range(first + -first % period, end, period)


def _crossing_sightings(crossings: Sequence[Crossing], start: int, end: int, shift: int) -> list[Sighting]:
    """Near the inside antenna after a third of the way, near the outside one after two thirds."""
    heard = []
    for crossing in crossings:
        for at in _beats(start, end, _CROSSING_PERIOD_US, crossing.start - shift):
            way = (at + shift - crossing.start) / CROSSING_US
            if way < 1:
                for antenna_id, middle in ((INSIDE, 0.3), (OUTSIDE, 0.7)):
                    rssi = -42.0 - 120.0 * (way - middle) ** 2
                    heard.append(Sighting(at, DOOR_READER, antenna_id, crossing.epc, rssi))
    return heard
