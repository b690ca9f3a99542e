"""A whole recorded session (dx101_a: 934 messages of an Impinj reader) through the driver's session."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from rfid_drivers.llrp.events import ReadsArrived, Skipped
from rfid_drivers.llrp.framing import Framer
from rfid_drivers.llrp.session import Session
from tests.llrp_messages import OPTIONS, UTC, greeting
from tests.llrp_plain_decoder import plain_reading


@pytest.fixture(scope="module")
def stream(shared: Path) -> bytes:
    return (shared / "vectors/llrp/dx101_a.bin").read_bytes()


def play(chunks: list[bytes]) -> list[object]:
    """Feed a session that has been greeted; its requests stay unanswered, its clock stands still."""
    session = Session(OPTIONS, 0)
    events: list[object] = list(session.feed(greeting(), 0, UTC))
    for chunk in chunks:
        events += session.feed(chunk, 0, UTC)
    return events


def test_all_messages_are_framed(stream: bytes) -> None:
    frames, error = Framer().feed(stream)
    assert (len(frames), error) == (934, None)


def test_all_tags_arrive_as_a_plain_reading_finds_them(stream: bytes) -> None:
    expected = [
        read for frame in Framer().feed(stream)[0] if frame.type == 61 for read in plain_reading(frame.body, UTC)
    ]
    arrived = [read for event in play([stream]) if isinstance(event, ReadsArrived) for read in event.tag_reads]
    assert len(arrived) == 130
    assert arrived == expected


def test_nothing_but_answers_to_others_is_skipped(stream: bytes) -> None:
    skipped = {event.message_type for event in play([stream]) if isinstance(event, Skipped)}
    assert skipped <= {1, 2, 3, 4, 11, 12, 13, 14, 20, 21, 24, 25, 30, 31, 34, 35}


def test_one_byte_at_a_time_gives_the_same_events(stream: bytes) -> None:
    assert play([bytes([byte]) for byte in stream]) == play([stream])


@pytest.mark.parametrize("seed", range(5))
def test_random_splits_give_the_same_events(stream: bytes, seed: int) -> None:
    cuts = sorted(random.Random(seed).choices(range(len(stream)), k=400))
    chunks = [stream[start:end] for start, end in pairwise([0, *cuts, len(stream)])]
    assert play(chunks) == play([stream])
