from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.intake import SLICES, Intake, Item, merge
from rfid_gateway.observe.observations import Direction, Observation, Passage
from rfid_gateway.observe.observer import Observer
from rfid_gateway.observe.rules import DoorRules
from rfid_gateway.reads import GpiEdge, ReaderState, ReaderStatus, TagRead, TagReport

EPC = "3114F4E4E4B2D1E4A0000000"


def read(epc: str, antenna: int, at: int, rssi: float | None = -60.0, count: int = 1) -> TagRead:
    return TagRead(epc, antenna, at, at, rssi, count)


def report(reader_id: str, at: int, *reads: TagRead) -> TagReport:
    return TagReport(reader_id, at, at, reads)


def test_items_come_out_in_the_order_in_which_they_went_in() -> None:
    intake = Intake(limit=1000)
    status = ReaderStatus("a", 1, ReaderState.ONLINE)
    first, second = report("a", 1, read("AA", 1, 1)), report("b", 2, read("BB", 1, 2))
    for item in (first, status, second):
        intake.put(item)
    assert intake.drain(0) == [first, status, second]
    assert intake.drain(0) == []


def test_a_full_queue_merges_the_detail_and_keeps_every_tag() -> None:
    intake = Intake(limit=1)
    intake.put(report("a", 1, read("AA", 1, 1)))
    intake.put(report("a", 2, read("BB", 2, 2)))
    for at in range(3, 3 + 2 * SLICES):
        intake.put(report("a", at, read("AA", 1, at, -50.0 - at % 2, count=4)))
    first, second, *merged = intake.drain(0)
    assert first == report("a", 1, read("AA", 1, 1))
    assert second == replace(report("a", 2, read("BB", 2, 2)), merged_since=2)
    assert merged == [
        TagReport("a", at + 1, at + 1, (TagRead("AA", 1, at, at + 1, -50.0, 8),), merged_since=at)
        for at in range(3, 3 + 2 * SLICES, 2)
    ]
    assert intake.merged_reads == 1 + 2 * SLICES


def test_what_was_merged_stays_in_order_with_all_else() -> None:
    """A timer that ran out over reads that wait would end a passage in its middle."""
    intake = Intake(limit=1)
    edge = GpiEdge("b", 3, 3, 1, high=True)
    status = ReaderStatus("b", 3, ReaderState.ONLINE)
    for item in (report("a", 1, read("AA", 1, 1)), report("a", 2, read("AA", 1, 2)), edge, status):
        intake.put(item)
    for at in range(4, 20):
        intake.put(report("a", at, read("AA", 1, at)))
    items = intake.drain(0)
    assert items.index(edge) + 1 == items.index(status)
    before, after = items[: items.index(edge)], items[items.index(status) + 1 :]
    assert [item.merged_since for item in before if isinstance(item, TagReport)] == [None, 2]
    assert all(isinstance(item, TagReport) and (item.merged_since or 0) > edge.received_at for item in after)


@pytest.mark.parametrize("out", [True, False], ids=["out", "in"])
@pytest.mark.parametrize("reads", [20, 80, 700])
def test_a_passage_in_a_full_queue_keeps_its_direction(reads: int, *, out: bool) -> None:
    """Near the inside antenna after a third of the way, near the outside one after two thirds; or the other way."""
    utc, intake = 1_790_000_000_000_000, Intake(limit=0)
    near = {1: 0.3, 2: 0.7} if out else {1: 0.7, 2: 0.3}
    for number in range(reads):
        way, at = number / reads, number * 1_600_000 // reads
        both = (
            TagRead(EPC, antenna, utc + at, utc + at, -42.0 - 120.0 * (way - near[antenna]) ** 2) for antenna in near
        )
        intake.put(TagReport("dock", utc + at, at, tuple(both)))
    merged = intake.drain(0)
    assert len(merged) <= 2 * SLICES
    (passage,) = passages(merged)
    assert passage.direction is (Direction.OUT if out else Direction.IN)


@pytest.mark.parametrize("limit", [0, 1, 7, 40, 100])
@pytest.mark.parametrize("pause_s", [0.0, 1.5])
@pytest.mark.parametrize("slow", [1, 3, 7])
def test_a_passage_that_a_full_queue_holds_up_is_one(limit: int, pause_s: float, slow: int) -> None:
    """The pipeline stands still for longer than a door waits for the next read, from the middle of a passage on."""
    utc, intake = 1_790_000_000_000_000, Intake(limit)
    for number in range(120):
        way = number / 120
        at = int(number * slow * 1_000_000 // 60 + (pause_s * 1_000_000 if way > 0.5 else 0))
        for antenna, near in ((1, 0.3), (2, 0.7)):
            rssi = -42.0 - 120.0 * (way - near) ** 2
            seen = TagRead(EPC, antenna, utc + at, utc + at, rssi)
            intake.put(TagReport("dock", utc + at, at, (seen,)))
    (passage,) = passages(intake.drain(0))
    assert passage.direction is Direction.OUT


def passages(items: Iterable[Item]) -> list[Passage]:
    """What a door makes of what comes out of the queue, and of a minute after that."""
    observer = Observer([], [DoorRules("d", frozenset({("dock", 1)}), frozenset({("dock", 2)}))])
    observed: list[Observation] = []
    for item in items:
        assert isinstance(item, TagReport)
        observed += observer.report(item)
    observed += observer.expire(120_000_000)
    return [each for each in observed if isinstance(each, Passage)]


def test_a_reader_that_is_being_merged_stays_in_order() -> None:
    intake = Intake(limit=2)
    intake.put(report("a", 1, read("AA", 1, 1), read("BB", 1, 1)))
    intake.put(report("a", 2, read("CC", 1, 2)))
    intake.put(report("b", 3, read("DD", 1, 3)))
    reports = [item for item in intake.drain(0) if isinstance(item, TagReport)]
    assert [(r.reader_id, r.received_at) for r in reports] == [("a", 1), ("a", 2), ("b", 3)]


def test_a_read_without_signal_strength_never_hides_one_with() -> None:
    assert merge(read("AA", 1, 1, None), read("AA", 1, 2, -80.0)).peak_rssi == -80.0
    assert merge(read("AA", 1, 1, -80.0), read("AA", 1, 2, None)).peak_rssi == -80.0


@given(
    st.integers(0, 20),
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["AA", "BB", "CC"]), st.integers(1, 2)), max_size=60),
)
def test_whatever_the_limit_no_tag_and_no_count_is_lost(limit: int, arrivals: list[tuple[str, str, int]]) -> None:
    intake = Intake(limit)
    for at, (reader_id, epc, antenna) in enumerate(arrivals):
        intake.put(report(reader_id, at, read(epc, antenna, at)))
    counts: dict[tuple[str, str, int], int] = {}
    for item in intake.drain(0):
        assert isinstance(item, TagReport)
        for tag_read in item.tag_reads:
            key = (item.reader_id, tag_read.epc, tag_read.antenna_id)
            counts[key] = counts.get(key, 0) + tag_read.tag_seen_count
    assert counts == {key: arrivals.count(key) for key in set(arrivals)}
