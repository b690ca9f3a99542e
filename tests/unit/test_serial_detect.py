import json
import random
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path

import pytest

from rfid_drivers.serial.detect import candidates, detect, lasting_name
from rfid_drivers.serial.detect_search import BAUDS, LISTEN_US, Search, asking, listening
from rfid_drivers.serial.protocol import Instant
from rfid_gateway.driver import AboutToAsk, DetectionRequest, DiscoveryProgress
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import RDM6300, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from tests.detecting import EPC, BehindAnEcho, Echoes, FakeClock, FakeLine, Making, Says, Silence

QUESTIONS = {
    "cfprime": ["CFFF0070002415"],
    "chafon": ["04FF211995"],
    "gx5a": ["5A000101000000DCE5"],
    "line": [],
    "m100": ["BB0003000100047E", "AA000300010004DD"],
    "mercury": ["FF00031D0C"],
    "r2000": ["A003FF72EC"],
    "rdm6300": [],
    "swct": ["53570003FF1044"],
    "tsl": [b".vr\r\n".hex().upper()],
}
"""The read-only questions of the reference, section 16, of the protocols that have a driver."""

PUSHING: dict[str, tuple[Making, str, dict[str, object]]] = {
    "chafon 288": (lambda: SimulatedChafon(ChafonSetting(pushing=True)), "chafon", {"mode": "push"}),
    "chafon 18": (
        lambda: SimulatedChafon(ChafonSetting(with_antennas=False, pushing=True)),
        "chafon",
        {"mode": "push"},
    ),
    "cfprime": (lambda: SimulatedCfPrime(CfPrimeSetting()), "cfprime", {"mode": "push"}),
    "swct": (lambda: SimulatedSwct(SwctSetting()), "swct", {"mode": "push"}),
    "mercury": (lambda: SimulatedMercury(MercurySetting(reading=True)), "mercury", {}),
    "m100": (lambda: SimulatedM100(M100Setting(reading=True)), "m100", {}),
    "m100 in R200 framing": (lambda: SimulatedM100(M100Setting(head=0xAA, reading=True)), "m100", {}),
    "gx5a": (lambda: SimulatedGx5a(Gx5aSetting(reading=True)), "gx5a", {}),
    "gx5a on RS-485": (lambda: SimulatedGx5a(Gx5aSetting(address=3, reading=True)), "gx5a", {"address": 3}),
    "tsl": (lambda: SimulatedTsl(TslSetting(triggered=True)), "tsl", {"mode": "trigger"}),
    "line": (lambda: Says(EPC.encode() + b"\r\n"), "line", {"regex": "(?P<epc>[0-9A-F]{24})"}),
}

SILENT: dict[str, tuple[Making, str, str, str, dict[str, object]]] = {
    "chafon 288": (lambda: SimulatedChafon(ChafonSetting()), "chafon", "Chafon UHFReader288MP", "5.2", {}),
    "cfprime": (
        lambda: SimulatedCfPrime(CfPrimeSetting(active=False)),
        "cfprime",
        "Chafon UHF Prime CF591 V2.0",
        "V1.30",
        {},
    ),
    "swct": (lambda: SimulatedSwct(SwctSetting(active=False)), "swct", "SW/CT 12", "26", {}),
    "mercury": (lambda: SimulatedMercury(MercurySetting()), "mercury", "M6e Nano", "01.0D.00.03", {}),
    "mercury in its bootloader": (
        lambda: SimulatedMercury(MercurySetting(in_bootloader=True)),
        "mercury",
        "M6e Nano",
        "01.0D.00.03",
        {},
    ),
    "m100": (lambda: SimulatedM100(M100Setting()), "m100", "M100", "M100 26dBm V1.0", {}),
    "m100 in R200 framing": (
        lambda: SimulatedM100(M100Setting(head=0xAA, version="R200 V2")),
        "m100",
        "R200",
        "R200 V2",
        {},
    ),
    "r2000": (lambda: SimulatedR2000(R2000Setting()), "r2000", "R2000", "1.9", {}),
    "r2000 at another address": (
        lambda: SimulatedR2000(R2000Setting(address=7)),
        "r2000",
        "R2000",
        "1.9",
        {"address": 7},
    ),
    "gx5a": (lambda: SimulatedGx5a(Gx5aSetting()), "gx5a", "GX GX0001", "1.2.0.7", {}),
    "tsl": (lambda: SimulatedTsl(TslSetting()), "tsl", "TSL", "2.7.0", {}),
}


def test_the_questions_are_those_of_the_reference_and_no_others() -> None:
    asked = {each.name: [probe.hex().upper() for probe in each.detection.probes] for each in candidates()}
    assert asked == QUESTIONS


def test_every_driver_with_a_port_can_be_detected_at_its_own_factory_setting() -> None:
    for each in candidates():
        bauds = each.detection.bauds
        assert not bauds or bauds[0] == each.driver.Options.model_fields["baud"].default
        assert set(bauds) <= set(BAUDS)
        assert bauds or not each.detection.probes


@pytest.mark.parametrize("baud", BAUDS)
@pytest.mark.parametrize("case", PUSHING)
def test_a_reader_that_sends_by_itself_is_recognised_at_its_rate_and_is_asked_nothing(case: str, baud: int) -> None:
    make, driver, options = PUSHING[case]
    line = FakeLine(make(), baud)
    found = line.detected()
    assert (found.driver, found.baud, found.found_by, found.sample_epc) == (driver, baud, "listening", EPC)
    default = next(each for each in candidates() if each.name == driver).driver.Options.model_fields["baud"].default
    expected = {"port": "/dev/ttyS99", **options, **({} if baud == default else {"baud": baud})}
    assert found.options == expected
    assert line.writes == []
    assert not line.open_now


def test_an_rdm6300_is_recognised_by_its_checksum() -> None:
    line = FakeLine(SimulatedLineReader(RDM6300), 9600, epc="6F00538E12")
    found = line.detected()
    assert (found.driver, found.baud, found.sample_epc) == ("rdm6300", 9600, "6F00538E12")
    assert found.options == {"port": "/dev/ttyS99"}


def rates(driver: str) -> tuple[int, ...]:
    return next(each.detection.bauds for each in candidates() if each.name == driver)


@pytest.mark.parametrize(
    ("case", "baud"), [(case, baud) for case, (_, driver, *_) in SILENT.items() for baud in rates(driver)]
)
def test_a_silent_reader_is_asked_and_tells_who_it_is(case: str, baud: int) -> None:
    make, driver, model, firmware, options = SILENT[case]
    line = FakeLine(make(), baud)
    found = line.detected()
    assert (found.driver, found.baud, found.found_by, found.certainty) == (driver, baud, "asking", "certain")
    assert (found.model, found.firmware) == (model, firmware)
    assert {key: value for key, value in found.options.items() if key not in ("port", "baud")} == options
    assert not line.open_now


@pytest.mark.parametrize("case", ["mercury", "gx5a"])
def test_antennas_that_tags_were_read_at_are_written_down_where_the_driver_wants_them(case: str) -> None:
    found = FakeLine(PUSHING[case][0](), 115_200, antenna=2).detected()
    assert found.antennas == (2,)
    assert found.options["antennas"] == (2,)


def test_antennas_that_the_driver_does_not_ask_for_are_only_told() -> None:
    found = FakeLine(PUSHING["cfprime"][0](), 115_200, antenna=2).detected()
    assert found.antennas == (2,)
    assert "antennas" not in found.options


@pytest.mark.parametrize(
    ("case", "mode"), [("chafon 288", 'mode = "poll"'), ("cfprime", 'mode = "start"'), ("r2000", "")]
)
def test_a_reader_that_sent_nothing_unasked_may_want_another_mode(case: str, mode: str) -> None:
    detail = FakeLine(SILENT[case][0](), 115_200).detected().detail
    assert detail.endswith(mode)
    assert bool(detail) == bool(mode)


def test_a_driver_that_cannot_be_imported_hurts_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "rfid_gateway.drivers"
    entries = [
        EntryPoint("broken", "rfid_drivers.there_is_no_such_module:Reader", group),
        EntryPoint("undetectable", "rfid_drivers.serial.reader:SerialReader", group),
        EntryPoint("chafon", "rfid_drivers.serial.chafon:ChafonReader", group),
    ]
    monkeypatch.setattr("rfid_drivers.serial.detect.entry_points", lambda group: entries if group else [])
    assert [each.name for each in candidates()] == ["chafon"]


def test_nothing_is_sent_before_every_rate_was_listened_to_and_people_are_told_first() -> None:
    line = FakeLine(SimulatedR2000(R2000Setting()), 115_200)
    before = len(BAUDS) * LISTEN_US
    began = line.clock.now
    told = 0
    for item in detect(DetectionRequest("/dev/ttyS99"), candidates(), line.open, line.clock):
        if isinstance(item, AboutToAsk):
            told += 1
            assert line.writes == []
            assert line.clock.now - began >= before
            assert set(item.drivers) == {name for name, questions in QUESTIONS.items() if questions}
        elif not told:
            assert line.writes == []
    assert told == 1
    assert line.writes


def test_questions_are_350_ms_apart() -> None:
    line = FakeLine(Silence(), 115_200)
    line.nothing()
    times = [at for at, _, _ in line.writes]
    assert len(times) > 20
    assert min(later - at for at, later in pairwise(times)) >= 350_000


def test_every_protocol_is_asked_at_its_factory_setting_before_any_is_at_another() -> None:
    factory = [(step.baud, step.probe) for step in asking(candidates(), has_baud=True)][:9]
    expected = [(each.detection.bauds[0], probe) for each in candidates() for probe in each.detection.probes]
    assert sorted(factory) == sorted(expected)


@pytest.mark.parametrize("make", [lambda: SimulatedR2000(R2000Setting()), Silence], ids=["a silent reader", "nobody"])
def test_listen_only_sends_nothing_at_all(make: Making) -> None:
    line = FakeLine(make(), 115_200)
    answer = line.nothing(DetectionRequest("/dev/ttyS99", listen_only=True))
    assert line.writes == []
    assert "without --listen-only" in answer.detail


def test_on_tcp_it_is_listened_once_and_no_rate_is_named() -> None:
    line = FakeLine(SimulatedChafon(ChafonSetting()), 115_200)
    found = line.detect(DetectionRequest("socket://192.0.2.1:4001"))[-1]
    assert (getattr(found, "driver", ""), getattr(found, "baud", 0)) == ("chafon", None)
    assert getattr(found, "options", {}) == {"port": "socket://192.0.2.1:4001"}
    assert len(line.opened) == 1


def test_rfc2217_has_baud_rates() -> None:
    line = FakeLine(SimulatedChafon(ChafonSetting(pushing=True)), 9_600)
    found = line.detect(DetectionRequest("rfc2217://192.0.2.1:4001"))[-1]
    assert getattr(found, "options", {})["baud"] == 9_600


def test_a_parity_that_was_asked_for_is_used_and_written_down() -> None:
    line = FakeLine(SimulatedChafon(ChafonSetting(pushing=True)), 57_600)
    found = line.detect(DetectionRequest("/dev/ttyS99", parity="even"))[-1]
    assert {parity for _, _, parity in line.opened} == {"even"}
    assert getattr(found, "options", {})["parity"] == "even"


def test_what_is_no_port_is_refused_before_anything_is_opened() -> None:
    line = FakeLine(Silence(), 9600)
    with pytest.raises(ValueError, match="'ttyUSB0' is no port: expected a path"):
        line.detect(DetectionRequest("ttyUSB0"))
    assert line.opened == []


def test_closing_the_detector_lets_the_port_go() -> None:
    line = FakeLine(Silence(), 9600)
    items = detect(DetectionRequest("/dev/ttyS99"), candidates(), line.open, line.clock)
    while not isinstance(next(items), AboutToAsk):
        assert line.open_now or not line.opened
    assert line.open_now
    items.close()
    assert not line.open_now


def test_progress_never_goes_back_and_ends_at_its_total_when_nothing_is_found() -> None:
    line = FakeLine(Silence(), 9600)
    done = [(item.done, item.total) for item in line.detect() if isinstance(item, DiscoveryProgress)]
    assert done == sorted(done)
    assert done[-1][0] == pytest.approx(done[-1][1])


def test_nobody_there_is_told_with_what_to_look_at() -> None:
    answer = FakeLine(Silence(), 9600).nothing()
    assert "nothing arrived and nothing answered" in answer.detail
    assert "RX and TX crossed" in answer.detail
    assert answer.heard == ()


def test_an_echo_is_no_reader() -> None:
    answer = FakeLine(Echoes(), 115_200).nothing(DetectionRequest("socket://192.0.2.1:4001"))
    assert "only what was sent came back" in answer.detail
    assert answer.heard == ()


@pytest.mark.parametrize("case", SILENT)
def test_a_reader_is_recognised_behind_an_adapter_that_hears_itself(case: str) -> None:
    make, driver, model, firmware, _ = SILENT[case]
    found = FakeLine(BehindAnEcho(make()), rates(driver)[0]).detected()
    assert (found.driver, found.model, found.firmware) == (driver, model, firmware)


def test_a_question_that_comes_back_is_no_evidence() -> None:
    found = FakeLine(BehindAnEcho(SimulatedR2000(R2000Setting())), 115_200).detected()
    # Two questions of five bytes each came back, and two answers of seven.
    assert found.evidence == "2 answers; 14 of 24 bytes are verified frames"


def test_an_unknown_protocol_is_told_with_a_sample_at_each_rate() -> None:
    answer = FakeLine(Says(bytes.fromhex("C88C0008820000")), 19_200).nothing(
        DetectionRequest("/dev/ttyS99", listen_only=True)
    )
    assert "no known protocol makes frames of them" in answer.detail
    assert "--parity even" in answer.detail
    assert {heard.baud for heard in answer.heard} == set(BAUDS)
    (right,) = [heard for heard in answer.heard if heard.baud == 19_200]
    assert (right.count, right.sample[:20]) == (49, "C8 8C 00 08 82 00 00")


def windows(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def search_in(data: bytes, size: int) -> str | None:
    """Name of the protocol that is recognised in a window of these bytes."""
    clock = FakeClock()
    search = Search(candidates(), listening([115_200]))
    for part in windows(data, size):
        clock.now += 1
        search.advance(part, Instant(clock.utc_us(), clock.monotonic_us()))
    clock.now += LISTEN_US
    search.advance(b"", Instant(clock.utc_us(), clock.monotonic_us()))
    assert search.step is None
    return search.found[0].name if search.found else None


@pytest.mark.parametrize("size", [200_000, 10_000, 1_000])
def test_200_kilobytes_of_noise_are_no_reader(size: int) -> None:
    noise = random.Random(20).randbytes(200_000)
    assert [search_in(part, 256) for part in windows(noise, size)] == [None] * (200_000 // size)


@pytest.mark.parametrize("name", ["chafon", "r2000", "m100", "swct"])
def test_noise_with_one_good_frame_in_it_is_no_reader(name: str) -> None:
    frames = {
        "chafon": "1100EE00E284361100001000094944AA9ACC",
        "r2000": "A013018B1030003009663781DB02974876FC6A672B",
        "m100": "BB01FF000115167E",
        "swct": "4354000400010064",
    }
    noise = random.Random(21)
    data = noise.randbytes(600) + bytes.fromhex(frames[name]) + noise.randbytes(600)
    assert search_in(data, 64) is None


@pytest.mark.parametrize("make", [lambda: SimulatedM100(M100Setting(reading=True))])
def test_one_frame_with_a_checksum_of_eight_bits_proves_nothing_and_two_do(make: Making) -> None:
    frame = b"".join(make().hear([]))
    assert search_in(frame, 64) is None
    assert search_in(frame * 2, 64) == "m100"


def test_one_answer_with_a_checksum_of_eight_bits_is_asked_for_again() -> None:
    line = FakeLine(SimulatedR2000(R2000Setting()), 115_200)
    line.detected()
    assert [data.hex().upper() for _, _, data in line.writes[-2:]] == QUESTIONS["r2000"] * 2


OURS = {
    "chafon_len": "chafon",
    "chafon_cf": "cfprime",
    "gx_5a": "gx5a",
    "m100_bb7e": "m100",
    "mercury": "mercury",
    "r2000_a0": "r2000",
    "rdm6300_ascii": "rdm6300",
    "swct_5357": "swct",
    "tsl_ascii2": "tsl",
}
TEXT = {"alien_ascii", "metratec_at", "samsys_chump"}


def test_recorded_frames_are_recognised_as_their_own_protocol_and_never_as_another(shared: Path) -> None:
    known = json.loads((shared / "vectors" / "serial.json").read_text())
    together: dict[str, bytes] = {}
    for vector in known:
        protocol, raw = vector["protocol"], bytes.fromhex(vector["hex"])
        together[protocol] = together.get(protocol, b"") + raw
        allowed = {None, OURS.get(protocol)} | ({"line"} if protocol in TEXT else set())
        assert search_in(raw, 64) in allowed, vector
        assert search_in(raw * 3, 64) in allowed, vector
    assert len(together) > len(OURS)
    recognised = {protocol: search_in(raw, 64) for protocol, raw in together.items()}
    # Of these the recorded frames are commands, answers to settings and, once, tags: nothing that proves a reader.
    unproven = dict.fromkeys(("chafon_cf", "gx_5a", "swct_5357"))
    assert {protocol: name for protocol, name in recognised.items() if protocol in OURS} == {**OURS, **unproven}
    assert {protocol for protocol in recognised.keys() - OURS.keys() if recognised[protocol]} <= TEXT


def test_a_lasting_name_is_by_id_then_by_path_then_what_was_given(tmp_path: Path) -> None:
    device, other = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    by_id, by_path = tmp_path / "by-id", tmp_path / "by-path"
    for each in (device, other):
        each.touch()
    folders = (by_id, by_path)
    assert lasting_name(str(device), folders) == str(device)
    by_path.mkdir()
    (by_path / "usb-0:2").symlink_to(device)
    (by_path / "usb-0:3").symlink_to(other)
    assert lasting_name(str(device), folders) == str(by_path / "usb-0:2")
    by_id.mkdir()
    (by_id / "usb-Other").symlink_to(other)
    assert lasting_name(str(device), folders) == str(by_path / "usb-0:2")
    (by_id / "usb-FTDI").symlink_to(device)
    assert lasting_name(str(device), folders) == str(by_id / "usb-FTDI")
    assert lasting_name(str(by_path / "usb-0:2"), folders) == str(by_path / "usb-0:2")
    assert lasting_name("socket://192.0.2.1:1", folders) == "socket://192.0.2.1:1"
