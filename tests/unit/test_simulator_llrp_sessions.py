"""The simulated LLRP reader keeps to one client, holds what it is told to hold and says what it does not know."""

import struct
from collections.abc import Iterable

import pytest

from rfid_simulators.llrp.profiles import GENERIC, GENERIC_UPTIME, IMPINJ_R420, ReaderProfile
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.status import StatusCode
from rfid_simulators.llrp.wire import IMPINJ, MessageType, custom, message, tlv
from rfid_simulators.world.sighting import Sighting
from tests import llrp_requests as client

SECOND = 1_000_000


def connected(sightings: Iterable[Sighting] = (), profile: ReaderProfile = IMPINJ_R420) -> SimulatedReader:
    reader = client.make_reader(sightings, profile)
    reader.connect(0)
    return reader


def exchange(reader: SimulatedReader, request: bytes, now: int = 0) -> client.Answer:
    (answer,) = client.answers(reader.feed(request, now))
    return answer


def event_of(answer: client.Answer) -> tuple[int, bytes]:
    """The event's parameter type and content, after the timestamp of 12 bytes."""
    assert answer.type == MessageType.READER_EVENT_NOTIFICATION
    event = answer.body[16:]
    return int.from_bytes(event[:2], "big"), event[4:]


def test_the_first_message_is_a_connection_attempt_event_with_the_readers_time() -> None:
    (greeting,) = client.answers(client.make_reader().connect(77))
    assert greeting.body[4:16] == tlv(128, (client.WORLD_BEGAN + 77).to_bytes(8, "big"))
    assert event_of(greeting) == (256, b"\x00\x00")


def test_a_reader_without_a_utc_clock_stamps_uptime() -> None:
    reader = client.make_reader([client.sighting(5)], GENERIC_UPTIME)
    (greeting,) = client.answers(reader.connect(3))
    assert greeting.body[4:16] == tlv(129, (3).to_bytes(8, "big"))
    reader.feed(client.add(client.rospec()) + client.enable(), 3)
    (report,) = client.answers(reader.tick(10))
    assert b"\x83" + (5).to_bytes(8, "big") in report.body
    assert b"\x85" + (5).to_bytes(8, "big") in report.body


def test_a_wrong_clock_shows_in_events_and_tags() -> None:
    year_2000 = 946_684_800_000_000
    reader = client.make_reader([client.sighting(5)], offset_us=year_2000 - client.WORLD_BEGAN)
    (greeting,) = client.answers(reader.connect(0))
    assert greeting.body[4:16] == tlv(128, year_2000.to_bytes(8, "big"))
    reader.feed(client.add(client.rospec()) + client.enable(), 0)
    (report,) = client.answers(reader.tick(10))
    assert b"\x82" + (year_2000 + 5).to_bytes(8, "big") in report.body


def test_a_second_client_is_refused_and_the_first_one_is_told() -> None:
    reader = connected()
    refusal, warning = reader.refuse(2, 5)
    assert [event_of(answer) for answer in client.answers([refusal])] == [(256, b"\x00\x02")]
    assert [event_of(answer) for answer in client.answers(warning)] == [(256, b"\x00\x04")]


@pytest.mark.parametrize("kind", [46, 47, 61, 62, 99])
def test_a_message_that_the_reader_does_not_know_is_answered_with_an_error_message(kind: int) -> None:
    answer = exchange(connected(), message(kind, 12))
    assert (answer.type, answer.message_id) == (MessageType.ERROR_MESSAGE, 12)
    assert answer.status == StatusCode.M_UNSUPPORTED_MESSAGE


def test_another_protocol_version_is_answered_with_an_error_message() -> None:
    answer = exchange(connected(), message(MessageType.GET_ROSPECS, 13, version=2))
    assert (answer.type, answer.status) == (MessageType.ERROR_MESSAGE, StatusCode.M_UNSUPPORTED_VERSION)


def test_noise_is_answered_with_an_error_message_and_ends_the_connection() -> None:
    reader = connected()
    answer = exchange(reader, b"GET / HTTP/1.1\r\n\r\n")
    assert answer.type == MessageType.ERROR_MESSAGE
    assert reader.closing


def test_keepalives_come_in_the_period_asked_for_and_stop_with_the_session() -> None:
    reader = connected()
    assert exchange(reader, client.set_config(client.keepalive(500))).status == 0
    times = [now for now in range(0, 2 * SECOND, 1000) if client.answers(reader.tick(now))]
    assert times == [500_000, 1_000_000, 1_500_000]
    reader.disconnected(2 * SECOND)
    assert reader.tick(9 * SECOND) == []


def test_the_link_monitor_gives_up_a_client_that_answers_no_keepalive() -> None:
    reader = connected()
    reader.feed(client.enable_extensions(), 0)
    reader.feed(client.set_config(client.keepalive(1000), custom(IMPINJ, 38, struct.pack("!HH", 1, 2))), 0)
    for now in (1, 2):
        assert [answer.type for answer in client.answers(reader.tick(now * SECOND))] == [MessageType.KEEPALIVE]
    assert not reader.closing
    (close,) = client.answers(reader.tick(3 * SECOND))
    assert event_of(close) == (257, b"")
    assert reader.closing


def test_an_answered_keepalive_keeps_the_link_up() -> None:
    reader = connected()
    reader.feed(client.enable_extensions(), 0)
    reader.feed(client.set_config(client.keepalive(1000), custom(IMPINJ, 38, struct.pack("!HH", 1, 1))), 0)
    for now in range(1, 10):
        assert [answer.type for answer in client.answers(reader.tick(now * SECOND))] == [MessageType.KEEPALIVE]
        assert reader.feed(message(MessageType.KEEPALIVE_ACK, now), now * SECOND + 1) == []


def test_impinj_extensions_are_accepted_by_an_impinj_and_refused_by_another_reader() -> None:
    accepted = exchange(connected(), client.enable_extensions())
    assert accepted.type == MessageType.CUSTOM_MESSAGE
    assert accepted.body == struct.pack("!IB", 25882, 22) + tlv(287, bytes(4))
    refused = exchange(connected(profile=GENERIC), client.enable_extensions())
    assert (refused.type, refused.status) == (MessageType.ERROR_MESSAGE, StatusCode.M_UNSUPPORTED_MESSAGE)


@pytest.mark.parametrize("profile", [GENERIC, IMPINJ_R420])
def test_impinj_parameters_are_refused_where_extensions_are_not_on(profile: ReaderProfile) -> None:
    spec = client.rospec(report=client.report_spec(1, 2, 0, 0, client.impinj_selector(52)))
    answer = exchange(connected(profile=profile), client.add(spec))
    assert answer.status == StatusCode.M_PARAMETER_ERROR
    assert b"custom parameter 50 of vendor 25882 is not supported" in answer.body


def test_what_came_while_the_client_was_away_waits_for_it_where_hold_is_set() -> None:
    sightings = [client.sighting(second * SECOND) for second in range(1, 7)]
    reader = connected(sightings)
    reader.feed(client.set_config(client.HOLD) + client.add(client.rospec()) + client.enable(), 0)
    assert len(client.answers(reader.tick(2 * SECOND + 1))) == 2
    reader.disconnected(2 * SECOND + 1)
    reader.tick(4 * SECOND + 1)
    assert [event_of(one) for one in client.answers(reader.connect(4 * SECOND + 2))] == [(256, b"\x00\x00")]
    assert reader.tick(5 * SECOND + 1) == []
    (held,) = client.answers(reader.feed(message(MessageType.ENABLE_EVENTS_AND_REPORTS, 5), 5 * SECOND + 2))
    assert held.type == MessageType.RO_ACCESS_REPORT
    seen = [b"\x82" + (client.WORLD_BEGAN + second * SECOND).to_bytes(8, "big") for second in (3, 4, 5)]
    assert [stamp in held.body for stamp in seen] == [True] * 3
    assert len(client.answers(reader.tick(6 * SECOND + 1))) == 1
    assert reader.counters.tags == 6


def test_what_came_while_the_client_was_away_is_lost_and_counted_without_hold() -> None:
    reader = connected([client.sighting(SECOND), client.sighting(3 * SECOND)])
    reader.feed(client.add(client.rospec()) + client.enable(), 0)
    reader.disconnected(0)
    reader.tick(2 * SECOND)
    assert len(client.answers(reader.connect(2 * SECOND))) == 1
    assert len(client.answers(reader.tick(4 * SECOND))) == 1
    assert (reader.counters.tags, reader.counters.lost_tags) == (1, 1)


def test_a_full_buffer_warns_once_and_reports_the_overflow() -> None:
    capacity = GENERIC.report_buffer_reads
    reader = connected([client.sighting(at) for at in range(capacity + 10)], GENERIC)
    reader.feed(client.set_config(client.HOLD, client.events_on(3)), 0)
    reader.feed(client.add(client.rospec()) + client.enable(), 0)
    reader.disconnected(0)
    reader.tick(capacity + 10)
    reader.connect(capacity + 11)
    released = client.answers(reader.feed(message(MessageType.ENABLE_EVENTS_AND_REPORTS, 5), capacity + 12))
    told = [event_of(one) for one in released if one.type == MessageType.READER_EVENT_NOTIFICATION]
    assert told == [(250, b"\x50"), (251, b"")]
    assert (reader.counters.tags, reader.counters.lost_tags) == (capacity, 10)


def test_get_report_brings_what_waits_and_an_empty_report_when_nothing_does() -> None:
    reader = connected([client.sighting(1), client.sighting(2)])
    reader.feed(client.add(client.rospec(report=client.report_spec(0, 0))) + client.enable(), 0)
    assert reader.tick(10) == []
    report = exchange(reader, message(MessageType.GET_REPORT, 3), 11)
    assert report.body.endswith(b"\x88\x00\x02" + b"\x90\x00\x00\x00\x00"), "TagSeenCount 2, AccessSpecID 0"
    assert exchange(reader, message(MessageType.GET_REPORT, 3), 12).body == b""


def test_gpi_and_antenna_events_come_only_when_switched_on() -> None:
    reader = connected()
    gpi_config = tlv(225, b"\x00\x02\x80\x02")
    reader.feed(client.set_config(gpi_config), 0)
    assert reader.set_gpi(2, 1, high=True) == []
    reader.feed(client.set_config(client.events_on(1)), 1)
    assert [event_of(one) for one in client.answers(reader.set_gpi(2, 2, high=False))] == [(248, b"\x00\x02\x00")]
    pulled = client.answers(reader.set_antenna(3, 3, connected=False))
    assert [event_of(one) for one in pulled] == [(255, b"\x00\x00\x03")]
    assert reader.set_antenna(3, 4, connected=False) == []


def test_a_configuration_with_one_fault_changes_nothing() -> None:
    reader = connected()
    before = reader.configuration
    power_too_high = tlv(222, b"\x00\x01", tlv(224, struct.pack("!HHH", 1, 0, 82)))
    answer = exchange(reader, client.set_config(client.HOLD, power_too_high))
    assert answer.status == StatusCode.M_PARAMETER_ERROR
    assert b"TransmitPower is 82, expected 1 to 81" in answer.body
    assert reader.configuration == before


def test_the_state_value_follows_the_configuration_and_a_reset_brings_the_factory_one_back() -> None:
    reader = connected()
    ask = message(MessageType.GET_READER_CONFIG, 4, struct.pack("!HBHH", 0, 7, 0, 0))
    factory = exchange(reader, ask).body
    reader.feed(client.set_config(client.HOLD), 0)
    assert exchange(reader, ask).body != factory
    reader.feed(client.set_config(reset=True), 0)
    assert exchange(reader, ask).body == factory


@pytest.mark.parametrize(
    ("fields", "text"),
    [((5, 2, 0, 0), b"field 0 is 5, expected 0 to 4"), ((0, 12, 0, 0), b"field 1 is 12, expected 0 to 11")],
)
def test_a_question_about_what_there_is_not_is_a_field_error(fields: tuple[int, ...], text: bytes) -> None:
    answer = exchange(connected(), message(MessageType.GET_READER_CONFIG, 4, struct.pack("!HBHH", *fields)))
    assert answer.status == StatusCode.M_FIELD_ERROR
    assert text in answer.body


def test_an_accessspec_is_kept_listed_and_switched() -> None:
    target = tlv(338, tlv(339, b"\x60\x00\x20", b"\x00\x00", b"\x00\x00"))
    command = tlv(209, target, tlv(341, b"\x00\x01" + bytes(4) + b"\x80\x00\x00\x00\x06"))
    spec = tlv(207, struct.pack("!IHBBI", 9, 0, 1, 0, 0), tlv(208, bytes(3)), command)
    reader = connected()
    assert exchange(reader, message(MessageType.ADD_ACCESSSPEC, 1, spec)).status == 0
    assert exchange(reader, client.number(MessageType.ENABLE_ACCESSSPEC, 9)).status == 0
    listed = exchange(reader, message(MessageType.GET_ACCESSSPECS, 2)).body
    assert listed == tlv(287, bytes(4)) + spec[:11] + b"\x80" + spec[12:]
    assert exchange(reader, client.number(MessageType.DELETE_ACCESSSPEC, 8)).status == StatusCode.M_FIELD_ERROR
    assert exchange(reader, client.number(MessageType.DELETE_ACCESSSPEC, 0)).status == 0
    assert exchange(reader, message(MessageType.GET_ACCESSSPECS, 2)).body == tlv(287, bytes(4))
