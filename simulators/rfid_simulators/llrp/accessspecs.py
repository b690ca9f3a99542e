"""The reader's AccessSpecs: kept, listed and switched, but their operations are never done on tags. Pure.

Source: LLRP 1.0.1 11.1 and 11.2.
"""

from rfid_simulators.llrp.grammar import Element
from rfid_simulators.llrp.status import RequestError, StatusCode, bad_field, bad_parameter_field
from rfid_simulators.llrp.wire import ParameterType as P

ALL = 0
_STATE_BYTE = 11
_ACTIVE = 0x80


class AccessSpecTable:
    """All AccessSpecs of a reader, encoded. Owned by the reader."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._specs: dict[int, bytes] = {}

    def encoded(self) -> bytes:
        """Return every AccessSpec parameter with its present state."""
        return b"".join(self._specs.values())

    def add(self, element: Element) -> None:
        """Take a new AccessSpec in, disabled.

        Raises:
            RequestError: its number is 0 or taken, it is not disabled, or the table is full.
        """
        number = element.uint(0, 4)
        if number == ALL or number in self._specs:
            raise bad_parameter_field(f"AccessSpecID {number} is 0 or taken", (P.ACCESSSPEC,), 0, StatusCode.A_INVALID)
        if element.fields[7] & _ACTIVE:
            raise bad_parameter_field("CurrentState must be Disabled", (P.ACCESSSPEC,), 3, StatusCode.A_INVALID)
        if len(self._specs) == self._capacity:
            raise RequestError(f"no more than {self._capacity} AccessSpecs fit", StatusCode.M_OVERFLOW_PARAMETER)
        self._specs[number] = element.raw

    def delete(self, number: int, _now: int) -> None:
        """Remove one AccessSpec or all."""
        for chosen in self._chosen(number):
            del self._specs[chosen]

    def enable(self, number: int, _now: int) -> None:
        """Make one AccessSpec or all active."""
        self._switch(number, _ACTIVE)

    def disable(self, number: int, _now: int) -> None:
        """Make one AccessSpec or all inactive."""
        self._switch(number, 0)

    def _switch(self, number: int, state: int) -> None:
        for chosen in self._chosen(number):
            raw = self._specs[chosen]
            self._specs[chosen] = raw[:_STATE_BYTE] + bytes((state,)) + raw[_STATE_BYTE + 1 :]

    def _chosen(self, number: int) -> list[int]:
        if number == ALL:
            return list(self._specs)
        if number not in self._specs:
            raise bad_field(f"there is no AccessSpec {number}", 0)
        return [number]
