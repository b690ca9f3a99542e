"""ROSpecs in the reader: which there are, and which is ours."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from rfid_drivers.llrp.parameters import TLV_HEADER, unpack, walk

ROSPEC_ID = 1380
"""Ours. Not 1, which half of all other LLRP programs use, so that theirs is never taken for ours."""

_ROSPEC = 177
_FIXED = struct.Struct("!IBB")
_STATE_OFFSET = 5


class SpecState(IntEnum):
    """CurrentState of a ROSpec (LLRP 1.0.1 section 16.2.4.1)."""

    DISABLED = 0
    INACTIVE = 1
    ACTIVE = 2


@dataclass(frozen=True, slots=True)
class InstalledSpec:
    """One ROSpec that the reader holds."""

    rospec_id: int
    state: int
    content: bytes
    """The whole parameter in its encoding but for the state, which the reader sets."""


def installed_specs(body: bytes) -> list[InstalledSpec]:
    """List the ROSpecs of a GET_ROSPECS_RESPONSE (LLRP 1.0.1 section 16.1.16).

    Raises:
        LlrpDecodeError: the message does not follow LLRP.
    """
    specs = []
    for parameter in walk(body):
        if parameter.type == _ROSPEC:
            rospec_id, _, state = unpack(_FIXED, parameter)
            specs.append(InstalledSpec(rospec_id, state, _without_state(parameter.body)))
    return specs


def content_of(rospec: bytes) -> bytes:
    """Bring an encoded ROSpec parameter into the form of `InstalledSpec.content`."""
    return _without_state(rospec[TLV_HEADER.size :])


def _without_state(body: bytes) -> bytes:
    return body[:_STATE_OFFSET] + body[_STATE_OFFSET + 1 :]
