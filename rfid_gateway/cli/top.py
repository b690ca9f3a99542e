"""`rfid-gateway top`."""

import contextlib
import os
import select
import signal
import socket
import sys
import termios
import tty
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console, ConsoleDimensions
from rich.live import Live

from rfid_gateway.cli.configuration import config_option, state_folder
from rfid_gateway.cli.status_cells import State, current_state
from rfid_gateway.cli.top_view import view
from rfid_gateway.clock import SystemClock

_EVERY_S = 1.0
_OVER = 10
"""States that are kept: what grows and falls is said over as many seconds, as reads/s is."""
_ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@click.command()
@config_option
def top(config_file: Path) -> None:
    """Show how the gateway on this PC is doing, renewed each second, until q or Ctrl-C."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") in {None, "", "dumb"}:
        raise click.UsageError("top needs a terminal; without one: rfid-gateway status, or status --json for programs")
    folder, _ = state_folder(config_file)
    states: deque[State] = deque([current_state(folder, SystemClock().utc_us())], _OVER + 1)
    with _keys_at_once(), _signals() as heard, contextlib.closing(heard):
        _watch(folder, states, heard)


def _watch(folder: Path, states: deque[State], heard: socket.socket) -> None:
    console, clock = Console(), SystemClock()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            # The size of now: signals wake us when it changes. Rich alone would keep to COLUMNS where that is exported.
            size = os.get_terminal_size(sys.stdout.fileno())
            console.size = ConsoleDimensions(size.columns, size.lines)
            live.update(view(states[0], states[-1], console.size), refresh=True)
            ready, _, _ = select.select([sys.stdin, heard], [], [], _EVERY_S)
            if sys.stdin in ready and os.read(sys.stdin.fileno(), 100)[:1] in {b"q", b"Q", b""}:
                return
            if heard in ready and _ENDS.intersection(heard.recv(100)):
                return
            _remember(states, _state_or_last(folder, states[-1], clock.utc_us()))


def _state_or_last(folder: Path, last: State, now: int) -> State:
    """The state of now; where it cannot be read any more the last one stays, as not running."""
    try:
        return current_state(folder, now)
    except click.ClickException:
        return {**last, "running": False}


def _remember(states: deque[State], state: State) -> None:
    if state["at"] == states[-1]["at"]:
        states[-1] = state
    else:
        states.append(state)


@contextlib.contextmanager
def _keys_at_once() -> Iterator[None]:
    """Get keys without Enter and show none; the terminal is afterwards as it was."""
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        yield
    finally:
        termios.tcsetattr(number, termios.TCSAFLUSH, before)


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket on which the numbers of signals arrive: of those that end us, and of a new size of the terminal."""
    heard, told = socket.socketpair()
    heard.settimeout(0)
    told.settimeout(0)
    wanted = (*_ENDS, signal.SIGWINCH)
    before = {number: signal.signal(number, lambda *_: None) for number in wanted}
    # Stopped with Ctrl-Z it would leave the shell with the other screen.
    before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    descriptor = signal.set_wakeup_fd(told.fileno())
    try:
        yield heard
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        told.close()
