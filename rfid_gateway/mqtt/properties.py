"""Properties of a PUBLISH in MQTT 5, as bytes: what kind of content it is, and what is said beside it. Pure.

paho's own `Properties` builds its tables for each object and looks through all of them to write one; at ten thousand
events a second that is most of the work. What is written is the same (MQTT 5 2.2.2, 3.3.2.3).
"""

from collections.abc import Iterable

_CORRELATION_DATA = b"\x09"  # MQTT 5 3.3.2.3.6
_CONTENT_TYPE = b"\x03"  # MQTT 5 3.3.2.3.9
_USER_PROPERTY = b"\x26"  # MQTT 5 3.3.2.3.7
_LONGEST = 65_535  # bytes of an MQTT string: MQTT 5 1.5.4
_CONTINUES = 0x80


def packed(
    content_type: str, user_properties: Iterable[tuple[str, str]] = (), correlation: bytes | None = None
) -> bytes:
    """The property length and the properties, as they stand in the packet.

    `correlation` is the Correlation Data of the request that this answers.

    A user property that MQTT cannot carry (longer than 65 535 bytes, or with U+0000) is left out: an event whose
    orders fill pages must not hold up all the others.
    """
    content = _CONTENT_TYPE + _string(content_type.encode())
    if correlation is not None:
        content += _CORRELATION_DATA + _string(correlation)
    for name, value in user_properties:
        encoded = value.encode()
        if len(encoded) <= _LONGEST and b"\0" not in encoded:
            content += _USER_PROPERTY + _string(name.encode()) + _string(encoded)
    return _variable_byte_integer(len(content)) + content


def _string(encoded: bytes) -> bytes:
    return len(encoded).to_bytes(2, "big") + encoded


def _variable_byte_integer(value: int) -> bytes:
    """MQTT 5 1.5.5: seven bits a byte, the lowest first; the highest bit says that another one follows."""
    digits = bytearray()
    while value >= _CONTINUES:
        digits.append(value % _CONTINUES | _CONTINUES)
        value //= _CONTINUES
    digits.append(value)
    return bytes(digits)
