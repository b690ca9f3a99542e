"""A session of sllurp's own client, in a process of its own because it leaves threads behind.

Arguments: port, how many tags to wait for, and `phase` where the reader has Impinj's. Prints what it heard as JSON.
"""

import json
import os
import sys
import threading
from typing import Any

from sllurp.llrp import LLRPReaderClient, LLRPReaderConfig

PATIENCE_S = 20
STEPS_OF_PHASE = 4096

port, wanted, phase = int(sys.argv[1]), int(sys.argv[2]), "phase" in sys.argv[3:]
contents = ("AntennaID", "PeakRSSI", "FirstSeenTimestamp")
others = ("ROSpecID", "SpecIndex", "InventoryParameterSpecID", "ChannelIndex", "LastSeenTimestamp", "TagSeenCount")
selector = {f"Enable{name}": name in contents for name in (*contents, *others, "AccessSpecID")}
impinj = {"EnableRFPhaseAngle": True, "EnablePeakRSSI": False, "EnableRFDopplerFrequency": False} if phase else None
config = LLRPReaderConfig(
    {
        "report_every_n_tags": 5,
        "antennas": [0],
        "keepalive_interval": 200,
        "tag_content_selector": selector,
        "impinj_tag_content_selector": impinj,
    }
)
client = LLRPReaderClient("127.0.0.1", port, config)
tags: list[tuple[str, int | None, float | None]] = []
greeting: list[bool] = []
read, alive = threading.Event(), threading.Event()


def report(_: object, found: list[dict[str, Any]]) -> None:
    for tag in found:
        angle = tag.get("ImpinjRFPhaseAngle")
        turns = None if angle is None else angle / STEPS_OF_PHASE
        tags.append((tag["EPC"].decode().upper(), tag.get("PeakRSSI"), turns))
    if len({epc for epc, *_ in tags}) == wanted:
        read.set()


client.add_tag_report_callback(report)
client.add_message_callback("READER_EVENT_NOTIFICATION", lambda _, event: greeting.append(event.isSuccess()))
client.add_message_callback("KEEPALIVE", lambda *_: alive.set())
client.connect()
read.wait(PATIENCE_S)
alive.wait(PATIENCE_S)
client.disconnect(PATIENCE_S)
general = client.llrp.capabilities.get("GeneralDeviceCapabilities", {})
firmware = general.get("ReaderFirmwareVersion", b"")
print(
    json.dumps({"connected": bool(greeting and greeting[0]), "firmware": firmware.decode(), "tags": tags}), flush=True
)
os._exit(0)
