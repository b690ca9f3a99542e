"""Points and directions in a warehouse, in metres.

The wall with the dock doors is the plane x = 0; inside is x < 0, outside x > 0; y runs along the wall, z is height.
"""

from math import acos, degrees, sqrt
from typing import NamedTuple


class Point(NamedTuple):
    """A place, or a direction; metres."""

    x: float
    y: float
    z: float = 1.0


def distance(one: Point, other: Point) -> float:
    """Metres between two points."""
    return sqrt((one.x - other.x) ** 2 + (one.y - other.y) ** 2 + (one.z - other.z) ** 2)


def unit(direction: Point) -> Point:
    """The same direction, one metre long."""
    length = distance(direction, Point(0, 0, 0))
    return Point(direction.x / length, direction.y / length, direction.z / length)


def angle(facing: Point, origin: Point, target: Point) -> float:
    """Degrees between a unit direction and the line from `origin` to `target`."""
    length = max(distance(origin, target), 1e-6)
    cosine = (
        facing.x * (target.x - origin.x) + facing.y * (target.y - origin.y) + facing.z * (target.z - origin.z)
    ) / length
    return degrees(acos(max(-1.0, min(1.0, cosine))))


def between(one: Point, other: Point, share: float) -> Point:
    """The point `share` (0 to 1) of the way from one to the other."""
    return Point(
        one.x + (other.x - one.x) * share, one.y + (other.y - one.y) * share, one.z + (other.z - one.z) * share
    )
