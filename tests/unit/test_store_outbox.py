from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_gateway.store.connection import Store, open_store
from rfid_gateway.store.outbox import OutboxEvent

T0 = 1_764_000_000_000_000


def event(number: int, *, at: int = T0, shipment_id: str = "S-1") -> OutboxEvent:
    return OutboxEvent(
        event_id=f"ni:///sha-256;{number:064x}?ver=CBV2.0",
        event_time=at,
        epc="3034257BF7194E4000001A85",
        shipment_id=shipment_id,
        biz_step="departing",
        direction="out",
        verdict="ok",
        read_point="urn:epc:id:sgln:4012345.00001.7",
        topic="rfid/hall/gw1/events/departing",
        encode=lambda sequence: b"%d:%d" % (number, sequence),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "gateway.db") as opened:
        yield opened


def test_an_event_gets_its_sequence_before_its_payload_is_built(store: Store) -> None:
    rows = store.outbox.append([event(7), event(8)])
    assert [(row.sequence, row.payload) for row in rows] == [(1, b"7:1"), (2, b"8:2")]
    assert store.outbox.unpublished(0, 10) == list(rows)


def test_an_event_that_is_there_already_takes_no_sequence(store: Store) -> None:
    store.outbox.append([event(1)])
    rows = store.outbox.append([event(2), event(1), event(2), event(3)])
    assert [(row.sequence, row.payload) for row in rows] == [(2, b"2:2"), (3, b"3:3")]
    assert store.outbox.backlog() == 3


def test_appending_nothing_changes_nothing(store: Store) -> None:
    assert store.outbox.append([]) == ()
    store.outbox.published([], T0)
    assert (store.outbox.backlog(), store.outbox.next_sequence()) == (0, 1)


def test_a_row_leaves_the_outbox_only_when_published_and_stays_in_the_history(store: Store) -> None:
    store.outbox.append([event(1), event(2), event(3)])
    store.outbox.published([2], T0 + 5)
    assert [row.sequence for row in store.outbox.unpublished(0, 10)] == [1, 3]
    assert [each.published_at for each in store.history.events(10)] == [None, T0 + 5, None]


def test_a_second_puback_of_an_event_is_passed_over(store: Store) -> None:
    store.outbox.append([event(1), event(2)])
    store.outbox.published([1], T0 + 5)
    store.outbox.published([1, 99], T0 + 9)
    assert store.outbox.backlog() == 1
    assert store.history.events(10)[0].published_at == T0 + 5


def test_unpublished_goes_on_after_a_sequence_and_keeps_the_limit(store: Store) -> None:
    store.outbox.append([event(number) for number in range(10)])
    assert [row.sequence for row in store.outbox.unpublished(4, 3)] == [5, 6, 7]


def test_the_oldest_is_the_one_that_waited_longest(store: Store) -> None:
    assert store.outbox.oldest() is None
    store.outbox.append([event(1, at=T0 + 9), event(2)])
    store.outbox.published([1], T0)
    oldest = store.outbox.oldest()
    assert oldest is not None
    assert (oldest.sequence, oldest.event_time) == (2, T0)


def test_sequences_go_on_after_a_restart_and_after_pruning_everything(tmp_path: Path) -> None:
    with open_store(tmp_path / "gateway.db") as store:
        store.outbox.append([event(1), event(2)])
        store.outbox.published([1, 2], T0)
        assert store.history.prune(published_before=T0 + 1, looked_at=100) == 2
    with open_store(tmp_path / "gateway.db") as store:
        assert store.history.events(10) == []
        assert [row.sequence for row in store.outbox.append([event(3)])] == [3]


def test_pruning_leaves_what_is_not_published_or_was_published_since(store: Store) -> None:
    store.outbox.append([event(1), event(2), event(3)])
    store.outbox.published([1], T0)
    store.outbox.published([3], T0 + 10)
    assert store.history.prune(published_before=T0 + 5, looked_at=100) == 1
    assert [each.sequence for each in store.history.events(10)] == [2, 3]


def test_pruning_looks_only_at_as_many_events_as_it_may(store: Store) -> None:
    store.outbox.append([event(number) for number in range(5)])
    store.outbox.published([1, 2, 3, 4, 5], T0)
    assert store.history.prune(published_before=T0 + 1, looked_at=2) == 2


def test_an_event_set_aside_leaves_the_outbox_and_comes_back(store: Store) -> None:
    store.outbox.append([event(1), event(2), event(3)])
    store.outbox.set_aside(2, "too large", T0 + 5)
    store.outbox.set_aside(2, "again", T0 + 6)
    store.outbox.set_aside(99, "never there", T0 + 6)
    assert [row.sequence for row in store.outbox.unpublished(0, 10)] == [1, 3]
    assert [(each.sequence, each.at, each.reason) for each in store.outbox.aside(0, 10)] == [(2, T0 + 5, "too large")]
    assert (store.outbox.backlog(), store.outbox.aside_count(), store.outbox.retries()) == (2, 1, 0)
    assert store.history.prune(published_before=T0 + 100, looked_at=100) == 0
    assert store.outbox.retry([1, 99]) == 0
    assert store.outbox.retry([2]) == 1
    assert [row.sequence for row in store.outbox.unpublished(0, 10)] == [1, 2, 3]
    assert (store.outbox.backlog(), store.outbox.aside_count(), store.outbox.retries()) == (3, 0, 1)
    assert store.outbox.retry() == 0
    assert store.outbox.retries() == 1


def test_all_that_is_set_aside_comes_back_at_once(store: Store) -> None:
    store.outbox.append([event(number) for number in range(5)])
    for sequence in (2, 4):
        store.outbox.set_aside(sequence, "too large", T0)
    assert store.outbox.aside(2, 10)[0].sequence == 4
    assert store.outbox.retry() == 2
    assert store.outbox.backlog() == 5


def test_a_payload_that_cannot_be_built_leaves_nothing_behind(store: Store) -> None:
    def fail(_sequence: int) -> bytes:
        raise ValueError("no such read point")

    broken = OutboxEvent("ni:///x", T0, "AB", "S", None, None, "ok", "urn:x", "t", fail)
    with pytest.raises(ValueError, match="no such read point"):
        store.outbox.append([event(1), broken])
    assert store.history.events(10) == []
    assert store.outbox.next_sequence() == 1


class UndoneError(Exception):
    pass


def append_and_undo(store: Store, numbers: list[int]) -> None:
    with store.transaction():
        store.outbox.append([event(number) for number in numbers])
        raise UndoneError


batches = st.lists(
    st.tuples(st.lists(st.integers(0, 30), max_size=6), st.sampled_from(["commit", "undo", "publish", "reopen"])),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(batches=batches)
def test_sequences_have_no_gap_and_no_double_whatever_is_undone(
    batches: list[tuple[list[int], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "gateway.db"
    store = open_store(path)
    committed: dict[int, None] = {}
    for numbers, what in batches:
        if what == "undo":
            with pytest.raises(UndoneError):
                append_and_undo(store, numbers)
            continue
        store.outbox.append([event(number) for number in numbers])
        committed |= dict.fromkeys(numbers)
        if what == "publish":
            store.outbox.published([row.sequence for row in store.outbox.unpublished(0, 3)], T0)
        if what == "reopen":
            store.close()
            store = open_store(path)
    found = store.history.events_after(0, 1000)
    waiting = store.outbox.unpublished(0, 1000)
    backlog = store.outbox.backlog()
    store.close()
    assert [each.sequence for each in found] == list(range(1, len(committed) + 1))
    assert [int(each.payload.split(b":")[0]) for each in found] == list(committed)
    assert [row.sequence for row in waiting] == [each.sequence for each in found if each.published_at is None]
    assert backlog == len(waiting)


def test_a_transaction_undone_by_its_caller_takes_its_sequences_back(store: Store) -> None:
    with pytest.raises(UndoneError):
        append_and_undo(store, [1, 2])
    assert [row.sequence for row in store.outbox.append([event(3)])] == [1]
