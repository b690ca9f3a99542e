"""Faults as testers write them on the command line: NAME, NAME:VALUE, and @SECONDS behind either. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from rfid_simulators.faults import (
    AddToReports,
    CutMidMessage,
    DuplicateReports,
    Fault,
    LoseReplies,
    Reboot,
    RefuseAsBusy,
    SendGarbage,
    SilentHang,
    SlowReplies,
    SplitWrites,
    StopKeepalives,
    WrongIds,
    WrongStatus,
)
from rfid_simulators.llrp.spoiling import UNKNOWN_MESSAGE, UNKNOWN_TLV, UNKNOWN_TV

SECOND = 1_000_000


class PlannedFault(NamedTuple):
    """A fault and when it begins."""

    after_s: float
    """Seconds after the reader's start."""
    fault: Fault


_WITHOUT_VALUE: dict[str, Fault] = {
    "hang": SilentHang(),
    "no-keepalives": StopKeepalives(),
    "duplicates": DuplicateReports(),
    "unknown-message": SendGarbage(UNKNOWN_MESSAGE),
    "unknown-tlv": AddToReports(UNKNOWN_TLV),
    "unknown-tv": AddToReports(UNKNOWN_TV),
}
_WITH_VALUE: dict[str, Callable[[str], Fault]] = {
    "cut": lambda size: CutMidMessage(int(size)),
    "reset": lambda size: CutMidMessage(int(size), reset=True),
    "busy": lambda status: RefuseAsBusy(int(status)),
    "garbage": lambda data: SendGarbage(bytes.fromhex(data)),
    "split": lambda size: SplitWrites((max(1, int(size)),)),
    "reboot": lambda seconds: Reboot(int(float(seconds) * SECOND)),
    "slow": lambda seconds: SlowReplies(int(float(seconds) * SECOND)),
    "wrong-ids": lambda ahead: WrongIds(int(ahead)),
    "lose": lambda kind: LoseReplies(int(kind)),
    "status": lambda code: WrongStatus(int(code)),
}
_USUAL = {
    "cut": "7",
    "reset": "7",
    "busy": "2",
    "garbage": "ff" * 10,
    "split": "1",
    "reboot": "2",
    "slow": "1",
    "wrong-ids": "1000",
    "status": "555",
}
"""What is meant where a value is left out; `lose` has nothing usual."""
NAMES = tuple(sorted((*_WITHOUT_VALUE, *_WITH_VALUE)))


def read_fault(text: str) -> PlannedFault:
    """Read a fault such as `slow:0.5@10`: half a second late, from ten seconds after the start on.

    Raises:
        ValueError: there is no such fault, or its value or time is none; says what was expected.
    """
    what, _, when = text.partition("@")
    name, colon, value = what.partition(":")
    try:
        return PlannedFault(float(when or 0), _fault(name, value if colon else _USUAL.get(name, "")))
    except ValueError as error:
        raise ValueError(f"{text!r} is no fault ({error}), expected NAME[:VALUE][@SECONDS]") from error


def _fault(name: str, value: str) -> Fault:
    if name in _WITHOUT_VALUE:
        if value:
            raise ValueError(f"{name} takes no value")
        return _WITHOUT_VALUE[name]
    if name not in _WITH_VALUE:
        raise ValueError(f"the names are {', '.join(NAMES)}")
    return _WITH_VALUE[name](value)
