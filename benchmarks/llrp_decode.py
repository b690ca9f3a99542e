"""How fast RO_ACCESS_REPORTs are decoded, as JSON lines: ours, sllurp's and llrpkit's decoder on the same bytes.

    python benchmarks/llrp_decode.py [--seconds 0.3]

Ours ends in `TagRead`s with upper-case hex, the others in what they give their users. Every decoder runs in turn and
several times, the best time counts; the ratios are of one run, and CPU time counts, so that the machine's
mood and its other users cancel out.
"""

import argparse
import json
import struct
import time
from collections.abc import Callable

from llrpkit.protocol.codec import decode_message
from sllurp.llrp import LLRPMessage

from rfid_drivers.llrp.framing import Framer
from rfid_drivers.llrp.reports import ReportDecoder

IMPINJ = 25882
START = 1_764_000_000_000_000
ROUNDS = 5
REPORTS = 50
"""Different reports per round, so that no decoder meets the same bytes twice in a row."""


def tlv(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, 4 + len(body)) + body


def standard_tag(number: int) -> bytes:
    """EPC-96, ROSpecID, AntennaID, PeakRSSI, ChannelIndex, first and last UTC, TagSeenCount."""
    epc = bytes.fromhex("3034257BF7194E40") + struct.pack("!I", number % 1000)
    seen = START + number
    fields = ((0x8D, "12s", epc), (0x89, "I", 1), (0x81, "H", 1 + number % 4), (0x86, "b", -40 - number % 40))
    times = ((0x87, "H", number % 50), (0x82, "Q", seen), (0x84, "Q", seen + 7), (0x88, "H", 1))
    return b"".join(struct.pack(f"!B{form}", kind, value) for kind, form, value in fields + times)


def impinj_tag(number: int) -> bytes:
    """The same, and phase and hundredths of a dBm."""
    phase = struct.pack("!IIH", IMPINJ, 56, number % 4096)
    rssi = struct.pack("!IIh", IMPINJ, 57, -4000 - number % 4000)
    return standard_tag(number) + tlv(1023, phase) + tlv(1023, rssi)


def report(make_tag: Callable[[int], bytes], first: int, tags: int) -> bytes:
    body = b"".join(tlv(240, make_tag(number)) for number in range(first, first + tags))
    return struct.pack("!HII", 1 << 10 | 61, 10 + len(body), first) + body


def ours() -> Callable[[bytes], object]:
    framer, decoder = Framer(), ReportDecoder()

    def decode(encoded: bytes) -> object:
        frames, _ = framer.feed(encoded)
        return decoder.decode(frames[0].body, START)

    return decode


def sllurp(encoded: bytes) -> object:
    return LLRPMessage(msgbytes=encoded)


def tags_per_second(decode: Callable[[bytes], object], reports: list[bytes], tags: int, seconds: float) -> float:
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for encoded in reports:
            decode(encoded)
        done += len(reports) * tags
    return done / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.2, help="per decoder and round")
    seconds = parser.parse_args().seconds
    decoders: dict[str, Callable[[bytes], object]] = {"ours": ours(), "sllurp": sllurp, "llrpkit": decode_message}
    for kind, make_tag in (("standard", standard_tag), ("impinj", impinj_tag)):
        for tags in (1, 10, 100):
            reports = [report(make_tag, index * tags, tags) for index in range(REPORTS)]
            best = dict.fromkeys(decoders, 0.0)
            for _ in range(ROUNDS):
                for name, decode in decoders.items():
                    best[name] = max(best[name], tags_per_second(decode, reports, tags, seconds))
            line = {"report": kind, "tags": tags, "bytes_per_tag": len(make_tag(0)) + 4}
            line |= {f"{name}_tags_per_s": round(rate) for name, rate in best.items()}
            ratios = {f"ours_to_{name}": round(best["ours"] / best[name], 1) for name in ("sllurp", "llrpkit")}
            print(json.dumps(line | ratios))


if __name__ == "__main__":
    main()
