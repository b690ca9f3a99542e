"""Company prefix and reference: two numbers whose sizes a 3-bit partition value sets (TDS 2.3 14.4).

Every partition table of the standard has the same company prefixes. The reference gets the bits that the prefix
leaves of a sum, and the digits that it leaves of another; those two sums are all that the tables differ in.
"""

from collections.abc import Callable

from rfid_gateway.epc.bits import BitReader, CannotDecodeError
from rfid_gateway.epc.text import Part, pad, read_seven_bit, six_bit_string

_PREFIXES = ((40, 12), (37, 11), (34, 10), (30, 9), (27, 8), (24, 7), (20, 6))
"""Bits and digits of the company prefix for partition values 0 to 6."""

_Reference = Callable[[int, int, int], str]
"""From the reference's field, its bits and its digits (or characters) to its text."""


def _read_prefix(reader: BitReader) -> tuple[str, int, int]:
    value = reader.take(3)
    if value >= len(_PREFIXES):
        raise CannotDecodeError(f"partition value {value} is not defined, 0 to 6 are")
    bits, digits = _PREFIXES[value]
    return pad(reader.take(bits), digits, "company prefix"), bits, digits


def _partition(sum_of_bits: int, sum_of_digits: int, reference: _Reference) -> Part:
    def read(reader: BitReader) -> tuple[str, ...]:
        prefix, bits, digits = _read_prefix(reader)
        reference_bits = sum_of_bits - bits
        return prefix, reference(reader.take(reference_bits), reference_bits, sum_of_digits - digits)

    return read


def component_string(reader: BitReader) -> tuple[str, ...]:
    """Read the company prefix and the component reference of CPI-var, together at most 30 characters."""
    prefix, _, digits = _read_prefix(reader)
    return prefix, *six_bit_string(1, 30 - digits)(reader)


def _padded(field: int, _bits: int, digits: int) -> str:
    return pad(field, digits, "reference")


def _unpadded(field: int, _bits: int, digits: int) -> str:
    pad(field, digits, "reference")
    return str(field)


ITEM = _partition(44, 13, _padded)
"""SGTIN and ITIP; the reference begins with the indicator digit."""
LOGISTIC_UNIT = _partition(58, 17, _padded)
"""SSCC, where the reference begins with the extension digit, and GSRN."""
LOCATION = _partition(41, 12, _padded)
"""SGLN, GDTI and SGCN."""
RETURNABLE_ASSET = _partition(44, 12, _padded)
"""GRAI."""
ASSET_NUMBER = _partition(82, 25, _unpadded)
"""GIAI-96."""
ASSET_STRING = _partition(188, 30, read_seven_bit)
"""GIAI-202."""
COMPONENT_NUMBER = _partition(51, 15, _unpadded)
"""CPI-96."""
