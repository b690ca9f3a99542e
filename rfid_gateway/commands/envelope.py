"""The payload of a command: fields that all commands share, and the rest, which is the command's own. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from rfid_gateway.commands.arguments import Arguments
from rfid_gateway.commands.catalogue import COMMANDS, Command
from rfid_gateway.events import times
from rfid_gateway.shipments import fields
from rfid_gateway.shipments.faults import Fault, Faults
from rfid_gateway.shipments.json_source import json_value

MOST_BYTES = 65_536
"""Of a command's payload."""
LONGEST_ID = 128
_SHARED = ("request_id", "reply_to", "token", "expires_at")


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every command may say besides."""

    request_id: str | None = None
    """The sender's own name for this request: a second message with it is the same request."""
    reply_to: str | None = None
    """Topic for the reply, where the sender's MQTT version has no Response Topic."""
    token: str | None = field(default=None, repr=False)
    """The sender's secret; it never gets into a log or a reply."""
    expires_at: int | None = None
    """UTC in microseconds, after which nobody wants this any more."""
    arguments: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The command's own fields."""
    faults: tuple[Fault, ...] = ()
    """What is wrong with the shared fields; those that are right stand above all the same."""


def read_envelope(payload: bytes, source: str) -> Envelope:
    """Take a payload apart; an empty one is `{}`. Never raises: what is wrong stands in `faults`.

    Args:
        payload: JSON object, UTF-8.
        source: the topic, for messages.
    """
    faults = Faults(source)
    if len(payload) > MOST_BYTES:
        faults.add(None, "", f"has {len(payload)} bytes; expected at most {MOST_BYTES}")
        return Envelope(faults=faults.found)
    values = json_value(payload, None, faults) if payload.strip() else {}
    if not isinstance(values, dict):
        if not faults.found:
            faults.add(None, "", "expected a JSON object with the command's fields")
        return Envelope(faults=faults.found)
    return Envelope(
        request_id=_text("request_id", values, faults),
        reply_to=_text("reply_to", values, faults),
        token=_token(values, faults),
        expires_at=_time("expires_at", values, faults),
        arguments={name: value for name, value in values.items() if name not in _SHARED},
        faults=faults.found,
    )


def parse_command(name: str, arguments: Mapping[str, object], source: str) -> Command:
    """Return the command of that name, which must be one of `COMMANDS`.

    Raises:
        ShipmentSourceError: with every fault: its key, and what was expected.
    """
    faults = Faults(source)
    command = COMMANDS[name].read(Arguments(arguments, faults))
    faults.raise_if_any()
    return command


def fingerprint(arguments: Mapping[str, object]) -> str:
    """A text that is the same for the same fields in any order."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _text(key: str, values: Mapping[str, object], faults: Faults) -> str | None:
    if values.get(key) is None:
        return None
    text = faults.attempt(None, key, partial(fields.text, values[key]))
    if text is not None and not (text and len(text) <= LONGEST_ID) and key == "request_id":
        faults.add(None, key, f"has {len(text)} characters; expected 1 to {LONGEST_ID}")
        return None
    return text


def _token(values: Mapping[str, object], faults: Faults) -> str | None:
    # Not through `fields.text`, whose words quote the value.
    token = values.get("token")
    if token is None or isinstance(token, str):
        return token
    faults.add(None, "token", "is no text; expected a string")
    return None


def _time(key: str, values: Mapping[str, object], faults: Faults) -> int | None:
    text = _text(key, values, faults)
    return None if text is None else faults.attempt(None, key, partial(times.parse, text))
