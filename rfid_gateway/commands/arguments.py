"""The fields of one command as its payload has them, looked at one by one; every fault is noted. Pure."""

from collections.abc import Mapping
from functools import partial

from rfid_gateway.shipments import fields
from rfid_gateway.shipments.faults import Faults, nearest


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
