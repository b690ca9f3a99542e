"""The place in a request that a reader found wrong (LLRP 1.0.1 section 16.2.8). Pure."""

from dataclasses import dataclass

from rfid_drivers.llrp.parameters import LlrpDecodeError, walk

_FIELD_ERROR, _PARAMETER_ERROR = 288, 289
_FIXED_BYTES = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """Where something is wrong."""

    parameters: tuple[int, ...] = ()
    """Types, from the outermost inwards; empty where the reader does not say."""
    field: int | None = None
    """Number of the wrong field of the innermost, counted from 0; None where no field is wrong."""


NOWHERE = Fault()
"""The reader does not say."""


def decode_fault(body: bytes, start: int, outer: tuple[int, ...] = ()) -> Fault:
    """Follow FieldError and ParameterError from `start` on, one within another.

    Where they are damaged, what could be followed is the answer: an error about an error helps nobody.
    """
    try:
        for parameter in walk(body, start):
            number = int.from_bytes(parameter.body[:2])
            if parameter.type == _FIELD_ERROR:
                return Fault(outer, number)
            if parameter.type == _PARAMETER_ERROR:
                return decode_fault(parameter.body, _FIXED_BYTES, (*outer, number))
    except LlrpDecodeError:
        pass
    return Fault(outer)
