"""Readers with radios to configure, for tests, and what was asked of them taken apart; written from the standard."""

import struct
from typing import NamedTuple

from tests.llrp_messages import Answers, Request, custom, message, status, tlv

ZEBRA = 161

FIXED = {
    177: 6,
    178: 0,
    179: 1,
    181: 7,
    182: 5,
    184: 5,
    186: 3,
    222: 2,
    223: 2,
    224: 6,
    237: 3,
    238: 2,
    330: 1,
    331: 1,
    333: 2,
    334: 1,
    335: 4,
    336: 7,
    337: 1,
    348: 1,
}
"""Parameter -> bytes of fields before its parameters (LLRP 1.0.1 16.2.4, 16.2.7.1, 16.3.1.2)."""


class Node(NamedTuple):
    """A parameter taken apart."""

    kind: int
    fields: bytes
    children: tuple["Node", ...]

    def all(self, *path: int) -> list["Node"]:
        """Every parameter at the end of a path of types."""
        found = [self]
        for kind in path:
            found = [child for one in found for child in one.children if child.kind == kind]
        return found

    def fields_at(self, *path: int) -> list[str]:
        """Fields of those, in hex."""
        return [one.fields.hex() for one in self.all(*path)]


def taken_apart(encoded: bytes) -> list[Node]:
    """Parameters one after another; fails on whatever does not fit exactly."""
    nodes = []
    while encoded:
        kind, length = struct.unpack("!HH", encoded[:4])
        assert 4 <= length <= len(encoded), encoded.hex()
        body, encoded = encoded[4:length], encoded[length:]
        size = _size(kind, body)
        assert size <= len(body), (kind, body.hex())
        nodes.append(Node(kind, body[:size], tuple(taken_apart(body[size:]))))
    return nodes


def _size(kind: int, body: bytes) -> int:
    if kind == 183:
        return 2 + 2 * int.from_bytes(body[:2])
    if kind == 332:
        return 5 + (int.from_bytes(body[3:5]) + 7) // 8
    if kind == 1023:
        return 8 if body[:8] == struct.pack("!II", 25882, 50) else len(body)
    return FIXED[kind]


def radio_capabilities(
    *, manufacturer: int = 1, max_filters: int = 2, state_aware: bool = True, hopping: bool = True, inputs: int = 0
) -> bytes:
    """Parameters of GET_READER_CAPABILITIES_RESPONSE: 4 antennas, 10 to 30 dBm, 0 to 40 dB, modes 3 and 9."""
    sensitivity = b"".join(tlv(139, struct.pack("!Hh", *entry)) for entry in ((1, 0), (4, 20), (9, 40)))
    general = struct.pack("!HHIIH", 4, 0x4000, manufacturer, 42, 0) + sensitivity
    general += tlv(141, struct.pack("!HH", inputs, 0))
    limits = struct.pack("!BBHIIIII", 0x10 if state_aware else 0, 1, 0, 1, 1, 1, 0, 0)
    power = b"".join(tlv(145, struct.pack("!Hh", *entry)) for entry in ((1, 1000), (7, 2000), (193, 3000)))
    hop_table = tlv(147, struct.pack("!BBHI", 5, 0, 1, 866_300))
    fixed_table = tlv(148, struct.pack("!HI", 1, 866_300))
    frequencies = tlv(146, b"\x80" + hop_table if hopping else b"\x00" + fixed_table)
    modes = b"".join(tlv(329, struct.pack("!IBBBBIIIII", *mode, 0)) for mode in (MODE_3, MODE_9))
    regulatory = struct.pack("!HH", 276, 2) + tlv(144, power + frequencies + tlv(328, modes))
    gen2 = tlv(327, struct.pack("!BH", 0, max_filters))
    return tlv(137, general) + tlv(142, limits) + tlv(143, regulatory) + gen2


MODE_3 = (3, 0, 1, 2, 3, 160_000, 2000, 12_500, 25_000)
MODE_9 = (9, 0, 2, 0, 3, 320_000, 2000, 6_250, 6_250)


def antenna_state(antenna: int, hop_table: int = 2, channel: int = 7, mode: int = 9, session: int = 2) -> bytes:
    """AntennaConfiguration as a reader tells it: power index 1, Tari 6250, population 77, transit time 5."""
    control = tlv(335, struct.pack("!HH", mode, 6250))
    singulation = tlv(336, struct.pack("!BHI", session << 6, 77, 5))
    transmitter = tlv(224, struct.pack("!HHH", hop_table, channel, 1))
    return tlv(
        222, struct.pack("!H", antenna) + tlv(223, b"\0\1") + transmitter + tlv(330, b"\0" + control + singulation)
    )


def reader_config(*parameters: bytes) -> Answers:
    """Answer to GET_READER_CONFIG."""
    return {2: lambda request: message(12, status() + b"".join(parameters), request.id)}


def autonomous(flags: int) -> bytes:
    """MotoAutonomousState."""
    return custom(101, bytes([flags]), ZEBRA)


def capable(encoded: bytes) -> Answers:
    """Answer to GET_READER_CAPABILITIES."""
    return {1: lambda request: message(11, status() + encoded, request.id)}


def parameter_error(*path: int, field: int | None = None) -> bytes:
    """LLRPStatus that names a place, as LLRP 1.0.1 16.2.8 nests it."""
    inner = b"" if field is None else tlv(288, struct.pack("!HH", field, 300))
    for kind in reversed(path):
        inner = tlv(289, struct.pack("!HH", kind, 201) + inner)
    return tlv(287, struct.pack("!HH", 100, 6) + b"not so" + inner)


class FussyReader:
    """Answers ADD_ROSPEC: refuses as long as any of some byte strings stands in it."""

    def __init__(self, refused: dict[bytes, bytes]) -> None:
        """Take encoded parts, each with the LLRPStatus of its refusal."""
        self._refused = refused
        self.tried: list[Node] = []

    @property
    def answers(self) -> Answers:
        """For a Dialogue."""
        return {20: self._add}

    def _add(self, request: Request) -> bytes:
        self.tried += taken_apart(request.body)
        found = next((error for part, error in self._refused.items() if part in request.body), None)
        return message(30, found or status(), request.id)
