"""Many simulated readers in a few processes, as a load whose every tag read is counted.

with Fleet(readers=64, rate=1000, processes=2) as fleet:
    ...  # connect to fleet.addresses, read for a while
    fleet.silence()
    sent = fleet.sent()
"""

import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from rfid_gateway.clock import SystemClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.paced import PacedReports
from rfid_simulators.llrp.profiles import IMPINJ_R420
from rfid_simulators.llrp.server import LlrpReaderServer

ANSWER_WITHIN_S = 60.0
TICK_US = 20_000
"""Microseconds between two looks at what is due: with 64 readers a shorter time would cost more than the reports."""
_ADDRESSES, _SILENCE, _SENT, _LOST, _STOP = "addresses", "silence", "sent", "lost", "stop"


_ANSWERS: Mapping[str, Callable[[LlrpReaderServer], object]] = {
    _ADDRESSES: lambda server: server.address,
    _SILENCE: lambda _: None,
    _SENT: lambda server: server.counters.tags,
    _LOST: lambda server: server.counters.lost_tags,
}


@dataclass(frozen=True, slots=True)
class Load:
    """What every reader of a fleet does while a ROSpec is active and a client is connected."""

    rate: int
    """Tag reads per second."""
    tags: int
    """Tags that it reads in turn."""
    per_report: int
    """Tag reads in one report."""


class Fleet:
    """Simulated readers on 127.0.0.1, in processes of their own. Owned by the thread that made it.

    Reader `n` reads the tags `paced.paced_epcs(n, tags)`. What it sends begins when a client has started a ROSpec.

    Args:
        readers: how many.
        rate: tag reads per second of each.
        processes: how many processes share them.
        tags: tags that each reads in turn.
        per_report: tag reads in one report.
    """

    def __init__(
        self, readers: int = 64, rate: int = 1000, processes: int = 2, *, tags: int = 20, per_report: int = 50
    ) -> None:
        if min(readers, rate, processes, tags, per_report) < 1:
            raise ValueError("a fleet needs at least 1 of everything")
        self._load = Load(rate, tags, per_report)
        self._shares = [range(number, readers, processes) for number in range(min(processes, readers))]
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        self.addresses: tuple[tuple[str, int], ...] = ()
        """Host and port of each reader, in order."""

    def __enter__(self) -> Self:
        """Start the processes; returns when every reader listens."""
        context = multiprocessing.get_context("spawn")
        for share in self._shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(share, self._load, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        self.addresses = self._ask(_ADDRESSES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.send(_STOP)
        for process in self._processes:
            process.join(ANSWER_WITHIN_S)
            process.kill()

    def silence(self) -> None:
        """Let no reader read any more, so that counts stay as they are."""
        self._ask(_SILENCE)

    def sent(self) -> tuple[int, ...]:
        """Return how many tag reads each reader has put on its connection so far."""
        return self._ask(_SENT)

    def lost(self) -> tuple[int, ...]:
        """Return how many tag reads each reader could not send because no client was there."""
        return self._ask(_LOST)

    def _ask(self, question: str) -> tuple[Any, ...]:
        """Ask every process and put the answers into the order of the readers.

        Raises:
            TimeoutError: a process does not answer.
        """
        for pipe in self._pipes:
            pipe.send(question)
        found: dict[int, Any] = {}
        for share, pipe in zip(self._shares, self._pipes, strict=True):
            if not pipe.poll(ANSWER_WITHIN_S):
                raise TimeoutError(f"a process of the fleet did not answer {question!r}")
            found.update(zip(share, pipe.recv(), strict=True))
        return tuple(found[number] for number in sorted(found))


def _serve(share: range, load: Load, pipe: Connection) -> None:
    """Run some readers until told to stop; the main function of a process."""
    clock = SystemClock()
    reports = [
        PacedReports(reader, rate=load.rate, tags=load.tags, per_report=load.per_report, world_began=clock.utc_us())
        for reader in share
    ]
    servers = [
        LlrpReaderServer(IMPINJ_R420, Sources(recorded=one), clock=clock, tick_us=TICK_US).start() for one in reports
    ]
    with suppress(EOFError):  # the process that asks was killed
        while (question := pipe.recv()) != _STOP:
            for one in reports:
                one.silent = one.silent or question == _SILENCE
            pipe.send([_ANSWERS[question](server) for server in servers])
    for server in servers:
        server.stop()
