"""What a discovery asks a reader, and what it makes of the answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_drivers.llrp.framing import Framer
from rfid_drivers.llrp.interview import Interview
from tests.llrp_messages import capabilities, greeting, message, status, tlv

MAC = bytes.fromhex("001625112233")
ANSWERS = [
    greeting(),
    message(11, status() + capabilities(manufacturer=161), 1),
    message(12, status() + tlv(218, b"\x00" + struct.pack("!H", len(MAC)) + MAC), 2),
    message(4, status(), 3),
]


def asked(words: bytes) -> list[int]:
    return [frame.type for frame in Framer().feed(words)[0]]


def test_a_free_reader_is_asked_twice_and_left() -> None:
    interview = Interview()
    assert [asked(interview.feed(answer)) for answer in ANSWERS] == [[1], [2], [14], []]
    portrait = interview.portrait
    assert (portrait.state, portrait.model, portrait.firmware) == ("free", "Zebra 42", "1.2.3")
    assert portrait.identification == "001625112233"
    assert interview.done


def test_nothing_is_said_before_the_greeting() -> None:
    interview = Interview()
    assert interview.feed(greeting()[:-1]) == b""
    assert asked(interview.feed(greeting()[-1:])) == [1]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 99])
def test_a_reader_that_refuses_is_busy_and_asked_nothing(code: int) -> None:
    interview = Interview()
    assert interview.feed(greeting(code)) == b""
    assert (interview.portrait.state, interview.done) == ("busy", True)


def test_a_reader_that_answers_with_errors_is_left_all_the_same() -> None:
    interview = Interview()
    refusals = [message(100, status(109), number) for number in (1, 2, 3)]
    assert [asked(interview.feed(words)) for words in (greeting(), *refusals)] == [[1], [2], [14], []]
    assert (interview.portrait.state, interview.done) == ("free", True)


@given(st.lists(st.binary(max_size=60)))
def test_no_talk_ends_the_interview_with_an_exception(words: list[bytes]) -> None:
    interview = Interview()
    for word in words:
        interview.feed(word)
    assert interview.portrait.state in {"silent", "busy", "free"}


@given(st.sampled_from([11, 12, 100, 63, 4]), st.binary(max_size=80), st.integers(0, 3))
def test_damaged_answers_are_survived(kind: int, body: bytes, number: int) -> None:
    interview = Interview()
    interview.feed(greeting())
    interview.feed(message(kind, body, number))
    assert interview.portrait.state == "free"
