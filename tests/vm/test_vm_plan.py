"""The plan of power cuts: a seed repeats it, and it holds what the checks take for granted."""

from tests.faults.field import CROSSING_US
from tests.vm.plan import plan_cuts


def test_a_seed_repeats_the_plan_and_another_one_does_not() -> None:
    assert plan_cuts(7, 12) == plan_cuts(7, 12)
    assert plan_cuts(7, 12) != plan_cuts(8, 12)


def test_a_longer_plan_begins_as_the_shorter_one() -> None:
    assert plan_cuts(7, 20)[:12] == plan_cuts(7, 12)


def test_of_three_cuts_one_has_no_broker_and_one_a_slow_network() -> None:
    assert [cut.number for cut in plan_cuts(3, 12) if cut.broker_away] == [3, 6, 9, 12]
    assert [cut.number for cut in plan_cuts(3, 12) if cut.slow] == [1, 4, 7, 10]


def test_no_tag_comes_to_the_same_place_twice_and_only_standing_tags_move() -> None:
    seen: set[tuple[int, str]] = set()
    moved: set[int] = set()
    known: set[int] = set()
    for cut in plan_cuts(5, 60):
        came = {arrival.number for arrival in cut.arrivals if not arrival.moves}
        for arrival in cut.arrivals:
            assert (arrival.number, arrival.spot.zone) not in seen
            seen.add((arrival.number, arrival.spot.zone))
            assert not arrival.moves or (arrival.number in known and arrival.number not in moved)
            moved |= {arrival.number} if arrival.moves else set()
        known |= came
    assert moved


def test_instants_lie_within_the_round_and_within_a_passage() -> None:
    for cut in plan_cuts(11, 60):
        assert 0 < cut.crossing_us < CROSSING_US
        instants = [cut.at_us + cut.crossing_us - arrival.after_us for arrival in cut.arrivals]
        assert all(0 <= before_us <= cut.at_us + cut.crossing_us for before_us in instants)
        assert sum(before_us <= 1_000_000 for before_us in instants) >= 2


def test_every_fourth_cut_is_followed_by_another_one_while_the_pc_comes_up() -> None:
    assert [cut.number for cut in plan_cuts(3, 12) if cut.again_after_s is not None] == [2, 6, 10]
