"""What is answered to a command or a batch: one JSON object, every key always there. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rfid_gateway.events.times import rfc3339
from rfid_gateway.shipments.faults import Fault

_INDEXED = re.compile(r"\[(\d+)\]\.?(.*)", re.DOTALL)


class Outcome(StrEnum):
    """What became of a request."""

    DONE = "done"
    REFUSED = "refused"
    """It was wrong or not allowed; nothing has changed, and sending it again changes nothing."""
    FAILED = "failed"
    """It was right, but the gateway could not; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome in words and values."""

    outcome: Outcome
    detail: str
    """For people."""
    result: Mapping[str, object] | None = None
    """For programs; each command has its own."""
    faults: Sequence[Fault] = ()
    """What was wrong, each with its key."""

    def values(self, gateway: str, command: str, request_id: str | None, at: int) -> dict[str, object]:
        """All that the payload has.

        Args:
            gateway: which one answers: a batch goes to all of a site.
            command: its name.
            request_id: as the sender gave it.
            at: UTC in microseconds.
        """
        return {
            "request_id": request_id,
            "gateway": gateway,
            "command": command,
            "outcome": self.outcome.value,
            "detail": self.detail,
            "faults": [_fault(fault) for fault in self.faults],
            "result": self.result,
            "at": rfc3339(at, "+00:00"),
            "repeated": False,
        }


def encode(values: Mapping[str, object]) -> bytes:
    """The payload. Half a surrogate pair, which JSON can name and UTF-8 cannot hold, stays as JSON names it."""
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")


def decode(text: str) -> dict[str, object]:
    """The values of a payload that was kept."""
    values: dict[str, object] = json.loads(text)
    return values


def refused(faults: Sequence[Fault]) -> Reply:
    """A request with faults, which are all told at once."""
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    first = ": ".join(part for part in (faults[0].place, faults[0].problem) if part)
    return Reply(Outcome.REFUSED, f"{count}; nothing was changed. {first}", faults=faults)


def _fault(fault: Fault) -> dict[str, object]:
    match = _INDEXED.fullmatch(fault.place)
    index, key = (int(match[1]), match[2]) if match else (None, fault.place)
    return {"index": index, "line": fault.line, "key": key, "problem": fault.problem}
