"""Drives one site through its faults, one after another, and checks what came of it.

Each round: some tags arrive (and where the fault leaves gateway and readers alone, one goes out through the door), at
random instants around the fault; the fault is injected, proved and ended; then the round waits until each of its
arrivals has an event at the subscriber and gateway, broker and readers are well again. Only then the tags are taken
away. What does not come within `PATIENCE_S` is lost. At the end of the batch all that was ever received is checked at
once, so an event that comes a second time later, or under another id, is found as well.
"""

import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.faults.check import Count, check, truth_of
from tests.faults.field import DOOR, SPOTS, Crossing, Stay, Truth, epc_of, shipment_of
from tests.faults.kinds import KINDS, NotInjectedError, Scene
from tests.faults.plan import Batch
from tests.faults.site import PATIENCE_S, Site

SECOND = 1_000_000
CROWD = 240
"""Tags that arrive at once where the queue is to overflow."""
SPREAD_US = 1_500_000
"""Arrivals of a round are spread over this time; the fault comes at some instant of it."""
LAST_S = 3.0
"""How long a batch listens for events that must not come."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a batch found."""

    batch: Batch
    counts: dict[str, Count]
    """By kind."""
    wrong: tuple[str, ...]
    """A sentence about each thing that is not as it should be."""
    log: str
    """The gateway's, where something is wrong."""


def run_batch(batch: Batch) -> Result:
    """Run in this process; everything that it starts has ended when it returns."""
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="rfid-faults-")))
        tags = sum(CROWD if KINDS[kind].crowd else 10 for kind in batch.kinds)
        site = Site(parts, folder, batch.protocol, tags)
        driver = _Driver(batch, site)
        driver.run()
        counts, wrong = check(driver.happened, site.received(), site.proxy.record.sent, set(driver.scene.forgettable))
        for kind, count in driver.counts.items():
            counts[kind] = counts.get(kind, Count()) + count
        wrong = [*driver.trouble, *site.gateway.exits, *wrong]
        log = site.gateway.log_file.read_text(encoding="utf-8", errors="replace") if wrong else ""
        return Result(batch, counts, tuple(wrong), log)


class _Driver:
    """Runs the rounds of one batch. Owns the site while it does."""

    def __init__(self, batch: Batch, site: Site) -> None:
        self.happened: dict[Truth, str] = {}
        self.counts: dict[str, Count] = {}
        self.trouble: list[str] = []
        self._batch = batch
        self._site = site
        self._chance = random.Random(batch.seed)
        self._next_tag = 0
        self._known: list[tuple[int, str]] = []
        """Tags that have stood somewhere, with that zone: some go on to another one."""
        self.scene = Scene(site, self._chance, self._wait, [])

    def run(self) -> None:
        self._site.gateway.start()
        self._wait(lambda: self._site.all_well(0), "everything is online for the first time")
        for kind in self._batch.kinds:
            began = time.monotonic()
            try:
                self._round(kind)
            except (NotInjectedError, TimeoutError) as error:
                self.trouble.append(f"{kind}: {error}")
                return
            count = Count(faults=1, seconds=time.monotonic() - began)
            self.counts[kind] = self.counts.get(kind, Count()) + count
        time.sleep(LAST_S)

    def _round(self, kind: str) -> None:
        truths = self._arrivals(kind)
        time.sleep(self._chance.uniform(0, SPREAD_US) / SECOND)
        KINDS[kind].inject(self.scene)
        ended_ns = time.time_ns()
        self._wait(lambda: not self._missing(truths), f"an event of each of {truths}")
        self._wait(lambda: self._site.all_well(ended_ns), "gateway, broker and readers are well")
        self._site.field.clear()

    def _arrivals(self, kind: str) -> list[Truth]:
        """Place tags in the field; returns what must become an event each."""
        now = self._site.clock.monotonic_us()
        crowd = KINDS[kind].crowd
        stays: list[Stay] = []
        settled: list[tuple[int, str]] = []
        truths = []
        for index in range(CROWD if crowd else self._chance.randint(3, 8)):
            number, spot = self._next_tag, self._chance.choice(SPOTS[:6] if crowd else SPOTS)
            moves = self._known and not crowd and self._chance.random() < 0.3
            if moves:
                number, before = self._known.pop(self._chance.randrange(len(self._known)))
                spot = self._chance.choice([other for other in SPOTS if other.zone != before])
            else:
                self._next_tag += 1
                settled.append((number, spot.zone))
            # One tag is always late, so that whatever waits for an event finds one.
            start = now + (SPREAD_US if not index else self._chance.randrange(SPREAD_US))
            period_us = 40_000 if crowd else 100_000
            stays.append(Stay(shipment_of(number), epc_of(number), spot, start, period_us))
            truths.append(Truth(shipment_of(number), spot.zone))
        self._site.field.put(stays, self._crossings(kind, now, truths))
        self._known += settled
        self.happened |= dict.fromkeys(truths, kind)
        return truths

    def _crossings(self, kind: str, now: int, truths: list[Truth]) -> list[Crossing]:
        if not KINDS[kind].passages:
            return []
        number, self._next_tag = self._next_tag, self._next_tag + 1
        truths.append(Truth(shipment_of(number), DOOR, "out"))
        return [Crossing(epc_of(number), now + self._chance.randrange(SPREAD_US))]

    def _missing(self, truths: list[Truth]) -> set[Truth]:
        """What has neither arrived nor been acknowledged by a broker that was killed then."""
        events = [*self._site.received(), *self.scene.forgettable]
        return set(truths) - {truth_of(event) for event in events}

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > until:
                raise TimeoutError(f"did not happen within {PATIENCE_S:.0f} s: {what}")
            if not self._site.disk.armed:
                self._site.gateway.mind()
            time.sleep(0.02)
