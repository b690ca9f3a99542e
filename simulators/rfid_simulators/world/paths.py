"""Timed paths: where something is at which time."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from rfid_simulators.world.geometry import Point, between, distance

SECOND = 1_000_000


class Waypoint(NamedTuple):
    """A place at a time, µs since the world began."""

    at: int
    place: Point


@dataclass(frozen=True, slots=True)
class Path:
    """Straight lines at constant speed between waypoints; before the first and after the last it is nowhere.

    Raises:
        ValueError: Fewer than two waypoints, or times that do not increase.
    """

    waypoints: tuple[Waypoint, ...]

    def __post_init__(self) -> None:
        """Refuse a path that goes back in time."""
        times = [waypoint.at for waypoint in self.waypoints]
        if len(times) < 2:  # noqa: PLR2004 - a line has two ends
            raise ValueError(f"a path needs at least two waypoints, got {len(times)}")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(f"a path's times must increase, got {times}")

    @property
    def start(self) -> int:
        """First moment, µs."""
        return self.waypoints[0].at

    @property
    def end(self) -> int:
        """Last moment, µs."""
        return self.waypoints[-1].at

    def place(self, at: int) -> Point | None:
        """Where it is; None before the start and after the end."""
        if not self.start <= at <= self.end:
            return None
        index = min(bisect_right(self.waypoints, at, key=lambda waypoint: waypoint.at), len(self.waypoints) - 1)
        before, after = self.waypoints[index - 1], self.waypoints[index]
        return between(before.place, after.place, (at - before.at) / (after.at - before.at))

    def shifted(self, by: Point) -> "Path":
        """The same path of something that lies beside it."""
        return Path(
            tuple(Waypoint(at, Point(place.x + by.x, place.y + by.y, place.z + by.z)) for at, place in self.waypoints)
        )


def walk(start: int, speed: float, *places: Point) -> Path:
    """A path through `places` at `speed` m/s from `start` (µs)."""
    waypoints = [Waypoint(start, places[0])]
    for place in places[1:]:
        last = waypoints[-1]
        waypoints.append(Waypoint(last.at + max(1, int(distance(last.place, place) / speed * SECOND)), place))
    return Path(tuple(waypoints))


def stand(start: int, end: int, place: Point) -> Path:
    """A path that stays in one place from `start` to `end` (µs)."""
    return Path((Waypoint(start, place), Waypoint(end, place)))


def joined(*paths: Path) -> Path:
    """One path after the other; each must begin after the one before it ended."""
    return Path(tuple(waypoint for path in paths for waypoint in path.waypoints))
