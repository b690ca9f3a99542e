"""The warehouse of the demo: an endless stream of units that are packed, stored and loaded, one every three seconds.

Readers: `packing-1` (antenna 1 over the packing table), `storage-1` (antennas 1 and 2 over the storage place) and
`dock-1` (antenna 1 inside, antenna 2 outside of the dock door). Every fifth unit is goods in: it comes through the
dock and stays in the storage place for a while. The world was already at work when it begins.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from rfid_simulators.world.antennas import Antenna, Reader
from rfid_simulators.world.doors import door_place, door_reader, zone_place, zone_reader
from rfid_simulators.world.geometry import Point
from rfid_simulators.world.paths import SECOND, Path, joined, stand, walk
from rfid_simulators.world.streams import stream
from rfid_simulators.world.tags import Tag, sscc, sscc_96
from rfid_simulators.world.world import World

PERIOD = 3 * SECOND
"""µs between one unit and the next."""
LIFETIME = 150 * SECOND
"""µs. No unit is longer in the warehouse than this."""
BEFORE = LIFETIME // PERIOD
"""Units that are already there, or gone, when the world begins."""
FIRST_SERIAL = 100_000
FIRST_SHIPMENT = 4_711_000
UNITS_PER_SHIPMENT = 2
GOODS_IN_EVERY = 5

PACKING = Point(-24.0, 24.0, 1.0)
STORAGE = Point(-30.0, -6.0, 1.0)
INSIDE, OUTSIDE = -7.0, 7.0


class Shipment(NamedTuple):
    """A unit that will come, and the shipment it belongs to."""

    shipment_id: str
    sscc: str
    """18 digits."""
    epc: str
    """Upper-case hex, SSCC-96."""
    goods_in: bool
    """It comes in through the dock rather than leaving through it."""


def demo_warehouse(seed: int) -> World:
    """The demo's world; it has no end."""
    return World(
        seed,
        (
            door_reader("dock-1"),
            zone_reader("storage-1", STORAGE),
            Reader("packing-1", (Antenna(1, Point(PACKING.x, PACKING.y, 2.5), Point(0, 0, -1)),)),
        ),
        _Units(seed),
        doors=(door_place("dock-1"),),
        zones=(zone_place("storage-1", STORAGE), zone_place("packing-1", PACKING)),
    )


def shipments() -> Iterator[Shipment]:
    """All units in the order in which they come, without end; the same for every seed."""
    number = -BEFORE
    while True:
        yield shipment(number)
        number += 1


def shipment(number: int) -> Shipment:
    """Unit `number` and its shipment; unit 0 comes when the world begins, units below 0 are there already."""
    serial = FIRST_SERIAL + number
    return Shipment(
        f"S-{FIRST_SHIPMENT + (number + BEFORE) // UNITS_PER_SHIPMENT}",
        sscc(serial),
        sscc_96(serial),
        number % GOODS_IN_EVERY == GOODS_IN_EVERY - 1,
    )


class _Units:
    """The endless stream. A stretch costs what is in it, however far from the beginning it lies."""

    end: int | None = None

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._unit = lru_cache(maxsize=4 * BEFORE)(self._make)

    def between(self, start: int, end: int) -> Sequence[Tag]:
        numbers = range(max((start - LIFETIME) // PERIOD, -BEFORE), -(-end // PERIOD))
        tags = (self._unit(number) for number in numbers)
        return [tag for tag in tags if tag.path.start < end and tag.path.end >= start]

    def _make(self, number: int) -> Tag:
        random = stream(self._seed, "unit", number)
        unit = shipment(number)
        start = number * PERIOD
        lane = random.uniform(-0.6, 0.6)
        height = random.uniform(0.7, 1.5)
        speed = random.uniform(1.0, 2.5)
        shelf = Point(STORAGE.x + random.uniform(-1, 1), STORAGE.y + random.uniform(-1, 1), height)
        inside, outside = Point(INSIDE, lane, height), Point(OUTSIDE, lane, height)
        if unit.goods_in:
            path = _stored_after(walk(start, speed, outside, inside, shelf), 40 * SECOND)
        else:
            table = stand(start, start + 6 * SECOND, PACKING)
            packed = joined(table, walk(table.end + 1, speed, PACKING, shelf))
            stored = _stored_after(packed, int(random.uniform(15, 25) * SECOND))
            path = joined(stored, walk(stored.end + 1, speed, shelf, inside, outside))
        return Tag(unit.epc, path, random.uniform(0.0, 6.0))


def _stored_after(path: Path, time: int) -> Path:
    shelf = path.waypoints[-1].place
    return joined(path, stand(path.end + 1, path.end + time, shelf))
