"""A warehouse as it is and what its readers hear: described once, then asked for any stretch of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rfid_simulators.world.antennas import Reader
from rfid_simulators.world.geometry import Point
from rfid_simulators.world.rounds import BLOCK, Rounds
from rfid_simulators.world.sighting import Radio, Sighting
from rfid_simulators.world.tags import Population, Tag

BLOCKS_KEPT = 16


@dataclass(frozen=True, slots=True)
class DoorPlace:
    """An opening in the wall x = 0."""

    door: str
    y: float
    half_width: float = 1.5
    """Metres."""

    def admits(self, y: float) -> bool:
        """Whether something at `y` goes through this opening."""
        return abs(y - self.y) <= self.half_width


@dataclass(frozen=True, slots=True)
class ZonePlace:
    """A square on the floor that counts as a zone."""

    zone: str
    centre: Point
    half_width: float
    """Metres."""

    def holds(self, place: Point) -> bool:
        """Whether a place lies in the zone."""
        return abs(place.x - self.centre.x) <= self.half_width and abs(place.y - self.centre.y) <= self.half_width


@dataclass(frozen=True, slots=True)
class TruePassage:
    """A tag really went through a door."""

    epc: str
    door: str
    direction: str
    """"in" or "out"."""
    at: int
    """When it crossed the wall, µs."""


@dataclass(frozen=True, slots=True)
class TruePresence:
    """A tag really stood in a zone."""

    epc: str
    zone: str
    arrived: int
    """µs."""
    departed: int
    """µs."""


@dataclass(frozen=True, slots=True)
class World:
    """Readers, doors, zones and tags. The same seed gives the same sightings, however they are asked for."""

    seed: int
    readers: tuple[Reader, ...]
    population: Population
    doors: tuple[DoorPlace, ...] = ()
    zones: tuple[ZonePlace, ...] = ()

    def radio(self, reader_id: str) -> Radio:
        """What one reader hears.

        Raises:
            KeyError: There is no such reader.
        """
        reader = {reader.reader_id: reader for reader in self.readers}[reader_id]
        openings = [Point(door.half_width, door.y, 0.0) for door in self.doors]
        block = lru_cache(maxsize=BLOCKS_KEPT)(Rounds(self.seed, reader, openings, self.population).block)

        def hear(start: int, end: int) -> list[Sighting]:
            indices = range(start // BLOCK, -(-end // BLOCK))
            return [sighting for index in indices for sighting in block(index) if start <= sighting.at < end]

        return hear

    def truth(self, start: int = 0, end: int | None = None) -> list[TruePassage | TruePresence]:
        """What really happened to the tags that were there between `start` and `end` (µs), tag by tag.

        Raises:
            ValueError: The world has no end, and none was given.
        """
        until = self.population.end if end is None else end
        if until is None:
            raise ValueError("a world without end needs an end to tell the truth about")
        events: list[TruePassage | TruePresence] = []
        for tag in self.population.between(start, until + 1):
            events += [passage for passage in self._passages(tag) if start <= passage.at <= until]
            events += [presence for presence in self._presences(tag) if start <= presence.arrived <= until]
        return events

    def _passages(self, tag: Tag) -> Iterator[TruePassage]:
        for before, after in pairwise(tag.path.waypoints):
            if (before.place.x < 0) == (after.place.x < 0):
                continue
            share = before.place.x / (before.place.x - after.place.x)
            y = before.place.y + (after.place.y - before.place.y) * share
            for door in self.doors:
                if door.admits(y):
                    at = before.at + int((after.at - before.at) * share)
                    yield TruePassage(tag.epc, door.door, "out" if before.place.x < 0 else "in", at)

    def _presences(self, tag: Tag) -> Iterator[TruePresence]:
        for zone in self.zones:
            arrived: int | None = None
            for at, place in tag.path.waypoints:
                if zone.holds(place):
                    arrived = at if arrived is None else arrived
                    departed = at
                elif arrived is not None:
                    yield TruePresence(tag.epc, zone.zone, arrived, departed)
                    arrived = None
            if arrived is not None:
                yield TruePresence(tag.epc, zone.zone, arrived, departed)
