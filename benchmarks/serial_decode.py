"""How fast serial protocols are decoded on one core, as JSON lines: bytes and tag reads per second of CPU time.

    python benchmarks/serial_decode.py [--seconds 0.3] [PROTOCOL ...]

Each protocol's own simulated reader makes the stream, 400 tags before one antenna; the decoder gets it in
reads of 512 bytes, which is about what a read of a busy serial port brings. The best of several rounds counts. For
comparison: a line of 115200 baud carries 11 520 bytes per second, `lines_per_core` says how many such lines fit.
"""

import argparse
import json
import time
from collections.abc import Callable

from rfid_drivers.serial.cfprime_codec import CfPrimeDecoder
from rfid_drivers.serial.chafon_codec import ChafonDecoder
from rfid_drivers.serial.gx5a_codec import Gx5aDecoder
from rfid_drivers.serial.line import Rdm6300Options, Rdm6300Reader
from rfid_drivers.serial.m100_codec import M100Decoder
from rfid_drivers.serial.mercury_codec import MercuryDecoder
from rfid_drivers.serial.protocol import Decoder, Frame, Instant
from rfid_drivers.serial.r2000_codec import R2000Decoder
from rfid_drivers.serial.swct_codec import SwctDecoder
from rfid_drivers.serial.tsl_codec import TslDecoder
from rfid_gateway.clock import SystemClock
from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.line import RDM6300, SimulatedLineReader
from rfid_simulators.serial.m100 import M100Setting, SimulatedM100
from rfid_simulators.serial.mercury import MercurySetting, SimulatedMercury
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.serial.tsl import SimulatedTsl, TslSetting
from rfid_simulators.world.sighting import Sighting

TAGS = 400
READ_BYTES = 512
ROUNDS = 5
BYTES_PER_S_OF_A_LINE = 11_520
IDLE_GAP_MS = 200


def label(number: int) -> str:
    return f"3034257BF7194E4{number:09X}"


def card(number: int) -> str:
    return f"6F{number:08X}"


def sighting(number: int, epc: str) -> Sighting:
    return Sighting(1000 * number, "r", 1, epc, -50.0 - number % 20, 0.01 * number, 0.0, 1 + number % 4)


def made_by(firmware: Firmware, tags: int, epc: Callable[[int], str] = label, ask: bytes = b"") -> list[bytes]:
    """The frames that a simulated reader sends for these tags, by itself or when it is asked after every fourth."""
    sent: list[bytes] = []
    for at in range(0, tags, 4):
        sent += firmware.hear([sighting(number, epc(number)) for number in range(at, min(at + 4, tags))])
        sent += firmware.receive(ask) if ask else []
    return sent


R2000_ADDRESS = 1
REAL_TIME_INVENTORY = bytes.fromhex("A004018901D1")


def rdm6300_decoder() -> Decoder:
    return Rdm6300Reader("r", Rdm6300Options(port="/dev/null"), SystemClock()).decoder()


PROTOCOLS: dict[str, tuple[Callable[[], Decoder], Callable[[int], list[bytes]]]] = {
    "cfprime": (lambda: CfPrimeDecoder(IDLE_GAP_MS), lambda tags: made_by(SimulatedCfPrime(CfPrimeSetting()), tags)),
    "chafon": (
        lambda: ChafonDecoder(IDLE_GAP_MS),
        lambda tags: made_by(SimulatedChafon(ChafonSetting(pushing=True)), tags),
    ),
    "gx5a": (lambda: Gx5aDecoder(IDLE_GAP_MS), lambda tags: made_by(SimulatedGx5a(Gx5aSetting(reading=True)), tags)),
    "m100": (lambda: M100Decoder(IDLE_GAP_MS), lambda tags: made_by(SimulatedM100(M100Setting(reading=True)), tags)),
    "mercury": (
        lambda: MercuryDecoder(IDLE_GAP_MS),
        lambda tags: made_by(SimulatedMercury(MercurySetting(reading=True)), tags),
    ),
    "r2000": (
        lambda: R2000Decoder(IDLE_GAP_MS, R2000_ADDRESS),
        lambda tags: made_by(SimulatedR2000(R2000Setting()), tags, ask=REAL_TIME_INVENTORY),
    ),
    "rdm6300": (rdm6300_decoder, lambda tags: made_by(SimulatedLineReader(RDM6300), tags, card)),
    "swct": (lambda: SwctDecoder(IDLE_GAP_MS), lambda tags: made_by(SimulatedSwct(SwctSetting()), tags)),
    "tsl": (lambda: TslDecoder(IDLE_GAP_MS), lambda tags: made_by(SimulatedTsl(TslSetting(triggered=True)), tags)),
}
"""Protocol: what makes its decoder, and what makes the frames of so many tags. A new protocol is one line."""


def bytes_per_second(decoder: Decoder, stream: bytes, seconds: float) -> float:
    reads = [stream[at : at + READ_BYTES] for at in range(0, len(stream), READ_BYTES)]
    at = Instant(1_764_000_000_000_000, 1_000_000)
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        for data in reads:
            decoder.feed(data, at)
        done += len(stream)
    return done / spent


def tags_in(decoder: Decoder, stream: bytes) -> int:
    items = decoder.feed(stream, Instant(1_764_000_000_000_000, 1_000_000))
    return sum(len(item.tag_reads) for item in items if isinstance(item, Frame))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.2, help="per protocol and round")
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help=", ".join(PROTOCOLS))
    arguments = parser.parse_args()
    for name in arguments.protocols or PROTOCOLS:
        if name not in PROTOCOLS:
            parser.error(f"{name} is none of {', '.join(PROTOCOLS)}")
        make_decoder, make_frames = PROTOCOLS[name]
        stream = b"".join(make_frames(TAGS))
        tags = tags_in(make_decoder(), stream)
        if tags != TAGS:
            raise SystemExit(f"{name}: {tags} of {TAGS} tags decoded")
        best = max(bytes_per_second(make_decoder(), stream, arguments.seconds) for _ in range(ROUNDS))
        line = {"protocol": name, "bytes_per_tag": round(len(stream) / tags, 1), "bytes_per_s": round(best)}
        line |= {"tags_per_s": round(best * tags / len(stream)), "lines_per_core": round(best / BYTES_PER_S_OF_A_LINE)}
        print(json.dumps(line))


if __name__ == "__main__":
    main()
