"""What is wrong with a source of shipments: every place at once, so that a person corrects the file in one go."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

MOST_FAULTS = 100
"""A file that is wrong in every line is not read to its end."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where."""

    source: str
    """File or topic."""
    line: int | None
    """Counted from 1; None where the source has no lines."""
    place: str
    """Column, JSON path or byte within; empty for the whole line or source."""
    problem: str
    """What stands there and what was expected."""

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (where, self.place, self.problem) if part)


class ShipmentSourceError(ValueError):
    """A source holds faults, so nothing of it is used; the message has one line for each."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class Faults:
    """Collects the faults of one source. Owned by the function that parses it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._found: list[Fault] = []

    @property
    def found(self) -> tuple[Fault, ...]:
        """What was noted so far."""
        return tuple(self._found)

    def add(self, line: int | None, place: str, problem: str) -> None:
        """Note a fault; raise ShipmentSourceError at once when there are too many to go on."""
        self._found.append(Fault(self._source, line, place, problem))
        if len(self._found) == MOST_FAULTS:
            self._found.append(Fault(self._source, line, "", f"not read further after {MOST_FAULTS} faults"))
            self.raise_if_any()

    def attempt(self, line: int | None, place: str, check: Callable[[], T]) -> T | None:
        """Return what `check` returns, or None after noting the ValueError that it raised."""
        try:
            return check()
        except ValueError as error:
            self.add(line, place, str(error))
            return None

    def raise_if_any(self) -> None:
        """Raise ShipmentSourceError if a fault was noted."""
        if self._found:
            raise ShipmentSourceError(tuple(self._found))


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return the end of a message about an unknown name: the known one that was probably meant, or all of them."""
    lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower(), list(lower), n=1)
    return f"did you mean {lower[close[0]]!r}?" if close else f"expected one of {', '.join(known)}"
