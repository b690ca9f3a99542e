"""Faults as testers write them on the command line: NAME, NAME:VALUE, and @SECONDS behind either. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

SECOND = 1_000_000

F = TypeVar("F")


class PlannedFault(NamedTuple, Generic[F]):
    """A fault and when it begins."""

    after_s: float
    """Seconds after the reader's start."""
    fault: F


@dataclass(frozen=True, slots=True)
class FaultNames(Generic[F]):
    """The faults of one kind of simulated reader, by name."""

    without_value: Mapping[str, F]
    with_value: Mapping[str, Callable[[str], F]]
    """Makes the fault of its value; raises ValueError where it is none."""
    usual: Mapping[str, str] = field(default_factory=dict)
    """The value that is meant where it is left out."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in alphabetical order."""
        return tuple(sorted((*self.without_value, *self.with_value)))

    def read(self, text: str) -> PlannedFault[F]:
        """Read a fault such as `slow:0.5@10`: half a second late, from ten seconds after the start on.

        Raises:
            ValueError: there is no such fault, or its value or time is none; says what was expected.
        """
        what, _, when = text.partition("@")
        name, colon, value = what.partition(":")
        try:
            return PlannedFault(float(when or 0), self._fault(name, value if colon else self.usual.get(name, "")))
        except ValueError as error:
            raise ValueError(f"{text!r} is no fault ({error}), expected NAME[:VALUE][@SECONDS]") from error

    def plan(self, texts: Iterable[str]) -> list[PlannedFault[F]]:
        """Read faults; the first one to come stands first. Raises as `read` does."""
        return sorted(map(self.read, texts), key=lambda planned: planned.after_s)

    def _fault(self, name: str, value: str) -> F:
        if name in self.without_value:
            if value:
                raise ValueError(f"{name} takes no value")
            return self.without_value[name]
        if name not in self.with_value:
            raise ValueError(f"the names are {', '.join(self.names)}")
        return self.with_value[name](value)


def microseconds(seconds: str) -> int:
    """Turn seconds as they are written into microseconds; raise ValueError where they are none."""
    return int(float(seconds) * SECOND)
