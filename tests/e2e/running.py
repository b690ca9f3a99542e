"""A gateway in a process of its own, as systemd would run it, and the sites it is run against."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rfid_gateway.clock import SystemClock
from rfid_simulators.world.sighting import Radio, Sighting
from tests.servers import Mosquitto, eventually, free_port

PROGRAM = Path(sys.executable).parent / "rfid-gateway"


class RunningGateway:
    """`rfid-gateway run` with one configuration, started, killed and started again."""

    def __init__(self, configuration: Path) -> None:
        self.configuration = configuration
        self._process: subprocess.Popen[str] | None = None
        self._log = configuration.with_suffix(".log")
        self._started_at = 0
        """UTC, µs. Before the gateway has written its state, that of its last run is still there."""

    def start(self) -> None:
        self._started_at = SystemClock().utc_us()
        with self._log.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "run", "--config", self.configuration], stdout=subprocess.PIPE, stderr=log, text=True
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def hang_up(self) -> None:
        """Ask it to read its configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def hears_hang_up(self) -> bool:
        """Whether SIGHUP would not end it any more: Python itself takes a moment to begin."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        masks = [line.split()[1] for line in status.splitlines() if line.startswith(("SigIgn:", "SigCgt:"))]
        return any(int(mask, 16) >> (signal.SIGHUP - 1) & 1 for mask in masks)

    def reload(self) -> None:
        """The same, and wait until the new configuration is applied."""
        before = self.log().count("event=reload.applied")
        self.hang_up()
        eventually(lambda: self.log().count("event=reload.applied") > before, f"it is applied: {self.log()[-2000:]}")

    def stop(self) -> str:
        """End it as systemd would; returns what it said."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, self.log()
        return said

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def ask(self, *command: str) -> list[dict[str, Any]]:
        """Output of another command of the program on the same configuration, as JSON lines."""
        done = subprocess.run(
            [PROGRAM, *command, "--config", self.configuration, "--json"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def online(self, *readers: str) -> bool:
        """Whether these readers are read from and the broker is there, since it was started last."""
        try:
            (state,) = self.ask("status")
        except AssertionError:
            return False
        here = state["at"] > self._started_at and "connected to" in state["broker"]
        return here and all(
            name in state["readers"] and state["readers"][name]["state"] == "online" for name in readers
        )


@contextmanager
def running_gateway(configuration: Path) -> Iterator[RunningGateway]:
    gateway = RunningGateway(configuration)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.kill()


def until(radio: Radio, end: int) -> Radio:
    """A radio that hears nothing any more from `end` (µs of world time) on."""

    def hear(start: int, stop: int) -> list[Sighting]:
        return list(radio(start, min(stop, end))) if start < end else []

    return hear


def wait_for_outbox(gateway: RunningGateway) -> None:
    eventually(lambda: gateway.ask("status")[0]["backlog"] == 0, "the outbox is empty", patience_s=60)


def command(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def mqtt_table(broker: Mosquitto) -> str:
    return f'[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n'


def site(folder: Path, broker: Mosquitto, password_file: str | None = None) -> Path:
    """Configuration of a gateway with one reader that is not there."""
    user = f'username = "gateway"\npassword_file = "{password_file}"\n' if password_file else ""
    file = folder / "gateway.toml"
    file.write_text(
        f"""\
[gateway]
site = "hamburg"
id = "gate-1"
state_dir = "{folder}/state"
{mqtt_table(broker)}{user}[[readers]]
id = "dock-1"
driver = "llrp"
host = "127.0.0.1"
port = {free_port()}
[[zones]]
id = "storage"
antennas = ["dock-1"]
read_point = "urn:epc:id:sgln:4012345.00010.store-1"
[zones.arrived]
biz_step = "storing"
"""
    )
    return file
