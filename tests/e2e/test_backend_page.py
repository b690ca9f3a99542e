"""docs/backend.md, run as it is printed against the demo's warehouse and a running gateway."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from rfid_simulators.demo import Warehouse
from tests.conftest import skip_or_fail
from tests.e2e.running import RunningGateway, running_gateway
from tests.servers import eventually, mosquitto_path

PAGE = Path(__file__).parents[2] / "docs/backend.md"
PROGRAMS = {
    match[2]: match[1]
    for match in re.finditer(
        r"^```(?:python|sh)\n(# (\w+\.(?:py|sh)):.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
}
SAID = re.findall(r"^It prints\n\n```text\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@dataclass
class Terminal:
    """Where a reader of the page tries what stands there."""

    folder: Path
    port: int
    gateway: RunningGateway

    def start(self, name: str) -> subprocess.Popen[str]:
        """Run one program of the page."""
        (self.folder / name).write_text(PROGRAMS[name])
        shell = [sys.executable] if name.endswith(".py") else ["sh", "-eu"]
        return subprocess.Popen(
            [*shell, name],
            cwd=self.folder,
            env={**os.environ, "MQTT_PORT": str(self.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, name: str) -> str:
        """Run one program of the page to its end and return what it said."""
        said, complaints = (program := self.start(name)).communicate(timeout=150)
        assert (program.returncode, complaints) == (0, ""), complaints
        return said

    def kept(self) -> list[tuple[int, str]]:
        """Sequences and event ids in the order in which they were kept."""
        with closing(sqlite3.connect(self.folder / "events.db")) as database:
            return database.execute("SELECT sequence, event_id FROM location_events ORDER BY sequence").fetchall()


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    if mosquitto_path() is None:
        skip_or_fail("Mosquitto is not installed")
    folder = tmp_path_factory.mktemp("backend")
    configuration = folder / "gateway.toml"
    with Warehouse(lambda _: None) as plant:
        text = plant.configuration(folder)
        configuration.write_text(text)
        port = int(re.findall(r"^port = (\d+)$", text, re.MULTILINE)[0])
        with running_gateway(configuration) as gateway:
            eventually(lambda: gateway.online("dock-1", "storage-1", "packing-1"), "the readers are online")
            yield Terminal(folder, port, gateway)


def test_every_program_of_the_page_is_run_here() -> None:
    source = Path(__file__).read_text()
    assert sorted(PROGRAMS) == sorted(set(re.findall(r'(?:run|start)\("([\w.]+)"\)', source)))
    fenced = re.findall(r"^```(?:python|sh)$", PAGE.read_text(), re.MULTILINE)
    assert len(fenced) == len(PROGRAMS)


def test_look(terminal: Terminal) -> None:
    *events, state = terminal.run("look.sh").splitlines()
    assert [re.match(r"rfid/demo/gate-1/events/\w+ \{\"event_id\":", line) is not None for line in events] == [True] * 3
    assert state.startswith('rfid/demo/gate-1/status {"state":"online"')


@pytest.mark.timeout(240)
def test_the_consumer_keeps_every_event_once_through_kills(terminal: Terminal) -> None:
    """Killed three times, and sent two events again, it has each event once and none is missing."""
    for _ in range(3):
        before = len(terminal.kept()) if (terminal.folder / "events.db").exists() else 0
        consumer = terminal.start("consumer.py")
        eventually(lambda: _grown(terminal, before + 4), "four more events are kept", patience_s=90)  # noqa: B023
        consumer.kill()
        consumer.communicate()
    consumer = terminal.start("consumer.py")
    first = terminal.kept()[0]
    reply = terminal.run("ask.sh")
    assert reply.startswith('question-1: {"request_id":"replay-1","gateway":"gate-1","command":"replay",')
    assert '"replayed":2,' in reply
    last = max(sequence for sequence, _ in terminal.kept())
    eventually(lambda: terminal.kept()[-1][0] > last + 1, "events after the replay", patience_s=60)
    consumer.kill()
    consumer.communicate()
    kept = terminal.kept()
    sequences = [sequence for sequence, _ in kept if sequence >= first[0]]
    assert sequences == list(range(first[0], sequences[-1] + 1))
    assert len({event_id for _, event_id in kept}) == len(kept)
    lines = terminal.run("where.py").splitlines()
    assert [line for line in lines if "not here yet" in line and int(line.split()[1][:-1]) > first[0]] == []
    assert len([line for line in lines if "not here yet" not in line]) == len(kept)
    with closing(sqlite3.connect(terminal.folder / "events.db")) as database:
        assert database.execute("SELECT * FROM rejected").fetchall() == []


def test_announce_and_ask(terminal: Terminal) -> None:
    terminal.run("announce.sh")
    eventually(lambda: _directory_has(terminal, "S-1001"), "the entry has arrived")
    assert [terminal.run("ask.py")] == SAID
    assert _directory_has(terminal, "S-1002")
    assert not _directory_has(terminal, "S-1001")


def test_ask_over_3_1_1(terminal: Terminal) -> None:
    reply = terminal.run("ask_311.sh")
    assert reply.startswith('{"request_id":"status-1","gateway":"gate-1","command":"status","outcome":"done"')


def test_close_a_load(terminal: Terminal) -> None:
    status, reply = (json.loads(line) for line in terminal.run("close.sh").splitlines())
    assert (status["load_id"], status["state"]) == ("Tour 7", "open")
    assert (reply["outcome"], reply["result"]["missing"]) == ("done", 1)


def _grown(terminal: Terminal, count: int) -> bool:
    try:
        return len(terminal.kept()) >= count
    except sqlite3.OperationalError:
        return False


def _directory_has(terminal: Terminal, shipment_id: str) -> bool:
    return shipment_id in {row["shipment_id"] for row in terminal.gateway.ask("shipments", "list", "-n", "9999")}
