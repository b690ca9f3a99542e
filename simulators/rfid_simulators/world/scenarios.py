"""Ready-made scenes at dock doors and storage places, each a world with its truth. Seeded: `scene(seed)`."""

from collections.abc import Callable
from random import Random

from rfid_simulators.world.antennas import Reader, Region
from rfid_simulators.world.doors import DOOR_PITCH, door_place, door_reader, zone_place, zone_reader
from rfid_simulators.world.geometry import Point
from rfid_simulators.world.paths import SECOND, Path, joined, stand, walk
from rfid_simulators.world.streams import stream
from rfid_simulators.world.tags import FixedPopulation, Tag, sscc_96
from rfid_simulators.world.world import World

Scene = Callable[[int], World]

SLOWEST, FASTEST = 0.5, 3.0
"""m/s: a hand pallet truck in a queue, and a forklift in a hurry."""
FAR = 7.0
"""Metres from the wall at which a way begins and ends."""
TURN_X = (0.3, 2.5)
"""Metres before the wall at which somebody turns back."""
PALLET_TAGS = 40


def clean_pass(seed: int) -> World:
    """One tag goes straight through a door, in or out."""
    random = stream(seed, "clean pass")
    return _doors(seed, [_tag(random, 1, _through(random, SECOND, random.choice((-1, 1))))])


def u_turn(seed: int) -> World:
    """One tag comes to the door, turns before the wall and goes back."""
    random = stream(seed, "u-turn")
    side = random.choice((-1, 1))
    turn = side * random.uniform(*TURN_X)
    y, z = _lane(random)
    there = walk(SECOND, _speed(random), Point(side * FAR, y, z), Point(turn, y, z))
    pause = there.end + int(random.uniform(0.3, 3.0) * SECOND)
    back = walk(pause, _speed(random), Point(turn, y, z), Point(side * FAR, y + random.uniform(-0.5, 0.5), z))
    return _doors(seed, [_tag(random, 1, joined(there, back))])


def parked(seed: int) -> World:
    """A pallet of eight stands beside the door for a minute and a half, and nothing else happens."""
    random = stream(seed, "parked")
    return _doors(seed, _standing(random, count=8, seconds=90))


def parked_beside_traffic(seed: int) -> World:
    """A pallet of four stands beside the door while single tags go through."""
    random = stream(seed, "parked beside traffic")
    passing = [
        _tag(random, number, _through(random, (20 + 18 * number) * SECOND, random.choice((-1, 1))))
        for number in range(1, 4)
    ]
    return _doors(seed, [*_standing(random, count=4, seconds=100), *passing])


def picked_up(seed: int) -> World:
    """A tag stands inside near the door for 40 s and then leaves through it."""
    random = stream(seed, "picked up")
    y, z = _lane(random)
    place = Point(-random.uniform(1.5, 3.5), y + random.uniform(-0.3, 0.3), z)
    standing = stand(0, 40 * SECOND, place)
    leaving = walk(41 * SECOND, _speed(random), place, Point(-0.5, y, z), Point(FAR, y, z))
    return _doors(seed, [_tag(random, 1, joined(standing, leaving))])


def loaded(seed: int) -> World:
    """A tag goes out into a truck, where it stands for a minute and may still be heard."""
    random = stream(seed, "loaded")
    y, z = _lane(random)
    place = Point(random.uniform(2.0, 6.0), y, z)
    drive = walk(SECOND, _speed(random), Point(-FAR, y, z), place)
    return _doors(seed, [_tag(random, 1, joined(drive, stand(drive.end + 1, drive.end + 60 * SECOND, place)))])


def two_doors(seed: int) -> World:
    """One tag goes through door-1 while the readers of the doors beside it listen too."""
    random = stream(seed, "two doors")
    return _doors(seed, [_tag(random, 1, _through(random, SECOND, random.choice((-1, 1))))], count=3)


def opposite_doors(seed: int) -> World:
    """Two tags go through neighbouring doors at the same time, one in and one out."""
    random = stream(seed, "opposite doors")
    tags = [
        _tag(random, 1, _through(random, SECOND, -1)),
        _tag(random, 2, _through(random, SECOND, 1, y=DOOR_PITCH)),
    ]
    return _doors(seed, tags, count=2)


def pallet(seed: int) -> World:
    """A pallet of 40 tags goes through together."""
    random = stream(seed, "pallet")
    path = _through(random, SECOND, random.choice((-1, 1)))
    return _doors(seed, [_tag(random, number, path.shifted(_on_pallet(random))) for number in range(PALLET_TAGS)])


def stray_reads(seed: int) -> World:
    """Tags pass at the edge of what the antennas hear, along the wall and never through the door."""
    random = stream(seed, "stray")
    tags = []
    for number in range(6):
        side = random.choice((-1, 1))
        x = side * random.uniform(5.0, 7.5)
        way = (Point(x, -FAR, 1.0), Point(x, FAR, 1.0))
        path = walk((1 + 8 * number) * SECOND, _speed(random), *(way if random.random() < 0.5 else way[::-1]))  # noqa: PLR2004 - a coin
        tags.append(_tag(random, number, path))
    return _doors(seed, tags)


def storage_arrival(seed: int) -> World:
    """A tag is brought to a storage place, stands there for 40 s and is taken away."""
    random = stream(seed, "storage")
    centre = Point(-30.0, 0.0, 1.0)
    bring = walk(SECOND, _speed(random), Point(-18.0, 0.0, 1.0), centre)
    take = walk(bring.end + 40 * SECOND, _speed(random), centre, Point(-18.0, 0.0, 1.0))
    return World(
        seed,
        (zone_reader("storage-1", centre),),
        FixedPopulation([_tag(random, 1, joined(bring, take))]),
        zones=(zone_place("storage", centre),),
    )


SCENES: dict[str, Scene] = {
    "clean-pass": clean_pass,
    "u-turn": u_turn,
    "parked": parked,
    "parked-beside-traffic": parked_beside_traffic,
    "picked-up": picked_up,
    "loaded": loaded,
    "two-doors": two_doors,
    "opposite-doors": opposite_doors,
    "pallet": pallet,
    "stray-reads": stray_reads,
    "storage-arrival": storage_arrival,
}
"""All scenes by name."""


def _doors(seed: int, tags: list[Tag], count: int = 1) -> World:
    """A wall with `count` doors; door-1 is at y = 0, every other seed hops over FCC channels."""
    region = (Region.ETSI, Region.FCC)[seed % 2]
    places = [0.0, DOOR_PITCH, -DOOR_PITCH][:count]
    readers: tuple[Reader, ...] = tuple(
        door_reader(f"dock-{number}", y, region) for number, y in enumerate(places, start=1)
    )
    doors = tuple(door_place(f"door-{number}", y) for number, y in enumerate(places, start=1))
    return World(seed, readers, FixedPopulation(tags), doors)


def _tag(random: Random, number: int, path: Path) -> Tag:
    return Tag(sscc_96(random.randrange(10**6) * 1000 + number), path, random.uniform(0.0, 8.0))


def _through(random: Random, start: int, side: int, y: float = 0.0) -> Path:
    """Straight through from one side (-1 inside, 1 outside) to the other, at one speed."""
    lane, z = _lane(random)
    drift = random.uniform(-0.4, 0.4)
    return walk(start, _speed(random), Point(side * FAR, y + lane - drift, z), Point(-side * FAR, y + lane + drift, z))


def _standing(random: Random, count: int, seconds: int) -> list[Tag]:
    side = random.choice((-1, 1))
    place = Point(side * random.uniform(0.8, 4.0), random.choice((-1, 1)) * random.uniform(2.0, 3.5), 0.8)
    path = stand(0, seconds * SECOND, place)
    return [_tag(random, 500 + number, path.shifted(_on_pallet(random))) for number in range(count)]


def _on_pallet(random: Random) -> Point:
    return Point(random.uniform(-0.6, 0.6), random.uniform(-0.4, 0.4), random.uniform(-0.4, 0.6))


def _lane(random: Random) -> tuple[float, float]:
    return random.uniform(-0.6, 0.6), random.uniform(0.6, 1.6)


def _speed(random: Random) -> float:
    return random.uniform(SLOWEST, FASTEST)
