"""Every command that this gateway takes, and how its fields become a frozen object. Pure.

A command is a class here, which stands in `Command`, and a case in `rfid_gateway.command_execution`, which carries it
out; the type checker holds the two together. What is not here is not offered: it is refused with the list of what is.

Each class says besides

    name      the last level of its topic, and its name in `[commands]`
    changes   whether doing it twice does harm: then a request needs an id, by which a copy is known
    read      makes one out of the fields of a payload; what is wrong is noted in the `Faults` of whoever parses
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self, get_args

from rfid_gateway.commands.arguments import Arguments
from rfid_gateway.shipments import fields
from rfid_gateway.shipments.directory import Shipment, Unit

MOST_REPLAYED = 10_000
"""Events that one `replay` may ask for: what comes newly waits behind them for a second or two."""


@dataclass(frozen=True, slots=True)
class Status:
    """Say how the gateway and its readers are doing now."""

    name: ClassVar[str] = "status"
    changes: ClassVar[bool] = False

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """It has no fields."""
        given.only()
        return cls()


@dataclass(frozen=True, slots=True)
class RestartReader:
    """End the connection to a reader and begin anew, at once and with a driver that remembers nothing."""

    reader: str
    name: ClassVar[str] = "restart_reader"
    changes: ClassVar[bool] = True

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """Field `reader`."""
        given.only("reader")
        return cls(given.text("reader", "the id of a reader"))


@dataclass(frozen=True, slots=True)
class FindTag:
    """Say which shipment a unit belongs to and where it was last."""

    key: str
    """Any of the unit's keys."""
    name: ClassVar[str] = "find_tag"
    changes: ClassVar[bool] = False

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """One key of a unit."""
        given.only(*fields.KEY_FIELDS)
        return cls(given.unit_key())


@dataclass(frozen=True, slots=True)
class BindTag:
    """Add a unit to a shipment of the directory, or move it there, with all keys that the directory knows of it."""

    shipment_id: str
    unit: Unit
    name: ClassVar[str] = "bind_tag"
    changes: ClassVar[bool] = True

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """Field `shipment_id`, one key of a unit, and perhaps `parent`."""
        given.only("shipment_id", "parent", *fields.KEY_FIELDS)
        shipment_id = given.text("shipment_id", "the id of a shipment in the directory")
        return cls(shipment_id, Unit(given.unit_key(), given.parent()))


@dataclass(frozen=True, slots=True)
class UnbindTag:
    """Take a unit out of its shipment, with all its keys."""

    key: str
    """Any of the unit's keys."""
    name: ClassVar[str] = "unbind_tag"
    changes: ClassVar[bool] = True

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """One key of a unit."""
        given.only(*fields.KEY_FIELDS)
        return cls(given.unit_key())


@dataclass(frozen=True, slots=True)
class CloseLoad:
    """Close a load because a person says so: what was not seen of it is missing from now on."""

    load_id: str
    name: ClassVar[str] = "close_load"
    changes: ClassVar[bool] = True

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """Field `load`."""
        given.only("load")
        return cls(given.text("load", "the id of a load"))


@dataclass(frozen=True, slots=True)
class Replay:
    """Publish events of the history again, for a backend that has lost them."""

    from_sequence: int
    to_sequence: int
    """Included."""
    name: ClassVar[str] = "replay"
    changes: ClassVar[bool] = True

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """Fields `from_sequence` and `to_sequence`."""
        given.only("from_sequence", "to_sequence")
        asked = cls(given.sequence("from_sequence"), given.sequence("to_sequence"))
        count = asked.to_sequence - asked.from_sequence + 1
        if asked.from_sequence and asked.to_sequence and count < 1:
            given.fault("to_sequence", f"{asked.to_sequence} comes before from_sequence; expected it or a later one")
        elif asked.from_sequence and count > MOST_REPLAYED:
            given.fault("to_sequence", f"asks for {count} events; expected at most {MOST_REPLAYED} at a time")
        return asked


@dataclass(frozen=True, slots=True)
class Reload:
    """Take the configuration file as it is now over into the running gateway."""

    name: ClassVar[str] = "reload"
    changes: ClassVar[bool] = True

    @classmethod
    def read(cls, given: Arguments) -> Self:
        """It has no fields."""
        given.only()
        return cls()


Command = Status | RestartReader | FindTag | BindTag | UnbindTag | CloseLoad | Replay | Reload
COMMANDS: Mapping[str, type[Command]] = {kind.name: kind for kind in get_args(Command)}
"""By name."""


@dataclass(frozen=True, slots=True)
class DirectoryBatch:
    """Write and delete entries of the directory together; it has a topic of its own and is no command by name."""

    entries: tuple[Shipment, ...]
    deletions: tuple[str, ...]
