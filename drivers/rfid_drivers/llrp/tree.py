"""Decodes any LLRP message body into names and values, for people; the driver itself has quicker ways. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rfid_drivers.llrp.parameters import CUSTOM, LlrpDecodeError
from rfid_drivers.llrp.vocabulary import CUSTOM_NAMES, PARAMETERS, TV_PARAMETERS, Spec

_HEADER_BYTES = 4
_CUSTOM_FIELDS = {"VendorID", "Subtype"}
_DEEPEST = 16
"""Real messages nest seven deep; damaged ones must not end the recursion."""


class Node(NamedTuple):
    """One parameter, or the content of a message."""

    type: int
    name: str
    offset: int
    """Of its first byte in the message's body."""
    size: int
    """In bytes, with its header."""
    fields: dict[str, object]
    children: tuple["Node", ...]
    errors: tuple[str, ...]
    """What did not follow LLRP, in it and below it; everything before such a place was kept."""

    def find(self, kind: int) -> "Node | None":
        """Find the first direct child of a parameter type."""
        return next((child for child in self.children if child.type == kind), None)

    def as_json(self) -> dict[str, object]:
        """Name, fields and parameters, nested."""
        flat: dict[str, object] = {"parameter": self.name, "type": self.type, **self.fields}
        if self.children:
            flat["parameters"] = [child.as_json() for child in self.children]
        return flat


class _Fields:
    """Reads fields bit by bit. Owner: whoever decodes one node."""

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self._data, self._bit, self._end = data, position * 8, end * 8

    @property
    def byte(self) -> int:
        """The first byte that no field has touched."""
        return -(-self._bit // 8)

    def read(self, form: str) -> object:
        """Read one field; see `vocabulary` for the forms."""
        special = _SPECIAL_FORMS.get(form)
        if special:
            return special(self)
        return self._number(int(form.removeprefix("pad").removeprefix("u")))

    def _number(self, bits: int) -> int:
        if self._bit + bits > self._end:
            raise LlrpDecodeError(f"needs {bits} bits, {self._end - self._bit} are left")
        first, last = self._bit // 8, -(-(self._bit + bits) // 8)
        number = int.from_bytes(self._data[first:last]) >> (last * 8 - self._bit - bits)
        self._bit += bits
        return number & ((1 << bits) - 1)

    def _bytes(self, count: int) -> bytes:
        return self._number(count * 8).to_bytes(count)

    def text(self) -> str:
        """Read a counted UTF-8 text."""
        return self._bytes(self._number(16)).decode("utf-8", "replace")

    def counted_bytes(self) -> str:
        """Read counted bytes as hex."""
        return self._bytes(self._number(16)).hex().upper()

    def fixed_bytes(self, count: int) -> str:
        """Read so many bytes as hex."""
        return self._bytes(count).hex().upper()

    def rest(self) -> str:
        """Read what is left as hex."""
        return self.fixed_bytes((self._end - self._bit) // 8)

    def numbers(self, bits: int) -> list[int]:
        """Read counted numbers."""
        count = self._number(16)
        if self._bit + count * bits > self._end:
            raise LlrpDecodeError(f"counts {count} values, {self._end - self._bit} bits are left")
        return [self._number(bits) for _ in range(count)]

    def signed(self, bits: int) -> int:
        """Read a number in two's complement."""
        number = self._number(bits)
        return number - (number >> (bits - 1) << bits)

    def bit_string(self) -> str:
        """Read bits, counted as such, as hex."""
        bits = self._number(16)
        return self._bytes((bits + 7) // 8).hex().upper()[: (bits + 3) // 4]


_SPECIAL_FORMS: dict[str, Callable[[_Fields], object]] = {
    "text": _Fields.text,
    "bits": _Fields.bit_string,
    "rest": _Fields.rest,
    "hex96": lambda fields: fields.fixed_bytes(12),
    "u8s": _Fields.counted_bytes,
    "u16s": lambda fields: fields.numbers(16),
    "u32s": lambda fields: fields.numbers(32),
    "s8": lambda fields: fields.signed(8),
    "s16": lambda fields: fields.signed(16),
}
"""Forms of `vocabulary` that are no plain number of bits."""


def decode_tree(spec: Spec, kind: int, body: bytes) -> Node:
    """Decode a message body; never raises, damage is told in `errors` of the result."""
    return _node(spec, kind, body, (0, 0, len(body)), 0)


def _node(spec: Spec, kind: int, data: bytes, place: tuple[int, int, int], depth: int) -> Node:
    """Decode what lies at `place`: offsets of the first byte, of the content and of the end."""
    start, content, end = place
    fields, errors = _Fields(data, content, end), []
    values: dict[str, object] = {}
    children: tuple[Node, ...] = ()
    try:
        for name, form in spec.fields:
            value = fields.read(form)
            if name != "_":
                values[name] = value
    except LlrpDecodeError as error:
        errors.append(f"{spec.name} at byte {start}: {name} {error}")
    else:
        if depth < _DEEPEST:
            children = tuple(_children(data, fields.byte, end, depth + 1, errors))
        elif fields.byte < end:
            errors.append(f"{spec.name} at byte {start}: nested deeper than {_DEEPEST}")
    name = spec.name
    if kind == CUSTOM and values.keys() > _CUSTOM_FIELDS:
        vendor, subtype = values["VendorID"], values["Subtype"]
        name = CUSTOM_NAMES.get(f"{vendor}/{subtype}", f"custom parameter {subtype} of vendor {vendor}")
    below = [error for child in children for error in child.errors]
    return Node(kind, name, start, end - start, values, children, (*below, *errors))


def _children(data: bytes, position: int, end: int, depth: int, errors: list[str]) -> Iterator[Node]:
    """Yield the parameters between two offsets; what cannot be walked ends up in `errors`."""
    while position < end:
        if data[position] & 0x80:
            kind = data[position] & 0x7F
            if kind not in TV_PARAMETERS:
                errors.append(f"byte {position}: unknown TV parameter {kind}, so nobody knows where it ends")
                return
            node = _tv(kind, data, position, end, depth)
        else:
            kind = int.from_bytes(data[position : position + 2]) & 0x3FF
            length = int.from_bytes(data[position + 2 : position + _HEADER_BYTES])
            if not _HEADER_BYTES <= length <= end - position:
                errors.append(
                    f"byte {position}: parameter {kind} gives a length of {length}, expected 4 to {end - position}"
                )
                return
            unknown = Spec(f"parameter {kind} of {length} bytes", (("Data", "rest"),))
            place = (position, position + _HEADER_BYTES, position + length)
            node = _node(PARAMETERS.get(kind, unknown), kind, data, place, depth)
        yield node
        position += node.size


def _tv(kind: int, data: bytes, position: int, end: int, depth: int) -> Node:
    spec = TV_PARAMETERS[kind]
    bits = sum(int(form.lstrip("ushex")) for _, form in spec.fields)
    return _node(spec, kind, data, (position, position + 1, min(position + 1 + bits // 8, end)), depth)
