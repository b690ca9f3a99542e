"""A door with one antenna and two photo-eyes, from the wire of a simulated reader to a subscriber of a real broker."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.clock import SystemClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.world.sighting import Sighting
from tests.e2e.running import mqtt_table, running_gateway
from tests.servers import Mosquitto, Subscriber, eventually, subscriber

SSCC = "340123450000000017"
EPC = "314D7EA5A441C9C381000000"
SECOND = 1_000_000
OWN = "rfid/hamburg/gate-1"
INSIDE, OUTSIDE = 1, 2
CONFIGURATION = """\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{folder}"
{mqtt}
[[readers]]
id = "dock-1"
driver = "llrp"
host = "{host}"
port = {port}
[[doors]]
id = "door-1"
antennas = ["dock-1:1"]
photo_eyes = ["dock-1:1", "dock-1:2"]
read_point = "urn:epc:id:sgln:4012345.00010.door-1"
[doors.in]
biz_step = "arriving"
[doors.out]
biz_step = "departing"
[[outputs]]
reader = "dock-1"
port = 1
on = ["ok"]
seconds = 2.0
[[outputs]]
reader = "dock-1"
port = 3
on = ["wrong_door"]
door = "door-1"
seconds = 2.0
[alerts]
reader_down_after_s = 2.0
"""
GREEN, RED = 0, 2
"""Places in the simulated reader's tuple of outputs: ports 1 and 3."""


class Doorway:
    """What the one antenna hears: a tag that comes and goes once, when it is told to. Times are of the world, µs."""

    def __init__(self) -> None:
        self.middle: int | None = None
        """Written once by the test, read by the simulator's thread."""

    def radio(self, start: int, end: int) -> list[Sighting]:
        middle = self.middle
        if middle is None:
            return []
        tick = 50_000
        first = -(-start // tick) * tick
        moments = [at for at in range(first, end, tick) if abs(at - middle) < 1.5 * SECOND]
        return [Sighting(at, "dock-1", 1, EPC, -40.0 - abs(at - middle) / 60_000) for at in moments]


def latest(backend: Subscriber, topic: str) -> list[dict[str, Any]]:
    return [json.loads(payload) for payload in backend.payloads(topic)]


def pass_beams(server: LlrpReaderServer, first: int, second: int) -> None:
    """A load goes through, at the pace of a forklift."""
    for port, high in ((first, False), (second, False), (first, True), (second, True)):
        server.set_gpi(port, high=high)
        time.sleep(0.4)


@pytest.mark.timeout(120)
def test_beams_and_a_tag_become_an_event_and_a_stopped_reader_an_alert(tmp_path: Path, mosquitto: Mosquitto) -> None:
    doorway = Doorway()
    began = SystemClock().monotonic_us()
    server = LlrpReaderServer(sources=Sources(doorway.radio)).start(began)
    configuration = tmp_path / "gateway.toml"
    host, port = server.address
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, mqtt=mqtt_table(mosquitto), host=host, port=port))
    try:
        with subscriber(mosquitto) as backend, running_gateway(configuration) as gateway:
            announced = json.dumps({"units": [{"sscc": SSCC}], "planned_door": "door-9"}).encode()
            backend.publish("rfid/hamburg/directory/shipments/S-1", announced, retain=True)
            eventually(lambda: gateway.online("dock-1"), "the reader is online")
            eventually(lambda: bool(gateway.ask("shipments", "list")), "the entry has arrived")
            for eye in (INSIDE, OUTSIDE):
                server.set_gpi(eye, high=True)
            doorway.middle = SystemClock().monotonic_us() - began + 2 * SECOND
            time.sleep(1.0)
            pass_beams(server, INSIDE, OUTSIDE)

            events = f"{OWN}/events/departing"
            eventually(lambda: bool(backend.payloads(events)), "the event arrives")
            (event,) = latest(backend, events)
            eventually(lambda: server.outputs[RED], "the red light is on")
            eventually(lambda: not server.outputs[RED], "the red light is off again")
            assert not server.outputs[GREEN]
            assert (event["shipment_id"], event["direction"], event["verdict"]) == ("S-1", "out", "wrong_door")
            assert event["confidence"] == pytest.approx(0.98, abs=0.01)
            eventually(lambda: bool(latest(backend, f"{OWN}/alerts")), "the wrong door is an alert")
            assert [(a["kind"], a["shipment"], a["door"]) for a in latest(backend, f"{OWN}/alerts")] == [
                ("wrong_door", "S-1", "door-1")
            ]
            (state,) = gateway.ask("status")
            dock = state["readers"]["dock-1"]
            assert (dock["state"], dock["reads"] > 10, dock["last_read_at"] is not None) == ("online", True, True)

            server.stop()
            eventually(lambda: len(latest(backend, f"{OWN}/alerts")) > 1, "the stopped reader is an alert")
            down = latest(backend, f"{OWN}/alerts")[-1]
            assert (down["kind"], down["severity"], down["reader"]) == ("reader_down", "error", "dock-1")
            state_now = latest(backend, f"{OWN}/readers/dock-1/status")[-1]
            assert state_now["state"] in {"offline", "connecting"}
            assert state_now["last_error"]
    finally:
        server.stop()
