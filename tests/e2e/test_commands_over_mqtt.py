"""Commands to a running gateway through a real broker: on MQTT 3.1.1, retained by mistake, sent while it is away."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_site import Site, publish
from tests.e2e.running import mqtt_table, running_gateway, wait_for_outbox
from tests.mqtt5 import Backend5, backend5
from tests.servers import Mosquitto, eventually, free_port

OWN = "rfid/hamburg/gate-1"
SSCC = "340123450000000017"
CONFIGURATION = """\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{folder}"
{mqtt}
protocol = "{protocol}"
[commands]
allow = ["status", "restart_reader", "find_tag", "bind_tag", "unbind_tag", "close_load", "replay"]
[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {port}
[[zones]]
id = "storage"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"
"""


def configure(folder: Path, broker: Mosquitto, protocol: str) -> Path:
    file = folder / "gateway.toml"
    mqtt = mqtt_table(broker)
    file.write_text(CONFIGURATION.format(folder=folder, mqtt=mqtt, protocol=protocol, port=free_port()))
    return file


def replies(backend: Backend5) -> list[dict[str, Any]]:
    return backend.on(f"{OWN}/responses")


def reply_to(backend: Backend5, request_id: str, count: int = 1) -> dict[str, Any]:
    def mine() -> list[dict[str, Any]]:
        return [reply for reply in replies(backend) if reply["request_id"] == request_id]

    eventually(lambda: len(mine()) >= count, f"reply {count} to {request_id}")
    return mine()[count - 1]


def command(backend: Backend5, name: str, *, retain: bool = False, **fields: Any) -> None:
    backend.publish(f"{OWN}/commands/{name}", json.dumps(fields), retain=retain)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_commands_wait_for_a_gateway_that_is_away_unless_they_expire(
    tmp_path: Path, mosquitto: Mosquitto, protocol: str
) -> None:
    configuration = configure(tmp_path, mosquitto, protocol)
    with backend5(mosquitto.host, mosquitto.port) as backend, running_gateway(configuration) as gateway:
        command(backend, "status", request_id="before")
        eventually(lambda: bool(backend.on(f"{OWN}/status")), "the gateway is online")
        command(backend, "status", request_id="1")
        assert reply_to(backend, "1")["result"]["mqtt"] == protocol
        gateway.kill()
        entry = {"request_id": "b", "entries": [{"shipment_id": "S-1"}]}
        backend.publish("rfid/hamburg/directory/batch", json.dumps(entry))
        for _ in range(2):
            command(backend, "bind_tag", request_id="2", shipment_id="S-1", sscc=SSCC)
        command(backend, "restart_reader", request_id="3", reader="dock-1", expires_at="2026-01-01T00:00:00Z")
        gateway.start()
        assert reply_to(backend, "b")["outcome"] == "done"
        assert [reply_to(backend, "2", count)["repeated"] for count in (1, 2)] == [False, True]
        assert reply_to(backend, "3")["detail"].startswith("came too late")
        gateway.kill()
        gateway.start()
        command(backend, "bind_tag", request_id="2", shipment_id="S-1", sscc=SSCC)
        assert reply_to(backend, "2", 3)["repeated"] is True
        command(backend, "find_tag", request_id="4", sscc=SSCC)
        assert reply_to(backend, "4")["result"]["shipment_id"] == "S-1"


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_command_that_was_retained_is_not_carried_out(tmp_path: Path, mosquitto: Mosquitto, protocol: str) -> None:
    configuration = configure(tmp_path, mosquitto, protocol)
    with backend5(mosquitto.host, mosquitto.port) as backend:
        command(backend, "restart_reader", request_id="1", reader="dock-1", retain=True)
        with running_gateway(configuration) as gateway:
            assert reply_to(backend, "1")["outcome"] == "refused"
            backend.publish(f"{OWN}/commands/restart_reader", b"", retain=True)
            gateway.kill()
            gateway.start()
            command(backend, "status", request_id="2")
            assert reply_to(backend, "2")["outcome"] == "done"
            assert "reader.restart" not in gateway.log()


def test_events_are_published_again_on_demand_also_through_a_restart_of_the_broker(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    made = tmp_path / "made"
    made.mkdir()
    site = Site(made)
    publish(site.store, site, 30)
    site.store.close()
    (tmp_path / "gateway.db").write_bytes((made / "gateway.db").read_bytes())
    configuration = configure(tmp_path, mosquitto, "5")
    topic = f"{OWN}/events/storing"
    with running_gateway(configuration) as gateway:
        with backend5(mosquitto.host, mosquitto.port) as backend:
            eventually(lambda: [event["sequence"] for event in backend.on(topic)] == [30], "the one that waited")
            command(backend, "replay", request_id="1", from_sequence=5, to_sequence=24)
            assert reply_to(backend, "1")["result"]["replayed"] == 20
            eventually(lambda: len(backend.on(topic)) == 21, "the replay")
            assert [(each["sequence"], each["replayed"]) for each in backend.on(topic)[1:]] == [
                (sequence, True) for sequence in range(5, 25)
            ]
        mosquitto.restart()
        with backend5(mosquitto.host, mosquitto.port) as backend:
            command(backend, "replay", request_id="2", from_sequence=1, to_sequence=30)
            eventually(lambda: {each["sequence"] for each in backend.on(topic)} == set(range(1, 31)), "all of them")
            assert all(each["replayed"] for each in backend.on(topic))
        wait_for_outbox(gateway)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_load_that_is_closed_by_command_is_told_and_what_it_lacks_is_an_alert(
    tmp_path: Path, mosquitto: Mosquitto, protocol: str
) -> None:
    """Its retained topic and the alert follow as after any other closing; a copy after a kill -9 closes nothing."""
    configuration = configure(tmp_path, mosquitto, protocol)
    units = [{"sscc": SSCC, "tid": "E2801160"}, {"epc": "E2001122"}]
    entry = {"units": units, "load": "Tour 4/7"}
    topic = f"{OWN}/loads/Tour 4%2F7"
    with backend5(mosquitto.host, mosquitto.port) as backend, running_gateway(configuration) as gateway:
        eventually(lambda: bool(backend.on(f"{OWN}/status")), "the gateway is online")
        backend.publish("rfid/hamburg/directory/shipments/S-1", json.dumps(entry), retain=True)
        command(backend, "find_tag", request_id="0", tid="E2801160")
        assert reply_to(backend, "0")["result"]["keys"] == [f"(00){SSCC}", "tid:E2801160"]
        command(backend, "close_load", request_id="1", load="Tour 47")
        assert reply_to(backend, "1")["faults"] == [
            {
                "index": None,
                "line": None,
                "key": "load",
                "problem": "there is no load 'Tour 47'; did you mean 'Tour 4/7'?",
            }
        ]
        assert backend.on(topic) == [], "nobody speaks of a load at no door of this gateway"
        command(backend, "close_load", request_id="2", load="Tour 4/7")
        reply = reply_to(backend, "2")
        assert (reply["outcome"], reply["result"]["expected"], reply["result"]["missing"]) == ("done", 2, 2)
        eventually(lambda: bool(backend.on(topic)), "the load is told")
        told = backend.on(topic)[-1]
        assert (told["state"], told["closed_by"], told["missing"], told["outstanding"]) == ("closed", "command", 2, 0)
        assert {each["unit"] for each in told["units"]["missing"]} == {SSCC, "epc:E2001122"}
        assert [each.retain for each in backend.heard if each.topic == topic] == [True]
        eventually(lambda: "missing" in kinds_of_alerts(backend), "the alert for what is missing")
        (alert,) = [each for each in backend.on(f"{OWN}/alerts") if each["kind"] == "missing"]
        assert (alert["load"], alert["count"]) == ("Tour 4/7", 2)
        gateway.kill()
        gateway.start()
        command(backend, "close_load", request_id="2", load="Tour 4/7")
        assert reply_to(backend, "2", 2) == reply | {"repeated": True}
        command(backend, "close_load", request_id="3", load="Tour 4/7")
        closed_at = told["closed_at"]
        assert reply_to(backend, "3")["faults"][0]["problem"] == (
            f"'Tour 4/7' is closed already, since {closed_at} (command)"
        )


def kinds_of_alerts(backend: Backend5) -> set[str]:
    return {alert["kind"] for alert in backend.on(f"{OWN}/alerts")}
