"""Walks LLRP parameters in the TLV encoding, strictly within bounds (LLRP 1.0.1 section 16.2)."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

CUSTOM = 1023
"""Parameter type and message type of vendors' extensions."""
IMPINJ = 25882
"""IANA private enterprise number of Impinj, the vendor field of its extensions."""
ZEBRA = 161
"""The same of Motorola, whose readers Zebra makes now."""

TLV_HEADER = struct.Struct("!HH")


class LlrpDecodeError(ValueError):
    """One message or parameter does not follow LLRP; the text says where and what was expected."""


class Parameter(NamedTuple):
    """One TLV parameter."""

    type: int
    body: bytes
    """What follows the four header bytes."""


def walk(body: bytes, start: int = 0) -> Iterator[Parameter]:
    """Yield the TLV parameters of `body` from `start` on, each by its exact length.

    Raises:
        LlrpDecodeError: a length is impossible or bytes are left over; what came before has been yielded.
    """
    position, end = start, len(body)
    while position < end:
        if end - position < TLV_HEADER.size:
            raise LlrpDecodeError(f"byte {position}: {end - position} bytes left over, expected a parameter header")
        word, length = TLV_HEADER.unpack_from(body, position)
        if word & 0x8000:
            raise LlrpDecodeError(f"byte {position}: TV parameter {word >> 8 & 0x7F} where only TLV is allowed")
        if not TLV_HEADER.size <= length <= end - position:
            raise LlrpDecodeError(
                f"byte {position}: parameter {word & 0x3FF} gives a length of {length}, expected 4 to {end - position}"
            )
        yield Parameter(word & 0x3FF, body[position + TLV_HEADER.size : position + length])
        position += length


def unpack(layout: struct.Struct, parameter: Parameter) -> tuple[int, ...]:
    """Read the fixed fields at the start of a parameter.

    Raises:
        LlrpDecodeError: the parameter is too short.
    """
    if len(parameter.body) < layout.size:
        raise LlrpDecodeError(
            f"parameter {parameter.type} has {len(parameter.body)} bytes, expected at least {layout.size}"
        )
    return layout.unpack_from(parameter.body)
