"""The simulated LLRP reader starts, stops and reports as its ROSpecs say."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfid_simulators.llrp.profiles import GENERIC, ReaderProfile
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.status import StatusCode
from rfid_simulators.llrp.wire import MessageType, message, tlv
from rfid_simulators.world.sighting import Sighting
from tests import llrp_requests as client

MILLISECOND = 1000
DISABLED, INACTIVE, ACTIVE = 0, 1, 2
EVERY_MILLISECOND = [client.sighting(at * MILLISECOND) for at in range(100)]


def reader_with(
    spec: bytes, sightings: Iterable[Sighting] = EVERY_MILLISECOND, profile: ReaderProfile = GENERIC
) -> SimulatedReader:
    reader = client.make_reader(sightings, profile)
    reader.connect(0)
    (answer,) = client.answers(reader.feed(client.add(spec), 0))
    assert answer.status == 0, answer.body
    return reader


def states(reader: SimulatedReader, now: int) -> list[int]:
    """CurrentState of every ROSpec, which are all of one size here."""
    (answer,) = [one for one in client.answers(reader.feed(message(26, 1), now)) if one.type == 36]
    specs = answer.body[8:]
    found: list[int] = []
    while specs:
        found.append(specs[9])
        specs = specs[int.from_bytes(specs[2:4], "big") :]
    return found


def seen_counts(messages: Iterable[bytes]) -> list[list[int]]:
    """TagSeenCount of every tag of every report; only AntennaID and TagSeenCount are selected."""
    reports = [one.body for one in client.answers(messages) if one.type == MessageType.RO_ACCESS_REPORT]
    size = 4 + 13 + 3 + 3
    return [[int.from_bytes(body[at + 21 : at + 23], "big") for at in range(0, len(body), size)] for body in reports]


COUNTS = 0x1080


def test_a_rospec_goes_from_disabled_through_inactive_to_active_and_back() -> None:
    reader = reader_with(client.rospec(start=b"\x00"))
    assert states(reader, 1) == [DISABLED]
    reader.feed(client.enable(), 2)
    assert states(reader, 3) == [INACTIVE]
    reader.feed(client.number(MessageType.START_ROSPEC, 1), 4)
    assert states(reader, 5) == [ACTIVE]
    reader.feed(client.number(MessageType.STOP_ROSPEC, 1), 6)
    assert states(reader, 7) == [INACTIVE]
    reader.feed(client.number(MessageType.DISABLE_ROSPEC, 1), 8)
    assert states(reader, 9) == [DISABLED]
    reader.feed(client.number(MessageType.DELETE_ROSPEC, 0), 10)
    assert states(reader, 11) == []


def test_a_rospec_outlives_its_client_so_that_the_next_one_may_adopt_it() -> None:
    spec = client.rospec()
    reader = reader_with(spec)
    reader.feed(client.enable(), 0)
    reader.disconnected(1)
    reader.connect(2)
    (answer,) = [one for one in client.answers(reader.feed(message(26, 1), 3)) if one.type == 36]
    assert answer.body == tlv(287, bytes(4)) + spec[:9] + bytes((ACTIVE,)) + spec[10:]


@pytest.mark.parametrize(
    ("kind", "spec_id"),
    [(MessageType.START_ROSPEC, 1), (MessageType.STOP_ROSPEC, 1), (MessageType.START_ROSPEC, 0)]
    + [(kind, 7) for kind in (MessageType.ENABLE_ROSPEC, MessageType.DISABLE_ROSPEC, MessageType.DELETE_ROSPEC)],
)
def test_what_does_not_fit_the_state_is_a_field_error(kind: MessageType, spec_id: int) -> None:
    reader = reader_with(client.rospec())
    (answer,) = client.answers(reader.feed(client.number(kind, spec_id), 0))
    assert (answer.type, answer.status) == (kind + 10, StatusCode.M_FIELD_ERROR)


POWER_INDEX = tlv(222, b"\x00\x00", tlv(224, struct.pack("!HHH", 0, 1, 99)))
RF_MODE = tlv(222, b"\x00\x00", tlv(330, b"\x00", tlv(335, struct.pack("!HH", 77, 0))))


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (client.rospec(0), b"ROSpecID is 0"),
        (client.rospec(1), b"ROSpec 1 exists already"),
        (client.rospec(2, state=ACTIVE), b"CurrentState must be Disabled"),
        (client.rospec(2, ai_specs=client.ai_spec((5,))), b"AntennaID is 5, expected 0 to 4"),
        (client.rospec(2, ai_specs=client.ai_spec((0,), b"", POWER_INDEX)), b"TransmitPower is 99, expected 1 to 21"),
        (client.rospec(2, ai_specs=client.ai_spec((0,), b"", RF_MODE)), b"ModeIndex is 77, expected one of [0, 1]"),
        (client.rospec(2, start=b"\x02"), b"start trigger 2 lacks parameter 180"),
        (client.rospec(2, start=b"\x03" + client.gpi_trigger(9, high=True)), b"GPIPortNum is 9, expected 1 to 2"),
        (client.rospec(2, report=client.report_spec(1, 3)), b"ROReportTrigger is 3, expected 0 to 2"),
        (client.rospec(2, ai_specs=tlv(187, bytes(10), tlv(188, bytes(9)))), b"this reader does no RF survey"),
    ],
)
def test_a_rospec_that_the_reader_cannot_run_is_refused_with_what_was_expected(spec: bytes, text: bytes) -> None:
    reader = reader_with(client.rospec(1))
    (answer,) = client.answers(reader.feed(client.add(spec), 0))
    assert answer.status == StatusCode.M_PARAMETER_ERROR
    assert text in answer.body


def test_no_more_rospecs_are_taken_than_the_capabilities_promise() -> None:
    reader = reader_with(client.rospec(1))
    added = [client.answers(reader.feed(client.add(client.rospec(number)), 0))[0].status for number in range(2, 6)]
    assert added == [0, 0, 0, StatusCode.M_OVERFLOW_PARAMETER]


def test_a_tag_is_merged_per_antenna_until_n_tags_make_a_report() -> None:
    heard = [
        client.sighting(1, rssi=-70),
        client.sighting(2, rssi=-50),
        client.sighting(3, antenna_id=2),
        client.sighting(4, rssi=-60),
        client.sighting(5, epc="00" * 12),
        client.sighting(6),
    ]
    reader = reader_with(client.rospec(report=client.report_spec(3, 2, COUNTS)), heard)
    reader.feed(client.enable(), 0)
    assert seen_counts(reader.tick(10)) == [[3, 1, 1]]


def test_a_merged_tag_keeps_its_first_and_last_time_and_its_strongest_signal() -> None:
    heard = [client.sighting(1, rssi=-70), client.sighting(2, rssi=-50.4), client.sighting(3, rssi=-60)]
    reader = reader_with(client.rospec(report=client.report_spec(0, 2, 0x0780)), heard)
    reader.feed(client.enable(), 0)
    reader.tick(10)
    (report,) = client.answers(reader.feed(client.number(MessageType.DELETE_ROSPEC, 1), 11))[:1]
    first, last = client.WORLD_BEGAN + 1, client.WORLD_BEGAN + 3
    assert report.body[17:] == struct.pack("!BbBQBQBH", 0x86, -50, 0x82, first, 0x84, last, 0x88, 3)


def test_only_the_antennas_of_the_aispec_are_heard_and_only_while_they_are_plugged_in() -> None:
    heard = [client.sighting(at, antenna_id=antenna) for at, antenna in enumerate((1, 2, 3, 4, 2, 3))]
    spec = client.rospec(ai_specs=client.ai_spec((2, 3)), report=client.report_spec(1, 2, COUNTS))
    reader = reader_with(spec, heard)
    reader.feed(client.enable(), 0)
    assert len(seen_counts(reader.tick(4))) == 2
    reader.set_antenna(3, 4, connected=False)
    assert len(seen_counts(reader.tick(6))) == 1


def test_a_duration_ends_the_rospec_with_a_report_and_immediate_starts_it_again() -> None:
    stop = b"\x01" + (10).to_bytes(4, "big")
    reader = reader_with(client.rospec(stop=stop, report=client.report_spec(0, 2, COUNTS)))
    reader.feed(client.enable(), 0)
    assert seen_counts(reader.tick(35 * MILLISECOND)) == [[10], [10], [10]]
    assert states(reader, 35 * MILLISECOND) == [ACTIVE]


def test_a_duration_ends_a_rospec_without_a_start_trigger_for_good() -> None:
    stop = b"\x01" + (10).to_bytes(4, "big")
    reader = reader_with(client.rospec(start=b"\x00", stop=stop, report=client.report_spec(0, 2, COUNTS)))
    reader.feed(client.enable() + client.number(MessageType.START_ROSPEC, 1), 5 * MILLISECOND)
    assert seen_counts(reader.tick(90 * MILLISECOND)) == [[10]]
    assert states(reader, 90 * MILLISECOND) == [INACTIVE]


def test_n_observations_end_an_aispec_and_no_read_is_lost_between_two() -> None:
    observe_four = tlv(184, b"\x03" + bytes(4), tlv(185, struct.pack("!BBHHHI", 0, 0, 4, 0, 0, 0)))
    spec = client.rospec(ai_specs=client.ai_spec((0,), observe_four), report=client.report_spec(0, 1, COUNTS))
    reader = reader_with(spec)
    reader.feed(client.enable(), 0)
    assert seen_counts(reader.tick(100 * MILLISECOND)) == [[4]] * 25


def test_aispecs_take_turns_and_each_end_is_told() -> None:
    def turn(antenna: int) -> bytes:
        return client.ai_spec((antenna,), tlv(184, b"\x01" + (10).to_bytes(4, "big")))

    heard = [client.sighting(at * MILLISECOND, antenna_id=1 + at % 2) for at in range(20)]
    spec = client.rospec(start=b"\x00", ai_specs=turn(1) + turn(2), report=client.report_spec(0, 2, 0x5080))
    reader = reader_with(spec, heard)
    reader.feed(client.set_config(client.events_on(2, 6)), 0)
    reader.feed(client.enable() + client.number(MessageType.START_ROSPEC, 1), 0)
    came = client.answers(reader.tick(30 * MILLISECOND))
    assert [one.type for one in came] == [63, 63, 61, 63]
    tags = [came[2].body[at : at + 26] for at in (0, 26)]
    assert [tag[17:] for tag in tags] == [
        struct.pack("!BHBHBH", 0x8E, 1, 0x81, 1, 0x88, 5),
        struct.pack("!BHBHBH", 0x8E, 2, 0x81, 2, 0x88, 5),
    ]


def test_a_periodic_rospec_starts_by_itself() -> None:
    start = b"\x02" + tlv(180, struct.pack("!II", 20, 30))
    stop = b"\x01" + (5).to_bytes(4, "big")
    reader = reader_with(client.rospec(start=start, stop=stop, report=client.report_spec(0, 2, COUNTS)))
    reader.feed(client.enable(), 0)
    assert seen_counts(reader.tick(19 * MILLISECOND)) == []
    assert states(reader, 21 * MILLISECOND) == [ACTIVE]
    assert seen_counts(reader.tick(90 * MILLISECOND)) == [[5], [5], [5]]


def test_a_photo_eye_starts_and_stops_a_rospec() -> None:
    start = b"\x03" + client.gpi_trigger(1, high=True)
    stop = b"\x02" + bytes(4) + client.gpi_trigger(1, high=False)
    reader = reader_with(client.rospec(start=start, stop=stop, report=client.report_spec(0, 2, COUNTS)))
    reader.feed(client.set_config(tlv(225, b"\x00\x01\x80\x02")) + client.enable(), 0)
    assert seen_counts(reader.tick(10 * MILLISECOND)) == []
    reader.set_gpi(1, 10 * MILLISECOND, high=True)
    assert states(reader, 11 * MILLISECOND) == [ACTIVE]
    assert seen_counts(reader.set_gpi(1, 17 * MILLISECOND, high=False)) == [[7]]
    assert states(reader, 18 * MILLISECOND) == [INACTIVE]


def test_phase_fine_rssi_doppler_and_tid_come_where_impinj_extensions_ask_for_them() -> None:
    heard = [Sighting(1, "r", 1, client.EPC, -61.37, 3.141592653589793, -2.5, 3)]
    selector = client.impinj_selector(51, 52, 53, 67)
    reader = client.make_reader(heard)
    reader.connect(0)
    reader.feed(client.enable_extensions(), 0)
    reader.feed(client.add(client.rospec(report=client.report_spec(1, 2, 0, 0, selector))) + client.enable(), 0)
    (report,) = client.answers(reader.tick(2))
    extensions = report.body[17:]
    assert extensions[:14] == struct.pack("!HHIIH", 1023, 14, 25882, 56, 2048)
    assert extensions[14:28] == struct.pack("!HHIIh", 1023, 14, 25882, 57, -6137)
    assert extensions[28:42] == struct.pack("!HHIIh", 1023, 14, 25882, 68, -40)
    assert extensions[42:56] == struct.pack("!HHIIH", 1023, 26, 25882, 55, 6)
    assert len(extensions) == 68


def test_pc_and_crc_fit_the_epc() -> None:
    reader = reader_with(client.rospec(report=client.report_spec(1, 2, 0, 0xC0)), [client.sighting(1, epc="AB" * 16)])
    reader.feed(client.enable(), 0)
    (report,) = client.answers(reader.tick(2))
    assert report.body[4:26] == tlv(241, b"\x00\x80" + b"\xab" * 16)
    pc = 8 << 11
    assert report.body[26:29] == b"\x8c" + pc.to_bytes(2, "big")
    assert report.body[29:30] == b"\x8b"


@settings(deadline=None)
@given(st.lists(st.integers(1, 100 * MILLISECOND - 1), max_size=20))
def test_however_time_is_sliced_the_same_tags_are_reported(ticks: list[int]) -> None:
    stop = b"\x01" + (7).to_bytes(4, "big")

    def run(times: list[int]) -> list[list[int]]:
        reader = reader_with(client.rospec(stop=stop, report=client.report_spec(3, 2, COUNTS)))
        reader.feed(client.enable(), 0)
        return [counts for now in [*sorted(times), 100 * MILLISECOND] for counts in seen_counts(reader.tick(now))]

    assert run(ticks) == run([])
