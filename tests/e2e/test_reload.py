"""A running gateway takes a changed configuration over: what did not change goes on, no event is lost or doubled."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.server import SerialReaderServer
from rfid_simulators.serial.wires import TcpWire
from rfid_simulators.steady_field import steady_field
from rfid_simulators.world.sighting import Radio, Sighting
from tests.e2e.conftest import MakeBroker
from tests.e2e.running import PROGRAM, RunningGateway, mqtt_table, running_gateway, until, wait_for_outbox
from tests.servers import Mosquitto, Subscriber, eventually, subscriber
from tests.small_disk import SmallDisk, disk

__all__ = ["disk"]

SECOND = 1_000_000
EVERY = 20_000
"""µs between two tags that come into the field: fifty events per second."""
UNITS = 3_000
OWN = "rfid/hamburg/gate-1"


def epc(number: int) -> str:
    return f"E200{number:020X}"


def conveyor(start: int, end: int) -> list[Sighting]:
    """Tag number n is heard three times, from `n * EVERY` on."""
    return sorted(
        Sighting(at, "hall", 1, epc(number), -50.0)
        for number in range(max(0, start // EVERY - 10), end // EVERY + 1)
        for at in (number * EVERY, number * EVERY + 40_000, number * EVERY + 80_000)
        if start <= at < end and number < UNITS
    )


@dataclass(frozen=True)
class Plan:
    """What the configuration file says."""

    state: Path
    mqtt: str
    readers: dict[str, str] = field(default_factory=dict)
    """Driver and its options, by reader id; each reader is a zone of its own."""
    steps: dict[str, str] = field(default_factory=dict)
    zone: str = ""
    """Further keys of each zone."""
    more: str = ""

    def text(self) -> str:
        gateway = f'[gateway]\nsite = "hamburg"\nid = "gate-1"\nstate_dir = "{self.state}"\n'
        readers = "".join(f'[[readers]]\nid = "{name}"\n{options}\n' for name, options in self.readers.items())
        zones = "".join(
            f'[[zones]]\nid = "{name}"\nantennas = ["{name}"]\nread_point = "urn:epc:id:sgln:4012345.00010.{name}"\n'
            f'{self.zone}\n[zones.arrived]\nbiz_step = "{self.steps.get(name, "storing")}"\n'
            for name in self.readers
        )
        return f"{gateway}{self.mqtt}{readers}{zones}{self.more}"


def llrp(server: LlrpReaderServer, more: str = "") -> str:
    host, port = server.address
    return f'driver = "llrp"\nhost = "{host}"\nport = {port}\n{more}'


class Hall:
    """A gateway with a conveyor before its reader, whose configuration file is edited while it runs."""

    def __init__(self, parts: ExitStack, tmp_path: Path, broker: Mosquitto, state: Path, mqtt: str = "") -> None:
        self.parts = parts
        self.began = SystemClock().monotonic_us()
        self.end = UNITS * EVERY
        self.server = self.reader(lambda start, end: list(until(conveyor, self.end)(start, end)))
        self.plan = Plan(state, mqtt or mqtt_table(broker), {"hall": llrp(self.server)})
        self.file = tmp_path / "gateway.toml"
        self.write(self.plan)
        self.backend: Subscriber = parts.enter_context(subscriber(broker, f"{OWN}/#"))
        units = [{"epc": epc(number)} for number in range(UNITS)]
        self.entry = json.dumps({"units": units}).encode()
        self.backend.publish("rfid/hamburg/directory/shipments/S-1", self.entry, retain=True)
        self.gateway: RunningGateway = parts.enter_context(running_gateway(self.file))

    def reader(self, radio: Radio) -> LlrpReaderServer:
        server = LlrpReaderServer(sources=Sources(radio)).start(self.began)
        self.parts.callback(server.stop)
        return server

    def write(self, plan: Plan) -> None:
        self.plan = plan
        self.file.write_text(plan.text())

    def reload(self, plan: Plan) -> None:
        self.write(plan)
        self.gateway.reload()

    def status(self) -> dict[str, Any]:
        (state,) = self.gateway.ask("status")
        return state

    def events(self, *listeners: Subscriber) -> list[dict[str, Any]]:
        return [
            json.loads(payload)
            for listener in listeners or (self.backend,)
            for payload in listener.payloads(f"{OWN}/events/")
        ]

    def wait_for_more(self, events: int = 20) -> None:
        before = len(self.events())
        eventually(lambda: len(self.events()) >= before + events, "events go on")

    def stop_conveyor(self, *listeners: Subscriber) -> int:
        """Stop it and wait for the last event; returns how many tags came by."""
        self.end = SystemClock().monotonic_us() - self.began
        last = max(number for number in range(UNITS) if number * EVERY + 80_000 < self.end)
        eventually(lambda: last in tags(self.events(*listeners)), f"the event of tag {last}", patience_s=60)
        wait_for_outbox(self.gateway)
        return last + 1

    def said_of(self, reader: str) -> list[bytes]:
        return self.backend.payloads(f"{OWN}/readers/{reader}/status")


def tags(events: list[dict[str, Any]]) -> list[int]:
    """Numbers of the conveyor's tags, as they arrived."""
    epcs = (event["epcis"]["epcList"][0] for event in events)
    return [int(each[-20:], 16) for each in epcs if each.startswith("urn:epc:raw:96.xE200")]


def refused(gateway: RunningGateway) -> list[str]:
    return [line for line in gateway.log().splitlines() if "event=reload.refused" in line]


@pytest.fixture
def hall(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Hall]:
    with ExitStack() as parts:
        hall = Hall(parts, tmp_path, mosquitto, tmp_path / "state")
        eventually(lambda: hall.gateway.online("hall"), "the reader is online")
        hall.wait_for_more()
        yield hall


@pytest.mark.timeout(180)
def test_ten_reloads_under_traffic_lose_and_double_nothing_and_leave_the_connections_alone(hall: Hall) -> None:
    first = min(tags(hall.events()))
    for number in range(10):
        # Observation begins with other rules each time, and goes on with what it has in mind.
        hall.reload(replace(hall.plan, zone=f"depart_after_s = {40 + number}.0"))
        hall.wait_for_more()
    count = hall.stop_conveyor()
    events = hall.events()
    sequences = [event["sequence"] for event in events]
    assert sequences == list(range(1, len(events) + 1))
    seen = tags(events)
    assert sorted(seen)[: count - first] == list(range(first, count)), "every tag that came by, once"
    assert len(seen) == len(set(seen))
    assert hall.server.connections == 1
    (state,) = (json.loads(payload) for payload in hall.backend.payloads(f"{OWN}/status")[-1:])
    assert state["connections"] == 1
    assert hall.status()["readers"]["hall"]["reconnects"] == 0


@pytest.mark.timeout(180)
def test_readers_come_go_and_change_and_the_others_do_not_notice(hall: Hall) -> None:
    shelf = hall.reader(steady_field("shelf", rate=50, tags=3))
    firmware = SimulatedChafon(ChafonSetting())
    table = hall.parts.enter_context(SerialReaderServer(firmware, steady_field("table", rate=50, tags=3), TcpWire(0)))
    plain = hall.plan
    serial = f'driver = "chafon"\nport = "{table.url}"'
    hall.reload(replace(plain, readers=plain.readers | {"shelf": llrp(shelf), "table": serial}))
    eventually(lambda: hall.gateway.online("hall", "shelf", "table"), "the new readers are online")
    hall.reload(replace(plain, readers=plain.readers | {"shelf": llrp(shelf, "antennas = [1]")}))
    eventually(lambda: hall.gateway.online("hall", "shelf"), "the changed reader is online again")
    eventually(lambda: set(hall.status()["readers"]) == {"hall", "shelf"}, "the status knows of the one that is gone")
    eventually(lambda: hall.said_of("table")[-1:] == [b""], "the status of the reader that is gone is cleared")
    assert (hall.server.connections, shelf.connections) == (1, 2)
    hall.reload(plain)
    eventually(lambda: hall.said_of("shelf")[-1:] == [b""], "the other one, too")
    hall.wait_for_more()
    assert hall.server.connections == 1
    assert "kind=reader" not in hall.gateway.log(), "nobody is called because a reader was taken out"
    hall.stop_conveyor()
    sequences = [event["sequence"] for event in hall.events()]
    assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.timeout(180)
def test_another_broker_gets_what_follows_and_nothing_is_lost_or_doubled(hall: Hall, make_broker: MakeBroker) -> None:
    other = make_broker()
    second = hall.parts.enter_context(subscriber(other, f"{OWN}/#"))
    hall.reload(replace(hall.plan, mqtt=mqtt_table(other)))
    eventually(lambda: len(hall.events(second)) > 50, "events arrive at the second broker")
    first = min(tags(hall.events()))
    count = hall.stop_conveyor(second)
    events = hall.events(hall.backend, second)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert set(range(first, count)) <= set(tags(events))
    assert json.loads(hall.backend.payloads(f"{OWN}/status")[-1])["state"] == "offline"
    eventually(lambda: bool(second.payloads(f"{OWN}/shipments/S-1/status")), "the shipment's status is there, too")
    assert json.loads(second.payloads(f"{OWN}/readers/hall/status")[-1])["state"] == "online"
    eventually(lambda: hall.status()["published"] == len(events), "all of them are counted")
    assert hall.server.connections == 1


@pytest.mark.timeout(120)
def test_a_new_password_is_taken_up(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker("allow_anonymous true")
    password = tmp_path / "password"
    password.write_text("one\n")
    table = f'{mqtt_table(broker)}username = "gateway"\npassword_file = "{password}"\n'
    with ExitStack() as parts:
        hall = Hall(parts, tmp_path, broker, tmp_path / "state", table)
        hall.wait_for_more()
        hall.gateway.reload()
        hall.wait_for_more()

        def connections() -> int:
            return int(json.loads(hall.backend.payloads(f"{OWN}/status")[-1]).get("connections", 0))

        assert connections() == 1
        password.write_text("two\n")
        hall.gateway.reload()
        eventually(lambda: connections() == 2, "it has connected again")
        hall.stop_conveyor()
        sequences = [event["sequence"] for event in hall.events()]
        assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.timeout(120)
def test_rules_take_effect_and_the_log_level_too(hall: Hall) -> None:
    hall.reload(replace(hall.plan, steps={"hall": "packing"}, more='[log]\nlevel = "error"\n'))
    eventually(lambda: bool(hall.backend.payloads(f"{OWN}/events/packing")), "events have the new step")
    eventually(lambda: hall.status()["reload"] is not None, "status tells of the reload")
    assert hall.status()["reload"]["mistakes"] == []
    time.sleep(3.0)  # the level follows with the main thread's next turn
    said = len(hall.gateway.log())
    hall.write(replace(hall.plan, more=""))
    hall.gateway.hang_up()
    eventually(lambda: bool(hall.backend.payloads(f"{OWN}/status")), "it goes on")
    hall.wait_for_more(100)
    assert "event=reload.applied" not in hall.gateway.log()[said:], "information is not logged at that level"


@pytest.mark.timeout(120)
def test_a_bad_or_missing_file_and_what_needs_a_restart_change_nothing(hall: Hall) -> None:
    good = hall.plan
    broken = good.text().replace("biz_step", "biz_stp").replace("site =", "sight =")
    hall.file.write_text(broken)
    hall.gateway.hang_up()
    eventually(lambda: len(refused(hall.gateway)) >= 3, "every mistake is logged")
    lines = refused(hall.gateway)
    assert any(f"{hall.file}:2: gateway.sight: unknown key" in line for line in lines)
    assert any("zones[0].arrived.biz_stp: unknown key" in line for line in lines)
    hall.file.unlink()
    hall.gateway.hang_up()
    eventually(lambda: "No such file" in refused(hall.gateway)[-1], "a missing file is said")
    moved = replace(good, state=good.state.with_name("elsewhere"), steps={"hall": "packing"})
    hall.write(moved)
    hall.gateway.hang_up()
    eventually(lambda: "needs a restart" in refused(hall.gateway)[-1], "what needs a restart is said")
    assert f"{hall.file}:4: gateway.state_dir: needs a restart" in refused(hall.gateway)[-1]
    hall.write(good)
    state: dict[str, Any] = {}
    eventually(lambda: bool(state.update(hall.status()) or state["reload"]["mistakes"]), "status tells of it")
    assert "needs a restart" in state["reload"]["mistakes"][0]
    hall.wait_for_more()
    assert not hall.backend.payloads(f"{OWN}/events/packing")
    assert not moved.state.exists()
    assert hall.server.connections == 1
    hall.gateway.reload()
    eventually(lambda: hall.status()["reload"]["mistakes"] == [], "a good one mends it")


@pytest.mark.timeout(120)
def test_a_command_takes_the_file_over_or_says_what_is_wrong_with_it(hall: Hall) -> None:
    rights = '[commands]\nallow = ["status", "reload"]\n'
    hall.reload(replace(hall.plan, more=rights))

    def ask(request_id: str) -> dict[str, Any]:
        asked = json.dumps({"request_id": request_id}).encode()
        hall.backend.publish(f"{OWN}/commands/reload", asked)

        def replies() -> list[dict[str, Any]]:
            told = (json.loads(payload) for payload in hall.backend.payloads(f"{OWN}/responses"))
            return [reply for reply in told if reply["request_id"] == request_id]

        eventually(lambda: bool(replies()), "there is an answer")
        return replies()[0]

    good = hall.plan
    hall.file.write_text(good.text().replace("biz_step", "biz_stp"))
    bad = ask("1")
    assert bad["outcome"] == "refused"
    assert any("zones[0].arrived.biz_stp: unknown key" in fault["problem"] for fault in bad["faults"])
    hall.write(replace(good, steps={"hall": "packing"}))
    done = ask("2")
    assert (done["outcome"], done["result"]["changed"]) == ("done", ["zones"])
    eventually(lambda: bool(hall.backend.payloads(f"{OWN}/events/packing")), "events have the new step")
    assert hall.server.connections == 1


@pytest.mark.timeout(120)
def test_signals_at_the_start_twice_and_at_the_end_do_no_harm(hall: Hall) -> None:
    hall.gateway.stop()
    before = len(hall.events())
    hall.gateway.start()
    eventually(hall.gateway.hears_hang_up, "the program has begun")
    for _ in range(20):
        hall.gateway.hang_up()
        time.sleep(0.05)
    eventually(lambda: len(hall.events()) > before + 20, "it has started all the same")
    hall.gateway.hang_up()
    hall.gateway.hang_up()
    hall.wait_for_more()
    connections = hall.server.connections
    assert connections == 2
    hall.write(replace(hall.plan, zone="depart_after_s = 45.0", readers={"hall": llrp(hall.server, "antennas = [1]")}))
    hall.gateway.hang_up()
    stopping = hall.gateway
    time.sleep(0.5)
    stopping.hang_up()
    assert "events" in stopping.stop()
    sequences = sorted({event["sequence"] for event in hall.events()})
    assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.timeout(240)
def test_a_reload_while_the_disk_is_full_and_while_the_database_is_damaged(
    tmp_path: Path, mosquitto: Mosquitto, disk: SmallDisk
) -> None:
    with ExitStack() as parts:
        hall = Hall(parts, tmp_path, mosquitto, disk.folder)
        hall.write(replace(hall.plan, more="[disk]\nballast_mb = 9\nlow_mb = 4\n"))
        hall.wait_for_more()
        hall.gateway.reload()
        disk.fill()
        eventually(lambda: hall.status()["disk"] != "ok" or hall.status()["database"] != "ok", "the disk is full")
        hall.reload(replace(hall.plan, zone="depart_after_s = 50.0"))
        disk.make_room()
        eventually(lambda: hall.status()["database"] == "ok", "there is room again")
        hall.wait_for_more()
        database = disk.folder / "gateway.db"
        with database.open("r+b") as file:
            size = database.stat().st_size
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        for _ in range(6):
            hall.gateway.hang_up()
            time.sleep(0.3)
        eventually(lambda: bool(hall.status()["databases_set_aside"]), "the damaged one is set aside", patience_s=60)
        hall.backend.publish("rfid/hamburg/directory/shipments/S-1", hall.entry, retain=True)
        hall.wait_for_more()
        hall.reload(replace(hall.plan, zone="depart_after_s = 55.0"))
        hall.stop_conveyor()
        seen = tags(hall.events())
        assert max(seen) > 0
        assert [line for line in hall.gateway.log().splitlines() if "Traceback" in line] == []


def test_the_service_manager_hears_of_a_reload_and_of_one_that_was_refused(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    plan = Plan(
        tmp_path / "state",
        '[mqtt]\nhost = "127.0.0.1"\nport = 1\n',
        {"hall": 'driver = "llrp"\nhost = "127.0.0.1"\nport = 1'},
    )
    file.write_text(plan.text())
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(0.1)

        def heard(words: str) -> bool:
            with suppress(TimeoutError):
                said.append(manager.recv(10_000).decode())
            return any(words in each for each in said)

        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(
            [PROGRAM, "run", "--config", file], env=environment, stderr=subprocess.DEVNULL
        ) as gateway:
            eventually(lambda: heard("READY=1"), "it is ready")
            said.clear()
            file.write_text(plan.text().replace("host", "hots", 1))
            gateway.send_signal(signal.SIGHUP)
            eventually(lambda: heard("last reload refused at"), "the status says that it was refused")
            eventually(lambda: heard("READY=1"), "it is ready again")
            assert said[0].startswith("RELOADING=1\nMONOTONIC_USEC=") or "RELOADING=1" in "".join(said)
            assert any(f"{file}:6: mqtt.hots" in each or f"{file}:5: mqtt" in each for each in said)
            said.clear()
            file.write_text(plan.text())
            gateway.send_signal(signal.SIGHUP)
            eventually(lambda: heard("RELOADING=1"), "it is heard again")
            eventually(lambda: heard("READY=1"), "and is applied")
            eventually(lambda: heard("STATUS=0 of 1"), "the status has forgotten the refusal")
            gateway.terminate()
            assert gateway.wait(60) == 0
