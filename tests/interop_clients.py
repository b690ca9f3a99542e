"""LLRP clients, ours and others', each of which holds one session with a reader and tells what it heard."""

import asyncio
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from llrpkit import Reader

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.reader import LlrpReader
from rfid_gateway.clock import SystemClock
from rfid_gateway.reads import ReaderState, ReaderStatus
from tests.conftest import skip_or_fail
from tests.driving import running
from tests.servers import eventually

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "tests" / "peers"
LLRPJS = ROOT / ".venv" / "llrpjs" / "node_modules"
"""Where .ci/servers installs it."""
LLRPJS_VERSION = "1.0.1"
KILLED_AFTER_S = 45
IMPINJ, ZEBRA = 25882, 161


class Heard(NamedTuple):
    """One tag read as the client understood it."""

    epc: str
    rssi: float | None
    """dBm."""
    phase: float | None
    """Turns, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a client tells of its session."""

    connected: bool
    firmware: str
    """Out of the reader's capabilities."""
    tags: tuple[Heard, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """What a client has to do: read until `tags` tags are known and a keepalive was answered, and close."""

    port: int
    tags: int
    phase: bool
    keepalive_answered: Callable[[], bool]
    """For clients that do not tell about keepalives."""


@dataclass(frozen=True, slots=True)
class Client:
    """One LLRP client."""

    name: str
    hold_session: Callable[[Task], Account]
    phase_of: frozenset[int] = frozenset()
    """Manufacturers (IANA enterprise numbers) whose phase parameters the client knows."""


def our_driver(task: Task) -> Account:
    # tshark misreads Impinj's Doppler parameter, so it is not asked for.
    options = LlrpOptions(
        host="127.0.0.1", port=task.port, keepalive_s=1, report_every_n=5, vendor_content=("phase", "peak_rssi")
    )
    with running(LlrpReader("dock", options, SystemClock())) as run:
        eventually(lambda: len({read.epc for read in run.reads}) >= task.tags, "every tag read")
        eventually(task.keepalive_answered, "a keepalive")
    states = [item for item in run.items if isinstance(item, ReaderStatus)]
    return Account(
        connected=run.error is None and ReaderState.ONLINE in run.states,
        firmware=states[-1].firmware,
        tags=tuple(
            Heard(read.epc, read.peak_rssi, None if read.phase is None else read.phase / math.tau) for read in run.reads
        ),
    )


def llrpkit(task: Task) -> Account:
    async def session() -> Account:
        tags: list[Heard] = []
        async with Reader("127.0.0.1", task.port) as reader:
            await reader.set_keepalive(200)
            reads = reader.inventory(report_every_n=5, include_phase=task.phase, duration=20)
            async with aclosing(reads):
                async for tag in reads:
                    phase = None if tag.phase_deg is None else tag.phase_deg / 360
                    tags.append(Heard(tag.epc_hex.upper(), tag.rssi_dbm, phase))
                    if len({heard.epc for heard in tags}) >= task.tags and task.keepalive_answered():
                        break
            return Account(connected=reader.client.connected, firmware=reader.firmware, tags=tuple(tags))

    return asyncio.run(session())


def sllurp(task: Task) -> Account:
    program = [sys.executable, str(PEERS / "sllurp_client.py")]
    return _account(_run([*program, str(task.port), str(task.tags), *(["phase"] if task.phase else [])]))


def llrpjs(task: Task) -> Account:
    return _account(_run_node("llrpjs_client.js", str(task.port), str(task.tags)))


def llrpjs_probe() -> dict[str, Any]:
    """Tell what llrpjs does with two messages in one segment, and with a message that comes before an answer."""
    return _run_node("llrpjs_probe.js")


def llrpjs_version() -> str:
    """Return the version of llrpjs that is installed; skip without it."""
    _node()
    return str(json.loads((LLRPJS / "llrpjs" / "package.json").read_text())["version"])


def _node() -> str:
    node = shutil.which("node")
    if node is None or not (LLRPJS / "llrpjs").is_dir():
        skip_or_fail("llrpjs is not installed; .ci/servers installs it where npm is")
    return str(node)


def _run_node(script: str, *arguments: str) -> dict[str, Any]:
    return _run([_node(), str(PEERS / script), *arguments], {"NODE_PATH": str(LLRPJS)})


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a program that prints one JSON object; it is killed when it does not end."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=KILLED_AFTER_S,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _account(told: Mapping[str, Any]) -> Account:
    return Account(told["connected"], told["firmware"], tuple(Heard(*tag) for tag in told["tags"]))


OURS = Client("rfid-gateway", our_driver, frozenset({IMPINJ, ZEBRA}))
LLRPKIT = Client(f"llrpkit {version('llrpkit')}", llrpkit, frozenset({IMPINJ}))
SLLURP = Client(f"sllurp {version('sllurp')}", sllurp, frozenset({IMPINJ}))
LLRPJS_CLIENT = Client(f"llrpjs {LLRPJS_VERSION}", llrpjs)
