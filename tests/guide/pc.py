"""What stands for a warehouse PC while a page is run: its files, its service, and what is typed at its terminal.

The page's paths and addresses are a real site's. `Pc` puts the test's own in their place before a command runs, and
the page's back into what it says. The service is the real program, told by environment that systemd started it; its
status line and its journal are what it sent there. Whatever else systemd and root do is run by `make test-systemd`.
"""

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.guide.page import Command, matches

BIN = Path(sys.executable).parent
CONFIGURATION = "/etc/rfid-gateway/gateway.toml"
PATIENCE_S = 45.0
SYSTEM = frozenset({"apt", "chown", "deluser", "getent", "systemctl", "systemd-analyze", "tar", "timedatectl"})
"""Programs that need root or systemd: `make test-systemd` runs them as the page has them."""
HERE = frozenset(
    {
        "curl",
        "df",
        "echo",
        "fuser",
        "journalctl",
        "ls",
        "mosquitto_pub",
        "mosquitto_sub",
        "rfid-gateway",
        "rfid-simulator",
        "sqlite3",
    }
)
"""Programs that are run here."""
ELSEWHERE = {
    "python3 -m venv /opt/rfid-gateway": "tests/unit/test_packaging.py has the file name of the next line",
    "/opt/rfid-gateway/bin/pip install rfid_gateway-0.1.0-py3-none-any.whl": "likewise; it needs a registry",
    "sudo /opt/rfid-gateway/bin/rfid-gateway service install": "tests/systemd/checks.py: without_package",
    "sudo /opt/rfid-gateway/bin/rfid-gateway setup": "tests/unit and tests/e2e of setup",
}
"""Commands that tests of their own stand for, and which."""
STAND_INS = {(verb, "rfid-gateway") for verb in ("reload", "restart", "start", "status", "stop")}
"""What `systemctl` is asked for and is done here as systemd would."""
_CHANGES = re.compile(
    r"\b(import|bind|unbind|close|retry|republish|withdraw|backup|restore|setup|support-bundle|pub)\b"
)
"""A command with none of these words only looks, and may look again."""


def program(command: str) -> str:
    """The program that a command runs, without `sudo`."""
    words = shlex.split(command.partition("|")[0])
    return without_sudo(words)[0]


def runs_here(command: str) -> bool:
    """Whether a command is run against the test's warehouse; otherwise it is systemd's and root's."""
    words = without_sudo(shlex.split(command))
    if command in ELSEWHERE:
        return False
    return program(command) in HERE or (words[0] == "systemctl" and tuple(words[1:]) in STAND_INS)


def without_sudo(words: list[str]) -> list[str]:
    """A command without `sudo` and its `-u USER`."""
    if words[0] != "sudo":
        return words
    return words[3:] if words[1] == "-u" else words[1:]


@dataclass(frozen=True, slots=True)
class Alias:
    """What the page calls something, and what it is in the test."""

    printed: str
    actual: str


class Pc:
    """One warehouse PC. Owner: the test; `parts` ends with it."""

    def __init__(self, folder: Path, parts: ExitStack) -> None:
        self.folder = folder
        self.parts = parts
        self.state = folder / "state"
        self.aliases = [
            Alias("/etc/rfid-gateway", str(folder / "etc")),
            Alias("/var/lib/rfid-gateway", str(self.state)),
            Alias("/dev/serial", str(folder / "dev")),
        ]
        self.environment: dict[str, str] = {}
        """Of the service alone."""
        self._before: list[str] = []
        """Words before the service's command line."""
        self.status_text = ""
        """Written by the thread that stands for systemd."""
        (folder / "etc").mkdir()
        (folder / "dev/by-id").mkdir(parents=True)
        (folder / "home").mkdir()
        self._service: subprocess.Popen[bytes] | None = None
        self._exit_code = 0
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._manager.bind(str(folder / "notify"))
        listener = threading.Thread(target=self._listen, name="service-manager", daemon=True)
        listener.start()
        parts.callback(self._close, listener)

    # Files -----------------------------------------------------------------------------------------------------------

    def path(self, printed: str) -> Path:
        """Where a file of the page is in the test; a plain name is in the home folder."""
        actual = self._actual(printed)
        return Path(actual) if actual.startswith("/") else self.folder / "home" / actual

    def write(self, printed: str, content: str) -> None:
        self.path(printed).write_text(self._actual(content))

    def change(self, old: str, new: str) -> None:
        """Change the configuration."""
        file = self.path(CONFIGURATION)
        text = file.read_text()
        assert self._actual(old) in text, old
        file.write_text(text.replace(self._actual(old), self._actual(new)))

    # The service -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the service as systemd would."""
        with (self.folder / "journal").open("ab") as journal:
            # The file stands for the journal's stream; where there is no journal's socket, the log comes here, too.
            stream = os.fstat(journal.fileno())
            environment = {
                **os.environ,
                "RFID_GATEWAY_CONFIG": str(self.path(CONFIGURATION)),
                "NOTIFY_SOCKET": str(self.folder / "notify"),
                "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}",
                **self.environment,
            }
            command = [*self._before, str(BIN / "rfid-gateway"), "run"]
            self._service = subprocess.Popen(command, env=environment, stdout=journal, stderr=journal)

    def as_nobody(self) -> None:
        """Let the service be a user with as few rights as the package's; only root can, others are such a user."""
        if os.geteuid() == 0:
            self.folder.chmod(0o755)
            self._before = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            (self.folder / "notify").chmod(0o777)
            if not self.state.exists():
                self.state.mkdir()
                os.chown(self.state, 65534, 65534)

    def stop(self) -> None:
        """Stop the service in order."""
        if self._service is not None:
            self._service.terminate()
            self._service.wait(30)

    def kill(self) -> None:
        """End the service as a power cut would."""
        if self._service is not None:
            self._service.kill()
            self._service.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _reload(self) -> None:
        assert self._service is not None
        self._service.send_signal(signal.SIGHUP)

    def _state_word(self) -> str:
        if self._service is None or self._service.poll() == 0:
            return "inactive (dead)"
        code = self._service.poll()
        return "active (running)" if code is None else f"failed (Result: exit-code, status={code})"

    # The terminal ----------------------------------------------------------------------------------------------------

    def answer(self, command: Command) -> str:
        """What is answered to a command of the page; one that only looks looks again until that is the page's."""
        until = time.monotonic() + PATIENCE_S
        while True:
            said = self.run(command, until)
            if matches(command.answer, said) or _CHANGES.search(command.words) or time.monotonic() > until:
                return said
            time.sleep(0.3)

    def run(self, command: Command, until: float) -> str:
        """What is answered this time; what has not ended by then, or has said what the page shows, is ended."""
        words = shlex.split(command.words)
        if command.words == "echo $?":
            return f"{self._exit_code}\n"
        if program(command.words) in {"systemctl", "journalctl"}:
            return self._printed(self._stand_in(without_sudo(words)))
        line = re.sub(r"\bsudo (-u \S+ )?", "", self._actual(command.words))
        if line.endswith("&"):
            self._start_in_background(line.removesuffix("&"))
            return ""
        with tempfile.TemporaryFile("w+") as output:
            process = self._shell(line, output)
            said = ""
            while process.poll() is None:
                said = self._printed(_read(output))
                complete = command.answer and said.endswith("\n") and matches(command.answer, said)
                if time.monotonic() > until or (complete and _never_ends(command)):
                    process.kill()
                    process.wait()
                    return said
                time.sleep(0.05)
            self._exit_code = process.returncode
            return self._printed(_read(output))

    def _shell(self, line: str, output: IO[str] | int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", "-c", f"exec {line}" if "|" not in line else line],
            cwd=self.folder / "home",
            env={
                **os.environ,
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "RFID_GATEWAY_CONFIG": str(self.path(CONFIGURATION)),
                "LC_ALL": "C.UTF-8",
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def _start_in_background(self, line: str) -> None:
        process = self._shell(line, subprocess.DEVNULL)
        self.parts.callback(process.wait)
        self.parts.callback(process.kill)

    def _stand_in(self, words: list[str]) -> str:
        self._exit_code = 0
        match words:
            case ["systemctl", "status", "rfid-gateway"]:
                text = f'     Status: "{self.status_text}"\n' if self.status_text else ""
                return f"● rfid-gateway.service - RFID gateway\n     Active: {self._state_word()} since now\n{text}\n"
            case ["systemctl", "restart", "rfid-gateway"]:
                self.restart()
            case ["systemctl", "reload", "rfid-gateway"]:
                self._reload()
            case ["systemctl", "start", "rfid-gateway"]:
                self.start()
            case ["systemctl", "stop", "rfid-gateway"]:
                self.stop()
            case ["journalctl", *options]:
                return self._journal(options)
        return ""

    def _journal(self, options: list[str]) -> str:
        """The service's own lines as `journalctl -o cat` shows them."""
        parser = argparse.ArgumentParser("journalctl", exit_on_error=False)
        for option, default in (("-u", ""), ("-n", "100000"), ("-o", "short"), ("-p", "debug"), ("-g", ""), ("-S", "")):
            parser.add_argument(option, default=default)
        chosen = parser.parse_args(options)
        worst = {"err": 3, "warning": 4, "info": 6, "debug": 7}[chosen.p]
        lines = []
        priority = 6
        for line in (self.folder / "journal").read_text().splitlines():
            if found := re.match(r"<(\d)>", line):
                priority = int(found[1])
                line = line[3:]  # noqa: PLW2901 - as the journal does
            if priority <= worst and re.search(chosen.g, line):
                lines.append(line)
        return "".join(f"{line}\n" for line in lines[-int(chosen.n) :])

    # -----------------------------------------------------------------------------------------------------------------

    def _actual(self, text: str) -> str:
        for alias in self.aliases:
            text = text.replace(alias.printed, alias.actual)
        return text

    def _printed(self, text: str) -> str:
        for alias in self.aliases:
            text = text.replace(alias.actual, alias.printed)
        return text

    def _listen(self) -> None:
        while datagram := self._manager.recv(4096):
            fields = dict(line.partition("=")[::2] for line in datagram.decode().splitlines())
            self.status_text = fields.get("STATUS", self.status_text)

    def _close(self, listener: threading.Thread) -> None:
        self.kill()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"", str(self.folder / "notify"))
        listener.join()
        self._manager.close()


def _never_ends(command: Command) -> bool:
    """Whether a command is one that people end with Ctrl-C."""
    following = "--follow" in command.words or command.words.endswith(" -f")
    return following or (program(command.words) == "mosquitto_sub" and " -C " not in command.words)


def _read(output: IO[str]) -> str:
    output.seek(0)
    return str(output.read())


@contextmanager
def warehouse_pc() -> Iterator[Pc]:
    """A PC without anything on it, for a block."""
    # Not pytest's folder: the path of a socket may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="rfid-pc-") as folder, ExitStack() as parts:
        yield Pc(Path(folder), parts)
