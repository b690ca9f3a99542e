"""Withdrawing a published event: the same EPCIS event once more, with an error declaration (EPCIS 2.0, CBV 2.0 ER).

Its eventID stays, because error declarations are outside the event hash: that is how an EPCIS repository knows which
event is meant. The payload around it needs an `event_id` of its own, or whoever drops doubles by it would drop the
withdrawal: the original one with `#withdrawn` behind it. `withdraws` names the original.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rfid_gateway.events.payload import ComposedEvent, bare_epcis, envelope, serialised
from rfid_gateway.events.times import rfc3339

Reason = Literal["did_not_occur", "incorrect_data"]

MARK = "#withdrawn"
"""Ends the `event_id` of a withdrawal."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """Why an event is withdrawn, and what is right instead.

    Raises:
        ValueError: corrective events for one that did not occur: CBV 2.0 forbids them (ER-did_not_occur).
    """

    reason: Reason
    declared_at: int
    """UTC, microseconds."""
    time_zone_offset: str
    """Local offset at that time, `+01:00`."""
    corrective: Sequence[str] = ()
    """Event ids of the events that say what did occur."""

    def __post_init__(self) -> None:
        if self.reason == "did_not_occur" and self.corrective:
            raise ValueError("an event that did not occur has no corrective events (CBV 2.0); use incorrect_data")


def withdrawal_id(event_id: str) -> str:
    """The `event_id` of the withdrawal of an event: the same for every try, so there is one withdrawal at most."""
    return event_id + MARK


def withdrawal(payload: bytes, declaration: Declaration) -> ComposedEvent:
    """The withdrawal of an event, to be published on the same topic.

    Args:
        payload: the event's stored payload.
        declaration: why.

    Raises:
        ValueError: the event is itself a withdrawal, or corrects itself.
    """
    around = envelope(payload)
    original = around.pop("event_id")
    del around["sequence"]
    if around.get("withdraws") is not None:
        raise ValueError(f"{original} is itself a withdrawal, which cannot be withdrawn")
    if original in declaration.corrective:
        raise ValueError(f"{original} cannot be its own correction")
    epcis = json.loads(bare_epcis(payload))
    epcis["errorDeclaration"] = {
        "declarationTime": rfc3339(declaration.declared_at, declaration.time_zone_offset),
        "reason": declaration.reason,
        **({"correctiveEventIDs": list(declaration.corrective)} if declaration.corrective else {}),
    }
    return serialised(withdrawal_id(original), around | {"withdraws": original}, epcis)
