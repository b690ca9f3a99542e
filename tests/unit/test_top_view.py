"""What `rfid-gateway top` shows, made of two states."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rfid_gateway.cli.top_view import by_trouble, rate, view

SECOND = 1_000_000
AT = 1_795_634_000_000_000


def reader(state: str = "online", detail: str = "", per_second: float = 10.0) -> dict[str, Any]:
    return {
        "state": state,
        "since": AT,
        "detail": detail,
        "model": "R420",
        "firmware": "7.6",
        "antennas": [1, 2],
        "temperature": 40.0,
        "reads_per_second": per_second,
        "reads": 1000,
        "clock_offset": 1500,
        "last_read_at": AT,
        "last_error": "",
        "last_error_at": None,
        "reconnects": 0,
    }


def state(seconds: float = 0, **more: object) -> dict[str, Any]:
    return {
        "at": AT + round(seconds * SECOND),
        "started": AT - 60 * SECOND,
        "stopped": False,
        "running": True,
        "broker": "connected to 10.0.0.7:1883 over MQTT 5",
        "database": "ok",
        "disk": "ok",
        "disk_free_bytes": 34 << 30,
        "database_bytes": 12 << 20,
        "clock": "ok",
        "clock_apart_s": 0.001,
        "reads": 0,
        "events": 0,
        "published": 0,
        "backlog": 0,
        "unbound": 3,
        "readers": {"dock": reader()},
    } | more


def shown(before: dict[str, Any], now: dict[str, Any], columns: int = 80, rows: int = 24) -> list[str]:
    """The screen's lines as a terminal of this size has them."""
    console = Console(width=columns, height=rows, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(view(before, now, (columns, rows)))
    return captured.get().rstrip("\n").split("\n")


def test_a_backlog_that_falls_says_when_it_is_gone() -> None:
    lines = shown(state(backlog=5000), state(10, backlog=4800))
    assert "waiting   4800 events, falling 20.0/s, none left in 4 min 0 s" in [line.rstrip() for line in lines]
    assert "falling 0.1/s, none left in 11 d 13 h" in "\n".join(
        shown(state(backlog=100_001), state(10, backlog=100_000))
    )


def test_a_backlog_that_rises_or_stays_says_so() -> None:
    assert "rising 2.5/s" in "\n".join(shown(state(backlog=0), state(10, backlog=25)))
    assert "7 events, steady" in "\n".join(shown(state(backlog=7), state(10, backlog=7)))
    assert "steady" not in "\n".join(shown(state(), state(10)))


def test_figures_of_two_lives_of_the_gateway_make_no_rate() -> None:
    assert rate(state(events=900), state(10, events=5, started=AT), "events") is None
    assert rate(state(events=900), state(0, events=900), "events") is None
    assert rate(state(events=900), state(10, events=900, running=False), "events") is None
    assert rate(state(events=900), state(10, events=1000), "events") == 10.0


def test_troubled_readers_come_first_and_of_64_none_is_left_out() -> None:
    readers = {f"dock-{number}": reader() for number in range(64)}
    readers["dock-60"] = reader("offline", "192.168.10.21:5084: no answer", 0)
    readers["dock-61"] = reader("degraded", "antenna 2 is gone", 5)
    assert by_trouble(readers)[:3] == ["dock-60", "dock-61", "dock-0"]
    lines = shown(state(), state(1, readers=readers))
    assert len(lines) == 24
    first = next(number for number, line in enumerate(lines) if line.startswith("reader"))
    assert lines[first + 1].startswith("dock-60  offline")
    assert lines[first + 1].rstrip().endswith("192.168.10.21:5084: no answer")
    assert lines[first + 2].startswith("dock-61  degraded")
    rest = 64 - (24 - first - 3)
    assert lines[-2].startswith(f"and {rest} more readers, {rest} of them online, {rest * 10:.1f} reads/s")


def test_what_is_wrong_with_the_gateway_itself_is_said() -> None:
    wrong = state(1, disk="only 3.0 MB are free in /var/lib: make room", observations_lost=7, broker="not connected")
    text = "\n".join(shown(state(), wrong))
    assert "only 3.0 MB are free" in text
    assert "7 observations" in text
    assert "not running: last sign of life" in shown(state(), state(running=False))[0]


@pytest.mark.parametrize("readers", [0, 1, 64])
@given(columns=st.integers(1, 200), rows=st.integers(1, 70))
def test_no_terminal_gets_more_lines_or_columns_than_it_has(readers: int, columns: int, rows: int) -> None:
    named = {f"a-reader-with-a-long-name-{number}": reader("offline", "why " * 50) for number in range(readers)}
    now = state(1, readers=named, disk="full " * 40, observations_lost=7, databases_set_aside=["a" * 60, "b"])
    lines = shown(state(), now, columns, rows)
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns
