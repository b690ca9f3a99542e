"""A fleet of simulated readers sends what it counts, at the rate asked for, with stamps of the moment."""

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rfid_simulators.llrp.fleet import Fleet
from rfid_simulators.llrp.outgoing import count_tags
from rfid_simulators.llrp.paced import PacedReports, paced_epcs
from tests import llrp_requests as client
from tests.llrp_conversation import Conversation, dial_address

SECOND = 1_000_000
TAG_BYTES = 46


def started(address: tuple[str, int]) -> Conversation:
    session = dial_address(address)
    session.next()
    session.ask(client.add(client.rospec()))
    session.ask(client.enable())
    return session


def test_every_reader_of_a_fleet_sends_just_what_it_counts() -> None:
    with Fleet(readers=3, rate=2000, processes=2, tags=7, per_report=20) as fleet:
        sessions = [started(address) for address in fleet.addresses]
        received = [b"" for _ in sessions]
        for _ in range(5):
            for number, session in enumerate(sessions):
                received[number] += session.next().body
        fleet.silence()
        sent = fleet.sent()
        for number, session in enumerate(sessions):
            while count_tags(received[number]) < sent[number]:
                received[number] += session.next().body
            session.socket.close()
        assert tuple(map(count_tags, received)) == sent == fleet.sent()
        assert min(sent) >= 100
        assert fleet.lost() == (0, 0, 0)
    for number, body in enumerate(received):
        assert {body[at + 5 : at + 17].hex().upper() for at in range(0, TAG_BYTES * 100, TAG_BYTES)} == set(
            paced_epcs(number, 7)
        )
        stamp = int.from_bytes(body[26:34], "big")
        assert abs(stamp - time.time_ns() // 1000) < 60 * SECOND


@given(cuts=st.lists(st.integers(0, 3 * SECOND), max_size=20), rate=st.integers(1, 5000))
def test_the_same_reports_come_however_time_is_sliced(cuts: list[int], rate: int) -> None:
    def reports() -> PacedReports:
        return PacedReports(1, rate=rate, tags=7, per_report=20, world_began=client.WORLD_BEGAN)

    edges = sorted({0, *cuts, 3 * SECOND})
    sliced = [body for start, end in pairwise(edges) for body in reports()(start, end)]
    assert sliced == reports()(0, 3 * SECOND)
    assert sum(map(count_tags, sliced)) == 3 * rate // 20 * 20


def test_reads_of_a_report_lie_a_period_apart() -> None:
    (body,) = PacedReports(0, rate=1000, tags=3, per_report=4, world_began=client.WORLD_BEGAN)(0, 4000)
    firsts = [
        int.from_bytes(body[at + 26 : at + 34], "big") - client.WORLD_BEGAN for at in range(0, len(body), TAG_BYTES)
    ]
    assert firsts == [0, 1000, 2000, 3000]
