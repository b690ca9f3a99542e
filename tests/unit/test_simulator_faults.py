"""Faults on the wire change the bytes in the way they say, once or until cleared."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_simulators.faults import CutMidMessage, FaultyLine, SendGarbage, SilentHang, SplitWrites, StopKeepalives
from rfid_simulators.steady_field import steady_field

MESSAGES = [b"first message", b"keepalive", b"last message"]


def line() -> FaultyLine:
    return FaultyLine(lambda message: message == b"keepalive")


def test_without_faults_messages_go_out_in_one_write() -> None:
    assert line().carry(MESSAGES).pieces == [b"".join(MESSAGES)]
    assert line().carry([]).pieces == []


def test_a_cut_leaves_half_a_message_once() -> None:
    faulty, cut = line(), CutMidMessage(keep=3, reset=True)
    faulty.inject(cut)
    assert faulty.carry([]).closing is None
    writes = faulty.carry(MESSAGES)
    assert (writes.pieces, writes.closing) == ([b"fir"], cut)
    assert faulty.carry(MESSAGES).closing is None


def test_a_hang_lasts_until_the_session_ends() -> None:
    faulty = line()
    faulty.inject(SilentHang())
    assert [faulty.carry(MESSAGES).pieces for _ in range(2)] == [[], []]
    faulty.end_session()
    assert faulty.carry(MESSAGES).pieces == [b"".join(MESSAGES)]


def test_keepalives_stop_and_everything_else_goes_on_until_cleared() -> None:
    faulty = line()
    faulty.inject(StopKeepalives())
    assert faulty.carry(MESSAGES).pieces == [b"first messagelast message"]
    assert faulty.carry([b"keepalive"]).pieces == []
    faulty.clear()
    assert faulty.carry([b"keepalive"]).pieces == [b"keepalive"]


def test_garbage_comes_once_before_the_next_message() -> None:
    faulty = line()
    faulty.inject(SendGarbage(b"\xff\xff"))
    assert faulty.carry([b"a"]).pieces == [b"\xff\xffa"]
    assert faulty.carry([b"a"]).pieces == [b"a"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_split_writes_keep_every_byte_in_order(sizes: list[int]) -> None:
    faulty = line()
    faulty.inject(SplitWrites(tuple(sizes)))
    pieces = faulty.carry(MESSAGES).pieces
    assert b"".join(pieces) == b"".join(MESSAGES)
    assert len(pieces[0]) == min(sizes[0], len(b"".join(MESSAGES)))


@settings(deadline=None)
@given(st.floats(0.5, 5000), st.lists(st.integers(0, 200_000), max_size=10), st.integers(0, 9))
def test_a_steady_field_hears_the_same_however_it_is_sliced(rate: float, cuts: list[int], seed: int) -> None:
    end = 200_000
    radio = steady_field("r", rate=rate, tags=7, seed=seed)
    places = [0, *sorted(cuts), end]
    sliced = [one for start, stop in pairwise(places) for one in radio(start, stop)]
    assert sliced == list(radio(0, end))
    assert all(0 <= one.at < end for one in sliced)
    assert abs(len(sliced) - rate / 5) <= 1
