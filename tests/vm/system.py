"""What else only a whole PC shows: a clock that is set, memory that ends, a reboot and a switch-off in order."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.check import check
from tests.faults.field import SPOTS, Truth
from tests.vm.evidence import gaps, lost_on_disk
from tests.vm.finding import Finding, happened
from tests.vm.machine import UNIT, Machine
from tests.vm.postmortem import check_file_system, examine
from tests.vm.site import Site, all_well, wait, witnessed

KIND = "system"
_FIRST = 500_000
_LIMIT = 1 << 30
_HOUR = 3600
# Joins the gateway's control group and takes 16 MB after 16 MB, up to half a gigabyte more than the limit.
_HOG = (
    "echo $$ > /sys/fs/cgroup/system.slice/{unit}/cgroup.procs && "
    "exec python3 -c 'x = [bytes([1]) * (1 << 24) for _ in range(96)]'"
)


def check_system(site: Site, machine: Machine) -> Iterator[Finding]:
    """The PC goes on afterwards."""
    life = _System(site, machine)
    for step in (life.clock, life.memory, life.reboot):
        yield from step()


def switch_off(site: Site, machine: Machine, folder: Path, cut_short: set[str]) -> Iterator[Finding]:
    """Switched off in order: the end of every run, and the last look at all that ever happened.

    Args:
        site: what stands around the PC.
        machine: the PC, running.
        folder: where its disk may be looked at.
        cut_short: shipments that went through the door when the power was cut; they have been judged.
    """
    machine.run("sh", "-c", "sleep 1; systemctl poweroff &")
    machine.wait_off()
    words = check_file_system(machine.disk)
    yield Finding("switched off: the file system needs no repair", not words, words)
    remains = examine(machine.disk, folder)
    wrong = lost_on_disk(remains, witnessed(machine), site.proxy.record.sent, site.taken())
    yield Finding(
        "switched off: all that was acknowledged is on the disk",
        not wrong and not remains.waiting,
        f"{wrong} waiting: {len(remains.waiting)}",
        f"{len(remains.events)} events, {len(site.taken())} entries",
    )
    received = [event for event in site.received() if event.shipment not in cut_short]
    sent = [event for event in site.proxy.record.sent if event.shipment not in cut_short]
    counts, wrong = check(site.happened, received, sent, ())
    wrong += gaps(site.received())
    total = f"{sum(count.received for count in counts.values())} of {len(site.happened)} events"
    yield Finding("in all: nothing lost, doubled, out of order, no gap", not wrong, f"{wrong}", total)


class _System:
    """Owner: `check_system`."""

    def __init__(self, site: Site, machine: Machine) -> None:
        self._site = site
        self._machine = machine
        self._next = _FIRST

    def clock(self) -> Iterator[Finding]:
        """Three hours ahead and back, by hand, while tags arrive."""
        # A real time daemon would put it right behind our back; there is none, and this keeps it so.
        self._machine.run("timedatectl", "set-ntp", "false")
        for hours in (3, -3):
            before = len(self._alerts("clock"))
            self._machine.run("date", "-s", f"{hours:+d} hours")
            self._arrive()
            wait(lambda: len(self._alerts("clock")) > before, "the alert clock")  # noqa: B023 - waited for at once
            yield happened(f"date -s '{hours:+d} hours': alert, events go on", json.dumps(self._alerts("clock")[-1]))
        apart = abs(int(self._machine.run("date", "+%s").output) - time.time())
        yield Finding("the guest's clock is right again", apart < _HOUR / 60, f"{apart:.0f} s apart")

    def memory(self) -> Iterator[Finding]:
        """More than MemoryMax within the unit: the kernel ends it, and systemd starts the gateway again."""
        shown = self._machine.show("MemoryMax", "MainPID", "MemoryCurrent")
        limit = self._machine.run("cat", f"/sys/fs/cgroup/system.slice/{UNIT}/memory.max").output.strip()
        good = shown["MemoryMax"] == limit == str(_LIMIT)
        used = f"{int(shown['MemoryCurrent']) >> 20} MB used"
        yield Finding("MemoryMax is the kernel's limit", good, f"{shown} {limit}", used)
        kills = self._kills()
        done = self._machine.run("sh", "-c", _HOG.format(unit=UNIT))
        killed = self._kills() > kills
        yield Finding("MemoryMax is honoured: the kernel kills what takes more", killed, f"exit code {done.code}")
        began = time.time()
        took = wait(lambda: all_well(self._machine, began), "the gateway is well after the kill")
        now = self._machine.show("MainPID", "NRestarts", "Result")
        self._arrive()
        yield happened("and the gateway goes on", f"MainPID {shown['MainPID']}, then {now}", f"{took:.1f} s")

    def reboot(self) -> Iterator[Finding]:
        """`reboot` while tags arrive."""
        site, machine = self._site, self._machine
        statuses = len(site.said("status"))
        truths = [self._put() for _ in range(4)]
        began, at = time.monotonic(), time.time()
        machine.mark_boot()
        machine.run("sh", "-c", "sleep 1; systemctl reboot &")
        truths += [self._put() for _ in range(4)]
        wait(lambda: any(state["state"] == "offline" for state in site.said("status")[statuses:]), "offline is said")
        said = next(state for state in site.said("status")[statuses:] if state["state"] == "offline")
        # The Last Will has no backlog: this is the gateway's own word.
        yield Finding("reboot: the gateway says offline itself", "backlog" in said, json.dumps(said))
        machine.forget_agent()
        wait(lambda: machine.boot().kernel, "the PC boots again")
        ready = machine.wait_ready()
        wait(lambda: site.has_events_of(*truths), f"an event of each of {truths}")
        wait(lambda: all_well(machine, at), "the gateway is well")
        boot = machine.boot()
        good = not boot.replayed and not boot.trouble and not gaps(site.received())
        yield Finding(
            "reboot: comes back by itself, nothing lost, sequence goes on",
            good,
            f"{boot} {gaps(site.received())}",
            f"READY {ready.since_kernel_s:.1f} s after the kernel, {time.monotonic() - began:.0f} s in all",
        )

    def _put(self) -> Truth:
        self._next += 1
        return self._site.stay(self._next, self._next % len(SPOTS), KIND)

    def _arrive(self) -> None:
        truth = self._put()
        wait(lambda: self._site.has_events_of(truth), f"an event of {truth}")

    def _alerts(self, kind: str) -> list[dict[str, Any]]:
        return [alert for alert in self._site.said("alerts") if alert["kind"] == kind]

    def _kills(self) -> int:
        """Times that the kernel has killed something for want of memory in this boot."""
        return self._machine.run("dmesg").output.count("Memory cgroup out of memory: Killed process")
