"""How much serial decoders recover from a bad line, as JSON lines.

    python benchmarks/serial_recovery.py [--tags 2000] [--seed 1] [PROTOCOL ...]

Each protocol's own simulated reader makes the frames of so many tags. 1 to 8 random bytes come before one frame in
five, one in ten is lost, of the others one in ten loses its end, of the others one in ten has a bit turned over; half
of them arrive in pieces. After one frame in fifty the line is quiet for longer than the idle gap. Counted are tags:
those in frames that arrived unchanged, those of them that were decoded, and phantoms, which nobody sent. Text without
a checksum (tsl) cannot tell a changed digit from another tag.
"""

import argparse
import json

from serial_decode import IDLE_GAP_MS, PROTOCOLS, card, label

from rfid_drivers.serial.protocol import Frame, Instant
from rfid_simulators.serial.noise import Noise, NoiseLevel

BUSY_US = 2_000
QUIET_US = IDLE_GAP_MS * 1000
QUIET_EVERY = 50


def recover(name: str, tags: int, seed: int) -> dict[str, object]:
    make_decoder, make_frames = PROTOCOLS[name]
    decoder, frames = make_decoder(), make_frames(tags)
    noise = Noise(NoiseLevel(junk=0.2, flip=0.1, truncate=0.1, loss=0.1, split=0.5, seed=seed))
    intact: list[bytes] = []
    read: list[str] = []
    now = 0
    for number, frame in enumerate([*frames, b""]):
        damaged = noise.damage(frame) if frame else None
        for piece in noise.pieces(damaged.data) if damaged else [b""]:
            now += BUSY_US
            read += [
                tag.epc
                for item in decoder.feed(piece, Instant(now, now))
                if isinstance(item, Frame)
                for tag in item.tag_reads
            ]
        if damaged and damaged.intact:
            intact.append(frame)
        if number % QUIET_EVERY == 0 or not frame:
            now += QUIET_US
            read += [
                tag.epc
                for item in decoder.feed(b"", Instant(now, now))
                if isinstance(item, Frame)
                for tag in item.tag_reads
            ]
    make_epc = card if name == "rdm6300" else label
    epcs = {make_epc(number) for number in range(tags)}
    stream = b"\n".join(intact)
    arrived = {epc for epc in epcs if bytes.fromhex(epc) in stream or epc.encode() in stream}
    return {
        "protocol": name,
        "tags": tags,
        "intact": len(arrived),
        "recovered": len(arrived & set(read)),
        "phantoms": sum(epc not in epcs for epc in read),
        "rejected_bytes": decoder.counters.resync_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tags", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="of the damage")
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL", help=", ".join(PROTOCOLS))
    arguments = parser.parse_args()
    for name in arguments.protocols or PROTOCOLS:
        if name not in PROTOCOLS:
            parser.error(f"{name} is none of {', '.join(PROTOCOLS)}")
        print(json.dumps(recover(name, arguments.tags, arguments.seed)))


if __name__ == "__main__":
    main()
