"""Photo-eyes at a door: what they add to the antennas, what contradicts them, and what survives a restart."""

import pytest

from rfid_gateway.observe.observations import Direction, Observation, Passage
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules
from rfid_gateway.observe.saved import SavedState
from rfid_gateway.reads import GpiEdge, TagRead, TagReport

UTC = 1_790_000_000_000_000
EPC = "3114F4E4E4B2D1E4A0000000"
MS = 1_000
INSIDE, OUTSIDE = 1, 2
EYES = (("dock", INSIDE), ("dock", OUTSIDE))
ONE_ANTENNA = DoorRules("d", frozenset({("dock", 1)}), frozenset(), photo_eyes=EYES)
TWO_ANTENNAS = DoorRules("d", frozenset({("dock", 1)}), frozenset({("dock", 2)}), photo_eyes=EYES)
Item = TagReport | GpiEdge


def edge(at_ms: int, port: int, *, cut: bool, active_high: bool = False) -> GpiEdge:
    at = at_ms * MS
    return GpiEdge("dock", UTC + at, at, port, high=cut == active_high)


def crossing(first: int, second: int, at_ms: int = 2_500) -> list[Item]:
    """A load long enough to interrupt both beams at once."""
    return [
        edge(at_ms, first, cut=True),
        edge(at_ms + 600, second, cut=True),
        edge(at_ms + 1_500, first, cut=False),
        edge(at_ms + 2_100, second, cut=False),
    ]


def hill(antenna: int, peak_ms: int, *, rssi: bool = True) -> list[Item]:
    """Reads every 100 ms for three seconds around a peak of -40 dBm."""
    return [read(peak_ms + 100 * tick, antenna, -40.0 - abs(tick) if rssi else None) for tick in range(-15, 16)]


def read(at_ms: int, antenna: int, rssi: float | None) -> TagReport:
    at = at_ms * MS
    return TagReport("dock", UTC + at, at, (TagRead(EPC, antenna, UTC + at, UTC + at, rssi),))


def take(observer: Observer, item: Item) -> list[Observation]:
    return observer.edge(item) if isinstance(item, GpiEdge) else observer.report(item)


def run(observer: Observer, *parts: list[Item]) -> list[Passage]:
    items = sorted((item for part in parts for item in part), key=lambda item: item.received_monotonic)
    observed = [observation for item in items for observation in take(observer, item)]
    observed += observer.expire(items[-1].received_monotonic + 30_000 * MS)
    return [observation for observation in observed if isinstance(observation, Passage)]


@pytest.mark.parametrize(
    ("first", "second", "direction"), [(INSIDE, OUTSIDE, Direction.OUT), (OUTSIDE, INSIDE, Direction.IN)]
)
def test_the_order_of_the_beams_decides_for_one_antenna(first: int, second: int, direction: Direction) -> None:
    (passage,) = run(Observer([], [ONE_ANTENNA]), hill(1, 3_500), crossing(first, second))
    assert passage.direction is direction
    assert passage.confidence == pytest.approx(0.98, abs=0.001)
    assert passage.evidence["beams"] == direction.value


def test_beams_that_agree_make_a_direction_surer() -> None:
    (alone,) = run(Observer([], [TWO_ANTENNAS]), hill(1, 3_100), hill(2, 3_900))
    (together,) = run(Observer([], [TWO_ANTENNAS]), hill(1, 3_100), hill(2, 3_900), crossing(INSIDE, OUTSIDE))
    assert together.direction is Direction.OUT
    assert together.confidence > alone.confidence


def test_antennas_that_say_the_opposite_leave_it_undecided() -> None:
    (passage,) = run(Observer([], [TWO_ANTENNAS]), hill(1, 2_500), hill(2, 4_500), crossing(OUTSIDE, INSIDE))
    assert passage.direction is Direction.UNDECIDED
    assert passage.confidence < 0.9
    assert float(passage.evidence["antenna_score"]) > 0 > float(passage.evidence["score"]) - 0.01


def test_what_leaves_where_it_came_from_is_no_passage() -> None:
    back: list[Item] = [
        edge(2_500, INSIDE, cut=True),
        edge(3_000, OUTSIDE, cut=True),
        edge(3_500, OUTSIDE, cut=False),
        edge(4_000, INSIDE, cut=False),
    ]
    assert run(Observer([], [ONE_ANTENNA]), hill(1, 3_200), back) == []


def test_a_tag_that_stands_there_does_not_go_with_what_passes() -> None:
    still = [read(100 * tick, 1, -50.0) for tick in range(100)]
    assert run(Observer([], [ONE_ANTENNA]), [*still], crossing(INSIDE, OUTSIDE)) == []


def test_a_tag_without_rssi_that_goes_on_being_read_does_not_go_with_what_passes() -> None:
    standing = [read(100 * tick, 1, None) for tick in range(140)]
    observer = Observer([], [ONE_ANTENNA])
    items = sorted([*standing, *crossing(INSIDE, OUTSIDE)], key=lambda item: item.received_monotonic)
    assert [observation for item in items for observation in take(observer, item)] == []


def test_a_tag_without_rssi_that_comes_and_goes_is_decided_with_less_confidence() -> None:
    (passage,) = run(Observer([], [ONE_ANTENNA]), hill(1, 3_500, rssi=False), crossing(INSIDE, OUTSIDE))
    assert passage.direction is Direction.OUT
    assert passage.confidence == 0.85


def test_an_interrupted_beam_holds_the_passage_open_until_both_are_clear_and_quiet() -> None:
    observer = Observer([], [ONE_ANTENNA])
    slow = [edge(3_000, INSIDE, cut=True), edge(9_000, OUTSIDE, cut=True), edge(9_500, INSIDE, cut=False)]
    for item in sorted([*hill(1, 2_500), *slow], key=lambda item: item.received_monotonic):
        assert take(observer, item) == []
    assert observer.expire(11_900 * MS) == []
    assert observer.edge(edge(12_000, OUTSIDE, cut=False)) == []
    assert observer.expire(13_900 * MS) == []
    (passage,) = observer.expire(14_000 * MS)
    assert isinstance(passage, Passage)
    assert passage.direction is Direction.OUT


def test_the_deadline_follows_the_beams() -> None:
    observer = Observer([], [ONE_ANTENNA])
    observer.edge(edge(0, INSIDE, cut=True))
    assert observer.next_deadline() == ONE_ANTENNA.cap
    observer.edge(edge(500, INSIDE, cut=False))
    assert observer.next_deadline() == 500 * MS + ONE_ANTENNA.quiet
    observer.expire(3_000 * MS)
    assert observer.next_deadline() is None


def test_a_stuck_beam_says_nothing_and_the_antennas_decide() -> None:
    stuck: list[Item] = [edge(0, OUTSIDE, cut=True)]
    (passage,) = run(Observer([], [TWO_ANTENNAS]), stuck, hill(1, 32_500), hill(2, 34_500))
    assert passage.direction is Direction.OUT
    assert "beams" not in passage.evidence


def test_a_photo_eye_whose_reader_was_away_says_nothing_until_its_next_edge() -> None:
    observer = Observer([], [TWO_ANTENNAS])
    run(observer, crossing(INSIDE, OUTSIDE, at_ms=0))
    observer.lose_reader("elsewhere", 40_000 * MS)
    observer.lose_reader("dock", 40_000 * MS)
    (passage,) = run(observer, hill(1, 52_500), hill(2, 54_500))
    assert "beams" not in passage.evidence
    (passage,) = run(observer, hill(1, 103_200), crossing(INSIDE, OUTSIDE, at_ms=102_500), hill(2, 105_000))
    assert passage.evidence["beams"] == "out"


def test_a_reader_that_is_lost_while_a_load_is_in_the_door_leaves_it_undecided() -> None:
    observer = Observer([], [ONE_ANTENNA])
    items = sorted([*hill(1, 3_500), *crossing(INSIDE, OUTSIDE)], key=lambda item: item.received_monotonic)
    for item in items:
        assert take(observer, item) == []
        if item == edge(3_100, OUTSIDE, cut=True):
            observer.lose_reader("dock", item.received_monotonic)
    (passage,) = observer.expire(30_000 * MS)
    assert isinstance(passage, Passage)
    assert (passage.direction, passage.evidence["beams"]) == (Direction.UNDECIDED, "cut")


def test_antennas_count_for_less_when_working_beams_saw_nothing() -> None:
    proof = crossing(INSIDE, OUTSIDE, at_ms=0)
    (alone,) = run(Observer([], [TWO_ANTENNAS]), hill(1, 33_000), hill(2, 34_000))
    (doubted,) = run(Observer([], [TWO_ANTENNAS]), proof, hill(1, 33_000), hill(2, 34_000))
    assert doubted.evidence["beams"] == "clear"
    assert doubted.confidence < alone.confidence


def test_each_of_two_loads_has_its_own_window() -> None:
    loads = [*hill(1, 3_500), *crossing(INSIDE, OUTSIDE)]
    back = [*hill(1, 13_500), *crossing(OUTSIDE, INSIDE, at_ms=12_500)]
    passages = run(Observer([], [ONE_ANTENNA]), loads, back)
    assert [passage.direction for passage in passages] == [Direction.OUT, Direction.IN]


def test_active_high_turns_the_level_round() -> None:
    high = DoorRules("d", frozenset({("dock", 1)}), frozenset(), photo_eyes=EYES, photo_eye_active_high=True)
    turned = [
        edge(at, port, cut=cut, active_high=True)
        for at, port, cut in ((2_500, 1, True), (3_100, 2, True), (4_000, 1, False), (4_600, 2, False))
    ]
    (passage,) = run(Observer([], [high]), hill(1, 3_500), [*turned])
    assert passage.direction is Direction.OUT


def test_one_beam_alone_opens_and_closes_and_tells_no_direction() -> None:
    door = DoorRules("d", frozenset({("dock", 1)}), frozenset({("dock", 2)}), photo_eyes=EYES[:1])
    cut: list[Item] = [edge(2_500, INSIDE, cut=True), edge(4_000, INSIDE, cut=False)]
    (plain,) = run(Observer([], [TWO_ANTENNAS]), hill(1, 2_500), hill(2, 4_500))
    (passage,) = run(Observer([], [door]), hill(1, 2_500), hill(2, 4_500), cut)
    assert (passage.direction, passage.confidence) == (plain.direction, plain.confidence)
    assert passage.evidence["beams"] == "cut"


@pytest.mark.parametrize("cut_at", range(1, 35, 3))
def test_a_restart_between_the_beams_changes_nothing(cut_at: int) -> None:
    items = sorted([*hill(1, 3_500), *crossing(INSIDE, OUTSIDE)], key=lambda item: item.received_monotonic)
    first, second = Observer([], [ONE_ANTENNA]), Observer([], [ONE_ANTENNA])
    rows: dict[tuple[str, str, str], SavedState] = {}
    observed: list[Observation] = []
    for item in items[:cut_at]:
        observed += take(first, item)
        rows |= {row[:3]: row for row in first.changed()}
    last = items[cut_at - 1]
    second.restore(rows.values(), last.received_monotonic, last.received_at)
    for item in items[cut_at:]:
        observed += take(second, item)
    (passage,) = [*observed, *second.expire(60_000 * MS)]
    assert isinstance(passage, Passage)
    assert passage.direction is Direction.OUT


def test_the_row_of_a_door_that_lost_its_photo_eyes_is_deleted() -> None:
    first = Observer([], [TWO_ANTENNAS])
    first.edge(edge(0, INSIDE, cut=True))
    second = Observer([], [DoorRules("d", frozenset({("dock", 1)}), frozenset({("dock", 2)}))])
    second.restore(first.changed(), 0, UTC)
    assert [tuple(row) for row in second.changed()] == [("beams", "d", "", None)]


@pytest.mark.parametrize(
    ("eyes", "words"),
    [
        ((), "outside needs at least one antenna, unless two photo_eyes tell the direction"),
        (EYES[:1], "outside needs at least one antenna, unless two photo_eyes tell the direction"),
        ((*EYES, ("dock", 3)), "photo_eyes takes one or two, got 3"),
        ((EYES[0], EYES[0]), "photo_eyes has the same input twice"),
        ((("dock", 0), ("dock", 1)), "inputs of a reader count from 1"),
    ],
)
def test_photo_eyes_that_cannot_work_are_refused_in_words(eyes: tuple[tuple[str, int], ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DoorRules("d", frozenset({("dock", 1)}), frozenset(), photo_eyes=eyes)


def test_a_photo_eye_belongs_to_one_door() -> None:
    other = DoorRules("e", frozenset({("far", 1)}), frozenset(), photo_eyes=EYES)
    with pytest.raises(ValueError, match="input 1 of reader 'dock' is at door 'd' and 'e'"):
        Observer([], [ONE_ANTENNA, other])


def test_a_tag_that_falls_silent_after_the_beams_are_clear_is_decided_after_its_quiet_time() -> None:
    observer = Observer([], [ONE_ANTENNA])
    items = sorted([*hill(1, 5_000), *crossing(INSIDE, OUTSIDE)], key=lambda item: item.received_monotonic)
    for item in items:
        assert take(observer, item) == []
    silent = items[-1].received_monotonic
    quiet = ONE_ANTENNA.quiet
    passages = [*observer.expire(silent + quiet - 1), *observer.expire(silent + quiet + 500 * MS)]
    assert [passage.direction for passage in passages if isinstance(passage, Passage)] == [Direction.OUT]
