"""One log event as systemd's journal takes it: fields instead of a line. Pure; the socket is in cli/journal_socket.py.

systemd.journal-fields(7) has the fields, systemd.io/JOURNAL_NATIVE_PROTOCOL the bytes.
"""

import re
from collections.abc import Mapping
from uuid import UUID, uuid5

_NAMESPACE = UUID("6b6d63b6-0f43-4f3a-9d6e-5c1b1f3a7c52")
"""Never changed: with the event's name it makes the message id, which people have in their filters."""
_OWN = "RFID_"
_NO_FIELD_NAME = re.compile(r"[^A-Z0-9_]")
_LONGEST_NAME = 64
"""journald drops fields with longer names."""


def message_id(name: str) -> str:
    """The MESSAGE_ID of a kind of log event, 32 hex digits: always the same for the same name (`mqtt.connected`)."""
    return uuid5(_NAMESPACE, name).hex


def entry(name: str, line: str, priority: int, identifier: str, fields: Mapping[str, object]) -> bytes:
    """One journal entry.

    Args:
        name: kind of log event.
        line: MESSAGE, for people; may have several lines.
        priority: syslog's, 0 to 7.
        identifier: SYSLOG_IDENTIFIER.
        fields: the event's own, which become `RFID_<NAME>`; what is None is left out.
    """
    own = {_field_name(key): str(value) for key, value in fields.items() if value is not None}
    all_fields = {
        "MESSAGE": line,
        "PRIORITY": str(priority),
        "MESSAGE_ID": message_id(name),
        "SYSLOG_IDENTIFIER": identifier,
        f"{_OWN}EVENT": name,
        **own,
    }
    return b"".join(_encoded(key, value) for key, value in all_fields.items())


def _field_name(key: str) -> str:
    return f"{_OWN}{_NO_FIELD_NAME.sub('_', key.upper())}"[:_LONGEST_NAME]


def _encoded(key: str, value: str) -> bytes:
    # Lone surrogates stand for bytes of a file name that are no UTF-8; the journal takes any bytes.
    content = value.encode(errors="surrogateescape")
    if b"\n" not in content:
        return b"%s=%s\n" % (key.encode(), content)
    # name, line break, length (64 bits, little-endian), content, line break
    return b"%s\n%s%s\n" % (key.encode(), len(content).to_bytes(8, "little"), content)
