from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_drivers.llrp.framing import MAX_MESSAGE_BYTES, Frame, Framer, FramingLostError, encode_frame
from rfid_gateway.driver import ReaderError
from tests.llrp_messages import message

MESSAGES = [message(62, b"", 7), message(61, b"tags", 8), message(1023, bytes(300), 9, version=2)]
FRAMES = [Frame(1, 62, 7, b""), Frame(1, 61, 8, b"tags"), Frame(2, 1023, 9, bytes(300))]


def test_whole_messages_come_out_in_order() -> None:
    assert Framer().feed(b"".join(MESSAGES)) == (FRAMES, None)


def test_one_byte_at_a_time_gives_the_same_frames() -> None:
    framer = Framer()
    frames = [frame for byte in b"".join(MESSAGES) for frame in framer.feed(bytes([byte]))[0]]
    assert frames == FRAMES


@settings(deadline=None)
@given(st.lists(st.integers(0, 334), max_size=6))
def test_any_split_gives_the_same_frames(cuts: list[int]) -> None:
    stream = b"".join(MESSAGES)
    framer = Framer()
    frames: list[Frame] = []
    edges = [0, *sorted(cuts), len(stream)]
    for start, end in pairwise(edges):
        frames += framer.feed(stream[start:end])[0]
    assert frames == FRAMES
    assert framer.pending_bytes == 0


@pytest.mark.parametrize("length", [0, 5, 9, MAX_MESSAGE_BYTES + 1, 0xFFFF_FFFF])
def test_an_impossible_length_ends_the_framing_but_not_what_came_before(length: int) -> None:
    damaged = b"\x04\x3f" + length.to_bytes(4) + bytes(4)
    frames, error = Framer().feed(MESSAGES[1] + damaged + MESSAGES[0])
    assert frames == [FRAMES[1]]
    assert isinstance(error, FramingLostError)
    assert str(length) in str(error)
    assert isinstance(error, ReaderError)


def test_the_longest_message_is_waited_for() -> None:
    framer = Framer()
    head = b"\x04\x3d" + MAX_MESSAGE_BYTES.to_bytes(4) + bytes(4)
    assert framer.feed(head + b"x") == ([], None)
    assert framer.pending_bytes == 11


def test_a_framer_made_for_a_new_connection_knows_nothing_of_half_messages() -> None:
    Framer().feed(MESSAGES[2][:100])
    assert Framer().feed(MESSAGES[0]) == ([FRAMES[0]], None)


def test_encoding_a_frame_is_the_inverse() -> None:
    assert encode_frame(62, 7) == MESSAGES[0]
    assert Framer().feed(encode_frame(61, 0xFFFF_FFFF, b"x"))[0] == [Frame(1, 61, 0xFFFF_FFFF, b"x")]
