"""What `status` and `top` say about the same things, in the same words. Pure but for `current_state`, which reads."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from rfid_gateway.cli.output import local_time
from rfid_gateway.state_file import read_state
from rfid_gateway.state_guard import FRESH_US

State = Mapping[str, Any]
"""What the gateway writes each second (state_file.py), and `running`."""


def is_running(state: State, now: int) -> bool:
    """Whether the gateway that wrote this runs at `now` (UTC, microseconds), and writes on."""
    return not state["stopped"] and now - state["at"] < FRESH_US


def current_state(folder: Path, now: int) -> dict[str, Any]:
    """What the gateway wrote last, and whether it is `running` at `now` (UTC, microseconds).

    Raises:
        click.ClickException: there is nothing to be read, in words.
    """
    try:
        state: dict[str, Any] = read_state(folder)
    except FileNotFoundError as error:
        raise click.ClickException(f"the gateway has not run here yet: there is no {error.filename}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}; call it as root (sudo)") from None
    state["running"] = is_running(state, now)
    return state


def headline(state: State) -> tuple[str, str]:
    """Whether it runs, and the colour for that."""
    if state["running"]:
        return f"running since {local_time(state['started'])}", "green"
    if state["stopped"]:
        return f"stopped at {local_time(state['at'])}", "yellow"
    return f"not running: last sign of life {local_time(state['at'])}", "red"


def troubles(state: State) -> Iterator[tuple[str, str]]:
    """What is wrong with the gateway itself: a name and words for each."""
    for name in ("database", "disk", "clock"):
        if (words := state.get(name, "ok")) != "ok":
            yield name, words
    for name in state.get("databases_set_aside", ()):
        yield "database", f"set aside as {name}: it was damaged; see docs/durability.md"
    if lost := state.get("observations_lost"):
        yield "lost", f"{lost} observations, while nothing could be kept"
    if aside := state.get("events_set_aside"):
        yield "set aside", f"{aside} events that the broker does not take: rfid-gateway outbox"
    if state["backlog"] and state.get("refused"):
        yield "refused", f"{state['refused']} times the broker refused an event, and gets it again; the log says why"


def reader_cells(reader: str, row: State) -> dict[str, str]:
    """One reader's line, by column."""
    return {
        "reader": reader,
        "state": row["state"],
        "since": local_time(row["since"]),
        "reads/s": f"{row['reads_per_second']:.1f}",
        "reads": str(row["reads"]),
        "last read": "never" if row["last_read_at"] is None else local_time(row["last_read_at"]),
        "clock": "" if row["clock_offset"] is None else f"{row['clock_offset'] / 1e6:+.3f} s",
        "returns": str(row["reconnects"]),
        "antennas": "?" if row["antennas"] is None else ", ".join(map(str, row["antennas"])) or "none",
        "°C": "" if row["temperature"] is None else f"{row['temperature']:.0f}",
        "model": " ".join(filter(None, (row["model"], row["firmware"]))),
    }


READER_COLUMNS = (
    "reader",
    "state",
    "since",
    "reads/s",
    "reads",
    "last read",
    "clock",
    "returns",
    "antennas",
    "°C",
    "model",
)
NUMBERS = frozenset({"reads/s", "reads", "clock", "returns", "°C"})
