"""Builds LLRP messages and answers a session's requests, for tests; written from the standard, not from the driver."""

import struct
from collections.abc import Callable

from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.session import Session

OPTIONS = LlrpOptions(host="reader.example")
SECOND = 1_000_000
UTC = 1_700_000_000 * SECOND
IMPINJ = 25882

EPC = bytes.fromhex("3034257BF7194E4000001A85")


def message(message_type: int, body: bytes = b"", message_id: int = 0, version: int = 1) -> bytes:
    return struct.pack("!HII", version << 10 | message_type, 10 + len(body), message_id) + body


def tlv(kind: int, body: bytes = b"") -> bytes:
    return struct.pack("!HH", kind, 4 + len(body)) + body


def tv(kind: int, form: str, value: float | bytes) -> bytes:
    return struct.pack(f"!B{form}", 0x80 | kind, value)


def custom(subtype: int, body: bytes, vendor: int = IMPINJ) -> bytes:
    return tlv(1023, struct.pack("!II", vendor, subtype) + body)


def epc96(epc: bytes = EPC) -> bytes:
    return tv(13, "12s", epc)


def epc_data(bits: int, epc: bytes) -> bytes:
    return tlv(241, struct.pack("!H", bits) + epc)


def tag(*parameters: bytes) -> bytes:
    return tlv(240, b"".join(parameters))


def usual_tag(epc: bytes = EPC, antenna: int = 1, rssi: int = -55, seen: int = UTC) -> bytes:
    return tag(epc96(epc), tv(1, "H", antenna), tv(6, "b", rssi), tv(7, "H", 3), tv(2, "Q", seen), tv(4, "Q", seen + 9))


def status(code: int = 0, text: str = "") -> bytes:
    encoded = text.encode()
    return tlv(287, struct.pack("!HH", code, len(encoded)) + encoded)


def notification(*events: bytes, at: int = UTC, timestamp: int = 128) -> bytes:
    return message(63, tlv(246, tlv(timestamp, struct.pack("!Q", at)) + b"".join(events)))


def greeting(code: int = 0, at: int = UTC) -> bytes:
    return notification(tlv(256, struct.pack("!H", code)), at=at)


def rospec_event(change: int, rospec_id: int) -> bytes:
    return notification(tlv(249, struct.pack("!BII", change, rospec_id, 0)))


def capabilities(
    *, manufacturer: int = 1, antennas: int = 4, inputs: int = 0, max_rospecs: int = 4, holding: bool = False
) -> bytes:
    """Parameters of a GET_READER_CAPABILITIES_RESPONSE with a sparse power table (10, 20 and 30 dBm at 1, 7, 193)."""
    firmware = b"1.2.3"
    general = struct.pack("!HHIIH", antennas, 0x4000, manufacturer, 42, len(firmware)) + firmware
    general += tlv(141, struct.pack("!HH", inputs, 0))
    limits = struct.pack("!BBHIIIII", 0x08 if holding else 0, 1, 0, max_rospecs, 1, 1, 0, 0)
    power = b"".join(tlv(145, struct.pack("!Hh", index, dbm)) for index, dbm in ((1, 1000), (7, 2000), (193, 3000)))
    hopping = tlv(146, b"\x80" + tlv(147, struct.pack("!BBHI", 5, 0, 1, 866_300)))
    regulatory = struct.pack("!HH", 276, 2) + tlv(144, power + hopping)
    return tlv(137, general) + tlv(142, limits) + tlv(143, regulatory)


class Request:
    """One message that the session sent."""

    def __init__(self, encoded: bytes) -> None:
        head, self.length, self.id = struct.unpack("!HII", encoded[:10])
        self.version, self.type = head >> 10, head & 0x3FF
        self.body = encoded[10:]


def requests(sent: bytes) -> list[Request]:
    found = []
    while sent:
        length = int.from_bytes(sent[2:6])
        found.append(Request(sent[:length]))
        sent = sent[length:]
    return found


Answers = dict[int, Callable[[Request], bytes]]
"""Request type -> the whole answer; empty bytes for silence."""


def ok(request: Request) -> bytes:
    if request.type == 1:
        return message(11, status() + capabilities(), request.id)
    if request.type == 1023:
        return message(1023, struct.pack("!IB", IMPINJ, 22) + status(), request.id)
    return message({3: 13, 14: 4}.get(request.type, request.type + 10), status(), request.id)


def refusal(request: Request) -> bytes:
    return message(100, status(109, "not here"), request.id)


NO_ANSWER = {64, 72, 60}


class Dialogue:
    """A session and a reader that answers everything, unless told otherwise."""

    def __init__(self, options: LlrpOptions = OPTIONS, answers: Answers | None = None) -> None:
        self.session = Session(options, 0)
        self.answers: Answers = answers or {}
        self.sent: list[Request] = []
        self.events: list[object] = []
        self.now = 0

    def feed(self, data: bytes) -> None:
        """Give the session bytes of the reader, then answer what it asks until it asks nothing more."""
        self.events += self.session.feed(data, self.now, UTC + self.now)
        self.converse()

    def converse(self) -> None:
        while asked := requests(self.session.data_to_send()):
            self.sent += asked
            for request in asked:
                if request.type not in NO_ANSWER:
                    answer = self.answers.get(request.type, ok)(request)
                    self.events += self.session.feed(answer, self.now, UTC + self.now)

    def wait(self, microseconds: int) -> None:
        """Let time pass."""
        self.now += microseconds
        self.events += self.session.tick(self.now)
        self.converse()

    def run(self) -> "Dialogue":
        """Greet, set up and pass the wait for the ROSpec's start."""
        self.feed(greeting())
        self.wait(SECOND)
        return self

    @property
    def types(self) -> list[int]:
        return [request.type for request in self.sent]
