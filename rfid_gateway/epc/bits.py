"""Fields off the front of a bit string, most significant bit first."""


class CannotDecodeError(ValueError):
    """The bits do not follow the scheme that their header names; the text says where."""


class BitReader:
    """Takes one field after another; owned by the call that decodes one EPC."""

    __slots__ = ("_left", "_number")

    def __init__(self, number: int, bits: int) -> None:
        self._number = number
        self._left = bits

    def take(self, bits: int) -> int:
        """Return the next `bits` bits as an unsigned integer.

        Raises:
            CannotDecodeError: fewer are left.
        """
        left = self._left - bits
        if left < 0:
            raise CannotDecodeError(f"too short, {bits} more bits expected where {self._left} are left")
        self._left = left
        return (self._number >> left) & ((1 << bits) - 1)
