"""A serial reader on USB, pulled and put back: udev, the kernel's driver, the sandbox and the gateway together."""

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.faults.field import READERS
from tests.vm.finding import Finding, happened
from tests.vm.image import PORT_NAME
from tests.vm.machine import Machine
from tests.vm.messages import read_adapter_log
from tests.vm.site import Site, all_well, status, wait

KIND = "usb"
_FIRST = 400_000
"""Where the numbers of the tags begin that arrive here."""
_TABLE, _SHELF = 6, 0
"""Spots: an antenna of the serial reader, and one of an LLRP reader."""


def check_usb(site: Site, machine: Machine) -> Iterator[Finding]:
    """From the adapter's name to reads after it came back under another number."""
    life = _Adapter(site, machine)
    for step in (life.name, life.sandbox, life.lines, life.reads, life.pulled, life.put_back, life.once_more):
        yield from step()


class _Adapter:
    """The adapter's life. Owner: `check_usb`."""

    def __init__(self, site: Site, machine: Machine) -> None:
        self._site = site
        self._machine = machine
        self._next = _FIRST

    def name(self) -> Iterator[Finding]:
        target = self._target()
        yield Finding("udev: the rules' name leads to the adapter", target.startswith("/dev/ttyUSB"), target, target)
        shown = self._run("stat", "-c", "%U:%G %a", target).strip()
        yield Finding("udev: group and mode", shown == "root:dialout 660", shown, shown)
        properties = self._run("udevadm", "info", "-q", "property", target)
        ignored = "ID_MM_DEVICE_IGNORE=1" in properties and "ID_MM_PORT_IGNORE=1" in properties
        yield Finding("udev: ModemManager leaves it alone", ignored, properties)
        by_id = [line for line in properties.split() if "/dev/serial/by-id/" in line]
        yield Finding("udev: /dev/serial/by-id has it", bool(by_id), str(by_id))
        latency = self._run("cat", f"/sys/bus/usb-serial/devices/{target.rpartition('/')[2]}/latency_timer").strip()
        yield Finding("FTDI latency timer", latency == "1", f"{latency} ms", f"{latency} ms")

    def sandbox(self) -> Iterator[Finding]:
        shown = self._machine.show("MainPID", "User", "DevicePolicy", "DeviceAllow")
        pid = shown["MainPID"]
        user = self._run("stat", "-c", "%U", f"/proc/{pid}").strip()
        opened = self._run("sh", "-c", f"ls -l /proc/{pid}/fd | grep tty").strip()
        closed = shown["DevicePolicy"] == "closed" and "char-ttyUSB" in shown["DeviceAllow"]
        good = user == "rfid-gateway" and "ttyUSB" in opened and closed
        yield Finding("the port is open in the sandbox of the system user", good, f"{user}: {opened}; {shown}")

    def lines(self) -> Iterator[Finding]:
        """What the adapter itself was told, as QEMU saw it."""
        told = read_adapter_log(self._machine.adapter_log.read_text())
        words = f"DTR {told.dtr}, RTS {told.rts}, latency {told.latency_ms} ms, {told.baud} baud"
        # 57600 does not divide the adapter's clock: the next rate is meant.
        right_baud = told.baud is not None and abs(told.baud - 57_600) < 576
        good = told.dtr is True and told.rts is True and told.latency_ms == 1 and right_baud
        yield Finding("the adapter was told DTR, RTS, latency and rate", good, words, words)

    def reads(self) -> Iterator[Finding]:
        took = self._arrive(_TABLE)
        yield happened("reads of the serial reader become events", f"{took:.1f} s", f"{took:.1f} s")

    def pulled(self) -> Iterator[Finding]:
        others = {name: self._view(name)["reconnects"] for name in READERS if name != "table"}
        alerts = len(self._site.said("alerts"))
        self._machine.pull()
        took = wait(lambda: self._view("table").get("state") == "offline", "the pulled reader is offline")
        yield happened("pulled: offline in the status", self._view("table")["detail"], f"{took:.1f} s")
        gone = self._machine.run("test", "-e", f"/dev/{PORT_NAME}").code != 0
        yield Finding("pulled: its name is gone", gone, f"/dev/{PORT_NAME}")
        wait(lambda: self._told()["state"] == "offline", "the broker is told that the reader is offline")
        yield happened("pulled: retained reader status", self._told()["detail"])
        wait(lambda: bool(self._down(alerts)), "the alert reader_down")
        down = self._down(alerts)
        yield Finding("pulled: alert", [alert["reader"] for alert in down] == ["table"], json.dumps(down))
        took = self._arrive(_SHELF)
        same = {name: self._view(name)["reconnects"] for name in others} == others
        yield Finding("pulled: other readers go on", same, f"{others}, event after {took:.1f} s", f"{took:.1f} s")

    def put_back(self) -> Iterator[Finding]:
        """Another adapter takes the number, so the reader comes back under the next one."""
        before = self._view("table")["reconnects"]
        self._machine.plug_in_other("other")
        wait(lambda: self._machine.run("test", "-e", "/dev/ttyUSB0").code == 0, "the other adapter's port")
        self._machine.plug_in()
        took = self._back()
        target = self._target()
        number = f"ttyUSB0 -> {target.removeprefix('/dev/')}"
        yield Finding(
            "put back: online again by itself", self._view("table")["reconnects"] > before, "", f"{took:.1f} s"
        )
        yield Finding("put back: under another number, same name", target == "/dev/ttyUSB1", target, number)
        took = self._arrive(_TABLE)
        yield happened("put back: reads flow", f"{took:.1f} s", f"{took:.1f} s")
        wait(
            lambda: any(
                alert["kind"] == "reader_up" and alert["reader"] == "table" for alert in self._site.said("alerts")
            ),
            "the alert reader_up",
        )
        yield happened("put back: alert reader_up")

    def once_more(self) -> Iterator[Finding]:
        """Pulled and back within a second, several times, as a loose plug does; the other adapter goes for good."""
        self._machine.pull_other("other")
        for _ in range(3):
            self._machine.pull()
            time.sleep(0.5)
            self._machine.plug_in()
            time.sleep(0.5)
        took = self._back()
        self._arrive(_TABLE)
        restarts = self._machine.show("NRestarts")["NRestarts"]
        yield Finding(
            "a loose plug: online again, reads flow", restarts == "0", f"NRestarts {restarts}", f"{took:.1f} s"
        )

    # -----------------------------------------------------------------------------------------------------------------

    def _arrive(self, spot: int) -> float:
        self._next += 1
        truth = self._site.stay(self._next, spot, KIND)
        return wait(lambda: self._site.has_events_of(truth), f"an event of {truth}")

    def _back(self) -> float:
        began = time.time()
        return wait(lambda: all_well(self._machine, began), "all readers are online")

    def _view(self, reader: str) -> dict[str, Any]:
        found: dict[str, Any] = status(self._machine).get("readers", {}).get(reader, {})
        return found

    def _told(self) -> dict[str, Any]:
        return self._site.said("readers/table/status")[-1]

    def _down(self, since: int) -> list[dict[str, Any]]:
        """Alerts `reader_down` after that many alerts."""
        return [alert for alert in self._site.said("alerts")[since:] if alert["kind"] == "reader_down"]

    def _target(self) -> str:
        return self._run("readlink", "-f", f"/dev/{PORT_NAME}").strip()

    def _run(self, *command: str) -> str:
        return self._machine.run(*command).output
