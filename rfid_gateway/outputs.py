"""Lights and horns at the doors: which output is on until when. Pure; times are monotonic microseconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Occasion(StrEnum):
    """What may switch an output on."""

    OK = "ok"
    WRONG_DOOR = "wrong_door"
    UNDECIDED = "undecided"
    RETURNED = "returned"
    UNKNOWN_TAG = "unknown_tag"
    READER_DOWN = "reader_down"
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class OutputRule:
    """One output of one reader and what switches it on."""

    reader_id: str
    port: int
    """Counted from 1."""
    on: frozenset[Occasion]
    door: str | None
    """Only what happens at this door; None for all doors."""
    pulse: int
    """How long it stays on, microseconds; a further occasion starts that time anew."""


@dataclass(frozen=True, slots=True)
class Switch:
    """An output is to be switched."""

    reader_id: str
    port: int
    high: bool


class Outputs:
    """All outputs that the configuration names. Owner: the pipeline's thread."""

    def __init__(self, rules: Sequence[OutputRule]) -> None:
        self._rules = tuple(rules)
        self._on_until: dict[tuple[str, int], int] = {}

    def all_off(self) -> list[Switch]:
        """What brings every output into a known state: nobody knows what the last run left."""
        self._on_until.clear()
        ports = dict.fromkeys((rule.reader_id, rule.port) for rule in self._rules)
        return [Switch(reader_id, port, high=False) for reader_id, port in ports]

    def follow(self, rules: Sequence[OutputRule], anew: frozenset[str]) -> list[Switch]:
        """Go by other rules. What was on stays on for its time where there still is a rule for that output.

        Args:
            rules: all that hold from now on.
            anew: readers that begin anew, so that nobody knows how their outputs are.

        Returns:
            What brings outputs into a known state of which nobody knows it, or that no rule would switch off any more.
        """
        known = {(rule.reader_id, rule.port) for rule in self._rules}
        self._rules = tuple(rules)
        ports = dict.fromkeys((rule.reader_id, rule.port) for rule in rules)
        orphans = [output for output in self._on_until if output not in ports]
        fresh = [output for output in ports if output not in known or output[0] in anew]
        for output in (*orphans, *fresh):
            self._on_until.pop(output, None)
        return [Switch(*output, high=False) for output in (*orphans, *fresh)]

    def happened(self, occasions: frozenset[Occasion], doors: frozenset[str], now: int) -> list[Switch]:
        """Switch on what a rule wants.

        Args:
            occasions: all that one happening is: a passage is `ok` and `out` at once.
            doors: where it happened; a reader may serve several.
            now: monotonic time.
        """
        switches = []
        for rule in self._rules:
            if not rule.on & occasions or (rule.door is not None and rule.door not in doors):
                continue
            output = (rule.reader_id, rule.port)
            if output not in self._on_until:
                switches.append(Switch(*output, high=True))
            self._on_until[output] = max(self._on_until.get(output, 0), now + rule.pulse)
        return switches

    def expire(self, now: int) -> list[Switch]:
        """Switch off whatever was on for long enough."""
        over = [output for output, until in self._on_until.items() if until <= now]
        for output in over:
            del self._on_until[output]
        return [Switch(*output, high=False) for output in over]
