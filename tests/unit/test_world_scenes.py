"""The simulated world: the same seed gives the same sightings, and its physics keep to what was measured."""

from itertools import pairwise
from statistics import mean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_simulators.world.antennas import Antenna, Reader, Region
from rfid_simulators.world.geometry import Point
from rfid_simulators.world.paths import Path, Waypoint, stand, walk
from rfid_simulators.world.scenarios import SCENES
from rfid_simulators.world.sighting import Sighting
from rfid_simulators.world.tags import FixedPopulation, Tag, sscc, sscc_96
from rfid_simulators.world.world import TruePassage, TruePresence, World

SECOND = 1_000_000


def still_world(tags: int, antennas: int, region: Region = Region.ETSI, seed: int = 1) -> World:
    """Tags 1.5 m below antennas that hang close together."""
    reader = Reader(
        "r",
        tuple(Antenna(number + 1, Point(0.1 * number, 0, 2.5), Point(0, 0, -1)) for number in range(antennas)),
        region,
    )
    path = stand(0, 60 * SECOND, Point(0, 0, 1))
    population = [Tag(sscc_96(number), path.shifted(Point(0.01 * number, 0, 0))) for number in range(tags)]
    return World(seed, (reader,), FixedPopulation(population))


@pytest.mark.parametrize("scene", SCENES)
def test_the_same_seed_gives_the_same_sightings_and_another_seed_others(scene: str) -> None:
    def sightings(seed: int) -> list[list[Sighting]]:
        world = SCENES[scene](seed)
        return [list(world.radio(reader.reader_id)(0, 12 * SECOND)) for reader in world.readers]

    assert sightings(3) == sightings(3)
    assert sightings(3) != sightings(4)


@given(cuts=st.lists(st.integers(0, 8 * SECOND), max_size=20))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_slicing_does_not_change_what_is_heard(cuts: list[int]) -> None:
    radio = SCENES["pallet"](5).radio("dock-1")
    edges = [0, *sorted(cuts), 8 * SECOND]
    sliced = [sighting for start, end in pairwise(edges) for sighting in radio(start, end)]
    assert sliced == radio(0, 8 * SECOND)
    assert sliced


def test_a_stretch_may_be_asked_for_again_after_later_ones() -> None:
    radio = SCENES["parked"](1).radio("dock-1")
    first = radio(0, SECOND)
    radio(40 * SECOND, 80 * SECOND)
    assert radio(0, SECOND) == first


def test_sightings_are_in_order_of_time_and_within_the_stretch() -> None:
    heard = SCENES["pallet"](2).radio("dock-1")(2_345_678, 6_789_012)
    times = [sighting.at for sighting in heard]
    assert times == sorted(times)
    assert times[0] >= 2_345_678
    assert times[-1] < 6_789_012


@pytest.mark.parametrize(("tags", "antennas", "per_second"), [(1, 1, 70), (1, 4, 23), (69, 1, 102)])
def test_read_rates_are_those_of_real_readers(tags: int, antennas: int, per_second: int) -> None:
    heard = still_world(tags, antennas).radio("r")(0, 20 * SECOND)
    assert len(heard) / 20 == pytest.approx(per_second, rel=0.12)


def test_rssi_on_one_channel_varies_as_little_as_that_of_real_still_tags() -> None:
    heard = still_world(1, 1).radio("r")(0, 20 * SECOND)
    by_channel: dict[int, list[float]] = {}
    for sighting in heard:
        by_channel.setdefault(sighting.channel, []).append(sighting.rssi)
    assert all(0.3 < pstdev(values) < 0.8 for values in by_channel.values() if len(values) > 50)


def test_hopping_over_fifty_channels_varies_as_much_as_with_real_still_tags() -> None:
    deviations = [
        pstdev(sighting.rssi for sighting in still_world(1, 1, Region.FCC, seed).radio("r")(0, 20 * SECOND))
        for seed in range(12)
    ]
    assert 1.0 < mean(deviations) < 2.8


def test_phase_and_doppler_follow_the_movement() -> None:
    world = SCENES["clean-pass"](1)
    heard = world.radio("dock-1")(0, 20 * SECOND)
    assert all(0 <= sighting.phase < 6.2832 for sighting in heard)
    inside = [sighting.doppler for sighting in heard if sighting.antenna_id == 1]
    third = len(inside) // 3
    assert mean(inside[:third]) > mean(inside[-third:])


def test_the_truth_names_passages_and_presences() -> None:
    (passage,) = [event for event in SCENES["clean-pass"](1).truth() if isinstance(event, TruePassage)]
    assert passage.door == "door-1"
    assert passage.direction in {"in", "out"}
    (presence,) = SCENES["storage-arrival"](1).truth()
    assert isinstance(presence, TruePresence)
    assert presence.departed - presence.arrived == 40 * SECOND


@pytest.mark.parametrize("scene", ["u-turn", "parked", "stray-reads"])
def test_scenes_without_passages_have_none(scene: str) -> None:
    assert [SCENES[scene](seed).truth() for seed in range(20)] == [[]] * 20


def test_a_path_is_nowhere_before_and_after_and_even_in_between() -> None:
    path = walk(SECOND, 2.0, Point(0, 0), Point(4, 0))
    assert path.place(SECOND - 1) is None
    assert path.place(2 * SECOND) == Point(2, 0)
    assert path.place(3 * SECOND) == Point(4, 0)
    assert path.place(3 * SECOND + 1) is None


def test_a_path_that_goes_back_in_time_is_refused() -> None:
    with pytest.raises(ValueError, match="must increase"):
        Path((Waypoint(2, Point(0, 0)), Waypoint(1, Point(0, 0))))
    with pytest.raises(ValueError, match="at least two waypoints"):
        Path((Waypoint(2, Point(0, 0)),))


def test_an_sscc_and_its_epc_are_those_of_the_standard() -> None:
    assert sscc(1) == "340123450000000017"
    with_filter_2 = int("3154F4E4E4B2D05E01000000", 16)
    assert int(sscc_96(1), 16) == with_filter_2 - (2 << 85)
