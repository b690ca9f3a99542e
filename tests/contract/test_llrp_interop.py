"""Who understands whom: sessions between LLRP clients and readers, and docs/interop.md, which they fill.

`make interop` rewrites the page.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import GENERIC, IMPINJ_R420, PROFILES, ZEBRA_FX9600, ReaderProfile
from rfid_simulators.llrp.server import LlrpReaderServer
from rfid_simulators.steady_field import steady_field
from tests import interop_clients as clients
from tests.contract.test_llrp_against_llrpkit import TAGS as EMULATED_TAGS
from tests.contract.test_llrp_against_llrpkit import emulator
from tests.interop_clients import IMPINJ, ROOT, ZEBRA, Account, Client, Task
from tests.interop_wire import CLOSE_CONNECTION, closed_in_order, keepalive_answered, malformed, messages
from tests.servers import free_port
from tests.tap import Tap

PAGE = ROOT / "docs" / "interop.md"
TAGS = 12
RATE = 200

YES, NO, NOT_OFFERED = "yes", "no", "-"
COLUMNS = ("connected", "capabilities", "tags read", "RSSI", "phase", "keepalive", "closed in order", "tshark")


@dataclass(frozen=True, slots=True)
class Session:
    """A client and the reader that it talks to: a simulated one, or llrpkit's emulator where there is no profile."""

    client: Client
    profile: ReaderProfile | None

    @property
    def reader(self) -> str:
        return f"llrpkit {version('llrpkit')} emulator" if self.profile is None else self.profile.name

    @property
    def has_phase(self) -> bool:
        """Whether the reader offers phase in a vendor's parameter that the client knows."""
        return bool(_phase_vendors(self.profile) & self.client.phase_of)

    @property
    def may_fail(self) -> frozenset[str]:
        """Columns in which `no` is the client's own doing."""
        return frozenset({"closed in order"}) if self.client is clients.SLLURP else frozenset()


def _phase_vendors(profile: ReaderProfile | None) -> frozenset[int]:
    if profile is None or profile.accepts_impinj_extensions:
        return frozenset({IMPINJ})
    return profile.custom_vendors & {ZEBRA}


SESSIONS = (
    *(Session(clients.OURS, profile) for profile in (None, *PROFILES.values())),
    *(
        Session(client, profile)
        for client in (clients.SLLURP, clients.LLRPKIT, clients.LLRPJS_CLIENT)
        for profile in (IMPINJ_R420, ZEBRA_FX9600, GENERIC)
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one session showed: a verdict per column, what tshark complained about, and whether the client closed."""

    verdicts: dict[str, str]
    complaints: frozenset[str]
    asked_to_close: bool


@contextmanager
def serving(profile: ReaderProfile | None) -> Iterator[tuple[str, int]]:
    """Start a reader and give its address."""
    if profile is None:
        port = free_port()
        with emulator(port):
            yield "127.0.0.1", port
    else:
        radio = steady_field("interop", rate=RATE, tags=TAGS, antennas=profile.antennas)
        with LlrpReaderServer(profile, Sources(radio)) as server:
            yield server.address


@cache
def result(session: Session) -> Result:
    """Hold a session, once, and judge it."""
    if session.client is clients.LLRPJS_CLIENT:
        clients.llrpjs_version()  # skips before a tap waits for a client that is not there
    tags = EMULATED_TAGS if session.profile is None else TAGS
    with serving(session.profile) as address, Tap(address) as tap:
        task = Task(tap.port, tags, session.has_phase, lambda: keepalive_answered(tap.traffic))
        account = session.client.hold_session(task)
    with tempfile.TemporaryDirectory() as folder:
        complaints = malformed(tap.traffic, Path(folder) / "session.pcap")
    some = len(account.tags) > 0
    passed = {
        "connected": account.connected,
        "capabilities": capabilities_understood(account, session.profile, tap.traffic),
        "tags read": tags_understood(account, session.profile, tags),
        "RSSI": some and rssi_understood(account, session.profile),
        "phase": some and all(tag.phase is not None and 0 <= tag.phase < 1 for tag in account.tags),
        "keepalive": keepalive_answered(tap.traffic),
        "closed in order": closed_in_order(tap.traffic),
        "tshark": not complaints,
    }
    verdicts = {column: YES if passed[column] else NO for column in COLUMNS}
    if not session.has_phase:
        verdicts["phase"] = NOT_OFFERED
    asked = any(message.kind == CLOSE_CONNECTION for message in messages(tap.traffic, from_client=True))
    return Result(verdicts, frozenset(complaints), asked)


def capabilities_understood(account: Account, profile: ReaderProfile | None, traffic: list[tuple[bool, bytes]]) -> bool:
    """Whether the client knows the reader's firmware: the profile's, or a text that the emulator did send."""
    if profile is not None:
        return account.firmware == profile.firmware
    sent = b"".join(data for from_client, data in traffic if not from_client)
    return len(account.firmware) > 0 and account.firmware.encode() in sent


def tags_understood(account: Account, profile: ReaderProfile | None, tags: int) -> bool:
    read = {tag.epc for tag in account.tags}
    if profile is None:
        return len(read) == tags
    radio = steady_field("interop", rate=RATE, tags=TAGS, antennas=profile.antennas)
    return read == {sighting.epc for sighting in radio(0, 1_000_000)}


def rssi_understood(account: Account, profile: ReaderProfile | None) -> bool:
    """Whether every read has a signal strength as there are in the field, rounded to whole dBm."""
    weakest, strongest = (-100, 0) if profile is None else (-75, -45)
    return all(tag.rssi is not None and weakest <= tag.rssi <= strongest for tag in account.tags)


def page() -> str:
    """Hold every session and write the page."""
    head = ("client", "reader", *COLUMNS)
    rows = [(session.client.name, session.reader, *result(session).verdicts.values()) for session in SESSIONS]
    table = [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
    remarks = [f"- {remark}" for remark in (*closing_remarks(), *llrpjs_remarks())]
    return "\n".join([*INTRODUCTION, "", *table, "", "## Remarks", "", *remarks, ""])


INTRODUCTION = (
    "# Who understands whom in LLRP",
    "",
    "Every row is a session that `tests/contract/test_llrp_interop.py` holds over TCP and records; every cell is what",
    "it measured. `make interop` writes this page, and the test fails where the page says anything else. The readers",
    "are the kinds that this project simulates, and the emulator of llrpkit; nothing here was measured at hardware.",
    "",
    f"`{YES}`: measured and right. `{NO}`: measured and wrong or missing. `{NOT_OFFERED}`: the reader does not offer",
    "it, or the client has no parameter for it.",
    "",
    "- connected: the client understood the greeting (ConnectionAttemptEvent).",
    "- capabilities: the client tells the firmware's version, out of the reader's capabilities.",
    "- tags read: exactly the EPCs that are in the field.",
    "- RSSI, phase: with every single read, in the range that the field has.",
    "- keepalive: the reader sent KEEPALIVE and the client KEEPALIVE_ACK.",
    "- closed in order: CLOSE_CONNECTION and its successful answer were the last messages.",
    "- tshark: it dissects the recorded session and finds nothing malformed, but for its complaint about every",
    "  Identification parameter, also those of real readers.",
)


def closing_remarks() -> Iterator[str]:
    """Name the clients that never asked to close."""
    for client in dict.fromkeys(session.client for session in SESSIONS):
        if not any(result(session).asked_to_close for session in SESSIONS if session.client is client):
            yield f"{client.name} ends its connections without CLOSE_CONNECTION."


def llrpjs_remarks() -> Iterator[str]:
    """Say what its sessions have to work around."""
    told = clients.llrpjs_probe()
    if told["of_two"] == 1:
        yield (
            "llrpjs takes one message out of each TCP segment and the rest with later segments; these sessions call "
            "its receiver again every few milliseconds."
        )
    if told["looks_again"]:
        yield (
            "llrpjs's `transact` blocks its process for ever where another message (a report, a keepalive) comes "
            "before the answer; these sessions send, and wait for the answer's event."
        )


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: f"{session.client.name}-{session.reader}")
def test_a_client_and_a_reader_understand_each_other(session: Session) -> None:
    found = result(session)
    failed = {column for column, verdict in found.verdicts.items() if verdict == NO}
    assert failed <= session.may_fail, sorted(found.complaints)


KEEPALIVE = bytes.fromhex("043e 0000000a 00000001")
CLOSE = bytes.fromhex("040e 0000000a 00000002")
CLOSED, REFUSED = (bytes.fromhex(f"0404 00000012 00000002 011f 0008 {status} 0000") for status in ("0000", "006d"))


def test_a_keepalive_that_nobody_answered_does_not_count() -> None:
    assert not keepalive_answered([(False, KEEPALIVE), (True, CLOSE)])


@pytest.mark.parametrize(
    "ending",
    [
        [],
        [(True, CLOSE)],
        [(True, CLOSE), (False, REFUSED)],
        [(True, CLOSE), (False, CLOSED + KEEPALIVE)],
        [(True, CLOSE + CLOSE[:6]), (False, CLOSED[:-1])],
    ],
)
def test_a_session_without_a_successful_last_answer_is_not_closed_in_order(ending: list[tuple[bool, bytes]]) -> None:
    assert closed_in_order([(False, KEEPALIVE), (True, CLOSE), (False, CLOSED)])
    assert not closed_in_order([(False, KEEPALIVE), *ending])


@pytest.mark.parametrize("spoilt", [CLOSED.replace(b"\x00\x08", b"\x00\x09"), b"no LLRP at all"])
def test_tshark_complains_about_bytes_that_are_wrong(spoilt: bytes, tmp_path: Path) -> None:
    assert not malformed([(False, CLOSED)], tmp_path / "right.pcap")
    assert malformed([(False, spoilt)], tmp_path / "wrong.pcap")


@pytest.mark.timeout(400)  # alone, it holds every session itself
def test_the_page_says_what_the_sessions_showed() -> None:
    assert clients.llrpjs_version() == clients.LLRPJS_VERSION
    assert PAGE.read_text() == page(), "make interop rewrites docs/interop.md"


if __name__ == "__main__":
    PAGE.write_text(page())
