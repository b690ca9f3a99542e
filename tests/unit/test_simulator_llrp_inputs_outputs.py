"""Outputs, inputs, buffer, clock and temperature of the simulated reader."""

import struct
from dataclasses import replace

from rfid_simulators.llrp import events
from rfid_simulators.llrp.profiles import GENERIC, IMPINJ_R420, ReaderProfile
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.wire import IMPINJ, MessageType, custom, message, tlv
from tests import llrp_requests as client

SECOND = 1_000_000


def connected(profile: ReaderProfile = GENERIC, reads: int = 0) -> SimulatedReader:
    reader = client.make_reader([client.sighting(at, epc=f"{at:024X}") for at in range(reads)], profile)
    reader.connect(0)
    return reader


def told(messages: list[bytes]) -> list[int]:
    """Parameter types of the events, after the timestamp of 12 bytes."""
    notified = [one for one in client.answers(messages) if one.type == MessageType.READER_EVENT_NOTIFICATION]
    return [int.from_bytes(one.body[16:18], "big") for one in notified]


def gpo(port: int, *, high: bool) -> bytes:
    return tlv(219, struct.pack("!HB", port, high << 7))


def test_outputs_are_as_the_client_switches_them_and_every_change_is_kept() -> None:
    reader = connected()
    reader.feed(client.set_config(gpo(2, high=True)), 10)
    assert reader.outputs == (False, True)
    reader.feed(client.set_config(gpo(1, high=True), gpo(2, high=False)), 20)
    reader.feed(client.set_config(gpo(1, high=True)), 30)
    assert reader.outputs == (True, False)
    assert reader.output_changes == ((10, 2, True), (20, 1, True), (20, 2, False))


def test_an_output_that_there_is_not_is_refused_and_nothing_switched() -> None:
    reader = connected()
    (answer,) = client.answers(reader.feed(client.set_config(gpo(1, high=True), gpo(3, high=True)), 0))
    assert b"port is 3, expected 1 to 2" in answer.body
    assert reader.outputs == (False, False)


def test_an_input_starts_a_rospec_and_its_timeout_ends_it() -> None:
    reader = connected(reads=100)
    start = b"\x03" + client.gpi_trigger(1, high=True)
    stop = b"\x02" + bytes(4) + client.gpi_trigger(1, high=False, timeout_ms=1)
    gpi_on = tlv(225, b"\x00\x01\x80\x02")
    reader.feed(client.set_config(gpi_on, client.events_on(1, 2)) + client.add(client.rospec(1, start, stop)), 0)
    reader.feed(client.enable(), 0)
    assert told(reader.set_gpi(1, 10, high=True)) == [248, 249]
    assert told(reader.tick(2000)) == [249]


def test_a_full_buffer_tells_its_overflow_at_once_to_a_client_that_is_there_and_get_report_empties_it() -> None:
    reader = connected(replace(GENERIC, report_buffer_reads=10), reads=15)
    stop_after_15_us = client.ai_spec(
        (0,), tlv(184, struct.pack("!BI", 3, 0), tlv(185, bytes(2), struct.pack("!HHHI", 15, 0, 0, 0)))
    )
    spec = client.rospec(1, b"\x00", ai_specs=stop_after_15_us, report=client.report_spec(0, 0))
    reader.feed(client.set_config(client.events_on(3)) + client.add(spec) + client.enable(), 0)
    reader.feed(client.number(MessageType.START_ROSPEC, 1), 0)
    assert told(reader.tick(100)) == [251, 250]
    answers = client.answers(reader.feed(message(MessageType.GET_REPORT, 5), 101))
    assert sum(one.body.count(b"\x8d") for one in answers) >= 10
    assert (reader.counters.tags, reader.counters.lost_tags) == (10, 5)


def test_a_clock_that_is_stepped_shows_it_from_then_on() -> None:
    reader = connected(reads=3)
    reader.feed(client.add(client.rospec()) + client.enable(), 0)
    before = client.answers(reader.step_clock(-3600 * SECOND, 2))
    after = client.answers(reader.tick(3))
    stamps = [one.body[one.body.index(b"\x82") + 1 :][:8] for one in (*before, *after)]
    times = [client.WORLD_BEGAN, client.WORLD_BEGAN + 1, client.WORLD_BEGAN + 2 - 3600 * SECOND]
    assert stamps == [at.to_bytes(8, "big") for at in times]


def test_a_reader_tells_an_event_that_a_test_wants() -> None:
    assert told(connected().notify(events.report_buffer_level(90), 1)) == [250]


def test_an_impinj_tells_its_temperature_when_asked() -> None:
    reader = connected(replace(IMPINJ_R420, celsius=-5))
    reader.feed(client.enable_extensions(), 0)
    asked = struct.pack("!HBHH", 0, 1, 0, 0) + custom(IMPINJ, 21, struct.pack("!I", 2004))
    (answer,) = client.answers(reader.feed(message(MessageType.GET_READER_CONFIG, 1, asked), 0))
    assert answer.body.endswith(custom(IMPINJ, 37, struct.pack("!h", -5)))
    (plain,) = client.answers(reader.feed(message(MessageType.GET_READER_CONFIG, 1, bytes(7)), 0))
    assert custom(IMPINJ, 37, struct.pack("!h", -5)) not in plain.body
