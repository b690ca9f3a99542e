"""Recorded traffic of a real reader (Impinj R420), played over TCP, ends at a subscriber of a real broker."""

import json
from pathlib import Path

import pytest

from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.recorded import RecordedReports, load_reports
from rfid_simulators.llrp.server import LlrpReaderServer
from tests.e2e.running import command, mqtt_table, running_gateway
from tests.servers import Mosquitto, eventually, subscriber

CSV = """\
shipment_id,epc,orders
S-2,3000ABCDEF00000000000002,PO-2
S-3,3000ABCDEF00000000000003,PO-3
S-4,3000ABCDEF00000000000004,PO-4
S-5,301430A55C0AC30000000005,PO-5
S-9,301430A55C0AC30000000009,PO-9
"""


@pytest.mark.timeout(120)
def test_recorded_reports_come_out_as_location_events(shared: Path, tmp_path: Path, mosquitto: Mosquitto) -> None:
    recorded = RecordedReports(load_reports(shared / "vectors" / "llrp"), interval_us=20_000)
    with LlrpReaderServer(sources=Sources(recorded=recorded)) as reader, subscriber(mosquitto) as backend:
        configuration = tmp_path / "gateway.toml"
        configuration.write_text(
            f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{tmp_path}"
{mqtt_table(mosquitto)}
[[readers]]
id = "dock-1"
driver = "llrp"
host = "{reader.address[0]}"
port = {reader.address[1]}
[[zones]]
id = "dock"
antennas = ["dock-1:1"]
read_point = "urn:epc:id:sgln:4012345.00010.dock-1"
[zones.arrived]
biz_step = "arriving"
"""
        )
        shipments = tmp_path / "shipments.csv"
        shipments.write_text(CSV)
        imported = command("shipments", "import", shipments, "--config", configuration)
        assert imported.stdout == "5 shipments with 5 units imported\n", imported.stderr
        with running_gateway(configuration):
            topic = "rfid/hamburg/gate-1/events/arriving"
            eventually(lambda: len(backend.payloads(topic)) >= 5, "five location events arrive")
        events = [json.loads(payload) for payload in backend.payloads(topic)]
    assert {event["shipment_id"]: event["epcis"]["epcList"] for event in events} == {
        "S-2": ["urn:epc:id:sgtin:184473600000.0.2"],
        "S-3": ["urn:epc:id:sgtin:184473600000.0.3"],
        "S-4": ["urn:epc:id:sgtin:184473600000.0.4"],
        "S-5": ["urn:epc:id:sgtin:0797015.011020.5"],
        "S-9": ["urn:epc:id:sgtin:0797015.011020.9"],
    }
    assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
