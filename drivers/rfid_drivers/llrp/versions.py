"""Which version of LLRP is spoken on a connection (LLRP 1.1 sections 9.1.1 and 17.1.1 to 17.1.4). Pure."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

from rfid_drivers.llrp.framing import LLRP_1_0_1, LLRP_1_1
from rfid_drivers.llrp.handshake import Answer, Request

_SUPPORTED_VERSION_AT = 1
"""GET_SUPPORTED_VERSION_RESPONSE starts with two bytes: the current and the newest supported version."""
_GET_SUPPORTED_VERSION = Request("GET_SUPPORTED_VERSION", 46, 56, parameters_at=2)
_SET_PROTOCOL_VERSION = Request("SET_PROTOCOL_VERSION", 47, 57, bytes([LLRP_1_1]))


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that may stay unanswered: silence comes back as a status that is not `ok`."""

    request: Request


@dataclass(frozen=True, slots=True)
class UseVersion:
    """Put this version into the header of every message from now on."""

    version: int


def agree_on_version(
    wanted: Literal["1.0.1", "1.1", "auto"],
) -> Generator[Probe | UseVersion, Answer, str]:
    """Ask the reader for LLRP 1.1 and agree on it, or stay at 1.0.1.

    Readers of LLRP 1.0.1 answer M_UnsupportedVersion, some other ERROR_MESSAGE, or nothing.

    Returns:
        Why it is 1.0.1 although more was wanted; empty when all is as wanted.
    """
    if wanted == "1.0.1":
        return ""
    yield UseVersion(LLRP_1_1)  # a question about versions is itself of version 1.1
    answer = yield Probe(_GET_SUPPORTED_VERSION)
    status = answer.status
    if status.ok and answer.body[_SUPPORTED_VERSION_AT] >= LLRP_1_1:
        status = (yield Probe(_SET_PROTOCOL_VERSION)).status
        if status.ok:
            return ""
    yield UseVersion(LLRP_1_0_1)
    reason = "it knows no newer version" if status.ok else str(status)
    return f"the reader is spoken to in LLRP 1.0.1 although version asks for {wanted}: {reason}"
