"""Ready-made doors and zones: where their antennas hang."""

from rfid_simulators.world.antennas import Antenna, Reader, Region
from rfid_simulators.world.geometry import Point, unit
from rfid_simulators.world.world import DoorPlace, ZonePlace

DOOR_PITCH = 4.5
"""Metres from one dock door to the next."""
MOUNTED_X = 1.2
MOUNTED_Y = 1.7
MOUNTED_Z = 2.2
INSIDE, OUTSIDE = 1, 2


def door_reader(reader_id: str, y: float = 0.0, region: Region = Region.ETSI) -> Reader:
    """A door's reader: antenna 1 hangs inside, antenna 2 outside, both look away from the wall and across the way."""
    return Reader(
        reader_id,
        tuple(
            Antenna(
                antenna_id, Point(side * MOUNTED_X, y + MOUNTED_Y, MOUNTED_Z), unit(Point(side * 0.4, -1.0, -0.4)), 85.0
            )
            for antenna_id, side in ((INSIDE, -1), (OUTSIDE, 1))
        ),
        region,
    )


def door_place(door: str, y: float = 0.0) -> DoorPlace:
    """The opening that belongs to `door_reader` at the same y."""
    return DoorPlace(door, y)


def zone_reader(reader_id: str, centre: Point, antennas: int = 2, region: Region = Region.ETSI) -> Reader:
    """A zone's reader: antennas under the ceiling in a row, looking down."""
    return Reader(
        reader_id,
        tuple(
            Antenna(number, Point(centre.x + 2.0 * (number - 1) - (antennas - 1), centre.y, 3.0), Point(0, 0, -1), 90.0)
            for number in range(1, antennas + 1)
        ),
        region,
    )


def zone_place(zone: str, centre: Point, half_width: float = 1.5) -> ZonePlace:
    """The floor that belongs to `zone_reader` at the same place."""
    return ZonePlace(zone, centre, half_width)
