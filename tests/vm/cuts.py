"""Cuts the power of the virtual PC in the middle of its work, and checks what is left and what comes after."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.check import check
from tests.faults.field import DOOR, Stay, Truth, epc_of, shipment_of
from tests.faults.packets import Event
from tests.vm.evidence import (
    Remains,
    gaps,
    lost_on_disk,
    passage_outcome,
    passage_unsaved,
    reads_while_down,
)
from tests.vm.machine import Machine, Ready
from tests.vm.plan import SECOND, Cut
from tests.vm.postmortem import examine
from tests.vm.site import PERIOD_US, Site, all_well, wait, witnessed

AT_THE_CUT, AFTERWARDS, SPARE = 100_000, 200_000, 300_000
"""Where the numbers of tags begin that go through the door at the cut and after it, and of entries without a tag."""
_SPARE_ENTRIES = 5
_BOTH_SIDES = 2
_LAST_S = 3.0
"""How long a round listens for events that must not come."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One power cut: what was there, what it cost, what was wrong."""

    cut: Cut
    committed: int
    """Events on the disk."""
    waiting: int
    """Of these, not acknowledged by the broker."""
    said: int
    """Of these, told of by the witness in the guest before."""
    on_the_way: int
    """Events that were sent and whose PUBACK had not come."""
    entries: int
    """Entries of the directory that were acknowledged."""
    standing: int
    """Tags that stood somewhere through it."""
    replayed: bool
    """The guest's kernel found the journal of a disk that was not closed."""
    ready: Ready
    back_s: float
    """From power on until broker and readers are there and nothing waits."""
    reads_down: int
    """Reads of the tags that stood there, from the cut until the readers are online again."""
    reads_lost: int
    """Of these, reads that LLRP readers had no more room for; the others came after the cut."""
    unsaved: int
    """Reads of the passage at the door, made before the cut and gone with it."""
    passage: str
    wrong: tuple[str, ...]

    def line(self) -> str:
        journal = "journal replayed" if self.replayed else "journal clean"
        return (
            f"cut {self.cut.number:2} {self.cut.kind:19} {self.committed:3} committed, {self.waiting:2} waiting, "
            f"{self.on_the_way:2} on the way; {journal}, READY {self.ready.since_kernel_s:5.1f} s, all well "
            f"{self.back_s:5.1f} s; {self.reads_down:4} reads while down, {self.reads_lost:3} lost, {self.unsaved:3} "
            f"unsaved, passage {self.passage:9} {'WRONG' if self.wrong else 'ok'}"
        )

    def row(self) -> dict[str, Any]:
        return {
            "cut": self.cut.number,
            "kind": self.cut.kind,
            **{name: getattr(self, name) for name in _FIGURES},
            "ready_s": self.ready.since_kernel_s,
            "start_s": self.ready.since_start_s,
            "passage": self.passage,
            "wrong": list(self.wrong),
        }


_FIGURES = (
    *(
        "committed",
        "waiting",
        "said",
        "on_the_way",
        "entries",
        "standing",
        "replayed",
        "back_s",
        "reads_down",
        "reads_lost",
        "unsaved",
    ),
)


class PowerCuts:
    """Runs the rounds of a plan. Owner: the run."""

    def __init__(self, site: Site, machine: Machine, seed: int, folder: Path) -> None:
        self._site = site
        self._machine = machine
        self._chance = random.Random(f"{seed}/rounds")
        self._folder = folder
        self._wrong: list[str] = []
        """What is wrong in this round."""

    def run(self, plan: list[Cut]) -> Iterator[Cost]:
        """One round after the other; ends early where one does not come to its end."""
        for cut in plan:
            self._wrong.clear()
            try:
                yield self._round(cut)
            except TimeoutError as error:
                # What was found on the disk before is the likelier cause, and must not be lost.
                raise TimeoutError(f"cut {cut.number}: {'; '.join([*self._wrong, str(error)])}") from error

    def _round(self, cut: Cut) -> Cost:
        site, machine = self._site, self._machine
        before = set(site.stays)
        began_us = self._traffic(cut)
        self._sleep_until(began_us + cut.at_us)
        wrong = self._wrong
        if cut.broker_away:
            # Committed and unsent: the disk alone has it now.
            known = {event.sequence for event in site.received()}
            wait(lambda: bool(set(witnessed(machine)) - known), "an event that waits on disk")
            time.sleep(self._chance.uniform(0, 1.0))
        site.go_out(AT_THE_CUT + cut.number, site.clock.monotonic_us())
        time.sleep(cut.crossing_us / SECOND)
        shipment, epc = shipment_of(AT_THE_CUT + cut.number), epc_of(AT_THE_CUT + cut.number)
        cut_us, heard, lost_before = site.clock.monotonic_us(), site.heard[epc], site.lost_reads()
        remains, lost = self._cut_power()
        wrong += lost
        standing = list(site.stays.values())
        said, entries = len(witnessed(machine)), len(site.taken())
        on_the_way = len({*site.proxy.record.sent} - {*site.proxy.record.acknowledged})
        self._take_away(cut, remains)
        machine.power_on()
        boots = []
        if cut.again_after_s is not None:
            time.sleep(cut.again_after_s)
            boots.append(machine.boot())
            wrong += self._cut_power()[1]
            machine.power_on()
        on_at, on_us = time.time(), site.clock.monotonic_us()
        ready = machine.wait_ready()
        site.broker_back()
        self._wait_for(cut, on_at)
        back_us = site.clock.monotonic_us()
        boots.append(machine.boot())
        wrong += [f"console: {words}" for boot in boots for words in boot.trouble]
        # The second cut may come after the replay and before the disk is opened for writing.
        replayed = any(boot.replayed for boot in boots)
        wrong += [] if replayed else [f"this was no boot after a power cut: {boots}"]
        self._go_through_the_door(cut)
        wrong += self._compare(cut, remains)
        site.take_away(*before)
        return Cost(
            cut,
            committed=len(remains.events),
            waiting=len(remains.waiting),
            said=said,
            on_the_way=on_the_way,
            entries=entries,
            standing=len(standing),
            replayed=replayed,
            ready=ready,
            back_s=(back_us - on_us) / SECOND,
            reads_down=reads_while_down(standing, cut_us, back_us),
            reads_lost=site.lost_reads() - lost_before,
            unsaved=passage_unsaved(heard, remains, epc, shipment),
            passage=self._passage(cut),
            wrong=tuple(wrong),
        )

    def _cut_power(self) -> tuple[Remains, list[str]]:
        """Cut it, and hold what is on the disk against all that was acknowledged until then."""
        site, machine = self._site, self._machine
        machine.cut_power()
        remains = examine(machine.disk, self._folder)
        return remains, lost_on_disk(remains, witnessed(machine), site.proxy.record.sent, site.taken())

    def _traffic(self, cut: Cut) -> int:
        """Let the round's arrivals come, each at its time; returns when the round began (monotonic µs)."""
        site = self._site
        new = [arrival.number for arrival in cut.arrivals if not arrival.moves]
        spare = [SPARE + _SPARE_ENTRIES * cut.number + index for index in range(_SPARE_ENTRIES)]
        door = [AT_THE_CUT + cut.number, AFTERWARDS + cut.number]
        if cut.broker_away:
            # Later the broker could not tell the gateway any more, and without an entry there is no event.
            wanted = {shipment_of(number) for number in (*new, *spare, *door)}
            site.announce(*new, *spare, *door)
            wait(lambda: wanted <= site.taken(), "entries of the directory are taken")
            site.broker_away()
        if cut.slow:
            site.broker_slow()
        began_us = site.clock.monotonic_us()
        site.put(
            *(
                Stay(
                    shipment_of(arrival.number),
                    epc_of(arrival.number),
                    arrival.spot,
                    began_us + arrival.after_us,
                    PERIOD_US,
                )
                for arrival in cut.arrivals
            )
        )
        arrived = [Truth(shipment_of(arrival.number), arrival.spot.zone) for arrival in cut.arrivals]
        site.happened |= dict.fromkeys(arrived, cut.kind)
        if not cut.broker_away:
            # Entries and tags race each other, and both race the cut.
            for number in (*door, *new, *spare):
                self._sleep_until(began_us + self._chance.randrange(SECOND // 2))
                site.announce(number)
        return began_us

    def _take_away(self, cut: Cut, remains: Remains) -> None:
        """Nobody reads some of the tags again whose events are on the disk: only the disk can tell of them now."""
        site = self._site
        kept = sorted(
            stay.shipment for stay in site.stays.values() if (stay.shipment, stay.spot.zone) in remains.places
        )
        site.take_away(*self._chance.sample(kept, round(len(kept) * cut.taken_away)))

    def _wait_for(self, cut: Cut, since_s: float) -> None:
        site = self._site
        arrived = [Truth(shipment_of(arrival.number), arrival.spot.zone) for arrival in cut.arrivals]
        wait(lambda: site.has_events_of(*arrived), f"an event of each of {arrived}")
        wait(lambda: all_well(self._machine, since_s), "gateway, broker and readers are well and nothing waits")

    def _go_through_the_door(self, cut: Cut) -> None:
        """After each cut goods go through the door as if nothing had been."""
        site = self._site
        truth = Truth(shipment_of(AFTERWARDS + cut.number), DOOR, "out")
        site.happened[truth] = cut.kind
        site.go_out(AFTERWARDS + cut.number, site.clock.monotonic_us())
        wait(lambda: site.has_events_of(truth), f"an event of {truth}")
        time.sleep(_LAST_S)

    def _compare(self, cut: Cut, remains: Remains) -> list[str]:
        """All that was ever received against all that ever happened."""
        site = self._site
        cut_short = {shipment_of(AT_THE_CUT + number) for number in range(1, cut.number + 1)}
        received, sent = site.received(), list(site.proxy.record.sent)

        def judged(events: list[Event]) -> list[Event]:
            return [event for event in events if event.shipment not in cut_short]

        _, wrong = check(site.happened, judged(received), judged(sent), ())
        ids = {event.sequence: event.event_id for event in received}
        wrong += [
            f"event {sequence} was on the disk as {event_id} and came as {ids.get(sequence)}"
            for sequence, event_id in remains.events.items()
            if ids.get(sequence) != event_id
        ]
        for shipment in sorted(cut_short):
            if passage_outcome(received, shipment) == "wrong":
                wrong.append(
                    f"the passage of {shipment}: {[event for event in received if event.shipment == shipment]}"
                )
        if (
            self._passage(cut) == "none"
            and len(remains.passages.get(epc_of(AT_THE_CUT + cut.number), ())) == _BOTH_SIDES
        ):
            wrong.append(f"a passage was saved with both sides and came to nothing: {remains.passages}")
        return [*wrong, *gaps(received)]

    def _passage(self, cut: Cut) -> str:
        return passage_outcome(self._site.received(), shipment_of(AT_THE_CUT + cut.number))

    def _sleep_until(self, at_us: int) -> None:
        time.sleep(max(0, at_us - self._site.clock.monotonic_us()) / SECOND)
