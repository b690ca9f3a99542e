from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.mqtt.window import Window


class Row(NamedTuple):
    sequence: int
    topic: str = "t"
    payload: bytes = b"{}"
    again: bool = False


def rows(*sequences: int) -> list[Row]:
    return [Row(sequence) for sequence in sequences]


def take_all(window: Window) -> list[tuple[int, bool]]:
    taken = []
    while outgoing := window.take():
        taken.append((outgoing.row.sequence, outgoing.replayed))
    return taken


def test_rows_are_taken_in_order_and_new_ones_are_not_replayed() -> None:
    window = Window()
    window.add(rows(1, 2, 3))
    assert take_all(window) == [(1, False), (2, False), (3, False)]


def test_after_a_loss_the_rows_without_puback_come_first_and_only_they_are_replayed() -> None:
    window = Window()
    window.add(rows(1, 2, 3, 4))
    for _ in range(3):
        window.take()
    window.acknowledge(2)
    window.lose()
    assert take_all(window) == [(1, True), (3, True), (4, False)]
    assert window.acknowledged == (2,)


def test_rows_that_an_earlier_process_may_have_sent_are_replayed() -> None:
    window = Window(earlier=rows(7, 8))
    window.add(rows(7, 8, 9))
    assert take_all(window) == [(7, True), (8, True), (9, False)]


def test_a_refused_row_is_the_next_one_again() -> None:
    window = Window()
    window.add(rows(1, 2, 3))
    for _ in range(2):
        window.take()
    window.give_back(1)
    assert take_all(window) == [(1, True), (3, False)]


def test_a_puback_that_comes_twice_counts_once() -> None:
    window = Window()
    window.add(rows(1))
    window.take()
    window.acknowledge(1)
    window.acknowledge(1)
    assert window.acknowledged == (1,)


@given(st.integers(1, 40), st.lists(st.sampled_from(["take", "ack", "lose", "refuse", "commit"]), max_size=200))
def test_whatever_happens_no_row_is_lost_and_a_row_is_replayed_exactly_when_it_was_taken_before(
    count: int, steps: list[str]
) -> None:
    window = Window()
    window.add(rows(*range(1, count + 1)))
    in_flight: list[int] = []
    taken: set[int] = set()
    gone: set[int] = set()
    for step in steps:
        if step == "take" and (outgoing := window.take()):
            assert outgoing.replayed == (outgoing.row.sequence in taken)
            taken.add(outgoing.row.sequence)
            in_flight.append(outgoing.row.sequence)
        elif step == "ack" and in_flight:
            window.acknowledge(in_flight.pop(0))
        elif step == "refuse" and in_flight:
            window.give_back(in_flight.pop())
        elif step == "lose":
            window.lose()
            in_flight.clear()
        elif step == "commit":
            gone |= set(window.acknowledged)
            window.committed()
    window.lose()
    left = {sequence for sequence, _ in take_all(window)}
    assert left | gone | set(window.acknowledged) == set(range(1, count + 1))
    assert not left & (gone | set(window.acknowledged))


def test_rows_that_are_back_in_the_outbox_come_before_later_ones_and_say_so() -> None:
    window = Window()
    window.add(rows(1, 2, 3))
    assert take_all(window) == [(1, False), (2, False), (3, False)]
    for sequence in (1, 2):
        window.acknowledge(sequence)
    window.committed()
    window.rewind()
    assert window.read_up_to == 0
    window.add([Row(1, again=True), Row(2, again=True), Row(3), Row(4)])
    assert take_all(window) == [(1, True), (2, True), (4, False)]
    assert window.read_up_to == 4


def test_rows_in_hand_are_not_taken_twice_when_the_outbox_is_read_again() -> None:
    window = Window()
    window.add(rows(1, 2, 3))
    window.take()
    window.take()
    window.acknowledge(1)
    window.rewind()
    window.add(rows(1, 2, 3))
    assert take_all(window) == [(3, False)]


def test_rows_to_be_sent_again_say_so_after_a_restart_too() -> None:
    window = Window(earlier=rows(1))
    window.add([Row(1), Row(2, again=True), Row(3)])
    assert take_all(window) == [(1, True), (2, True), (3, False)]
