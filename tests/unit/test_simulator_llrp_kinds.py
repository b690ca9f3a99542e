"""Kinds of simulated readers: what they refuse, what power and filters do, and what a Zebra says."""

import struct
from dataclasses import replace

import pytest

from rfid_simulators.llrp.profiles import (
    GENERIC,
    IMPINJ_R420,
    PICKY,
    PROFILES,
    ZEBRA_AUTONOMOUS,
    ZEBRA_FX9600,
    ReaderProfile,
)
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.status import StatusCode
from rfid_simulators.llrp.wire import IMPINJ, ZEBRA, MessageType, custom, message, tlv
from rfid_simulators.world.sighting import Sighting
from tests import llrp_requests as client


def connected(profile: ReaderProfile, *sightings: Sighting) -> SimulatedReader:
    reader = client.make_reader(sightings, profile)
    reader.connect(0)
    return reader


def control(mode: int = 1000, tari: int = 0) -> bytes:
    return tlv(335, struct.pack("!HH", mode, tari))


def population(tags: int) -> bytes:
    return tlv(336, struct.pack("!BHI", 1 << 6, tags, 0))


def select(mask: str, bank: int = 1, pointer: int = 32, action: int = 0) -> bytes:
    data = bytes.fromhex(mask)
    fields = struct.pack("!BHH", bank << 6, pointer, len(data) * 8)
    return tlv(331, b"\x40", tlv(332, fields, data), tlv(334, bytes((action,))))


def antenna(antenna_id: int, *parameters: bytes) -> bytes:
    return tlv(222, antenna_id.to_bytes(2, "big"), *parameters)


def command(*parameters: bytes) -> bytes:
    return tlv(330, b"\x00", *parameters)


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (antenna(0, command(population(64))), (222, 330, 336)),
        (antenna(0, command(control(tari=6250))), (222, 330, 335)),
        (antenna(0, command(control(mode=2))), (222, 330, 335)),
        (antenna(0, command(select("30"))), (222, 330, 331)),
        (antenna(1, command(population(32))), (222,)),
        (antenna(0, command(custom(IMPINJ, 23, b"\x00\x01"))), (222, 330, 1023)),
        (custom(IMPINJ, 38, b"\x00\x01\x00\x03"), (1023,)),
    ],
    ids=["population", "tari", "mode", "filter", "one antenna", "search mode", "link monitor"],
)
def test_a_picky_reader_refuses_a_setting_and_says_where_it_stands(wanted: bytes, path: tuple[int, ...]) -> None:
    reader = connected(PICKY)
    reader.feed(client.enable_extensions(), 0)
    (answer,) = client.answers(reader.feed(client.set_config(wanted), 0))
    assert answer.status == StatusCode.M_PARAMETER_ERROR
    nested = answer.body[4 + 4 + int.from_bytes(answer.body[6:8], "big") :]
    found = []
    while nested[:2] == b"\x01\x21":
        found.append(int.from_bytes(nested[4:6], "big"))
        nested = nested[8:]
    assert tuple(found) == path
    (accepted,) = client.answers(connected(IMPINJ_R420).feed(client.set_config(client.keepalive(1000)), 0))
    assert accepted.status == 0


def test_a_picky_reader_takes_the_rest() -> None:
    reader = connected(PICKY)
    wanted = antenna(0, command(control(), population(32)))
    (answer,) = client.answers(reader.feed(client.set_config(client.HOLD, wanted), 0))
    assert answer.status == 0


def test_a_refusal_that_there_is_not_is_an_error_of_the_test() -> None:
    reader = connected(replace(GENERIC, refuses=frozenset({"everything"})))
    with pytest.raises(ValueError, match="cannot refuse 'everything', expected one of population"):
        reader.feed(client.set_config(client.HOLD), 0)


def read(profile: ReaderProfile, configuration: bytes, *sightings: Sighting) -> list[tuple[str, int]]:
    """EPC and PeakRSSI of every tag that is reported."""
    reader = connected(profile, *sightings)
    ai_spec = client.ai_spec((0,), b"", configuration)
    report = client.report_spec(1, 2, 0x0400)
    reader.feed(client.add(client.rospec(ai_specs=ai_spec, report=report)) + client.enable(), 0)
    bodies = [one.body for one in client.answers(reader.tick(1000))]
    return [(body[5:17].hex().upper(), body[18] - 256) for body in bodies]


STRONG, WEAK = client.sighting(1, "30" * 12, rssi=-50), client.sighting(2, "35" * 12, rssi=-70)


def test_less_power_weakens_what_is_heard_and_silences_what_is_weak() -> None:
    index_10_dbm = antenna(0, tlv(224, struct.pack("!HHH", 1, 0, 1)))
    full_power = antenna(0, tlv(224, struct.pack("!HHH", 1, 0, 81)))
    assert read(IMPINJ_R420, full_power, STRONG, WEAK) == [("30" * 12, -50), ("35" * 12, -70)]
    assert read(IMPINJ_R420, index_10_dbm, STRONG, WEAK) == [("30" * 12, -70)]
    assert read(IMPINJ_R420, antenna(2, tlv(224, struct.pack("!HHH", 1, 0, 1))), WEAK) == [("35" * 12, -70)]


def test_the_readers_own_power_counts_where_the_rospec_says_nothing() -> None:
    reader = connected(IMPINJ_R420, STRONG)
    reader.feed(client.set_config(antenna(1, tlv(224, struct.pack("!HHH", 1, 0, 41)))), 0)
    spec = client.rospec(report=client.report_spec(1, 2, 0x0400))
    reader.feed(client.add(spec) + client.enable(), 0)
    assert [one.body[18] - 256 for one in client.answers(reader.tick(10))] == [-60]


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        ([select("30")], "30"),
        ([select("30", action=4)], "35"),
        ([select("35", action=3)], "30"),
        ([select("30"), select("35", action=1)], "30 35"),
        ([select("FF", bank=3, pointer=0)], ""),
        ([select("E280", bank=2, pointer=0)], "30 35"),
    ],
    ids=["include", "exclude", "only take away", "two", "user bank", "TID bank"],
)
def test_only_tags_that_the_filters_select_are_heard(filters: list[bytes], heard: str) -> None:
    tags = read(IMPINJ_R420, antenna(0, command(*filters)), STRONG, WEAK)
    assert [epc[:2] for epc, _ in tags] == heard.split()


def test_more_filters_than_a_reader_has_are_refused() -> None:
    wanted = antenna(0, command(*[select("30")] * 3))
    (answer,) = client.answers(connected(IMPINJ_R420).feed(client.set_config(wanted), 0))
    assert b"3 filters, expected at most 2" in answer.body


@pytest.mark.parametrize(("phase", "sent"), [(0.0, 0), (1.5707963, 0x4000), (4.7123890, -0x4000)])
def test_a_zebra_adds_the_phase_in_two_bytes_when_asked(phase: float, sent: int) -> None:
    reader = connected(ZEBRA_FX9600, client.sighting(1)._replace(phase=phase))
    report = client.report_spec(1, 2, 0, 0, custom(ZEBRA, 708, struct.pack("!I", 1 << 28)))
    reader.feed(client.add(client.rospec(report=report)) + client.enable(), 0)
    (heard,) = client.answers(reader.tick(10))
    assert heard.body.endswith(custom(ZEBRA, 709, struct.pack("!h", sent)))


def test_an_autonomous_zebra_reads_for_a_rospec_only_after_that_mode_has_ended() -> None:
    reader = connected(ZEBRA_AUTONOMOUS, *(client.sighting(at) for at in range(100)))
    reader.feed(client.add(client.rospec()) + client.enable(), 0)
    (config,) = client.answers(reader.feed(message(MessageType.GET_READER_CONFIG, 1, bytes(7)), 10))
    assert config.body.endswith(custom(ZEBRA, 101, b"\x80"))
    assert reader.tick(20) == []
    reader.feed(client.set_config(custom(ZEBRA, 101, b"\x00")), 30)
    assert len(client.answers(reader.tick(40))) == 10


def test_a_zebra_refuses_what_impinj_alone_has() -> None:
    (answer,) = client.answers(connected(ZEBRA_FX9600).feed(client.enable_extensions(), 0))
    assert (answer.type, answer.status) == (MessageType.ERROR_MESSAGE, StatusCode.M_UNSUPPORTED_MESSAGE)


@pytest.mark.parametrize(
    "profile", [one for one in PROFILES.values() if one is not PICKY], ids=lambda profile: profile.name
)
def test_every_kind_takes_its_own_factory_settings_back(profile: ReaderProfile) -> None:
    reader = connected(profile)
    (told,) = client.answers(reader.feed(message(2, 1, struct.pack("!HBHH", 0, 3, 0, 0)), 0))
    (answer,) = client.answers(reader.feed(client.set_config(told.body[8:]), 0))
    assert answer.status == 0, answer.body
