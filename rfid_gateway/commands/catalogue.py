"""Every command that this gateway takes, and how its fields become a frozen object. Pure.

A command is added here, with its parser in `COMMANDS`, and in `rfid_gateway.command_desk`, which carries it out; a
test holds the two together. What is not here is not offered: it is refused with the list of what is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from rfid_gateway.shipments import fields
from rfid_gateway.shipments.directory import Shipment, Unit
from rfid_gateway.shipments.faults import Faults, nearest

MOST_REPLAYED = 10_000
"""Events that one `replay` may ask for: what comes newly waits behind them for a second or two."""


@dataclass(frozen=True, slots=True)
class Status:
    """Say how the gateway and its readers are doing now."""


@dataclass(frozen=True, slots=True)
class RestartReader:
    """End the connection to a reader and begin anew, at once and with a driver that remembers nothing."""

    reader: str


@dataclass(frozen=True, slots=True)
class FindTag:
    """Say which shipment a unit belongs to and where it was last."""

    key: str


@dataclass(frozen=True, slots=True)
class BindTag:
    """Add a unit to a shipment of the directory, or move it there."""

    shipment_id: str
    unit: Unit


@dataclass(frozen=True, slots=True)
class UnbindTag:
    """Take a unit out of its shipment."""

    key: str


@dataclass(frozen=True, slots=True)
class Replay:
    """Publish events of the history again, for a backend that has lost them."""

    from_sequence: int
    to_sequence: int
    """Included."""


@dataclass(frozen=True, slots=True)
class DirectoryBatch:
    """Write and delete entries of the directory together; it has a topic of its own and is no command by name."""

    entries: tuple[Shipment, ...]
    deletions: tuple[str, ...]


Command = Status | RestartReader | FindTag | BindTag | UnbindTag | Replay


class Arguments:
    """The fields of one command; every fault is noted in the `Faults` of whoever parses, and parsing goes on."""

    def __init__(self, values: Mapping[str, object], faults: Faults) -> None:
        self._values = values
        self._faults = faults

    def only(self, *known: str) -> None:
        """Note fields that the command does not have."""
        for name in sorted(self._values.keys() - set(known)):
            hint = nearest(name, known) if known else "this command has no fields of its own"
            self._faults.add(None, name, f"unknown key; {hint}")

    def text(self, key: str, what: str) -> str:
        """A text that has to be there; empty after a fault."""
        value = self._values.get(key)
        if value is None:
            self._faults.add(None, key, f"is missing; expected {what}")
            return ""
        name = self._faults.attempt(None, key, partial(fields.text, value))
        if name == "":
            self._faults.add(None, key, f"is empty; expected {what}")
        return name or ""

    def sequence(self, key: str) -> int:
        """A sequence number that has to be there; 0 after a fault."""
        value = self._values.get(key)
        # bool is an int in Python, and true is no number to anybody else.
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 1 << 63:
            return value
        found = "is missing" if value is None else f"is {str(value)[:40]!r}"
        self._faults.add(None, key, f"{found}; expected the sequence of an event, a whole number from 1")
        return 0

    def unit_key(self) -> str:
        """The key of the one unit that is named, in any of the directory's ways; empty after a fault."""
        given = [field for field in fields.KEY_FIELDS if self._values.get(field) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "no unit"
            self._faults.add(None, "", f"names {found}; expected one of {', '.join(fields.KEY_FIELDS)}")
            return ""
        key = self._faults.attempt(None, given[0], partial(fields.unit_key, given[0], self._values[given[0]]))
        return key or ""

    def parent(self) -> str | None:
        """The key of the unit that carries the other one; None where none is named."""
        value = self._values.get("parent")
        return None if value is None else self._faults.attempt(None, "parent", partial(fields.unit_key, "unit", value))

    def fault(self, key: str, problem: str) -> None:
        """Note that fields do not go together."""
        self._faults.add(None, key, problem)


def _status(given: Arguments) -> Status:
    given.only()
    return Status()


def _restart_reader(given: Arguments) -> RestartReader:
    given.only("reader")
    return RestartReader(given.text("reader", "the id of a reader"))


def _find_tag(given: Arguments) -> FindTag:
    given.only(*fields.KEY_FIELDS)
    return FindTag(given.unit_key())


def _bind_tag(given: Arguments) -> BindTag:
    given.only("shipment_id", "parent", *fields.KEY_FIELDS)
    shipment_id = given.text("shipment_id", "the id of a shipment in the directory")
    return BindTag(shipment_id, Unit(given.unit_key(), given.parent()))


def _unbind_tag(given: Arguments) -> UnbindTag:
    given.only(*fields.KEY_FIELDS)
    return UnbindTag(given.unit_key())


def _replay(given: Arguments) -> Replay:
    given.only("from_sequence", "to_sequence")
    asked = Replay(given.sequence("from_sequence"), given.sequence("to_sequence"))
    count = asked.to_sequence - asked.from_sequence + 1
    if asked.from_sequence and asked.to_sequence and count < 1:
        given.fault("to_sequence", f"{asked.to_sequence} comes before from_sequence; expected it or a later one")
    elif asked.from_sequence and count > MOST_REPLAYED:
        given.fault("to_sequence", f"asks for {count} events; expected at most {MOST_REPLAYED} at a time")
    return asked


COMMANDS: Mapping[str, Callable[[Arguments], Command]] = {
    "status": _status,
    "restart_reader": _restart_reader,
    "find_tag": _find_tag,
    "bind_tag": _bind_tag,
    "unbind_tag": _unbind_tag,
    "replay": _replay,
}
"""Name, which is the last level of the topic, and what reads its fields."""
