"""`make test-vm`: the package on a virtual PC whose power is cut again and again, and whose USB reader is pulled.

Broker, readers and subscriber stand on this machine, outside of the virtual PC, and so does the ground truth. Prints a
line for each power cut and check as it ends, and a table at the end. Exit code 1 if anything was lost, doubled, out of
order or otherwise wrong. The seed decides kinds, traffic and instants; the scheduler still has its say. Needs root,
qemu-system-x86_64, mmdebstrap and Mosquitto; what it makes lies in build/vm.
"""

import json
import os
import random
import signal
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.faults.field import shipment_of
from tests.servers import mosquitto_path
from tests.vm.connection import MachineError
from tests.vm.cuts import AT_THE_CUT, Cost, PowerCuts
from tests.vm.finding import Finding, happened
from tests.vm.image import make_image
from tests.vm.machine import Machine, missing_programs
from tests.vm.plan import plan_cuts
from tests.vm.site import Site, all_well, wait
from tests.vm.system import check_system, switch_off
from tests.vm.usb import check_usb

FOLDER = Path("build/vm").resolve()
PARTS = ("cuts", "usb", "system")


class _Report:
    """What was found. Owner: `main`."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self.findings: list[Finding] = []
        self.trouble: list[str] = []

    @property
    def wrong(self) -> bool:
        unproved = not self.costs and not self.findings
        return (
            unproved
            or bool(self.trouble)
            or any(cost.wrong for cost in self.costs)
            or not all(finding.passed for finding in self.findings)
        )

    def add(self, found: Cost | Finding) -> None:
        print(found.line(), flush=True)
        if isinstance(found, Cost):
            self.costs.append(found)
            for words in found.wrong:
                print(f"    {words}", flush=True)
        else:
            self.findings.append(found)


def _run(site: Site, machine: Machine, seed: int, cuts: int, parts: list[str], report: _Report) -> None:
    began = time.time()
    machine.power_on()
    ready = machine.wait_ready()
    report.add(happened("first boot", f"{ready}", f"READY {ready.since_kernel_s:.1f} s"))
    machine.plug_in()
    took = wait(lambda: all_well(machine, began), "the adapter that was plugged in for the first time is read")
    report.add(happened("an adapter that comes first after the gateway has started is read", figure=f"{took:.1f} s"))
    if "cuts" in parts:
        for cost in PowerCuts(site, machine, seed, FOLDER).run(plan_cuts(seed, cuts)):
            report.add(cost)
    for part, checks in (("usb", check_usb), ("system", check_system)):
        if part in parts:
            for finding in checks(site, machine):
                report.add(finding)
    cut_short = {shipment_of(AT_THE_CUT + number) for number in range(1, cuts + 1)}
    for finding in switch_off(site, machine, FOLDER, cut_short):
        report.add(finding)


_COLUMNS = {
    "committed": "committed",
    "told": "said",
    "waiting": "waiting",
    "on the way": "on_the_way",
    "entries": "entries",
    "standing": "standing",
    "READY s": "ready_s",
    "well s": "back_s",
    "reads down": "reads_down",
    "lost": "reads_lost",
    "unsaved": "unsaved",
    "passage": "passage",
}
"""Headings and what stands below them of a cut's row."""


def _table(costs: list[Cost]) -> Table:
    table = Table("power cut", *_COLUMNS, "wrong")
    for column in table.columns[1:]:
        column.justify = "right"
    for cost in costs:
        row = cost.row()
        cells = (row[name] for name in _COLUMNS.values())
        words = (f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in cells)
        table.add_row(f"{cost.cut.number} {cost.cut.kind}", *words, str(len(cost.wrong)))
    return table


def _summary(costs: list[Cost]) -> str:
    ready = [cost.ready.since_kernel_s for cost in costs]
    outcomes = [cost.passage for cost in costs]
    passages = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes))
    twice = sum(cost.cut.again_after_s is not None for cost in costs)
    away = sum(cost.cut.broker_away for cost in costs)
    return (
        f"{len(costs)} power cuts ({away} without a broker) and {twice} more while coming up; wrong: "
        f"{sum(len(cost.wrong) for cost in costs)}; READY {min(ready):.1f} to {max(ready):.1f} s after the kernel "
        f"(median {statistics.median(ready):.1f}); passages at the cut: {passages}"
    )


def _missing() -> list[str]:
    missing = missing_programs()
    missing += [] if mosquitto_path() else ["mosquitto"]
    return missing + ([] if os.geteuid() == 0 else ["root"])


@click.command()
@click.option("--deb", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--cuts", default=12, show_default=True, help="How many power cuts.")
@click.option("--seed", type=int, help="Repeats a run; random if left out.")
@click.option("--parts", default=",".join(PARTS), show_default=True, help="Only these.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), default=FOLDER / "results.json")
def main(*, deb: Path, cuts: int, seed: int | None, parts: str, json_file: Path) -> None:
    """Cut the power of a virtual PC with the package, pull its reader; exit code 1 where anything is wrong."""
    if missing := _missing():
        raise click.ClickException(f"not here: {', '.join(missing)}; nothing was tested")
    chosen = parts.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise click.UsageError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    again = f"make test-vm SEED={seed} CUTS={cuts} PARTS={parts}"
    print(f"seed {seed}; again: {again}", flush=True)
    began = time.monotonic()
    # Ended by a timeout's SIGTERM, the virtual PC must not go on without us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    image = make_image(deb, FOLDER)
    report = _Report()
    with ExitStack() as stack:
        site = Site(stack, _emptied(FOLDER / "broker"))
        machine = Machine(image, FOLDER, site.configuration(), site.reader_port)
        stack.callback(machine.close)
        try:
            _run(site, machine, seed, cuts, chosen, report)
        except (MachineError, TimeoutError, ValueError, AssertionError) as error:
            report.trouble.append(f"{type(error).__name__}: {error}")
            print(f"FAILED {report.trouble[-1]}", flush=True)
            print(_last_words(machine), flush=True)
    rows = [*(cost.row() for cost in report.costs), *(finding.row() for finding in report.findings)]
    json_file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if report.costs:
        Console(width=None if sys.stdout.isatty() else 160).print(_table(report.costs))
        print(_summary(report.costs))
    passed = sum(finding.passed for finding in report.findings)
    print(f"{passed} of {len(report.findings)} checks passed; {time.monotonic() - began:.0f} s; as JSON: {json_file}")
    if report.wrong:
        print(f"again: {again}", file=sys.stderr)
        sys.exit(1)


def _last_words(machine: Machine) -> str:
    """What the gateway and the console said last, where they can still be asked."""
    try:
        log = machine.run("journalctl", "-u", "rfid-gateway", "-n", "40", "--no-pager", "-o", "short-iso").output
    except (MachineError, TimeoutError, OSError) as error:
        log = f"(no journal: {error})"
    return f"{log}\nconsole: {machine.boot()}"


def _emptied(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    return folder


if __name__ == "__main__":
    main()
