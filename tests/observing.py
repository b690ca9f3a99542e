"""What the observation tests share: reports out of a simulated world, and observations out of reports."""

from collections.abc import Iterable, Iterator

from rfid_gateway.observe.observations import Observation
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules, ZoneRules
from rfid_gateway.reads import TagRead, TagReport
from rfid_simulators.world.sighting import Sighting
from rfid_simulators.world.world import World

UTC = 1_790_000_000_000_000
"""µs; where worlds begin."""
MONOTONIC = 5_000_000
SLICE = 50_000
AFTER = 60_000_000
"""µs of silence after the last read, so that every timer runs out."""


def tag_read(sighting: Sighting, *, rssi: bool = True) -> TagRead:
    """A sighting as a driver would report it."""
    at = UTC + sighting.at
    return TagRead(
        sighting.epc,
        sighting.antenna_id,
        at,
        at,
        sighting.rssi if rssi else None,
        phase=sighting.phase,
        doppler=sighting.doppler,
        channel=sighting.channel,
    )


def reports(world: World, slice_us: int = SLICE, *, rssi: bool = True) -> Iterator[TagReport]:
    """All readers' reports, one per slice of time and reader, in order of arrival."""
    radios = {reader.reader_id: world.radio(reader.reader_id) for reader in world.readers}
    end = world.population.end
    assert end is not None
    for start in range(0, end + slice_us, slice_us):
        for reader_id, radio in radios.items():
            reads = tuple(tag_read(sighting, rssi=rssi) for sighting in radio(start, start + slice_us))
            if reads:
                arrival = start + slice_us
                yield TagReport(reader_id, UTC + arrival, MONOTONIC + arrival, reads)


def rules_for(world: World) -> tuple[list[ZoneRules], list[DoorRules]]:
    """Rules as the scenes hang their antennas: door-N is dock-N, antenna 1 inside; a zone is a reader."""
    doors = [
        DoorRules(door.door, frozenset({(reader, 1)}), frozenset({(reader, 2)}))
        for door in world.doors
        for reader in [door.door.replace("door", "dock")]
    ]
    zones = [ZoneRules(zone.zone, frozenset({(f"{zone.zone}-1", 0)})) for zone in world.zones]
    return zones, doors


def observe(world: World, slice_us: int = SLICE, *, rssi: bool = True) -> list[Observation]:
    """Everything that the observer makes of a world, until all is quiet."""
    return observe_reports(Observer(*rules_for(world)), reports(world, slice_us, rssi=rssi))


def observe_reports(observer: Observer, arriving: Iterable[TagReport]) -> list[Observation]:
    """Everything that an observer makes of reports, until all is quiet."""
    observed: list[Observation] = []
    now = MONOTONIC
    for report in arriving:
        now = report.received_monotonic
        observed += observer.report(report)
    return observed + observer.expire(now + AFTER)
