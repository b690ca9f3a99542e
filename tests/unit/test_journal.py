"""Log events in the journal: their bytes, the socket, and what happens while it is away."""

import array
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfid_gateway.cli.journal_socket import JournalSocket, stderr_is_journal
from rfid_gateway.cli.logs import JournalWriter
from rfid_gateway.journal import entry, message_id


def decoded(data: bytes) -> dict[str, str]:
    """The fields of one entry as journald reads them."""
    found = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(data[:8], "little")
            value, data = data[8 : 8 + length], data[8 + length :]
            assert data[:1] == b"\n"
            data = data[1:]
        assert name.decode() not in found
        found[name.decode()] = value.decode(errors="surrogateescape")
    return found


class Journald:
    """The other end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(30)

    def receive(self) -> dict[str, str]:
        data, rights, _, _ = self._socket.recvmsg(1 << 20, 1024)
        if not rights:
            return decoded(data)
        ((_, _, packed),) = rights
        (descriptor,) = array.array("i", packed)
        try:
            # Sealed: nobody can change what is read.
            with pytest.raises(PermissionError):
                os.write(descriptor, b"x")
            with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
                return decoded(memory[:])
        finally:
            os.close(descriptor)

    def go(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Journald]:
    journald = Journald(tmp_path / "socket")
    yield journald
    journald.go()


def test_an_id_is_the_same_for_ever() -> None:
    assert message_id("reader.down") == "42ab5504bcbb50b2878bcd594af6c666"
    assert message_id("mqtt.connected") != message_id("mqtt.not_connected")


def test_an_event_becomes_fields() -> None:
    fields = {"reader": "dock-1", "retry_s": 1.5, "why not": None, "größe": 3}
    assert decoded(entry("reader.down", "event=reader.down", 4, "rfid-gateway", fields)) == {
        "MESSAGE": "event=reader.down",
        "PRIORITY": "4",
        "MESSAGE_ID": "42ab5504bcbb50b2878bcd594af6c666",
        "SYSLOG_IDENTIFIER": "rfid-gateway",
        "RFID_EVENT": "reader.down",
        "RFID_READER": "dock-1",
        "RFID_RETRY_S": "1.5",
        "RFID_GR_SSE": "3",
    }


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z_]{1,80}", fullmatch=True), st.text(), max_size=3))
def test_whatever_stands_in_a_field_stays_in_it(line: str, fields: dict[str, str]) -> None:
    found = decoded(entry("a.b", line, 6, "x", fields | {"event": "taken"}))
    assert found["MESSAGE"] == line
    assert found["MESSAGE_ID"] == message_id("a.b")
    assert all(len(name) <= 64 for name in found)
    if not any(len(name) > 59 for name in fields):
        assert {name: found[f"RFID_{name.upper()}"] for name in fields if name != "event"} == {
            name: value for name, value in fields.items() if name != "event"
        }


def test_small_and_large_entries_arrive(journald: Journald) -> None:
    ours = JournalSocket(journald.path)
    writer = JournalWriter(ours, "rfid-gateway-north")
    writer.warning("event=a.b x=1", 4, {"event": "a.b", "x": 1})
    assert journald.receive()["SYSLOG_IDENTIFIER"] == "rfid-gateway-north"
    long = "é\n" * 500_000
    writer.error("event=a.c", 3, {"event": "a.c", "exception": long})
    received = journald.receive()
    assert received["RFID_EXCEPTION"] == long
    assert received["MESSAGE_ID"] == message_id("a.c")
    ours.close()


def test_while_the_journal_is_away_lines_go_to_standard_error_and_nothing_is_raised(
    journald: Journald, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = JournalSocket(journald.path)
    writer = JournalWriter(ours, "rfid-gateway")
    journald.go()
    writer.error("event=a.b\nTraceback", 3, {"event": "a.b"})
    assert capsys.readouterr().err == "<3>event=a.b\n<3>Traceback\n"
    again = Journald(journald.path)
    writer.info("event=a.c", 6, {"event": "a.c"})
    assert again.receive()["MESSAGE"] == "event=a.c", "journald was restarted"
    ours.close()
    again.go()


def test_only_the_stream_itself_is_the_journal() -> None:
    here = os.fstat(2)
    assert stderr_is_journal({"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino}"})
    assert not stderr_is_journal({"JOURNAL_STREAM": f"{here.st_dev}:{here.st_ino + 1}"})
    assert not stderr_is_journal({})


PROGRAM = """\
import os, sys
from pathlib import Path
from rfid_gateway.cli import journal_socket, logs
about = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{about.st_dev}:{about.st_ino}"
logs.JournalSocket = lambda: journal_socket.JournalSocket(Path(sys.argv[1]))
logs.configure("info")
import structlog
log = structlog.get_logger()
log.debug("a.debug")
log.info("reader.state", reader="dock-1", state="online", detail="")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("reader.bug", reader="dock-2")
"""


def test_the_log_as_it_is_set_up_for_a_service(journald: Journald) -> None:
    program = [sys.executable, "-c", PROGRAM, str(journald.path)]
    done = subprocess.run(
        program, capture_output=True, text=True, check=True, env={"SYSLOG_IDENTIFIER": "rfid-gateway-2"}
    )
    assert done.stderr == ""
    first, second = journald.receive(), journald.receive()
    assert first == {
        "MESSAGE": "event=reader.state reader=dock-1 state=online detail=",
        "PRIORITY": "6",
        "MESSAGE_ID": message_id("reader.state"),
        "SYSLOG_IDENTIFIER": "rfid-gateway-2",
        "RFID_EVENT": "reader.state",
        "RFID_READER": "dock-1",
        "RFID_STATE": "online",
        "RFID_DETAIL": "",
    }
    assert second["PRIORITY"] == "3"
    assert second["MESSAGE"].startswith("event=reader.bug reader=dock-2\nTraceback")
    assert second["MESSAGE"].rstrip().endswith("ZeroDivisionError: division by zero")
    assert second["RFID_READER"] == "dock-2"
