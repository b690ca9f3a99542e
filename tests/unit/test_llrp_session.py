"""One LLRP connection without its socket.

Where each way in which other clients fail is shown to be right here; `sockets` is test_llrp_where_sllurp_fails:

    A1-A4 busy          a_reader_that_another_client_holds_is_busy; sockets: a_busy_reader_is_told_...;
                        test_llrp_connection: a_busy_reader_is_called_again_more_and_more_rarely
    B, K half a message b_k_a_new_connection_knows_nothing_...; sockets: what_ends_a_connection_is_said_...
    C header length     c_a_damaged_header_ends_the_session_...; sockets: "C header length ..."
    D keepalives stop   a_silent_reader_is_dead_after_three_keepalive_periods; sockets: "D keepalives stop"
    D2 a hung reader    a_reader_that_does_not_say_goodbye_...; sockets: leaving_a_reader_that_hangs_ends_soon
    E1b unknown message e1b_an_unknown_message_costs_nothing_of_its_segment
    E2-E9 tag damage    test_llrp_reports: damage_in_a_tag_costs_...; sockets: "E2 ..." to "E9 ..."
    E10 unknown status  e10_an_error_message_with_an_unknown_code_...; sockets: a_status_that_llrp_1_0_1_...
    F1-F4 refusals      f1_f2_f3_a_refusal_of_what_is_needed_...; sockets: "F1 ..." to "F4 ..."
    F5, F6 no answer    f5_an_answer_that_does_not_come_ends_the_session; sockets: "F5 ...", "F6 ..."
    F7 capabilities     f7_capabilities_cut_short_are_an_error_with_words; sockets: "F7 short capabilities"
    L lost in set-up    f5_an_answer_that_does_not_come_...: a session and its requests end with their connection
"""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_drivers.llrp.events import Alert, HealthChanged, InventoryRuns, ReadsArrived, Remark, Skipped
from rfid_drivers.llrp.framing import FramingLostError
from rfid_drivers.llrp.notifications import InputChanged
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.profiles import GENERIC_PROFILE
from rfid_drivers.llrp.radio_plan import Plan
from rfid_drivers.llrp.rospec import ROSPEC_ID
from rfid_drivers.llrp.rospec_encoding import encode_rospec
from rfid_drivers.llrp.session import LINGER_US, Session
from rfid_gateway.driver import ReaderBusyError, ReaderError
from tests.llrp_messages import (
    IMPINJ,
    OPTIONS,
    SECOND,
    UTC,
    Answers,
    Dialogue,
    Request,
    capabilities,
    epc96,
    greeting,
    message,
    notification,
    ok,
    refusal,
    requests,
    rospec_event,
    status,
    tag,
    tlv,
    tv,
    usual_tag,
)

GATHER = [2, 60]
"""Types of the last requests: how the reader is, and what it holds."""
SET_UP = [1, 2, 3, 3, 26, 21, 20, 24, 64, 22, *GATHER]
"""Types of the requests to a plain reader that does not tell when its ROSpec starts."""
STARTED_BY_ITSELF = [kind for kind in SET_UP if kind != 22]


def capable(encoded: bytes) -> Answers:
    return {1: lambda request: message(11, status() + encoded, request.id)}


def silent(_: Request) -> bytes:
    return b""


def rospecs(*states: tuple[bytes, int]) -> Callable[[Request], bytes]:
    """Answer to GET_ROSPECS: encoded ROSpecs, each with its state."""
    specs = b"".join(spec[:9] + bytes([state]) + spec[10:] for spec, state in states)
    return lambda request: message(36, status() + specs, request.id)


def foreign(rospec_id: int) -> bytes:
    return tlv(177, struct.pack("!IBB", rospec_id, 0, 0))


def in_turn(*answers: Callable[[Request], bytes]) -> Callable[[Request], bytes]:
    """Answer the first such request in the first way, the next in the next."""
    remaining = iter(answers)

    def answer(request: Request) -> bytes:
        return next(remaining)(request)

    return answer


OURS = encode_rospec(OPTIONS, Plan((), ()), GENERIC_PROFILE)


# Greeting


def test_nothing_is_sent_before_the_reader_greets() -> None:
    session = Session(OPTIONS, 0)
    session.feed(message(62, b"", 5) + message(61, usual_tag()), 1, UTC)
    assert session.data_to_send() == b""
    session.feed(greeting(), 2, UTC)
    assert [request.type for request in requests(session.data_to_send())] == [1]


@pytest.mark.parametrize("code", [1, 2])
def test_a_reader_that_another_client_holds_is_busy(code: int) -> None:
    session = Session(OPTIONS, 0)
    session.feed(greeting(code), 1, UTC)
    with pytest.raises(ReaderBusyError, match="another LLRP client"):
        session.tick(1)
    assert session.data_to_send() == b""


@pytest.mark.parametrize("code", [3, 4, 99])
def test_any_other_greeting_is_a_refusal_that_names_its_number(code: int) -> None:
    session = Session(OPTIONS, 0)
    session.feed(greeting(code), 1, UTC)
    with pytest.raises(ReaderError, match=str(code)) as refused:
        session.tick(1)
    assert not isinstance(refused.value, ReaderBusyError)


def test_a_port_that_does_not_greet_is_given_up_with_a_hint() -> None:
    session = Session(OPTIONS, 0)
    assert session.tick(5 * SECOND - 1) == []
    with pytest.raises(ReaderError, match="LLRP port"):
        session.tick(5 * SECOND)


# Set-up


def test_a_plain_reader_is_set_up_in_order_and_then_runs() -> None:
    dialogue = Dialogue().run()
    assert dialogue.types == SET_UP
    (runs,) = dialogue.events
    assert isinstance(runs, InventoryRuns)
    assert (runs.settled.capabilities.firmware, runs.settled.holding) == ("1.2.3", False)


def test_request_ids_differ_and_are_never_zero() -> None:
    ids = [request.id for request in Dialogue().run().sent]
    assert len(set(ids)) == len(ids)
    assert 0 not in ids


def test_every_request_is_llrp_1_0_1() -> None:
    assert {request.version for request in Dialogue().run().sent} == {1}


def test_a_reader_that_says_it_started_is_not_started_again() -> None:
    dialogue = Dialogue()
    dialogue.feed(greeting())
    dialogue.feed(rospec_event(0, ROSPEC_ID))
    assert dialogue.types == STARTED_BY_ITSELF
    assert isinstance(dialogue.events[-1], InventoryRuns)


def test_a_start_that_is_told_before_the_answer_to_enable_counts() -> None:
    dialogue = Dialogue(answers={24: lambda request: rospec_event(0, ROSPEC_ID) + ok(request)})
    dialogue.feed(greeting())
    assert dialogue.types == STARTED_BY_ITSELF
    assert isinstance(dialogue.events[-1], InventoryRuns)


def test_a_running_rospec_that_refuses_to_start_again_is_taken_as_running() -> None:
    dialogue = Dialogue(answers={22: refusal, 26: in_turn(rospecs(), rospecs((OURS, 2)))}).run()
    assert isinstance(dialogue.events[-1], InventoryRuns)


def test_a_rospec_that_does_not_start_is_an_error() -> None:
    dialogue = Dialogue(answers={22: refusal, 26: in_turn(rospecs(), rospecs((OURS, 1)))})
    dialogue.feed(greeting())
    dialogue.wait(SECOND)
    with pytest.raises(ReaderError, match="does not start reading"):
        dialogue.wait(0)


def test_our_own_running_rospec_is_adopted_untouched() -> None:
    dialogue = Dialogue(answers={26: rospecs((OURS, 2))})
    dialogue.feed(greeting())
    assert dialogue.types == [1, 2, 3, 3, 26, 64, *GATHER]
    assert isinstance(dialogue.events[-1], InventoryRuns)


@pytest.mark.parametrize("state", [0, 1])
def test_our_rospec_that_does_not_run_is_installed_anew(state: int) -> None:
    assert Dialogue(answers={26: rospecs((OURS, state))}).run().types == SET_UP


def test_our_rospec_with_other_settings_is_replaced() -> None:
    options = LlrpOptions(host="x", antennas=(1,))
    assert Dialogue(options, {26: rospecs((OURS, 2))}).run().types == SET_UP


def test_a_foreign_running_rospec_is_disabled_and_kept() -> None:
    dialogue = Dialogue(answers={26: rospecs((foreign(1), 2), (foreign(2), 0))}).run()
    disabled = [request for request in dialogue.sent if request.type == 25]
    assert [request.body for request in disabled] == [struct.pack("!I", 1)]
    assert [request.body for request in dialogue.sent if request.type == 21] == [struct.pack("!I", ROSPEC_ID)]


def test_a_reader_with_room_for_one_rospec_loses_the_foreign_one() -> None:
    dialogue = Dialogue(answers={26: rospecs((foreign(7), 1))} | capable(capabilities(max_rospecs=1))).run()
    deleted = [request.body for request in dialogue.sent if request.type == 21]
    assert deleted == [struct.pack("!I", 7), struct.pack("!I", ROSPEC_ID)]


def test_refusals_of_what_is_not_needed_are_survived() -> None:
    answers: Answers = {21: refusal, 26: refusal, 3: in_turn(ok, refusal, refusal, refusal)}
    dialogue = Dialogue(answers=answers | capable(capabilities(holding=True, inputs=2))).run()
    (runs,) = [event for event in dialogue.events if isinstance(event, InventoryRuns)]
    assert not runs.settled.holding
    remarks = [event.text for event in dialogue.events if isinstance(event, Remark)]
    assert len(remarks) == 3
    assert all("LLRP status 109" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("request_type", "name"), [(1, "CAPABILITIES"), (3, "SET_READER_CONFIG"), (20, "ADD"), (24, "ENABLE")]
)
def test_f1_f2_f3_a_refusal_of_what_is_needed_is_an_error_that_names_it(request_type: int, name: str) -> None:
    dialogue = Dialogue(answers={request_type: refusal})
    dialogue.feed(greeting())
    with pytest.raises(ReaderError, match=f"{name}.*not here.*109"):
        dialogue.wait(0)


def test_a_failed_status_in_the_proper_answer_is_a_refusal_too() -> None:
    dialogue = Dialogue(answers={20: lambda request: message(30, status(65535, "no"), request.id)})
    dialogue.feed(greeting())
    with pytest.raises(ReaderError, match=r"ADD_ROSPEC: no .LLRP status 65535"):
        dialogue.wait(0)


@pytest.mark.parametrize("request_type", [1, 3, 26, 20, 24])
def test_f5_an_answer_that_does_not_come_ends_the_session(request_type: int) -> None:
    dialogue = Dialogue(answers={request_type: silent})
    dialogue.feed(greeting())
    dialogue.wait(10 * SECOND - 1)
    with pytest.raises(ReaderError, match=r"did not answer .* within 10 s"):
        dialogue.wait(1)


def test_an_answer_with_a_wrong_id_is_none() -> None:
    dialogue = Dialogue(answers={1: lambda request: ok(Request(message(1, b"", request.id + 1)))})
    dialogue.feed(greeting())
    assert [event.message_type for event in dialogue.events if isinstance(event, Skipped)] == [11]
    with pytest.raises(ReaderError, match="GET_READER_CAPABILITIES"):
        dialogue.wait(10 * SECOND)


def test_an_answer_of_a_wrong_type_is_none() -> None:
    dialogue = Dialogue(answers={1: lambda request: message(13, status(), request.id)})
    dialogue.feed(greeting())
    with pytest.raises(ReaderError, match="GET_READER_CAPABILITIES"):
        dialogue.wait(10 * SECOND)


def test_f7_capabilities_cut_short_are_an_error_with_words() -> None:
    dialogue = Dialogue(answers={1: lambda request: message(11, status() + tlv(137, b"\0\4"), request.id)})
    dialogue.feed(greeting())
    with pytest.raises(ReaderError, match="capabilities"):
        dialogue.wait(0)


def test_a_complaint_about_what_has_no_answer_is_stepped_over() -> None:
    dialogue = Dialogue().run()
    enable_reports = next(request for request in dialogue.sent if request.type == 64)
    dialogue.feed(message(100, status(109), enable_reports.id))
    dialogue.wait(0)
    assert isinstance(dialogue.events[-1], Skipped)


def test_antennas_that_the_reader_lacks_are_refused_before_anything_is_changed() -> None:
    dialogue = Dialogue(LlrpOptions(host="x", antennas=(1, 9)))
    dialogue.feed(greeting())
    with pytest.raises(ReaderError, match=r"\[9\].*only 4"):
        dialogue.wait(0)
    assert dialogue.types == [1]


def test_an_impinj_reader_gets_its_extensions_first() -> None:
    dialogue = Dialogue(answers=capable(capabilities(manufacturer=IMPINJ))).run()
    assert dialogue.types[:2] == [1, 1023]
    configs = [request.body for request in dialogue.sent if request.type == 3]
    assert any(b"\x00\x00\x65\x1a\x00\x00\x00\x26" in body for body in configs)


def test_an_impinj_reader_that_refuses_its_extensions_runs_without() -> None:
    dialogue = Dialogue(answers={1023: refusal} | capable(capabilities(manufacturer=IMPINJ))).run()
    assert any(isinstance(event, InventoryRuns) for event in dialogue.events)
    added = next(request for request in dialogue.sent if request.type == 20)
    assert b"\x00\x00\x65\x1a" not in added.body


def test_impinj_extensions_can_be_left_off() -> None:
    options = LlrpOptions(host="x", impinj_extensions=False)
    assert 1023 not in Dialogue(options, capable(capabilities(manufacturer=IMPINJ))).run().types


def test_one_byte_at_a_time_leads_to_the_same_session() -> None:
    dialogue = Dialogue()
    for byte in greeting() + rospec_event(0, ROSPEC_ID) + message(61, usual_tag()):
        dialogue.feed(bytes([byte]))
    assert dialogue.types == STARTED_BY_ITSELF
    assert isinstance(dialogue.events[-1], ReadsArrived)


# Running


def test_a_keepalive_is_acknowledged_at_once_with_its_id() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(message(62, b"", 4711))
    assert (dialogue.types[-1], dialogue.sent[-1].id) == (72, 4711)


def test_a_silent_reader_is_dead_after_three_keepalive_periods() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(message(62, b"", 1))
    dialogue.wait(15 * SECOND - 1)
    with pytest.raises(ReaderError, match="silent for 15 s"):
        dialogue.wait(1)


@pytest.mark.parametrize("traffic", [message(62), message(61, usual_tag()), b"\x04", message(999, b"?")])
def test_any_traffic_is_a_sign_of_life(traffic: bytes) -> None:
    dialogue = Dialogue().run()
    dialogue.wait(14 * SECOND)
    dialogue.feed(traffic)
    dialogue.wait(14 * SECOND)
    assert dialogue.session.deadline == dialogue.now + SECOND


def test_e1b_an_unknown_message_costs_nothing_of_its_segment() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(message(61, usual_tag()) + message(555, b"\xff" * 99, 3) + message(61, usual_tag(antenna=2)))
    first, skipped, second = dialogue.events[-3:]
    assert isinstance(first, ReadsArrived)
    assert isinstance(skipped, Skipped)
    assert isinstance(second, ReadsArrived)
    assert (first.tag_reads[0].antenna_id, skipped.message_type, second.tag_reads[0].antenna_id) == (1, 555, 2)


def test_c_a_damaged_header_ends_the_session_after_the_good_messages_before_it() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(message(61, usual_tag()) + b"\x04\x3d" + (5).to_bytes(4) + bytes(4))
    assert isinstance(dialogue.events[-1], ReadsArrived)
    with pytest.raises(FramingLostError):
        dialogue.wait(0)


def test_e10_an_error_message_with_an_unknown_code_is_stepped_over() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(message(100, status(112, "version"), 0))
    dialogue.wait(0)
    assert isinstance(dialogue.events[-1], Skipped)
    assert "LLRP status 112" in dialogue.events[-1].reason


def test_a_message_that_cannot_be_decoded_is_told_and_stepped_over() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(message(63, b"\x00") + message(61, usual_tag()))
    skipped, reads = dialogue.events[-2:]
    assert isinstance(skipped, Skipped)
    assert isinstance(reads, ReadsArrived)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1023), st.binary(max_size=60), st.integers(0, 20)), max_size=12))
def test_hostile_messages_never_end_a_session_but_with_a_reader_error(hostile: list[tuple[int, bytes, int]]) -> None:
    dialogue = Dialogue()
    dialogue.feed(greeting())
    for kind, body, message_id in hostile:
        dialogue.feed(message(kind, body, message_id))
    try:
        dialogue.wait(SECOND)
    except ReaderError as error:
        ended = str(error)
    else:
        ended = ""
    assert ended or any(isinstance(event, InventoryRuns) for event in dialogue.events)


def test_input_edges_arrive() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(notification(tlv(248, struct.pack("!HB", 3, 0x80))))
    assert dialogue.events[-1] == InputChanged(3, high=True)


def test_a_lost_antenna_degrades_the_reader_until_it_is_back() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(notification(tlv(255, struct.pack("!BH", 0, 2))))
    assert dialogue.events[-1] == HealthChanged(("antenna 2 is disconnected",))
    dialogue.feed(notification(tlv(255, struct.pack("!BH", 1, 2))))
    assert dialogue.events[-1] == HealthChanged(())


def test_an_unused_port_that_is_told_at_the_start_is_no_trouble() -> None:
    dialogue = Dialogue()
    dialogue.feed(greeting() + notification(tlv(255, struct.pack("!BH", 0, 4))))
    dialogue.wait(SECOND)
    assert not any(isinstance(event, HealthChanged) for event in dialogue.events)


def test_a_configured_antenna_that_is_missing_at_the_start_is_trouble() -> None:
    dialogue = Dialogue(LlrpOptions(host="x", antennas=(4,)))
    dialogue.feed(greeting() + notification(tlv(255, struct.pack("!BH", 0, 4))))
    dialogue.wait(SECOND)
    assert dialogue.events[-1] == HealthChanged(("antenna 4 is disconnected",))


def test_lost_reports_degrade_the_reader_for_a_minute() -> None:
    dialogue = Dialogue(LlrpOptions(host="x", keepalive_s=60)).run()
    dialogue.feed(notification(tlv(251)))
    (lost,) = dialogue.events[-1:]
    assert isinstance(lost, HealthChanged)
    assert "lost" in lost.problems[0]
    dialogue.wait(60 * SECOND)
    assert dialogue.events[-1] == HealthChanged(())


def test_a_filling_buffer_is_fetched() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(notification(tlv(250, b"\x50")))
    assert dialogue.types[-1] == 60


def test_another_clients_attempt_is_an_alert_and_harmless() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(greeting(4))
    dialogue.wait(0)
    alert = dialogue.events[-1]
    assert isinstance(alert, Alert)
    assert alert.kind == "rival_client"


@pytest.mark.parametrize("change", [1, 2])
def test_an_inventory_that_ends_by_itself_ends_the_session(change: int) -> None:
    dialogue = Dialogue().run()
    dialogue.feed(rospec_event(change, ROSPEC_ID))
    with pytest.raises(ReaderError, match="stopped reading"):
        dialogue.wait(0)


def test_the_end_of_a_foreign_rospec_is_nothing_to_us() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(rospec_event(1, 99))
    dialogue.wait(0)
    assert isinstance(dialogue.events[-1], InventoryRuns)


def test_a_reader_that_closes_is_gone() -> None:
    dialogue = Dialogue().run()
    dialogue.feed(notification(tlv(257)))
    with pytest.raises(ReaderError, match="closed"):
        dialogue.wait(0)


# Time


def test_read_times_stay_raw_and_the_offset_makes_them_utc() -> None:
    ahead = 3_600 * SECOND
    dialogue = Dialogue()
    dialogue.feed(greeting(at=UTC + ahead))
    dialogue.wait(SECOND)
    dialogue.feed(message(61, usual_tag(seen=UTC + ahead + dialogue.now - 500)))
    (arrived,) = dialogue.events[-1:]
    assert isinstance(arrived, ReadsArrived)
    assert arrived.tag_reads[0].first_seen == UTC + ahead + SECOND - 500
    assert arrived.clock_offset == ahead


def test_a_reader_without_utc_is_placed_in_utc_by_its_offset() -> None:
    dialogue = Dialogue().run()
    up = 77 * SECOND
    dialogue.feed(message(61, tag(epc96(), tv(3, "Q", up))))
    (arrived,) = dialogue.events[-1:]
    assert isinstance(arrived, ReadsArrived)
    assert arrived.tag_reads[0].first_seen - arrived.clock_offset == UTC + dialogue.now


def test_reads_without_times_were_seen_when_they_arrived() -> None:
    dialogue = Dialogue()
    dialogue.feed(greeting(at=UTC - 999 * SECOND))
    dialogue.wait(SECOND)
    dialogue.feed(message(61, tag(epc96())))
    (arrived,) = dialogue.events[-1:]
    assert isinstance(arrived, ReadsArrived)
    assert arrived.tag_reads[0].first_seen - arrived.clock_offset == UTC + dialogue.now


# Farewell


def test_a_reader_that_cannot_hold_reports_is_stopped_and_cleared() -> None:
    dialogue = Dialogue().run()
    dialogue.session.close(dialogue.now)
    dialogue.converse()
    assert dialogue.types[-3:] == [25, 21, 14]
    dialogue.wait(LINGER_US)
    assert dialogue.session.left


def test_a_reader_that_holds_reports_goes_on_reading() -> None:
    dialogue = Dialogue(answers=capable(capabilities(holding=True))).run()
    dialogue.session.close(dialogue.now)
    dialogue.converse()
    assert dialogue.types[-3:] == [*GATHER, 14]
    assert not dialogue.session.left
    dialogue.wait(LINGER_US)
    assert dialogue.session.left


def test_reads_that_arrive_during_the_farewell_are_not_lost() -> None:
    dialogue = Dialogue().run()
    dialogue.session.close(dialogue.now)
    dialogue.feed(message(61, usual_tag()))
    dialogue.feed(message(61, usual_tag()))
    assert dialogue.types[-1] == 14
    assert sum(isinstance(event, ReadsArrived) for event in dialogue.events) == 2


def test_a_reader_that_does_not_say_goodbye_is_left_after_a_second() -> None:
    dialogue = Dialogue(answers={25: silent}).run()
    dialogue.session.close(dialogue.now)
    dialogue.session.close(dialogue.now)
    dialogue.wait(SECOND - 1)
    assert not dialogue.session.left
    dialogue.wait(1)
    assert dialogue.session.left


def test_closing_before_the_greeting_sends_nothing() -> None:
    session = Session(OPTIONS, 0)
    session.close(1)
    assert session.left
    assert session.data_to_send() == b""


def test_closing_during_the_set_up_clears_away_what_may_be_there() -> None:
    dialogue = Dialogue(answers={20: silent})
    dialogue.feed(greeting())
    dialogue.session.close(1)
    dialogue.converse()
    assert dialogue.types[-3:] == [25, 21, 14]
    dialogue.wait(LINGER_US)
    assert dialogue.session.left


def test_b_k_a_new_connection_knows_nothing_of_the_half_message_of_the_last() -> None:
    broken = Dialogue().run()
    broken.feed(message(61, usual_tag())[:30])
    assert Dialogue().run().types == SET_UP
