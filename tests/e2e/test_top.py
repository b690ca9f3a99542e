"""`rfid-gateway top` on a terminal of its own."""

import json
import re
import signal
import time
from pathlib import Path

import pytest

from rfid_gateway.state_file import write_state
from tests.e2e.running import PROGRAM, command
from tests.terminal import Terminal
from tests.unit.test_top_view import reader, state

OTHER_SCREEN, BACK, CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9]m")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    text = f"""\
[gateway]
site = "test"
id = "gate-1"
state_dir = "{tmp_path}"
[mqtt]
host = "127.0.0.1"
[[readers]]
id = "gate"
driver = "llrp"
host = "127.0.0.1"
[[zones]]
id = "gate"
antennas = ["gate"]
read_point = "urn:epc:id:sgln:4012345.00010.gate"
"""
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return file


def write(config: Path, **more: object) -> None:
    """What a running gateway would write now."""
    readers = {f"dock-{number}": reader() for number in range(64)} | {"gate": reader("offline", "no answer")}
    now = time.time_ns() // 1000
    fields = {"at": now, "started": now - 1, "readers": readers} | more
    write_state(config.parent, {key: value for key, value in state().items() if key != "running"} | fields)


@pytest.mark.parametrize("end", ["q", "\x03", signal.SIGTERM])
def test_it_shows_what_changes_and_leaves_the_terminal_as_it_was(config: Path, end: str | int) -> None:
    write(config, events=41)
    words: list[str | Path] = [PROGRAM, "top", "--config", config]
    exported = {"COLUMNS": "80", "LINES": "24"}  # as some shells and programs do; they stay when the window grows
    with Terminal(words, exported, (24, 80)) as terminal:
        before = terminal.modes
        terminal.sees("running since")
        terminal.sees("gate     offline")
        terminal.sees("q or Ctrl-C ends")
        write(config, events=42)
        terminal.sees("42 events")
        terminal.resizes(40, 120)
        terminal.sees("returns")
        assert terminal.modes != before, "keys come at once and are not shown"
        if isinstance(end, int):
            terminal.signals(end)
        else:
            terminal.presses(end)
        assert terminal.ends() == 0
        assert terminal.modes == before
        assert terminal.heard.startswith(OTHER_SCREEN)
        assert BACK in terminal.heard[-40:]
        assert CURSOR in terminal.heard[-40:]
        assert COLOUR.search(terminal.heard)


def test_no_color_is_respected(config: Path) -> None:
    write(config)
    with Terminal([PROGRAM, "top", "--config", config], {"NO_COLOR": "1"}, (24, 80)) as terminal:
        terminal.sees("gate     offline")
        terminal.presses("q")
        assert terminal.ends() == 0
        assert not COLOUR.search(terminal.heard)


def test_without_a_terminal_it_says_what_to_use_instead(config: Path) -> None:
    write(config)
    done = command("top", "--config", config)
    assert done.returncode == 2
    assert "rfid-gateway status" in done.stderr
    with Terminal([PROGRAM, "top", "--config", config], {"TERM": "dumb"}) as terminal:
        terminal.sees("rfid-gateway status")
        assert terminal.ends() == 2


def test_a_gateway_that_has_not_run_yet_is_said_before_the_screen_changes(config: Path) -> None:
    with Terminal([PROGRAM, "top", "--config", config]) as terminal:
        terminal.sees("the gateway has not run here yet")
        assert terminal.ends() == 1
        assert OTHER_SCREEN not in terminal.heard


def test_status_in_json_is_what_it_was(config: Path) -> None:
    write(config)
    done = command("status", "--config", config, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["running"] is True
