"""Simulated readers are recognised on a pty and on TCP, sending by themselves and silent, and as nothing else."""

import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import serial

from rfid_drivers.serial.detect import detect_serial
from rfid_gateway.driver import DetectedReader, DetectionRequest, NothingDetected, ReaderError
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import RDM6300, LineSetting, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.noise import NoiseLevel
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware, SerialReaderServer
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.serial.wires import PtyWire, TcpWire
from rfid_simulators.serial_cli import standing_tags
from tests.e2e.running import PROGRAM
from tests.servers import eventually

SIMULATOR = PROGRAM.with_name("rfid-simulator")
LABEL = "303400000000000000000001"
CARD = "6F00538E12"
AT_ONCE = 8
"""Detections under way; they mostly wait."""

READERS: dict[str, tuple[str, str, Callable[[], Firmware]]] = {
    "chafon 288, pushing": ("chafon", LABEL, lambda: SimulatedChafon(ChafonSetting(pushing=True))),
    "chafon 18, pushing": (
        "chafon",
        LABEL,
        lambda: SimulatedChafon(ChafonSetting(with_antennas=False, pushing=True)),
    ),
    "chafon, silent": ("chafon", "", lambda: SimulatedChafon(ChafonSetting())),
    "chafon 18, silent": ("chafon", "", lambda: SimulatedChafon(ChafonSetting(with_antennas=False))),
    "cfprime, pushing": ("cfprime", LABEL, lambda: SimulatedCfPrime(CfPrimeSetting())),
    "cfprime, silent": ("cfprime", "", lambda: SimulatedCfPrime(CfPrimeSetting(active=False))),
    "swct, pushing": ("swct", LABEL, lambda: SimulatedSwct(SwctSetting())),
    "swct, silent": ("swct", "", lambda: SimulatedSwct(SwctSetting(active=False))),
    "mercury, reading": ("mercury", LABEL, lambda: SimulatedMercury(MercurySetting(reading=True))),
    "mercury, silent": ("mercury", "", lambda: SimulatedMercury(MercurySetting())),
    "m100, reading": ("m100", LABEL, lambda: SimulatedM100(M100Setting(reading=True))),
    "m100, silent": ("m100", "", lambda: SimulatedM100(M100Setting())),
    "m100 in R200 framing, reading": ("m100", LABEL, lambda: SimulatedM100(M100Setting(head=0xAA, reading=True))),
    "m100 in R200 framing, silent": ("m100", "", lambda: SimulatedM100(M100Setting(head=0xAA))),
    "gx5a, reading": ("gx5a", LABEL, lambda: SimulatedGx5a(Gx5aSetting(reading=True))),
    "gx5a, silent": ("gx5a", "", lambda: SimulatedGx5a(Gx5aSetting())),
    "r2000": ("r2000", "", lambda: SimulatedR2000(R2000Setting())),
    "tsl, triggered": ("tsl", LABEL, lambda: SimulatedTsl(TslSetting(triggered=True))),
    "tsl, silent": ("tsl", "", lambda: SimulatedTsl(TslSetting())),
    "line": ("line", LABEL, lambda: SimulatedLineReader(LineSetting())),
    "line with fields": (
        "line",
        LABEL,
        lambda: SimulatedLineReader(LineSetting("ANT{antenna},{epc},{rssi}\r\n", b"READY\r\n")),
    ),
    "rdm6300": ("rdm6300", CARD, lambda: SimulatedLineReader(RDM6300)),
}

WIRES = ("pty", "tcp", "pty with noise")


def answer_of(case: tuple[str, str], folder: Path) -> DetectedReader | NothingDetected:
    name, wire_name = case
    driver, epc, make = READERS[name]
    wire = TcpWire(0) if wire_name == "tcp" else PtyWire(folder / f"{name} {wire_name}")
    radio = standing_tags((CARD if driver == "rdm6300" else LABEL,), 100_000)
    noise = NoiseLevel(junk=0.2, split=0.5, seed=4) if "noise" in wire_name and epc else None
    with (
        SerialReaderServer(make(), radio, wire, noise) as server,
        closing(detect_serial(DetectionRequest(server.url))) as items,
    ):
        *_, last = items
    assert isinstance(last, DetectedReader | NothingDetected)
    return last


CASES = [(name, wire) for name, (_, epc, _) in READERS.items() for wire in WIRES if epc or "noise" not in wire]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], DetectedReader | NothingDetected]:
    """All of them, several at once."""
    folder = tmp_path_factory.mktemp("readers")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(CASES, pool.map(lambda case: answer_of(case, folder), CASES), strict=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=", ".join)
def test_each_reader_is_recognised_as_what_it_is(
    case: tuple[str, str], answers: dict[tuple[str, str], DetectedReader | NothingDetected]
) -> None:
    driver, epc, _ = READERS[case[0]]
    found = answers[case]
    assert isinstance(found, DetectedReader), found
    assert (found.driver, found.sample_epc) == (driver, epc)
    assert found.found_by == ("listening" if epc else "asking")
    assert (found.baud is None) == (case[1] == "tcp")
    assert found.model


@contextmanager
def simulator(protocol: str, folder: Path, *, on_tcp: bool = False) -> Iterator[str]:
    """`rfid-simulator serial` as its user starts it; gives the port to look at."""
    place = ("--port", "0") if on_tcp else ("--link", str(folder / protocol))
    process = subprocess.Popen([SIMULATOR, "serial", "--protocol", protocol, *place], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        what, _, where = process.stdout.readline().strip().partition(" at ")
        assert what == f"{protocol} reader"
        yield where
    finally:
        process.terminate()
        process.communicate()


def detect_command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, "detect", *words], capture_output=True, text=True, check=False, timeout=100)


CONFIGURATION = """
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "STATE"
time_zone = "Europe/Berlin"

[mqtt]
host = "127.0.0.1"

"""

ZONE = """
[[zones]]
id = "storage"
antennas = ["{}:1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
"""


@pytest.mark.parametrize("on_tcp", [False, True], ids=["pty", "tcp"])
@pytest.mark.parametrize("protocol", ["cfprime", "chafon", "line", "rdm6300", "swct"])
def test_what_the_command_prints_is_a_configuration(protocol: str, on_tcp: bool, tmp_path: Path) -> None:  # noqa: FBT001
    with simulator(protocol, tmp_path, on_tcp=on_tcp) as where:
        done = detect_command(where, "--json")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["driver"], found["port"]) == (protocol, where)
    table = tomllib.loads(found["toml"])["readers"][0]
    assert table == {"id": found["id"], "driver": protocol, **found["options"]}
    assert table["port"] == where
    configuration = tmp_path / "gateway.toml"
    configuration.write_text(CONFIGURATION.replace("STATE", str(tmp_path)) + found["toml"] + ZONE.format(table["id"]))
    checked = subprocess.run([PROGRAM, "check", "--config", configuration], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "1 readers" in checked.stdout


def test_people_get_what_is_known_and_the_table_to_paste(tmp_path: Path) -> None:
    with simulator("chafon", tmp_path) as link:
        done = detect_command(link)
    assert done.returncode == 0
    head, _, table = done.stdout.partition("\n\n")
    assert head.splitlines()[0].split() == ["driver", "chafon"]
    assert "verified frames" in head
    assert tomllib.loads(table)["readers"][0]["mode"] == "push"
    assert "Now asking" not in done.stderr


def test_people_are_warned_before_anything_is_asked(tmp_path: Path) -> None:
    with simulator("r2000", tmp_path, on_tcp=True) as where:
        done = detect_command(where)
    assert done.returncode == 0
    before, _, after = done.stderr.partition("Nothing identified itself. Now asking")
    assert "if that may be a scale or a PLC, end it now (Ctrl-C) and use --listen-only" in before
    assert "r2000" in after


def test_who_only_listens_is_warned_of_nothing(tmp_path: Path) -> None:
    with simulator("line", tmp_path) as link:
        done = detect_command(link, "--listen-only")
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_the_help_warns_of_other_devices() -> None:
    text = " ".join(detect_command("--help").stdout.split())
    assert "WARNING: asking is hostile to whatever is no RFID reader: a scale or a PLC" in text


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        (["/dev/there-is-no-such-port"], 1, "there is no such port; is the reader plugged in"),
        (["/dev/null"], 1, "cannot open /dev/null"),
        (["socket://127.0.0.1:9"], 1, "cannot connect to socket://127.0.0.1:9"),
        (["ttyUSB0"], 2, "'ttyUSB0' is no port: expected a path"),
        (["ftp://127.0.0.1:9"], 2, "is no port: expected a path"),
        (["/dev/ttyS0", "--parity", "mark"], 2, "--parity"),
        ([], 2, "Missing argument 'PORT'"),
    ],
)
def test_what_goes_wrong_is_said_in_words(words: list[str], exit_code: int, told: str) -> None:
    done = detect_command(*words)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_port_that_another_program_holds_is_not_looked_at(tmp_path: Path) -> None:
    with simulator("chafon", tmp_path) as link, serial.Serial(str(link), exclusive=True):
        done = detect_command(link)
    assert done.returncode == 1
    assert "already in use by another program" in done.stderr


def test_a_peer_that_hangs_up_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def hang_up() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(ReaderError, match="closed the connection"):
            list(detect_serial(DetectionRequest(f"socket://127.0.0.1:{port}")))
        thread.join(60)


def test_nobody_on_the_line_is_exit_code_1_and_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = detect_command(f"socket://127.0.0.1:{server.getsockname()[1]}", "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing arrived and nothing answered" in done.stderr


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A line on which something that is no reader talks and never stops."""
    ours, theirs = os.openpty()
    stopped = threading.Event()

    def talk() -> None:
        while not stopped.wait(0.05):
            os.write(ours, bytes.fromhex("C88C00088200"))

    thread = threading.Thread(target=talk)
    settings = termios.tcgetattr(theirs)
    settings[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    thread.start()
    yield ours, os.ttyname(theirs)
    stopped.set()
    thread.join(60)
    os.close(ours)
    os.close(theirs)


def test_an_unknown_protocol_is_shown_with_what_arrived(terminal: tuple[int, str]) -> None:
    done = detect_command(terminal[1], "--listen-only")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no known protocol makes frames of them" in done.stderr
    assert "at 115200 baud" in done.stderr
    assert "C8 8C 00 08 82" in done.stderr


def test_text_that_is_no_tag_is_shown_as_text() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def weigh() -> None:
            with server.accept()[0] as client:
                client.sendall(b"ST,GS,+  12.345kg\r\n")
                client.recv(1)

        thread = threading.Thread(target=weigh)
        thread.start()
        done = detect_command(f"socket://127.0.0.1:{server.getsockname()[1]}", "--listen-only")
        thread.join(60)
    assert done.returncode == 1
    assert r"'ST,GS,+  12.345kg\r\n'" in done.stderr


def test_ctrl_c_ends_it_and_lets_the_port_go(terminal: tuple[int, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, PROGRAM, "detect", terminal[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def is_locked() -> bool:
        try:
            serial.Serial(terminal[1], exclusive=True).close()
        except serial.SerialException:
            return True
        return False

    eventually(is_locked, "the port is looked at")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "Traceback" not in err
    assert not is_locked()
