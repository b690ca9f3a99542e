"""LLRPStatus: what a reader answers, and how it says which field of which parameter is wrong. Pure.

Source: LLRP 1.0.1 13.2 (error handling), 16.2.8 (LLRPStatus, FieldError, ParameterError).
"""

from enum import IntEnum

from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.llrp.wire import tlv, utf8v


class StatusCode(IntEnum):
    """Status codes of LLRP 1.0.1 13.2.1: M_ for messages, P_ for parameters, A_ for fields, R_ for the reader."""

    M_SUCCESS = 0
    M_PARAMETER_ERROR = 100
    M_FIELD_ERROR = 101
    M_UNEXPECTED_PARAMETER = 102
    M_MISSING_PARAMETER = 103
    M_DUPLICATE_PARAMETER = 104
    M_OVERFLOW_PARAMETER = 105
    M_OVERFLOW_FIELD = 106
    M_UNKNOWN_PARAMETER = 107
    M_UNKNOWN_FIELD = 108
    M_UNSUPPORTED_MESSAGE = 109
    M_UNSUPPORTED_VERSION = 110
    M_UNSUPPORTED_PARAMETER = 111
    M_UNEXPECTED_MESSAGE = 112
    """Came with LLRP 1.1."""
    P_PARAMETER_ERROR = 200
    P_FIELD_ERROR = 201
    P_UNEXPECTED_PARAMETER = 202
    P_MISSING_PARAMETER = 203
    P_DUPLICATE_PARAMETER = 204
    P_OVERFLOW_PARAMETER = 205
    P_OVERFLOW_FIELD = 206
    P_UNKNOWN_PARAMETER = 207
    P_UNKNOWN_FIELD = 208
    P_UNSUPPORTED_PARAMETER = 209
    A_INVALID = 300
    A_OUT_OF_RANGE = 301
    R_DEVICE_ERROR = 401


class RequestError(Exception):
    """A request that the reader refuses; `str()` is the ErrorDescription, `status` the encoded LLRPStatus.

    Args:
        text: what was expected, for a person.
        code: an M_ code when the message itself is at fault, else a P_ code for the innermost parameter.
        path: parameter types from the message inwards; empty when the message itself is at fault.
        field: number of the wrong field, counted from 0 and reserved bits left out; None when no field is wrong.
        field_code: what is wrong with that field.
    """

    def __init__(
        self,
        text: str,
        code: StatusCode,
        path: tuple[int, ...] = (),
        field: int | None = None,
        field_code: StatusCode = StatusCode.A_INVALID,
    ) -> None:
        super().__init__(text)
        self.code = StatusCode.M_PARAMETER_ERROR if path else code
        self._innermost = code
        self._path = path
        self._field_error = b"" if field is None else _field_error(field, field_code)

    def within(self, kind: int) -> "RequestError":
        """The same error, seen from the parameter or message around it."""
        self._path = (kind, *self._path)
        self.code = StatusCode.M_PARAMETER_ERROR
        return self

    @property
    def status(self) -> bytes:
        """The encoded LLRPStatus parameter, one ParameterError within another as deep as the fault lies."""
        detail, code = self._field_error, self._innermost
        for kind in reversed(self._path):
            detail = tlv(P.PARAMETER_ERROR, kind.to_bytes(2, "big"), code.to_bytes(2, "big"), detail)
            code = StatusCode.P_PARAMETER_ERROR
        return tlv(P.LLRP_STATUS, self.code.to_bytes(2, "big"), utf8v(str(self)), detail)


def _field_error(number: int, code: StatusCode) -> bytes:
    return tlv(P.FIELD_ERROR, number.to_bytes(2, "big"), code.to_bytes(2, "big"))


SUCCESS = tlv(P.LLRP_STATUS, StatusCode.M_SUCCESS.to_bytes(2, "big"), utf8v(""))


def bad_field(text: str, number: int, code: StatusCode = StatusCode.A_INVALID) -> RequestError:
    """An error about field `number` (from 0) of the message itself."""
    return RequestError(text, StatusCode.M_FIELD_ERROR, (), number, code)


def bad_parameter_field(
    text: str, path: tuple[int, ...], number: int, code: StatusCode = StatusCode.A_OUT_OF_RANGE
) -> RequestError:
    """An error about field `number` (from 0) of the parameter at the end of `path`."""
    return RequestError(text, StatusCode.P_FIELD_ERROR, path, number, code)
