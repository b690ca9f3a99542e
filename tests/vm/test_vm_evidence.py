"""The checks after a power cut find what is planted: a suite that cannot fail proves nothing."""

from dataclasses import replace

import pytest

from tests.faults.field import SPOTS, Stay
from tests.faults.packets import Event
from tests.vm.evidence import (
    Remains,
    gaps,
    lost_on_disk,
    passage_outcome,
    passage_unsaved,
    read_witness,
    reads_while_down,
    saved_reads,
)

REMAINS = Remains(
    {1: "id-1", 2: "id-2", 3: "id-3"},
    frozenset({3}),
    frozenset({"S-1", "S-2", "S-3"}),
    frozenset({("S-1", "shelf-1")}),
    {"AB": {1: 20, 2: 5}},
)
SENT = [Event(number, f"id-{number}", f"S-{number}", "shelf-1", None) for number in (1, 2)]


def test_all_that_was_acknowledged_is_there() -> None:
    assert lost_on_disk(REMAINS, {1: "id-1", 3: "id-3"}, SENT, {"S-1"}) == []


def test_an_event_that_the_witness_told_of_and_is_gone_is_found() -> None:
    (words,) = lost_on_disk(REMAINS, {4: "id-4"}, SENT, ())
    assert "event 4 was told of by the witness as id-4 and is lost" in words


def test_an_event_that_was_sent_and_is_another_one_now_is_found() -> None:
    (words,) = lost_on_disk(REMAINS, {}, [*SENT, replace(SENT[0], event_id="id-9")], ())
    assert "event 1 was sent to the broker as id-9 and is id-1" in words


def test_an_entry_that_was_acknowledged_and_is_gone_is_found() -> None:
    (words,) = lost_on_disk(REMAINS, {}, (), {"S-3", "S-4"})
    assert "S-4" in words


def test_the_witness_may_repeat_itself_and_not_contradict_itself() -> None:
    told = [{"sequence": 1, "event_id": "a"}, {"sequence": 2, "event_id": "b"}, {"sequence": 1, "event_id": "a"}]
    assert read_witness(told) == {1: "a", 2: "b"}
    with pytest.raises(ValueError, match="sequence 1 is a and c"):
        read_witness([*told, {"sequence": 1, "event_id": "c"}])


def test_a_gap_is_found_and_a_repetition_is_none() -> None:
    assert gaps([*SENT, *SENT]) == []
    assert gaps([]) == []
    assert gaps([SENT[0], replace(SENT[1], sequence=4)]) == ["sequences [2, 3] never came"]


def test_reads_while_down_count_from_the_cut_or_the_arrival_until_the_readers_are_back() -> None:
    stays = [Stay("S-1", "AB", SPOTS[0], 0, 100), Stay("S-2", "AC", SPOTS[0], 1_500, 100)]
    assert reads_while_down(stays, 1_000, 2_000) == 10 + 5
    assert reads_while_down(stays, 1_000, 1_000) == 0


@pytest.mark.parametrize(
    ("directions", "outcome"),
    [((), "none"), (("out",), "out"), (("undecided",), "undecided"), (("in",), "wrong"), (("out", "out"), "wrong")],
)
def test_what_became_of_a_passage(directions: tuple[str, ...], outcome: str) -> None:
    events = [Event(at, f"id-{at}", "S-7", "dock", direction) for at, direction in enumerate(directions)]
    others = [Event(8, "id-8", "S-8", "dock", "in"), Event(9, "id-9", "S-7", "shelf-1", None)]
    assert passage_outcome([*events, *others, *events], "S-7") == outcome


def test_reads_of_a_passage_that_were_not_saved() -> None:
    assert passage_unsaved(30, REMAINS, "AB", "S-9") == 5
    assert passage_unsaved(30, REMAINS, "AC", "S-9") == 30
    decided = replace(REMAINS, places=frozenset({("S-9", "dock")}))
    assert passage_unsaved(30, decided, "AB", "S-9") == 0


def test_saved_reads_are_counted_by_antenna() -> None:
    assert saved_reads('{"sums": [["gate", 1, 20, 0.5], ["gate", 2, 5, 0.5]]}') == {1: 20, 2: 5}
