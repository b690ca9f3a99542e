"""`python -m tests.faults.run`: drives real gateways through random faults and counts what was lost and doubled.

A site is a `rfid-gateway run` process, two simulated LLRP readers and a serial one on their real wires, a real
Mosquitto, and a subscriber that knows nothing of the gateway. Between gateway and broker stands a proxy that keeps a
record. The claim for every kind of fault is the same: each true arrival and passage gives exactly one event at the
subscriber, an event id belongs to one sequence, and first arrivals come in the order of `sequence`.

What the gateway cannot promise is left out of the ground truth by what happens, not by a tolerance:
- LLRP acknowledges no reports, so tags stand in the field until the gateway is back (field.py).
- A broker that is killed forgets what it acknowledged a moment ago. The proxy knows what was acknowledged to the
  gateway before the kill; exactly those events may be missing at the subscriber, and are counted as `by broker`.
  The killed broker also forgets who subscribed, so the gateway is let in again after the subscriber (kinds.py).

The seed decides kinds, order, instants and durations; the operating system's scheduler still has its say.
Each site runs in a process of its own; a batch is a site's life from an empty database on.
"""

import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import reduce
from multiprocessing import get_context
from operator import add

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.faults.batch import Result, run_batch
from tests.faults.check import Count
from tests.faults.kinds import KINDS, NAMES
from tests.faults.plan import BATCH, plan
from tests.faults.site import faketime_library, small_disks_possible
from tests.servers import mosquitto_path

_COLUMNS = ("faults", "expected", "received", "lost", "doubled", "out_of_order", "by_broker", "seconds")


def missing_parts() -> list[str]:
    """What this machine lacks for the suite."""
    parts = {"mosquitto": mosquitto_path(), "faketime": faketime_library(), "root (a small disk)": _root()}
    return [name for name, found in parts.items() if not found]


def _root() -> str:
    return "root" if small_disks_possible() else ""


def run(seed: int, faults: int, kinds: list[str], sites: int, size: int, progress: Progress) -> list[Result]:
    """All batches, `sites` at a time."""
    batches = plan(seed, faults, kinds, size)
    task = progress.add_task("faults", total=faults)
    results = []
    with ProcessPoolExecutor(sites, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(run_batch, batch) for batch in batches]):
            results.append(done.result())
            progress.console.print(_batch_words(results[-1]), style="dim", highlight=False)
            progress.advance(task, len(results[-1].batch.kinds))
    return results


def _batch_words(result: Result) -> str:
    total = reduce(add, result.counts.values(), Count())
    words = f"batch {result.batch.number}: {total.faults} faults, {total.received} of {total.expected} events"
    return "\n".join([words, *result.wrong])


def summed(results: list[Result]) -> dict[str, Count]:
    """Counts by kind over all batches, in the order of `KINDS`."""
    counts: dict[str, Count] = {}
    for result in results:
        for kind, count in result.counts.items():
            counts[kind] = counts.get(kind, Count()) + count
    return {kind: counts[kind] for kind in (*KINDS, "(no fault)") if kind in counts}


def repeat_command(seed: int, faults: int, kinds: list[str]) -> str:
    """What to type to have it all again."""
    names = [short for short, kind in NAMES.items() if kind in kinds]
    chosen = f" KINDS={','.join(names)}" if len(names) < len(NAMES) else ""
    return f"make test-faults SEED={seed} FAULTS={faults}{chosen}"


def _row(kind: str, count: Count) -> dict[str, object]:
    return {"kind": kind, **{name: getattr(count, name) for name in _COLUMNS}, "seconds": round(count.seconds, 1)}


def _table(counts: dict[str, Count], total: Count) -> Table:
    table = Table("kind of fault", *(name.replace("_", " ") for name in _COLUMNS))
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, count in counts.items():
        table.add_row(*map(str, _row(kind, count).values()))
    table.add_section()
    table.add_row(*map(str, _row("total", total).values()))
    return table


@click.command()
@click.option("--faults", default=1000, show_default=True, help="How many faults.")
@click.option("--seed", type=int, help="Repeats a run; random if left out.")
@click.option("--kinds", default="", help=f"Only these, comma-separated: {', '.join(NAMES)}.")
@click.option("--sites", default=4, show_default=True, help="Sites at once.")
@click.option("--batch", "size", default=BATCH, show_default=True, help="Faults in the life of one site.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def main(*, faults: int, seed: int | None, kinds: str, sites: int, size: int, as_json: bool) -> None:
    """Drive real gateways through random faults; exit code 1 where anything was lost, doubled or out of order."""
    if missing := missing_parts():
        raise click.ClickException(f"not here: {', '.join(missing)}; `make servers` as root installs what it can")
    unknown = [name for name in kinds.split(",") if name and name not in NAMES]
    if unknown:
        raise click.UsageError(f"no such kind: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    chosen = [NAMES[name] for name in kinds.split(",") if name] or list(KINDS)
    began = time.monotonic()
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        results = run(seed, faults, chosen, sites, size, progress)
    counts = summed(results)
    total = reduce(add, counts.values(), Count())
    if as_json:
        for kind, count in counts.items():
            print(json.dumps(_row(kind, count)))
        print(json.dumps({**_row("total", total), "seed": seed, "wall_seconds": round(time.monotonic() - began)}))
    else:
        console = Console(width=None if sys.stdout.isatty() else 120)
        console.print(_table(counts, total))
        console.print(f"seed {seed}, {time.monotonic() - began:.0f} s, {sites} sites at once")
    if any(result.wrong for result in results) or total.faults < faults:
        for result in results:
            if result.log:
                print(f"--- log of batch {result.batch.number} ---\n{result.log[-6000:]}", file=sys.stderr)
        print(f"again: {repeat_command(seed, faults, chosen)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
