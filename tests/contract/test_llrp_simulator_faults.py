"""Faults of the simulated reader show on the wire as they are described."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from rfid_simulators.faults import (
    AddToReports,
    DuplicateReports,
    LoseReplies,
    Reboot,
    SendGarbage,
    SlowReplies,
    WrongIds,
    WrongStatus,
)
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import IMPINJ_R420
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.llrp.spoiling import UNKNOWN_MESSAGE, UNKNOWN_TLV, UNKNOWN_TV
from rfid_simulators.llrp.wire import MessageType, message
from rfid_simulators.steady_field import steady_field
from tests import llrp_requests as client
from tests.llrp_conversation import Conversation, dial

FIELD = steady_field("r", rate=500, tags=12)
YEAR_2000 = 946_684_800_000_000
GET_ROSPECS = message(MessageType.GET_ROSPECS, 7)


@pytest.fixture
def server() -> Iterator[LlrpReaderServer]:
    with LlrpReaderServer(IMPINJ_R420, Sources(FIELD)) as running:
        yield running


def reading(server: LlrpReaderServer) -> Conversation:
    session = dial(server)
    session.next()
    session.ask(client.add(client.rospec()))
    session.ask(client.enable())
    return session


def dial_until_it_is_up(server: LlrpReaderServer) -> Conversation:
    for _ in range(200):
        with suppress(ConnectionError):
            return dial(server)
        time.sleep(0.05)
    pytest.fail("the reader never came up again")


def report(session: Conversation) -> bytes:
    while (frame := session.next()).type != MessageType.RO_ACCESS_REPORT:
        pass
    return frame.body


def test_after_a_reboot_the_rospecs_are_gone_and_the_clock_is_in_the_year_2000(server: LlrpReaderServer) -> None:
    with reading(server) as session:
        server.inject(Reboot(down_us=1_000_000))
        with pytest.raises((EOFError, ConnectionError)):
            session.ask(b"")
    with pytest.raises(ConnectionError):
        dial(server)
    with dial_until_it_is_up(server) as session:
        stamp = int.from_bytes(session.next().body[8:16], "big")
        assert 0 <= stamp - YEAR_2000 < 60_000_000
        assert session.ask(GET_ROSPECS).body == bytes.fromhex("011f000800000000")


def test_slow_replies_are_overtaken_by_reports(server: LlrpReaderServer) -> None:
    with reading(server) as session:
        server.inject(SlowReplies(100_000))
        session.socket.sendall(GET_ROSPECS)
        kinds = [session.next().type]
        while kinds[-1] != MessageType.GET_ROSPECS_RESPONSE:
            kinds.append(session.next().type)
        assert kinds.count(MessageType.RO_ACCESS_REPORT) > 5


def test_wrong_ids_stand_in_replies_alone(server: LlrpReaderServer) -> None:
    with reading(server) as session:
        server.inject(WrongIds(5))
        assert session.ask(GET_ROSPECS).message_id == 12
        server.clear_faults()
        assert session.ask(GET_ROSPECS).message_id == 7


def test_a_lost_reply_never_comes_and_others_do(server: LlrpReaderServer) -> None:
    with dial(server) as session:
        server.inject(LoseReplies(MessageType.ENABLE_ROSPEC_RESPONSE))
        session.ask(client.add(client.rospec()))
        assert session.ask(client.enable() + GET_ROSPECS).type == MessageType.GET_ROSPECS_RESPONSE
        assert report(session)


@pytest.mark.parametrize("request_", [GET_ROSPECS, client.enable_extensions()], ids=["standard", "custom"])
def test_an_unknown_status_stands_where_the_status_stands(server: LlrpReaderServer, request_: bytes) -> None:
    with reading(server) as session:
        plain = session.ask(request_).body
        server.inject(WrongStatus(555))
        spoilt = session.ask(request_).body
    at = plain.index(b"\x01\x1f")
    assert spoilt == plain[: at + 4] + (555).to_bytes(2, "big") + plain[at + 6 :]


@pytest.mark.parametrize("parameter", [UNKNOWN_TLV, UNKNOWN_TV], ids=["TLV", "TV"])
def test_an_unknown_parameter_ends_the_first_tag_of_every_report(server: LlrpReaderServer, parameter: bytes) -> None:
    server.inject(AddToReports(parameter))
    with reading(server) as session:
        body = report(session)
    assert body.endswith(parameter)
    assert int.from_bytes(body[2:4], "big") == len(body)


def test_a_duplicate_report_is_the_same_report(server: LlrpReaderServer) -> None:
    server.inject(DuplicateReports())
    with reading(server) as session:
        assert report(session) == report(session)
        assert report(session) == report(session)


def test_an_unknown_message_comes_once_and_the_session_goes_on(server: LlrpReaderServer) -> None:
    with reading(server) as session:
        server.inject(SendGarbage(UNKNOWN_MESSAGE))
        kinds = [session.next().type for _ in range(50)]
        assert kinds.count(900) == 1
        assert session.ask(GET_ROSPECS).type == MessageType.GET_ROSPECS_RESPONSE
