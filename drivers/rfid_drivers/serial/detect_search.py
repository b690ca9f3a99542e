"""What to try next on a port that nobody knows anything about, and what came of it. Pure: time is an argument.

First it is listened to, once at each baud rate; every protocol reads along, and a reader that sends by itself is
recognised. Only if none was, the protocols' own questions are asked, one at a time and with a pause before each, as
some readers take bytes that follow each other within 15 ms for one command: first each protocol at its factory
setting, then at the others.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rfid_drivers.serial.detection import DetectableDriver, Detection, Finding, Recogniser
from rfid_drivers.serial.protocol import US_PER_MS, Instant

BAUDS = (115_200, 57_600, 9_600, 38_400, 19_200, 230_400, 921_600)
"""Listened to in this order."""

LISTEN_US = 1500 * US_PER_MS
ANSWER_US = 300 * US_PER_MS
QUIET_US = 50 * US_PER_MS
"""Before each question; 15 ms end a command of a Chafon reader."""

_SAMPLE = 32


class Candidate(NamedTuple):
    """One protocol that the reader may speak."""

    name: str
    driver: DetectableDriver
    detection: Detection


class Step(NamedTuple):
    """One window of time at one setting of the line."""

    baud: int | None
    """None where it has no meaning."""
    probe: bytes = b""
    """What is asked; empty: it is listened to."""

    @property
    def takes_us(self) -> int:
        """How long it takes."""
        return QUIET_US + ANSWER_US if self.probe else LISTEN_US


@dataclass(slots=True)
class Heard:
    """What arrived at one baud rate. Owned by the search."""

    count: int = 0
    sample: bytes = b""


@dataclass(slots=True)
class _Window:
    """The step that is being done. Owned by the search."""

    step: Step
    began: int
    """Monotonic microseconds; of the question that is being asked, where it is one."""
    recognisers: Mapping[str, Recogniser]
    questions: deque[bytes]
    """Still to be asked, the one that is being asked first."""
    sent: bool = False
    """Whether that one has been sent."""
    asked_again: bool = False
    arrived: bytearray = field(default_factory=bytearray)


def listening(bauds: Sequence[int | None]) -> list[Step]:
    """Give the steps of listening."""
    return [Step(baud) for baud in bauds]


def asking(candidates: Sequence[Candidate], *, has_baud: bool) -> list[Step]:
    """Give the questions: at each protocol's factory setting first, then at the others, rate by rate."""
    if not has_baud:
        return [Step(None, probe) for candidate in candidates for probe in candidate.detection.probes]
    factory: list[Step] = []
    others: list[Step] = []
    for baud in BAUDS:
        for candidate in candidates:
            bauds = candidate.detection.bauds
            if baud in bauds:
                steps = [Step(baud, probe) for probe in candidate.detection.probes]
                (factory if baud == bauds[0] else others).extend(steps)
    return factory + others


class Search:
    """One search for the protocol of one port. Owned by the detector that holds the port."""

    def __init__(self, candidates: Sequence[Candidate], steps: Sequence[Step]) -> None:
        self._candidates = candidates
        self._steps = list(steps)
        self._total_us = sum(step.takes_us for step in steps)
        self._done_us = 0
        self._waited_us = 0
        self._window: _Window | None = None
        self.echoed = False
        """Whether a question came back as it was sent."""
        self.found: tuple[Candidate, Step, Finding] | None = None
        """What was recognised, if anything: the search is over then."""
        self.heard: dict[int | None, Heard] = {}
        """What arrived that was not our own question coming back, by baud rate."""

    @property
    def step(self) -> Step | None:
        """What is to be done now; None: the search is over."""
        return self._steps[0] if self._steps and not self.found else None

    @property
    def done_us(self) -> int:
        """How far it is."""
        if self._window is None:
            return self._done_us
        return self._done_us + min(self._waited_us, self._window.step.takes_us)

    @property
    def total_us(self) -> int:
        """How long it takes if nothing is found."""
        return self._total_us

    def advance(self, data: bytes, at: Instant) -> bytes:
        """Take what arrived until `at` (at the rate of `step`), possibly nothing; give what is to be sent, if anything.

        The first call of a step begins it, so it is made when the port has been opened.
        """
        window = self._window or self._begin(at.monotonic)
        window.arrived += data
        for recogniser in window.recognisers.values():
            recogniser.feed(data, at)
        self._waited_us = at.monotonic - window.began
        if not window.questions:
            if self._waited_us >= LISTEN_US:
                self._end(window, at.monotonic)
        elif not window.sent:
            if self._waited_us >= QUIET_US:
                window.sent = True
                return window.questions[0]
        elif self._waited_us >= QUIET_US + ANSWER_US:
            self._end(window, at.monotonic)
        return b""

    def _begin(self, now: int) -> _Window:
        step = self._steps[0]
        recognisers = {each.name: each.detection.recogniser(each.driver) for each in self._candidates}
        self._window = _Window(step, now, recognisers, deque([step.probe] if step.probe else []))
        return self._window

    def _end(self, window: _Window, now: int) -> None:
        """End the listening, or one question."""
        self._note(window)
        best = self._best(window)
        if best is not None:
            self.found = (best[0], window.step, best[1])
            return
        if window.questions:
            window.questions.popleft()
            window.began, window.sent = now, False
            if not window.asked_again:
                self._ask_again(window)
        if not window.questions:
            self._done_us += window.step.takes_us
            self._waited_us = 0
            self._steps.pop(0)
            self._window = None

    def _ask_again(self, window: _Window) -> None:
        """Ask once more where one frame of a protocol that needs two has come."""
        for candidate in self._candidates:
            if window.recognisers[candidate.name].hopeful:
                window.questions.extend(candidate.detection.probes)
                window.asked_again = True

    def _note(self, window: _Window) -> None:
        arrived = bytes(window.arrived)
        if window.questions and window.questions[0] in arrived:
            self.echoed = True
            arrived = arrived.replace(window.questions[0], b"", 1)
        if arrived:
            heard = self.heard.setdefault(window.step.baud, Heard())
            heard.count += len(arrived)
            heard.sample = (heard.sample + arrived)[:_SAMPLE]
        window.arrived.clear()

    def _best(self, window: _Window) -> tuple[Candidate, Finding] | None:
        """Give what explains most of the bytes; a last resort only where nothing else explains any."""
        findings = [
            (candidate, finding)
            for candidate in self._candidates
            if (finding := window.recognisers[candidate.name].finding()) is not None
        ]
        return max(
            findings,
            key=lambda found: (not found[0].detection.last_resort, found[1].explained_bytes),
            default=None,
        )
