"""What an LLRP client sends, encoded for the tests of the simulated reader, and answers taken apart again."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from rfid_simulators.llrp.clock import ReaderClock
from rfid_simulators.llrp.inventory import Sources
from rfid_simulators.llrp.profiles import IMPINJ_R420, ReaderProfile
from rfid_simulators.llrp.reader import SimulatedReader
from rfid_simulators.llrp.wire import Framer, MessageType, custom, message, tlv, u16v
from rfid_simulators.world.sighting import Radio, Sighting

EVERYTHING = 0xFFC0
"""TagReportContentSelector with every field switched on."""
NO_TIMEOUT = 0
EPC = "3034257BF7194E4000001A85"
WORLD_BEGAN = 1_700_000_000_000_000


class Answer(NamedTuple):
    """A message from the reader."""

    type: int
    message_id: int
    body: bytes

    @property
    def status(self) -> int:
        """The StatusCode of the LLRPStatus that the body starts with."""
        assert self.body[:2] == b"\x01\x1f", f"no LLRPStatus in {self.body.hex()}"
        return int.from_bytes(self.body[4:6], "big")


def answers(messages: Iterable[bytes]) -> list[Answer]:
    """Take what the reader sends apart."""
    return [Answer(frame.type, frame.message_id, frame.body) for frame in Framer().feed(b"".join(messages))]


def radio_of(sightings: Iterable[Sighting]) -> Radio:
    """Make a radio that hears just these."""
    heard = sorted(sightings)

    def radio(start: int, end: int) -> list[Sighting]:
        return [sighting for sighting in heard if start <= sighting.at < end]

    return radio


def sighting(at: int, epc: str = EPC, antenna_id: int = 1, rssi: float = -60.0) -> Sighting:
    """Make a sighting."""
    return Sighting(at, "r", antenna_id, epc, rssi)


def make_reader(
    sightings: Iterable[Sighting] = (), profile: ReaderProfile = IMPINJ_R420, offset_us: int = 0
) -> SimulatedReader:
    """Make a reader to which nobody is connected."""
    clock = ReaderClock(WORLD_BEGAN, offset_us, has_utc=profile.has_utc_clock)
    return SimulatedReader(profile, Sources(radio=radio_of(sightings)), clock)


def number(kind: MessageType, spec_id: int, message_id: int = 1) -> bytes:
    """Encode one of the requests that carry the number of a ROSpec or AccessSpec."""
    return message(kind, message_id, spec_id.to_bytes(4, "big"))


def report_spec(n: int = 1, trigger: int = 2, content: int = EVERYTHING, memory: int = 0, *customs: bytes) -> bytes:
    """Encode a ROReportSpec."""
    selector = tlv(238, content.to_bytes(2, "big"), tlv(348, bytes((memory,))))
    return tlv(237, struct.pack("!BH", trigger, n), selector, *customs)


def gpi_trigger(port: int, *, high: bool, timeout_ms: int = NO_TIMEOUT) -> bytes:
    """Encode a GPITriggerValue."""
    return tlv(181, struct.pack("!HBI", port, high << 7, timeout_ms))


def ai_spec(antennas: tuple[int, ...] = (0,), stop: bytes = b"", *configurations: bytes) -> bytes:
    """Encode an AISpec; `stop` is a whole AISpecStopTrigger, by default the one that never stops."""
    return tlv(183, u16v(antennas), stop or tlv(184, b"\x00" * 5), tlv(186, b"\x00\x01\x01", *configurations))


def rospec(
    rospec_id: int = 1,
    start: bytes = b"\x01",
    stop: bytes = b"\x00" * 5,
    ai_specs: bytes = b"",
    report: bytes | None = None,
    state: int = 0,
) -> bytes:
    """Encode a ROSpec: by default one that starts at once, reads all antennas and reports every tag."""
    boundary = tlv(178, tlv(179, start), tlv(182, stop))
    spec = struct.pack("!IBB", rospec_id, 0, state)
    return tlv(177, spec, boundary, ai_specs or ai_spec(), report_spec() if report is None else report)


def add(spec: bytes, message_id: int = 1) -> bytes:
    """Encode ADD_ROSPEC."""
    return message(MessageType.ADD_ROSPEC, message_id, spec)


def enable(rospec_id: int = 1) -> bytes:
    """Encode ENABLE_ROSPEC."""
    return number(MessageType.ENABLE_ROSPEC, rospec_id, 2)


def set_config(*parameters: bytes, reset: bool = False) -> bytes:
    """Encode SET_READER_CONFIG."""
    return message(MessageType.SET_READER_CONFIG, 3, bytes((reset << 7,)) + b"".join(parameters))


def events_on(*kinds: int) -> bytes:
    """Encode a ReaderEventNotificationSpec that switches these events on."""
    return tlv(244, *(tlv(245, struct.pack("!HB", kind, 0x80)) for kind in kinds))


def keepalive(period_ms: int) -> bytes:
    """Encode a KeepaliveSpec."""
    return tlv(220, struct.pack("!BI", 1, period_ms))


HOLD = tlv(226, b"\x80")


def enable_extensions() -> bytes:
    """Encode IMPINJ_ENABLE_EXTENSIONS."""
    return message(MessageType.CUSTOM_MESSAGE, 9, struct.pack("!IBI", 25882, 21, 0))


def impinj_selector(*subtypes: int) -> bytes:
    """Encode an ImpinjTagReportContentSelector that switches these parameters on."""
    return custom(25882, 50, *(custom(25882, subtype, b"\x00\x01") for subtype in subtypes))
