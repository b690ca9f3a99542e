"""LLRP clients and a dissector that others wrote understand the simulated reader."""

import asyncio
import json
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from llrpkit import Reader
from llrpkit.client import LLRPClient
from llrpkit.exceptions import LLRPConnectionError

from rfid_simulators.faults import CutMidMessage, RefuseAsBusy, SendGarbage, SilentHang, SplitWrites
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import GENERIC, GENERIC_1_1, GENERIC_UPTIME, IMPINJ_R420, ZEBRA_FX9600, ReaderProfile
from rfid_simulators.llrp.recorded import RecordedReports, load_reports
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.llrp.wire import ZEBRA, MessageType, custom, message, tlv
from rfid_simulators.steady_field import steady_field
from tests import llrp_requests as client
from tests.conftest import skip_or_fail
from tests.tap import READER_PORT, Tap, write_pcap

TAGS = 12
FIELD = steady_field("r", rate=500, tags=TAGS)
EPCS = {sighting.epc for sighting in FIELD(0, 1_000_000)}
KNOWN_COMPLAINT = "Incorrect length of parameter: 13 bytes decoded, but 15 bytes claimed."
"""tshark's, about every Identification parameter, recorded ones of real readers included."""

SLLURP = """
import json, os, sys, threading
from sllurp.llrp import LLRPReaderClient, LLRPReaderConfig
seen, enough = set(), threading.Event()
def report(reader, tags):
    seen.update(tag["EPC"].decode().upper() for tag in tags)
    if len(seen) == int(sys.argv[2]):
        enough.set()
config = LLRPReaderConfig({"report_every_n_tags": 5, "antennas": [0], "start_inventory": True})
client = LLRPReaderClient("127.0.0.1", int(sys.argv[1]), config)
client.add_tag_report_callback(report)
client.connect()
enough.wait(60)
print(json.dumps(sorted(seen)), flush=True)
os._exit(0)
"""


def serve(profile: ReaderProfile = IMPINJ_R420) -> LlrpReaderServer:
    return LlrpReaderServer(profile, Sources(radio=FIELD))


@pytest.fixture
def server() -> Iterator[LlrpReaderServer]:
    with serve() as running:
        yield running


async def inventory(port: int, enough: int = 100) -> set[str]:
    """EPCs that llrpkit reads."""
    async with Reader("127.0.0.1", port) as reader:
        await reader.get_gpio()
        tags = reader.inventory(max_tags=enough, duration=20, include_phase=True)
        return {tag.epc_hex.upper() async for tag in tags}


@pytest.mark.parametrize("profile", [IMPINJ_R420, GENERIC, GENERIC_UPTIME], ids=lambda profile: profile.name)
def test_sllurp_reads_every_tag(profile: ReaderProfile) -> None:
    with serve(profile) as running:
        # sllurp leaves threads behind that only the end of its process ends.
        command = [sys.executable, "-c", SLLURP, str(running.address[1]), str(TAGS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        assert set(json.loads(done.stdout)) == EPCS, done.stderr
        assert running.counters.refused == 0


@pytest.mark.parametrize("profile", [IMPINJ_R420, GENERIC, GENERIC_UPTIME], ids=lambda profile: profile.name)
def test_llrpkit_reads_every_tag(profile: ReaderProfile) -> None:
    with serve(profile) as running:
        assert asyncio.run(inventory(running.address[1])) == EPCS


def test_llrpkit_reads_every_tag_when_writes_are_split_into_single_bytes(server: LlrpReaderServer) -> None:
    server.inject(SplitWrites((1, 2, 3)))
    assert asyncio.run(inventory(server.address[1])) == EPCS


def test_llrpkit_gets_phase_doppler_and_tid_of_the_impinj(server: LlrpReaderServer) -> None:
    async def first() -> Any:
        async with Reader("127.0.0.1", server.address[1]) as reader:
            asked = {"include_phase": True, "include_doppler": True, "include_tid": True}
            return await anext(reader.inventory(max_tags=1, duration=20, **asked))

    tag = asyncio.run(first())
    heard = [one for one in FIELD(0, 1_000_000) if one.epc == tag.epc_hex.upper()]
    assert {one.antenna_id for one in heard} == {tag.antenna}
    assert round(tag.rssi_dbm * 100) in {round(one.rssi * 100) for one in heard}
    assert tag.tid.startswith(b"\xe2\x80")


def test_llrpkit_gets_recorded_reports(shared: Path) -> None:
    bodies = load_reports(shared / "vectors/llrp")
    with LlrpReaderServer(sources=Sources(recorded=RecordedReports(bodies, 10_000))) as running:
        assert len(asyncio.run(inventory(running.address[1], len(bodies)))) > 0
        assert running.counters.tags >= len(bodies)


def connect_error(port: int) -> str:
    async def attempt() -> None:
        connection = LLRPClient("127.0.0.1", port, connect_timeout=0.5)
        await connection.connect()
        await connection.close()

    with pytest.raises(LLRPConnectionError) as caught:
        asyncio.run(attempt())
    return str(caught.value)


def test_a_second_client_is_refused_while_the_first_one_stays(server: LlrpReaderServer) -> None:
    async def two() -> str:
        async with LLRPClient("127.0.0.1", server.address[1]) as first:
            error = await asyncio.to_thread(connect_error, server.address[1])
            warning = await first.events.get()
            return f"{error} / {warning.reader_event_notification_data.connection_attempt_event.status!r}"

    told = asyncio.run(two())
    assert "Client_Initiated_Connection_Already_Exists" in told
    assert "Another_Connection_Attempted" in told
    assert asyncio.run(inventory(server.address[1])) == EPCS


def test_a_busy_reader_refuses_until_the_fault_is_cleared(server: LlrpReaderServer) -> None:
    server.inject(RefuseAsBusy(status=1))
    assert "Reader_Initiated_Connection_Already_Exists" in connect_error(server.address[1])
    server.clear_faults()
    assert asyncio.run(inventory(server.address[1])) == EPCS


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (CutMidMessage(), "lost"),
        (CutMidMessage(keep=3, reset=True), "127.0.0.1"),  # the reset may overtake the greeting
        (SilentHang(), "no ConnectionAttemptEvent"),
        (SendGarbage(b"\xff" * 10), "protocol error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_breaks_one_session_and_the_next_one_works(
    server: LlrpReaderServer, fault: CutMidMessage | SilentHang | SendGarbage, complaint: str
) -> None:
    server.inject(fault)
    assert complaint in connect_error(server.address[1])
    assert asyncio.run(inventory(server.address[1])) == EPCS


def test_stopping_ends_the_thread_and_frees_the_port() -> None:
    running = serve().start()
    port = running.address[1]
    running.stop()
    running.stop()
    assert "simulated-reader" not in {thread.name for thread in threading.enumerate() if thread.is_alive()}
    with LlrpReaderServer(sources=Sources(radio=FIELD), port=port) as again:
        assert asyncio.run(inventory(again.address[1])) == EPCS


def complaints(capture: Path) -> tuple[set[str], set[str]]:
    """What tshark makes of a capture: the kinds of LLRP messages, and its complaints."""
    if shutil.which("tshark") is None:
        skip_or_fail("tshark is not installed")
    command = ["tshark", "-r", str(capture), "-d", f"tcp.port=={READER_PORT},llrp", "-T", "fields"]
    fields = ["-E", "occurrence=a", "-E", "aggregator=|", "-e", "llrp.type", "-e", "_ws.expert.message"]
    done = subprocess.run(
        [*command, *fields, "-e", "_ws.malformed"], capture_output=True, text=True, timeout=60, check=True
    )
    kinds: set[str] = set()
    found: set[str] = set()
    for line in done.stdout.splitlines():
        kind, *expert = line.split("\t")
        kinds.update(kind.split("|"))
        found.update(text for column in expert for text in column.split("|"))
    return kinds - {""}, found - {""}


MARK = "_ws.malformed"
"""What the field holds where tshark has an expert complaint of the group Malformed."""


def test_tshark_dissects_a_session_of_llrpkit(server: LlrpReaderServer, tmp_path: Path) -> None:
    with Tap(server.address) as tap:
        asyncio.run(inventory(tap.port))
    write_pcap(tmp_path / "session.pcap", tap.traffic)
    kinds, found = complaints(tmp_path / "session.pcap")
    assert {str(kind.value) for kind in (MessageType.RO_ACCESS_REPORT, MessageType.GET_READER_CONFIG_RESPONSE)} <= kinds
    assert found <= {KNOWN_COMPLAINT, MARK}


def test_tshark_dissects_phase_of_a_zebra_and_reports_without_what_has_not_changed(tmp_path: Path) -> None:
    profile = replace(ZEBRA_FX9600, leaves_unchanged_out=True)
    reader = client.make_reader([client.sighting(at) for at in range(9)], profile)
    traffic = [(False, one) for one in reader.connect(0)]
    phase = custom(ZEBRA, 708, struct.pack("!I", 1 << 28))
    report = client.report_spec(1, 2, client.EVERYTHING, 0, phase)
    spec = client.add(client.rospec(report=report))
    asks = (spec, client.enable(), message(MessageType.GET_READER_CONFIG, 2, bytes(7)))
    for request in asks:
        traffic += [(True, request), *((False, one) for one in reader.feed(request, 0))]
    traffic += [(False, one) for one in reader.tick(10)]
    write_pcap(tmp_path / "zebra.pcap", traffic)
    kinds, found = complaints(tmp_path / "zebra.pcap")
    assert str(MessageType.RO_ACCESS_REPORT.value) in kinds
    assert found <= {KNOWN_COMPLAINT, MARK}


def test_tshark_dissects_every_message_that_the_reader_sends(tmp_path: Path) -> None:
    """A conversation without TCP. tshark misreads Impinj's Doppler and TID parameters, so they are left out."""
    reader = client.make_reader([client.sighting(at, epc="AB" * 16) for at in range(100)], GENERIC_1_1)
    traffic = [(False, one) for one in reader.connect(0)]
    target = tlv(338, tlv(339, b"\x60\x00\x20", b"\x00\x00", b"\x00\x00"))
    command = tlv(209, target, tlv(341, b"\x00\x01" + bytes(4) + b"\x80\x00\x00\x00\x06"))
    access = tlv(207, struct.pack("!IHBBI", 9, 0, 1, 0, 0), tlv(208, bytes(3)), command)
    requests = [
        *(message(MessageType.GET_READER_CAPABILITIES, 1, bytes((group,))) for group in range(6)),
        *(message(MessageType.GET_READER_CONFIG, 2, struct.pack("!HBHH", 0, group, 0, 0)) for group in range(12)),
        client.set_config(client.events_on(*range(9)), client.keepalive(1000), tlv(225, b"\x00\x01\x80\x02")),
        client.set_config(tlv(222, b"\x00\x01", tlv(224, struct.pack("!HHH", 1, 1, 82)))),
        client.add(client.rospec(report=client.report_spec(5, 2, client.EVERYTHING, 0xC0))),
        client.enable(),
        message(MessageType.GET_ROSPECS, 3),
        message(MessageType.ADD_ACCESSSPEC, 4, access),
        client.number(MessageType.ENABLE_ACCESSSPEC, 9),
        message(MessageType.GET_ACCESSSPECS, 5),
        client.number(MessageType.DISABLE_ACCESSSPEC, 9),
        client.number(MessageType.DELETE_ACCESSSPEC, 9),
        message(MessageType.GET_REPORT, 6),
        client.number(MessageType.STOP_ROSPEC, 1),
        client.number(MessageType.START_ROSPEC, 1),
        client.number(MessageType.DISABLE_ROSPEC, 1),
        client.number(MessageType.DELETE_ROSPEC, 1),
        client.number(MessageType.DELETE_ROSPEC, 1),
        client.enable_extensions(),
        client.set_config(client.HOLD),
        message(MessageType.ENABLE_EVENTS_AND_REPORTS, 7),
        message(MessageType.KEEPALIVE_ACK, 8),
        message(MessageType.GET_SUPPORTED_VERSION, 9, version=2),
    ]
    for now, request in enumerate(requests, 1):
        traffic += [(True, request), *((False, one) for one in reader.feed(request, now * 3))]
    # tshark knows no field in this request, which is left out therefore; its answer is what matters here.
    set_version = message(MessageType.SET_PROTOCOL_VERSION, 10, b"\x01", version=2)
    traffic += [(False, one) for one in reader.feed(set_version, 1000)]
    traffic += [(False, one) for one in reader.tick(2_000_000)]
    traffic += [(False, one) for one in reader.set_gpi(1, 2_000_001, high=True)]
    traffic += [(False, one) for one in reader.set_antenna(1, 2_000_002, connected=False)]
    traffic += [(False, one) for one in reader.refuse(2, 2_000_003)[1]]
    traffic += [(False, one) for one in reader.feed(message(MessageType.CLOSE_CONNECTION, 9), 2_000_004)]
    write_pcap(tmp_path / "everything.pcap", traffic)
    kinds, found = complaints(tmp_path / "everything.pcap")
    sent_by_reader = {kind for kind in MessageType if kind.name.endswith("_RESPONSE")}
    sent_by_reader |= {
        MessageType.RO_ACCESS_REPORT,
        MessageType.KEEPALIVE,
        MessageType.READER_EVENT_NOTIFICATION,
        MessageType.ERROR_MESSAGE,
    }
    assert {str(kind.value) for kind in sent_by_reader} <= kinds
    assert found <= {KNOWN_COMPLAINT, MARK}
