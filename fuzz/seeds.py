"""Inputs that the fuzzer starts from, made when it runs: the tests' messages and, where it is, reference data."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz.targets import SERIAL
from rfid_drivers.serial.protocol import Instant
from rfid_drivers.serial.session import Session
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import RDM6300, LineSetting, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.world.sighting import Sighting
from tests import llrp_messages as llrp

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "vectors"
_REPORT_BYTES = 61


def write_seeds(target: str, folder: Path) -> None:
    """Write the seeds of one target into a folder, a file each."""
    for number, seed in enumerate(_seeds(target)):
        (folder / f"seed-{number:04d}").write_bytes(seed)


def _seeds(target: str) -> Iterator[bytes]:
    if target in SERIAL:
        yield from _serial(target)
    elif target in ("framing", "session"):
        for state in range(4):
            head = bytes((7,)) if target == "framing" else bytes((state, 40))
            yield from (head + message for message in _messages())
    elif target == "conversation":
        # Two bytes of length, then the answer to each request.
        answers = [llrp.status() + llrp.capabilities(manufacturer=maker) for maker in (1, llrp.IMPINJ)]
        for answer in [*answers, *_bodies("GetReaderCapabilities")]:
            yield len(answer).to_bytes(2) + answer + bytes(12)
        yield bytes(2) * 3 + len(llrp.status(109, "no")).to_bytes(2) + llrp.status(109, "no")
    else:
        yield from _contents(target)


def _contents(target: str) -> Iterator[bytes]:
    tags = [
        llrp.usual_tag(),
        llrp.tag(llrp.epc_data(100, bytes(range(13))), llrp.tv(3, "Q", 1), llrp.tv(8, "H", 4)),
        llrp.tag(llrp.epc96(), llrp.custom(56, b"\x01\x02"), llrp.custom(55, b"\x00\x02abcd"), llrp.custom(68, b"ab")),
        llrp.tag(llrp.epc96(), llrp.custom(57, b"\xf0\x01"), llrp.tv(12, "H", 0x3000), llrp.tlv(349, bytes(5))),
    ]
    if target == "tags":
        yield from (bytes((len(one) - 4,)) + one[4:] for one in tags)
    elif target == "reports":
        yield from tags
        yield b"".join(tags)
        yield tags[0] * 3
        yield from _bodies("ROAccessReport")
    else:
        yield from (message[10:] for message in _messages())
        yield llrp.status() + llrp.capabilities(inputs=4, holding=True)
        yield llrp.status(101, "words") + llrp.tlv(288, bytes(4))
        yield from _bodies("")


def _messages() -> list[bytes]:
    made = [
        llrp.greeting(),
        llrp.greeting(2),
        llrp.message(61, llrp.usual_tag() * 3),
        llrp.message(62, message_id=9),
        llrp.rospec_event(0, 1380),
        llrp.rospec_event(2, 1380),
        llrp.notification(llrp.tlv(248, b"\x00\x02\x80"), llrp.tlv(250, b"\x50"), llrp.tlv(251)),
        llrp.notification(llrp.tlv(252, b"\x00\x02no"), llrp.tlv(255, b"\x00\x00\x01"), timestamp=129),
        llrp.message(100, llrp.status(109, "no"), 1),
        llrp.message(11, llrp.status() + llrp.capabilities(), 1),
    ]
    recorded = _SHARED / "llrp" / "dx101_a.bin"
    if recorded.exists():
        stream = recorded.read_bytes()
        made += [stream[at : at + 400] for at in range(0, 4000, 400)]
    return made


def _bodies(beginning: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((_SHARED / "llrp").glob(f"{beginning}*.bytes"))]


_FIRMWARE: dict[str, Callable[[], Firmware]] = {
    "cfprime": lambda: SimulatedCfPrime(CfPrimeSetting()),
    "chafon": lambda: SimulatedChafon(ChafonSetting()),
    "gx5a": lambda: SimulatedGx5a(Gx5aSetting(numbered=True)),
    "line": lambda: SimulatedLineReader(LineSetting()),
    "m100": lambda: SimulatedM100(M100Setting()),
    "mercury": lambda: SimulatedMercury(MercurySetting()),
    "r2000": lambda: SimulatedR2000(R2000Setting()),
    "rdm6300": lambda: SimulatedLineReader(RDM6300),
    "swct": lambda: SimulatedSwct(SwctSetting()),
    "tsl": lambda: SimulatedTsl(TslSetting()),
}
_VECTORS = {
    "cfprime": "chafon_cf",
    "chafon": "chafon_len",
    "gx5a": "gx_5a",
    "m100": "m100_bb7e",
    "mercury": "mercury",
    "r2000": "r2000_a0",
    "rdm6300": "rdm6300_ascii",
    "swct": "swct_5357",
    "tsl": "tsl_ascii2",
}
"""What the reference data call a protocol."""
_STEPS, _STEP_US = 200, 50_000
_SLOWLY = 64 + 31
"""Pieces of 32 bytes, 50 ms apart (see `targets.serial`)."""


def _serial(target: str) -> Iterator[bytes]:
    """What a simulated reader says in ten seconds, with each way of using it, and the reference data's frames."""
    for way in range(len(SERIAL[target])):
        head = bytes((way, _SLOWLY))
        yield head + _said_to(target, way)
        if target == "line":
            yield head + b"E28068940000502C6FE618BB\r\nREADY\r\n1234567890,1,-60.5\r\n"
        vectors = _SHARED / "serial.json"
        if vectors.exists():
            known = json.loads(vectors.read_text())
            yield from (head + bytes.fromhex(one["hex"]) for one in known if one["protocol"] == _VECTORS.get(target))


def _said_to(target: str, way: int) -> bytes:
    reader, firmware = SERIAL[target][way], _FIRMWARE[target]()
    session = Session(reader.decoder(), reader.dialogue(), reader.options, Instant(0, 0))
    epc = "6F00538E12" if target == "rdm6300" else "3034257BF7194E4000001A85"
    said, frames = b"", list[bytes]()
    for step in range(_STEPS):
        at = step * _STEP_US
        turn = session.advance(b"".join(frames), Instant(at, at))
        frames = [frame for command in turn.send for frame in firmware.receive(command)]
        if step % 20 == 0:
            frames += firmware.hear([Sighting(at, "r", 1, epc, -60.0)])
        said += b"".join(frames)
    return said[:_LONGEST]


_LONGEST = 1000
"""The fuzzer takes no more than 1024 bytes."""
