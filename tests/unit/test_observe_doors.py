"""Passages at a door, from reads written by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from rfid_gateway.observe.observations import Direction, Observation, Passage
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules
from rfid_gateway.observe.saved import SavedState
from rfid_gateway.reads import TagRead, TagReport

UTC = 1_790_000_000_000_000
EPC = "3114F4E4E4B2D1E4A0000000"
DOOR = DoorRules("d", frozenset({("dock", 1)}), frozenset({("dock", 2)}))
MS = 1_000


def report(at: int, antenna: int, rssi: float | None, *, offset: int = 0, reader: str = "dock") -> TagReport:
    read = TagRead(EPC, antenna, UTC + at + offset, UTC + at + offset, rssi)
    return TagReport(reader, UTC + at, at, (read,), offset)


def hill(antenna: int, peak_at: int, *, rssi: bool = True) -> list[TagReport]:
    """Reads every 100 ms for three seconds around a peak of -40 dBm."""
    return [report(peak_at + tick * 100 * MS, antenna, -40.0 - abs(tick) if rssi else None) for tick in range(-15, 16)]


def run(observer: Observer, *hills: list[TagReport]) -> list[Observation]:
    reports = sorted((each for hill in hills for each in hill), key=lambda each: each.received_monotonic)
    observed = [observation for each in reports for observation in observer.report(each)]
    return observed + observer.expire(reports[-1].received_monotonic + 10_000 * MS)


@pytest.mark.parametrize(
    ("inside_at", "outside_at", "direction"), [(2_000, 4_000, Direction.OUT), (4_000, 2_000, Direction.IN)]
)
def test_the_side_that_peaks_last_is_where_the_tag_went(inside_at: int, outside_at: int, direction: Direction) -> None:
    (passage,) = run(Observer([], [DOOR]), hill(1, inside_at * MS), hill(2, outside_at * MS))
    assert isinstance(passage, Passage)
    assert passage.direction is direction
    assert passage.confidence > 0.9
    assert (passage.started, passage.ended) == (UTC + 500 * MS, UTC + 5_500 * MS)
    assert passage.evidence["reads_inside"] == 31


def test_without_rssi_order_decides_with_less_confidence() -> None:
    (passage,) = run(Observer([], [DOOR]), hill(1, 2_000 * MS, rssi=False), hill(2, 4_000 * MS, rssi=False))
    assert isinstance(passage, Passage)
    assert passage.direction is Direction.OUT
    assert passage.confidence <= 0.85


def test_both_sides_peaking_together_is_no_passage() -> None:
    assert run(Observer([], [DOOR]), hill(1, 3_000 * MS), hill(2, 3_050 * MS)) == []


def test_one_side_alone_is_no_passage() -> None:
    assert run(Observer([], [DOOR]), hill(1, 3_000 * MS)) == []


def test_two_reads_are_stray_reads() -> None:
    assert run(Observer([], [DOOR]), [report(0, 1, -40.0), report(900 * MS, 2, -40.0)]) == []


def test_reads_below_the_floor_are_ignored() -> None:
    observer = Observer([], [DOOR])
    assert observer.report(report(0, 1, -76.0)) == []
    assert observer.next_deadline() is None


def test_a_tag_that_stands_there_gives_nothing_and_becomes_background() -> None:
    observer = Observer([], [DOOR])
    still = [report(tick * 100 * MS, 1 + tick % 2, -50.0) for tick in range(600)]
    assert run(observer, still) == []
    kinds = {row.kind: row.state is not None for row in observer.changed()}
    assert kinds == {"background": True}


def test_a_background_tag_that_is_picked_up_and_carried_out_passes() -> None:
    observer = Observer([], [DOOR])
    still = [report(tick * 100 * MS, 1, -45.0) for tick in range(300)]
    away = [report(30_000 * MS + tick * 100 * MS, 1, -45.0 - 2.0 * tick) for tick in range(12)]
    (passage,) = run(observer, still, away, hill(2, 32_500 * MS))
    assert isinstance(passage, Passage)
    assert passage.direction is Direction.OUT


def test_a_decision_comes_with_the_quiet_time() -> None:
    observer = Observer([], [DOOR])
    for each in sorted((*hill(1, 2_000 * MS), *hill(2, 4_000 * MS)), key=lambda each: each.received_monotonic):
        assert observer.report(each) == []
    deadline = observer.next_deadline()
    while deadline is not None and not observer.expire(deadline):
        last, deadline = deadline, observer.next_deadline()
        assert deadline is None or deadline > last
    assert deadline == 5_500 * MS + DOOR.quiet


def test_the_door_that_hears_a_tag_louder_at_the_same_time_gets_it_alone() -> None:
    other = DoorRules("other", frozenset({("far", 1)}), frozenset({("far", 2)}))
    echo = [
        report(each.received_monotonic, read.antenna_id, read.peak_rssi - 12.0, reader="far")
        for each in (*hill(1, 2_000 * MS), *hill(2, 4_000 * MS))
        for read in each.tag_reads
        if read.peak_rssi is not None
    ]
    passages = run(Observer([], [other, DOOR]), hill(1, 2_000 * MS), hill(2, 4_000 * MS), echo)
    assert [(passage.door, passage.direction) for passage in passages if isinstance(passage, Passage)] == [
        ("d", Direction.OUT)
    ]


def test_a_lying_clock_does_not_matter_when_its_offset_is_known() -> None:
    offset = -800_000_000_000_000
    reports = [
        report(each.received_monotonic, each.tag_reads[0].antenna_id, each.tag_reads[0].peak_rssi, offset=offset)
        for each in (*hill(1, 2_000 * MS), *hill(2, 4_000 * MS))
    ]
    (passage,) = run(Observer([], [DOOR]), reports)
    assert isinstance(passage, Passage)
    assert passage.started == UTC + 500 * MS


def test_the_number_of_tags_at_doors_is_bounded() -> None:
    observer = Observer([], [DOOR], max_at_doors=10)
    for number in range(100):
        read = TagRead(f"{number:024X}", 1, UTC, UTC, -50.0)
        observer.report(TagReport("dock", UTC, number, (read,)))
    assert len(observer._doors) == 10
    assert sum(row.state is not None for row in observer.changed()) <= 10


def test_running_sums_of_a_thousand_tags_are_saved_a_few_at_a_time_and_none_is_forgotten() -> None:
    observer = Observer([], [DOOR])
    reads = tuple(TagRead(f"{number:024X}", 1, UTC, UTC, -50.0) for number in range(1000))
    saved: list[str] = []
    for turn in range(8):
        observer.report(TagReport("dock", UTC, turn, reads))
        rows = observer.changed()
        assert len(rows) < 1000
        saved += [row.epc for row in rows]
    assert sorted(saved) == sorted(2 * [read.epc for read in reads])


def late(reports: list[TagReport], after: int, by: int) -> list[TagReport]:
    """The same reports, where those after a time arrive later: the connection was away, or the machine too busy."""
    return [
        replace(each, received_monotonic=each.received_monotonic + by, received_at=each.received_at + by)
        if each.received_monotonic > after
        else each
        for each in reports
    ]


@pytest.mark.parametrize("cut_at", range(200, 6_000, 200))
@pytest.mark.parametrize("outage", [2_500, 20_000])
def test_reads_that_come_late_make_no_second_passage(cut_at: int, outage: int) -> None:
    way = [late(each, cut_at * MS, outage * MS) for each in (hill(1, 2_000 * MS), hill(2, 4_000 * MS))]
    directions = [each.direction for each in run(Observer([], [DOOR]), *way) if isinstance(each, Passage)]
    assert directions.count(Direction.OUT) == 1
    assert directions in ([Direction.OUT], [Direction.UNDECIDED, Direction.OUT])


@pytest.mark.parametrize("cut_at", range(200, 5_500, 200))
@pytest.mark.parametrize("restart_after", [0, 2_000, 10_000])
@pytest.mark.parametrize("kept", [Observer.changed, Observer.memory], ids=["restart", "reload"])
def test_reads_that_come_late_make_no_second_passage_over_a_restart(
    kept: Callable[[Observer], list[SavedState]], cut_at: int, restart_after: int
) -> None:
    """Which passages were decided lately is kept as well: the reader keeps its reads while the gateway restarts."""
    way = [late(each, cut_at * MS, 20_000 * MS) for each in (hill(1, 2_000 * MS), hill(2, 4_000 * MS))]
    reports = sorted((each for hill in way for each in hill), key=lambda each: each.received_monotonic)
    before = [each for each in reports if each.received_monotonic <= cut_at * MS]
    restart_at = cut_at * MS + restart_after * MS
    first, second = Observer([], [DOOR]), Observer([], [DOOR])
    observed = [observation for each in before for observation in first.report(each)] + first.expire(restart_at)
    second.restore(kept(first), restart_at, UTC + restart_at)
    observed += run(second, reports[len(before) :])
    directions = [each.direction for each in observed if isinstance(each, Passage)]
    assert directions.count(Direction.OUT) == 1
    assert directions in ([Direction.OUT], [Direction.UNDECIDED, Direction.OUT])


def test_what_is_kept_of_ended_passages_goes_after_a_minute_or_a_thousand() -> None:
    observer = Observer([], [DOOR])
    rows: set[tuple[str, str, str]] = set()

    def pass_by(number: int, at: int) -> None:
        for tick in range(3):
            read = TagRead(f"{number:024X}", 1 + tick // 2, UTC + at + tick, UTC + at + tick, -50.0)
            observer.report(TagReport("dock", UTC + at, at + tick, (read,)))
        observer.expire(at + 5_000 * MS)
        for kind, name, epc, state in observer.changed():
            change = rows.discard if state is None else rows.add
            change((kind, name, epc))

    for number in range(1_100):
        pass_by(number, number)
    assert len(rows) == 1_000
    pass_by(5_000, 70_000 * MS)
    assert rows == {("passage", "d", f"{5_000:024X}")}
    pass_by(5_000, 140_000 * MS)
    pass_by(6_000, 210_000 * MS)
    assert rows == {("passage", "d", f"{6_000:024X}")}


def test_what_arrives_more_than_a_minute_late_is_a_passage_of_its_own() -> None:
    """Then it is more likely that the reader's clock stands still."""
    again = [late(each, 0, 90_000 * MS) for each in (hill(1, 2_000 * MS), hill(2, 4_000 * MS))]
    passages = run(Observer([], [DOOR]), hill(1, 2_000 * MS), hill(2, 4_000 * MS), *again)
    assert [each.direction for each in passages if isinstance(each, Passage)] == [Direction.OUT] * 2


def test_a_tag_that_comes_back_after_the_quiet_time_has_passed_twice() -> None:
    out, back = (hill(1, 2_000 * MS), hill(2, 4_000 * MS)), (hill(2, 9_100 * MS), hill(1, 11_100 * MS))
    passages = run(Observer([], [DOOR]), *out, *back)
    assert [each.direction for each in passages if isinstance(each, Passage)] == [Direction.OUT, Direction.IN]
