"""`rfid-gateway setup` as an administrator uses it: on a terminal, to the first event at a real broker."""

import json
import os
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from paho.mqtt.client import Client

from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import PtyWire
from rfid_simulators.serial_cli import standing_tags
from tests.asyncapi import Contract
from tests.e2e.conftest import MakeBroker
from tests.e2e.running import PROGRAM, command, running_gateway
from tests.proxy import Proxy
from tests.servers import Mosquitto, eventually, free_port, subscriber
from tests.terminal import Terminal

SECRET = "Gehéim-ß 1"
RULES = """\
user pc-1
topic readwrite rfid/bremen/pc-1/#
topic read rfid/bremen/directory/#
user backend
topic readwrite rfid/#
"""
LLRP_EPC, SERIAL_EPC = "303400000000000000000011", "303400000000000000000022"
GLN = "4012345000009"
READERS = ("--reader", "dock-1=llrp://127.0.0.1:9")
DOOR = ("--door", "door-1=dock-1:1/dock-1:2")


@dataclass(frozen=True, slots=True)
class Site:
    """A broker with TLS, users and rules, and the authority that signed its certificate."""

    broker: Mosquitto
    ca: Path

    @property
    def address(self) -> str:
        return f"{self.broker.host}:{self.broker.port}"

    def backend(self, client: Client) -> None:
        """Give a client of the tests what the broker asks for."""
        client.tls_set(str(self.ca))
        client.username_pw_set("backend", SECRET)


@pytest.fixture
def site(make_broker: MakeBroker, tmp_path: Path) -> Site:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    files = {name: tmp_path / name for name in ("ca.pem", "broker.pem", "broker.key", "passwords", "rules")}
    authority.cert_pem.write_to_path(str(files["ca.pem"]))
    leaf.cert_chain_pems[0].write_to_path(str(files["broker.pem"]))
    leaf.private_key_pem.write_to_path(str(files["broker.key"]))
    files["passwords"].write_text(f"pc-1:{SECRET}\nbackend:{SECRET}\n")
    if subprocess.run(["mosquitto_passwd", "-U", str(files["passwords"])], check=False).returncode:
        pytest.fail("mosquitto_passwd cannot hash the passwords")
    files["rules"].write_text(RULES)
    broker = make_broker(
        f"cafile {files['ca.pem']}",
        f"certfile {files['broker.pem']}",
        f"keyfile {files['broker.key']}",
        "allow_anonymous false",
        f"password_file {files['passwords']}",
        f"acl_file {files['rules']}",
    )
    return Site(broker, files["ca.pem"])


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "gateway.toml"


def setup(output: Path, *words: str | Path) -> Terminal:
    return Terminal([PROGRAM, "setup", "--output", output, *words])


def answered(output: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "setup", "--output", output, "--no-input", *words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def answer_gateway(terminal: Terminal) -> None:
    terminal.answers("Name of the site", "bremen")
    terminal.answers("Name of this gateway", "pc-1")
    terminal.answers("Time zone", "Europe/Berlin")


def answer_broker(terminal: Terminal, site: Site, password: str = SECRET) -> None:
    terminal.answers("Broker (", site.address)
    terminal.answers("Encrypted (TLS)?", "y")
    terminal.answers("File of its authority", str(site.ca))
    terminal.answers("User name", "pc-1")
    terminal.answers("Password", password)


def own_address() -> str:
    """An address of loopback that no other run on this machine uses for LLRP."""
    return f"127.{1 + os.getpid() // 62500 % 250}.{1 + os.getpid() // 250 % 250}.{1 + os.getpid() % 250}"


@pytest.fixture
def readers(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of an LLRP reader, and the port of a serial one."""
    with ExitStack() as stack:
        sources = Sources(standing_tags([LLRP_EPC], 100_000))
        llrp = stack.enter_context(LlrpReaderServer(sources=sources))
        stack.enter_context(Proxy(llrp.address[1], (own_address(), 5084)))
        wire = PtyWire(tmp_path / "ttyUSB7")
        firmware = SimulatedChafon(ChafonSetting(pushing=True))
        stack.enter_context(SerialReaderServer(firmware, standing_tags([SERIAL_EPC], 100_000), wire))
        yield own_address(), wire.url


@pytest.mark.timeout(240)
def test_a_gateway_that_was_set_up_on_a_terminal_delivers_events(
    site: Site, output: Path, readers: tuple[str, str], shared: Path
) -> None:
    host, port = readers
    with setup(output) as terminal:
        answer_gateway(terminal)
        answer_broker(terminal, site)
        terminal.sees("ok      connected, MQTT 5")
        terminal.sees("ok      may publish below rfid/bremen/pc-1")
        terminal.answers("Networks to look through", f"{host}/32")
        terminal.answers("Serial ports to ask", port)
        terminal.sees("Impinj Speedway R420")
        terminal.sees("chafon")
        terminal.answers("Readers to use", "all")
        terminal.answers("Name of the reader", "Tor Süd")
        terminal.answers("[tor-sued]")
        terminal.answers("Name of the reader", "table")
        terminal.answers("Another reader")
        terminal.answers("GLN of the site", GLN)
        terminal.answers("Where is tor-sued", "zone")
        terminal.answers("Name of the zone", "storage")
        for _ in range(4):
            terminal.sees("]")
            terminal.types()
        terminal.answers("Where is table", "zone")
        terminal.answers("Name of the zone", "packing")
        for question in ("Antennas", "What arriving there is", "Read point", "Business location"):
            terminal.answers(question)
        terminal.answers("Another door or zone")
        terminal.answers("Write ", "yes")
        terminal.sees(f"{PROGRAM} run --config {output}")
        assert terminal.ends() == 0
        assert SECRET not in terminal.screen

    password_file = output.with_name("mqtt-password")
    assert password_file.read_text() == f"{SECRET}\n"
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    assert sorted(file.name for file in output.parent.iterdir()) == ["gateway.toml", "mqtt-password"]

    check = command("check", "--connect", "--config", output)
    assert check.returncode == 0, check.stdout + check.stderr
    with subscriber(site.broker, "rfid/#", site.backend) as backend, running_gateway(output) as gateway:
        eventually(lambda: gateway.online("tor-sued", "table"), "both readers are online")
        for shipment, epc in (("S-1", LLRP_EPC), ("S-2", SERIAL_EPC)):
            entry = json.dumps({"units": [{"epc": epc}]}).encode()
            backend.publish(f"rfid/bremen/directory/shipments/{shipment}", entry, retain=True)
        events = "rfid/bremen/pc-1/events/"
        eventually(lambda: len(backend.payloads(events)) >= 2, "both tags are events", patience_s=60)
        told = [(topic, payload) for topic, payload in backend.received if topic.startswith(events)]
    places = {}
    contract = Contract(json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text()))
    for topic, payload in told:
        assert contract.faults_on(topic, payload) == []
        event = json.loads(payload)
        places[event["shipment_id"]] = (event["epcis"]["bizStep"], event["epcis"]["readPoint"]["id"])
    assert places == {
        "S-1": ("storing", f"https://id.gs1.org/414/{GLN}/254/storage"),
        "S-2": ("packing", f"https://id.gs1.org/414/{GLN}/254/packing"),
    }


def test_what_options_said_can_be_corrected_at_the_end(output: Path) -> None:
    options = ("--site", "bremen", "--gateway", "pc-1", "--time-zone", "UTC", "--broker", "127.0.0.1", "--username", "")
    with setup(output, *options, *READERS, *DOOR, "--no-test") as terminal:
        terminal.answers("Encrypted", "n")
        terminal.answers("Write ", "broker")
        terminal.answers("[127.0.0.1:1883]", "::1")
        terminal.answers("Encrypted", "y")
        terminal.answers("File of its authority")
        terminal.answers("User name")
        terminal.answers("Write ", "readers")
        terminal.sees("dock-1")
        terminal.answers("Readers to keep")
        terminal.answers("Networks to look through", "-")
        terminal.answers("Serial ports to ask")
        terminal.answers("Another reader", "llrp://127.0.0.1:10")
        terminal.answers("Name of the reader", "dock-1")
        terminal.sees("'dock-1' is taken")
        terminal.answers("[llrp-1]", "dock-2")
        terminal.answers("Another reader")
        terminal.answers("Write ", "y")
        assert terminal.ends() == 0
    written = tomllib.loads(output.read_text())
    assert written["mqtt"] == {"host": "::1", "port": 8883, "tls": {}}
    assert [(reader["id"], reader["port"]) for reader in written["readers"]] == [("dock-1", 9), ("dock-2", 10)]
    assert [door["id"] for door in written["doors"]] == ["door-1"]


def test_what_the_broker_refuses_is_said_and_corrected(site: Site, output: Path) -> None:
    with setup(output, *READERS, *DOOR) as terminal:
        terminal.answers("Name of the site", "bremen")
        terminal.answers("Name of this gateway", "pc-2")
        terminal.answers("Time zone", "Europe/Berlin")
        answer_broker(terminal, site, "wrong")
        terminal.sees("FAILED  broker refuses the connection: Not authorized")
        terminal.answers("What now", "correct")
        for question in ("Broker (", "Encrypted (TLS)?", "File of its authority", "User name"):
            terminal.answers(question)
        terminal.answers("Password", SECRET)
        terminal.sees("ok      connected, MQTT 5")
        terminal.sees("FAILED  publish on rfid/bremen/pc-2/setup: Not authorized")
        terminal.sees("it must allow writing to rfid/bremen/pc-2/#")
        terminal.answers("What now", "keep")
        terminal.answers("Write ", "gateway")
        terminal.answers("[bremen]")
        terminal.answers("[pc-2]", "pc-1")
        terminal.answers("Time zone")
        terminal.answers("Write ")
        assert terminal.ends() == 0
    assert tomllib.loads(output.read_text())["gateway"]["id"] == "pc-1"


def test_wrong_answers_are_explained_and_asked_again(output: Path) -> None:
    with setup(output, "--no-test") as terminal:
        terminal.answers("Name of the site")
        terminal.sees("a site needs a name")
        terminal.answers("Name of the site", "Köln/Süd")
        terminal.sees("'koeln-sued' would do")
        terminal.answers("[koeln-sued]")
        terminal.answers("Name of this gateway", "pc-1")
        terminal.answers("Time zone", "Europe/Belrin")
        terminal.sees("did you mean 'Europe/Berlin'?")
        terminal.answers("Time zone", "Europe/Berlin")
        terminal.answers("Broker (", "[fd00::1]:99999")
        terminal.sees("the port from 1 to 65535")
        terminal.answers("Broker (", "fd00::1")
        terminal.answers("Encrypted (TLS)?", "n")
        terminal.answers("User name")
        terminal.answers("Networks to look through", "10.0.0.0/8")
        terminal.sees("expected /22 (1024) or less")
        terminal.answers("Networks to look through", "-")
        terminal.answers("Serial ports to ask", "99")
        terminal.sees("'99'")
        terminal.answers("Serial ports to ask", "/dev/there-is-no-such-port")
        terminal.sees("there is no such port")
        terminal.answers("Address of a reader")
        terminal.sees("a gateway needs one reader at least")
        terminal.answers("Address of a reader", "llpr://[fd00::5]")
        terminal.sees("did you mean 'llrp'?")
        terminal.answers("Address of a reader", "llrp://[fd00::5]:5085?tls=true&antennas=1,2")
        terminal.answers("Name of the reader at [fd00::5]:5085", "gate")
        terminal.answers("Another reader")
        terminal.answers("GLN of the site", "4012345000010")
        terminal.sees("the last one would be 6")
        terminal.answers("GLN of the site")
        terminal.answers("Where is gate", "later")
        terminal.sees("needs one door or zone at least")
        terminal.answers("Where is gate", "door")
        terminal.answers("Name of the door", "Tür 1")
        terminal.answers("[tuer-1]")
        terminal.answers("Antennas inside", "1")
        terminal.answers("Antennas outside", "1")
        terminal.sees("each antenna is on one side")
        terminal.answers("Antennas outside", "gato:2")
        terminal.sees("did you mean 'gate'?")
        terminal.answers("Antennas outside", "gate:2")
        terminal.answers("What coming in is", "stoering")
        terminal.sees("did you mean 'storing'?")
        terminal.answers("What coming in is")
        terminal.answers("What going out is")
        terminal.answers("Read point", "Tür 1")
        terminal.sees("is no URI")
        terminal.answers("Read point")
        terminal.answers("Business location")
        terminal.answers("Another door or zone")
        terminal.answers("Write ")
        assert terminal.ends() == 0
    written = tomllib.loads(output.read_text())
    assert written["mqtt"] == {"host": "fd00::1", "port": 1883}
    assert written["readers"] == [
        {"id": "gate", "driver": "llrp", "host": "fd00::5", "port": 5085, "tls": True, "antennas": [1, 2]}
    ]
    assert written["doors"][0]["read_point"] == "urn:rfid-gateway:koeln-sued:tuer-1"
    assert command("check", "--config", output).returncode == 0


def test_places_that_contradict_each_other_are_shown_before_anything_is_written(output: Path) -> None:
    options = ("--site", "bremen", "--gateway", "pc-1", "--time-zone", "UTC", "--broker", "127.0.0.1", "--no-test")
    with setup(output, *options, "--username", "", *READERS) as terminal:
        terminal.answers("Encrypted", "n")
        terminal.answers("GLN of the site")
        for zone, again in (("storage", "zone"), ("packing", "no")):
            if zone == "storage":
                terminal.answers("Where is dock-1", "zone")
            terminal.answers("Name of the zone", zone)
            for question in ("Antennas", "What arriving there is", "Read point", "Business location"):
                terminal.answers(question)
            terminal.answers("Another door or zone", again)
        terminal.sees("of reader 'dock-1' is at zone 'storage' and 'packing'")
        terminal.answers("What to correct", "places")
        terminal.answers("GLN of the site")
        terminal.answers("Where is dock-1", "door")
        terminal.answers("Name of the door")
        for question in ("inside", "outside", "coming in", "going out", "Read point", "Business location"):
            terminal.answers(question)
        terminal.answers("Another door or zone")
        terminal.answers("Write ", "quit")
        terminal.sees("nothing was written")
        assert terminal.ends() == 1
    assert not output.parent.exists()


@pytest.mark.parametrize("question", ["Name of the site", "Broker (", "Password", "Networks to look", "Write "])
@pytest.mark.parametrize("way", ["ctrl-c", "ctrl-d"])
def test_ending_it_at_a_question_leaves_everything_as_it_was(site: Site, output: Path, question: str, way: str) -> None:
    options = (*READERS, *DOOR) if question == "Write " else ()
    with setup(output, *options) as terminal:
        if question != "Name of the site":
            answer_gateway(terminal)
        if question in ("Networks to look", "Write "):
            answer_broker(terminal, site)
        if question == "Password":
            terminal.answers("Broker (", site.address)
            terminal.answers("Encrypted (TLS)?", "n")
            terminal.answers("User name", "pc-1")
        terminal.sees(question)
        terminal.sees(": ")
        if way == "ctrl-c":
            terminal.presses_ctrl_c_until("ended: nothing was written")
        else:
            terminal.presses_ctrl_d()
            terminal.sees("ended: nothing was written")
        assert terminal.ends() == 1
        assert "Traceback" not in terminal.screen
    assert not output.parent.exists()


def test_a_search_is_ended_by_ctrl_c_and_the_set_up_goes_on(output: Path) -> None:
    options = ("--site", "bremen", "--gateway", "pc-1", "--time-zone", "UTC", "--broker", "127.0.0.1", "--no-test")
    with setup(output, *options, "--username", "") as terminal:
        terminal.answers("Encrypted", "n")
        terminal.answers("Networks to look through", "none")
        terminal.sees("listening for announcements")
        terminal.presses_ctrl_c_until("This search is ended")
        terminal.sees("Serial ports to ask")
        terminal.presses_ctrl_c_until("nothing was written")
        assert terminal.ends() == 1
    assert not output.exists()


def test_a_configuration_that_is_there_is_replaced_only_when_said_and_kept(output: Path) -> None:
    output.parent.mkdir()
    shutil.copy(Path(__file__).parents[2] / "config/gateway.toml", output)
    before = output.read_text() + "# mine\n"
    output.write_text(before)
    output.chmod(0o640)
    with setup(output) as terminal:
        terminal.sees("is there already")
        terminal.answers("Write a new one?")
        assert terminal.ends() == 1
    assert output.read_text() == before
    with setup(output, *READERS, *DOOR, "--no-test") as terminal:
        terminal.answers("Write a new one?", "y")
        for question in ("[hamburg]", "[gate-1]", "Time zone", "[127.0.0.1:1883]", "Encrypted", "User name", "Write "):
            terminal.answers(question)
        terminal.sees("kept ")
        assert terminal.ends() == 0
    old, new = sorted(output.parent.iterdir(), key=lambda file: len(file.name), reverse=True)
    assert (old.read_text(), new) == (before, output)
    assert old.name.startswith("gateway.toml.2")
    assert [stat.S_IMODE(file.stat().st_mode) for file in (old, new)] == [0o640, 0o640]


def test_the_example_of_a_fresh_package_is_replaced_without_a_question(output: Path) -> None:
    output.parent.mkdir()
    shutil.copy(Path(__file__).parents[2] / "config/gateway.toml", output)
    done = answered(output, "--site", "bremen", "--broker", "127.0.0.1", *READERS, *DOOR, "--no-test")
    assert done.returncode == 0, done.stderr
    assert [file.name for file in output.parent.iterdir()] == ["gateway.toml"]
    assert tomllib.loads(output.read_text())["gateway"]["site"] == "bremen"


def test_without_a_terminal_the_names_of_the_missing_options_are_said(output: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "setup", "--output", output],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is no terminal" in done.stderr
    assert "--site, --broker, --reader, --door or --zone" in done.stderr
    done = answered(output, "--site", "bremen", *READERS)
    assert done.returncode == 2
    assert "missing: --broker, --door or --zone" in done.stderr
    assert not output.parent.exists()


def test_options_alone_make_the_same_file_each_time(site: Site, output: Path, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text(f"{SECRET}\n")
    login = ("--tls-ca", site.ca, "--username", "pc-1", "--password-file", password)
    words = ("--site", "bremen", "--gateway", "pc-1", "--time-zone", "Europe/Berlin", "--broker", site.address, *login)
    zone = ("--reader", "gate=serial:///dev/ttyUSB7?protocol=chafon&baud=9600", "--zone", "packing=gate")
    first = answered(output, *words, *READERS, *zone, *DOOR)
    assert first.returncode == 0, first.stdout + first.stderr
    text = output.read_text()
    assert answered(output, *words, *READERS, *zone, *DOOR).returncode == 2
    assert output.read_text() == text
    again = answered(output, *words, *READERS, *zone, *DOOR, "--force")
    assert (again.returncode, output.read_text()) == (0, text)
    assert command("check", "--config", output).returncode == 0
    assert SECRET not in text + first.stdout + first.stderr


def test_a_broker_that_does_not_answer_means_that_nothing_is_written(output: Path) -> None:
    words = ("--site", "bremen", "--broker", f"127.0.0.1:{free_port()}", *READERS, *DOOR)
    done = answered(output, *words)
    assert done.returncode == 1
    assert "Connection refused" in done.stdout
    assert "nothing was written; --no-test" in done.stderr
    assert not output.exists()
    assert answered(output, *words, "--no-test").returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--site", "Köln"), "'koeln' would do"),
        (("--broker", "a b"), "'a b': expected"),
        (("--time-zone", "Berlin"), "is no IANA time zone"),
        (("--reader", "x=serial:///dev/ttyUSB0"), "does not say ?protocol="),
        (("--reader", "dock-1=llrp://10.0.0.1"), "'dock-1' is used twice"),
        (("--zone", "z=dock-9"), "no reader 'dock-9', did you mean 'dock-1'?"),
        (("--door", "d=dock-1:1"), "expected antennas inside / outside"),
        (("--locations", "4012345000010"), "is no GLN"),
        (("--locations", "Bremen Süd"), "is no URI"),
        (("--password-file", "/dev/null"), "--password-file needs --username"),
        (("--tls-ca", "/there/is/none.pem"), "No such file or directory"),
    ],
)
def test_a_wrong_option_is_exit_code_2_and_words(output: Path, words: tuple[str, ...], told: str) -> None:
    done = answered(output, "--site", "bremen", "--broker", "127.0.0.1", *READERS, *DOOR, "--no-test", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()
