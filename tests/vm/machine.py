"""A virtual PC in QEMU, without KVM: power switch, commands through the guest agent, USB sockets. I/O only.

Its power is cut by SIGKILL. The disk is opened with `cache=none`, so what the guest's kernel had not written is gone,
as with a real PC; a disk that lies about what it has written is not simulated.
"""

import base64
import contextlib
import itertools
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.vm.connection import ANSWER_PATIENCE_S, Connection, MachineError
from tests.vm.image import ADAPTER, Image, make_disk
from tests.vm.messages import Boot, read_console

UNIT = "rfid-gateway.service"
READER = "reader"
"""Name of the USB device and of its character device."""
MEMORY_MB = 1536
_BOOT_PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A command in the guest that has ended."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Ready:
    """How long it took until the gateway said READY."""

    since_kernel_s: float
    since_start_s: float
    """From the start of the service's process."""


class Machine:
    """One virtual PC and its disk; `with` sees to it that nothing goes on running. Owner: the run."""

    def __init__(self, image: Image, folder: Path, configuration: str, reader_port: int) -> None:
        """Make its disk.

        Args:
            image: what is copied to the disk.
            folder: everything of this PC lies here.
            configuration: the gateway's.
            reader_port: TCP port of 127.0.0.1 where the simulated serial reader listens; USB leads there.
        """
        self.disk = folder / "disk.raw"
        self.console = folder / "console.log"
        self.adapter_log = folder / "adapter.log"
        self.witness = folder / "witness.jsonl"
        self._image = image
        self._folder = folder
        self._reader_port = reader_port
        self._process: subprocess.Popen[bytes] | None = None
        self._qmp: Connection | None = None
        self._agent: Connection | None = None
        self._console_from = 0
        self._plugged = False
        self._numbers = itertools.count(1)
        for left in (self.console, self.adapter_log, self.witness):
            left.unlink(missing_ok=True)
        make_disk(image, self.disk, {"/etc/rfid-gateway/gateway.toml": configuration})

    # The power -------------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Switch on; it boots by itself from here on. What was plugged in still is."""
        assert self._process is None
        self._console_from = self.console.stat().st_size if self.console.exists() else 0
        with (self._folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._qmp = self._connect(self._folder / "qmp")
        self._qmp.next(ANSWER_PATIENCE_S)
        self._qmp.ask("qmp_capabilities")
        if self._plugged:
            self.plug_in()

    def cut_power(self) -> None:
        """Nobody in the guest hears of it."""
        process = self._process
        if process is None:
            return
        code = process.poll()
        process.kill()
        process.wait()
        self._hang_up()
        if code is not None:
            raise MachineError(f"QEMU had ended by itself with {code}; see {self._folder / 'qemu.log'}")

    def wait_off(self, patience_s: float = 120.0) -> None:
        """Wait until the guest has switched itself off."""
        assert self._process is not None
        self._process.wait(patience_s)
        self._hang_up()

    def close(self) -> None:
        """Let nothing of it go on."""
        with contextlib.suppress(MachineError):
            self.cut_power()

    def boot(self) -> Boot:
        """What the console says of the boot that was last."""
        with self.console.open("rb") as file:
            file.seek(self._console_from)
            return read_console(file.read().decode(errors="replace"))

    def mark_boot(self) -> None:
        """Another boot begins here, which is the guest's own."""
        self._console_from = self.console.stat().st_size

    # In the guest ----------------------------------------------------------------------------------------------------

    def run(self, *command: str, patience_s: float = 120.0) -> Finished:
        """A command in the guest, as root, to its end."""
        agent = self._awake()
        answer = agent.ask("guest-exec", path=command[0], arg=list(command[1:]), **{"capture-output": True})
        until = time.monotonic() + patience_s
        while True:
            state = agent.ask("guest-exec-status", pid=answer["pid"])
            if state["exited"]:
                parts = [base64.b64decode(state.get(part, "")).decode() for part in ("out-data", "err-data")]
                return Finished(int(state.get("exitcode", -1)), "".join(parts))
            if time.monotonic() > until:
                raise TimeoutError(f"{command} does not end within {patience_s:.0f} s")
            time.sleep(0.1)

    def show(self, *names: str, unit: str = UNIT) -> dict[str, str]:
        """Properties of a unit."""
        output = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).output
        return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

    def wait_ready(self) -> Ready:
        """Wait, with hands in the pockets, until systemd knows that the gateway is ready."""
        until = time.monotonic() + _BOOT_PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(MachineError, TimeoutError, OSError):
                shown = self.show("ActiveState", *_STAMPS)
                if shown.get("ActiveState") == "active":
                    ready, began = (int(shown[name]) / 1e6 for name in _STAMPS)
                    return Ready(ready, ready - began)
            time.sleep(0.5)
        raise TimeoutError(f"the gateway is not READY within {_BOOT_PATIENCE_S:.0f} s: {self.boot()}")

    def forget_agent(self) -> None:
        """The guest boots anew by itself: what it had been asked is forgotten."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    # USB -------------------------------------------------------------------------------------------------------------

    def plug_in(self) -> None:
        """Plug in the adapter with the reader behind it: only now it has power, and its line is empty."""
        self._ask(
            "chardev-add",
            id=READER,
            backend={
                "type": "socket",
                "data": {
                    "addr": {"type": "inet", "data": {"host": "127.0.0.1", "port": str(self._reader_port)}},
                    "server": False,
                },
            },
        )
        self._ask("device_add", driver="usb-serial", id=READER, chardev=READER, serial=ADAPTER)
        self._plugged = True

    def pull(self) -> None:
        """Pull the adapter; the reader behind it has no power either."""
        self._plugged = False
        self._unplug(READER)

    def plug_in_other(self, name: str) -> None:
        """Plug in another adapter, with nothing behind it."""
        self._ask("chardev-add", id=name, backend={"type": "null", "data": {}})
        # Without the last word QEMU waits for a program that opens the other end.
        plugged = {"always-plugged": True}
        self._ask("device_add", driver="usb-serial", id=name, chardev=name, serial=name.upper(), **plugged)

    def pull_other(self, name: str) -> None:
        self._unplug(name)

    def _unplug(self, name: str) -> None:
        assert self._qmp is not None
        self._qmp.events.clear()
        self._ask("device_del", id=name)
        self._qmp.wait_event("DEVICE_DELETED", 30.0)
        self._ask("chardev-remove", id=name)

    # -----------------------------------------------------------------------------------------------------------------

    def _ask(self, execute: str, **arguments: Any) -> Any:
        assert self._qmp is not None
        return self._qmp.ask(execute, **arguments)

    def _awake(self) -> Connection:
        """The guest agent, once it answers: what is on the line from before is passed over."""
        if self._agent is not None:
            return self._agent
        number = next(self._numbers)
        agent = self._connect(self._folder / "agent")
        try:
            found = agent.ask("guest-sync", 5.0, id=number)
            while found != number:
                found = agent.next(5.0).get("return")
        except BaseException:
            agent.close()
            raise
        self._agent = agent
        return agent

    def _connect(self, path: Path) -> Connection:
        until = time.monotonic() + ANSWER_PATIENCE_S
        while True:
            try:
                return Connection(path)
            except OSError:
                if time.monotonic() > until or (self._process and self._process.poll() is not None):
                    raise MachineError(f"no connection to QEMU; see {self._folder / 'qemu.log'}") from None
                time.sleep(0.05)

    def _hang_up(self) -> None:
        for connection in (self._qmp, self._agent):
            if connection is not None:
                connection.close()
        self._qmp = self._agent = self._process = None

    def _command(self) -> list[str]:
        return [
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB)),
            *(
                "-nodefaults",
                "-display",
                "none",
                "-kernel",
                str(self._image.kernel),
                "-initrd",
                str(self._image.initrd),
            ),
            *("-append", "root=/dev/vda ro console=ttyS0 loglevel=7 net.ifnames=0 panic=-1"),
            *("-drive", f"file={self.disk},if=none,id=disk,format=raw,cache=none"),
            *("-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"),
            *("-netdev", "user,id=lan", "-device", "virtio-net-pci,netdev=lan"),
            *("-chardev", f"file,id=console,path={self.console},append=on", "-serial", "chardev:console"),
            *("-qmp", f"unix:{self._folder / 'qmp'},server=on,wait=off"),
            *(
                "-device",
                "virtio-serial-pci",
                "-chardev",
                f"socket,id=agent,path={self._folder / 'agent'},server=on,wait=off",
            ),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
            *("-chardev", f"file,id=witness,path={self.witness},append=on"),
            *("-device", "virtserialport,chardev=witness,name=witness"),
            *("-device", "qemu-xhci", "-trace", "usb_serial_*", "-D", str(self.adapter_log)),
        ]


_STAMPS = ("ActiveEnterTimestampMonotonic", "ExecMainStartTimestampMonotonic")


def missing_programs() -> list[str]:
    """What this machine lacks."""
    return [name for name in ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "debugfs") if shutil.which(name) is None]
