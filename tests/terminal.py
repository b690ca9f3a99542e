"""A program on a terminal of its own (a pty), and the person before it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 60.0
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ROWS_AND_COLUMNS = (50, 140)

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Makes the pty the terminal whose Ctrl-C reaches the program, then becomes the program."""


class Terminal:
    """Starts a program as the terminal's foreground process; owner: the test."""

    def __init__(
        self,
        words: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        rows_and_columns: tuple[int, int] = _ROWS_AND_COLUMNS,
    ) -> None:
        self._master, slave = pty.openpty()
        self.resizes(*rows_and_columns)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *map(str, words)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **(environment or {})},
            start_new_session=True,
        )
        os.close(slave)
        self._heard = b""
        self._read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def screen(self) -> str:
        """Everything that was shown, without colours."""
        return _STYLE.sub("", self._heard.decode(errors="replace")).replace("\r\n", "\n").replace("\r", "\n")

    def sees(self, words: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for words behind those that were waited for last."""
        until = time.monotonic() + patience_s
        while (place := self.screen.find(words, self._read)) < 0:
            assert time.monotonic() < until, f"{words!r} was not shown:\n{self.screen}"
            if not self._hear(0.1) and self._process.poll() is not None:
                assert words in self.screen[self._read :], f"{words!r} was not shown before the end:\n{self.screen}"
        self._read = place + len(words)

    def types(self, line: str = "") -> None:
        """Type a line and Enter."""
        os.write(self._master, f"{line}\n".encode())

    def answers(self, question: str, line: str = "") -> None:
        """Wait for a question and answer it."""
        self.sees(question)
        self.sees(": ")
        self.types(line)

    def presses_ctrl_c_until(self, words: str) -> None:
        """Press Ctrl-C until words are shown.

        Once is not always enough: a signal that comes between the prompt of CPython's `input` and its select() waits
        for the next key. Nobody at a keyboard is that quick.
        """
        for _ in range(10):
            os.write(self._master, b"\x03")
            with contextlib.suppress(AssertionError):
                self.sees(words, PATIENCE_S / 10)
                return
        self.sees(words, 0.0)

    def presses(self, keys: str) -> None:
        """Press keys without Enter."""
        os.write(self._master, keys.encode())

    def resizes(self, rows: int, columns: int) -> None:
        """Make the window larger or smaller."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signals(self, number: int) -> None:
        """Send the program a signal."""
        self._process.send_signal(number)

    @property
    def modes(self) -> list[object]:
        """How the terminal is set (tcgetattr)."""
        return list(termios.tcgetattr(self._master))

    @property
    def heard(self) -> bytes:
        """Everything that was written, as it came."""
        return self._heard

    def presses_ctrl_d(self) -> None:
        os.write(self._master, b"\x04")

    def ends(self) -> int:
        """Wait for the end; returns the exit code."""
        until = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:
            assert time.monotonic() < until, f"it did not end:\n{self.screen}"
            self._hear(0.1)
        while self._hear(0.0):
            pass
        return self._process.returncode

    def _hear(self, patience_s: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], patience_s)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last one who had it open is gone
            return False
        self._heard += data
        return bool(data)
