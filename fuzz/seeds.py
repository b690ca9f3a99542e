"""Inputs that the fuzzer starts from, made when it runs: the tests' messages and, where it is, reference data."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests import llrp_messages as llrp

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "vectors"
_REPORT_BYTES = 61


def write_seeds(target: str, folder: Path) -> None:
    """Write the seeds of one target into a folder, a file each."""
    for number, seed in enumerate(_seeds(target)):
        (folder / f"seed-{number:04d}").write_bytes(seed)


def _seeds(target: str) -> Iterator[bytes]:
    if target in ("chafon", "line", "rdm6300"):
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


def _serial(target: str) -> Iterator[bytes]:
    protocol = {"chafon": "chafon_len", "rdm6300": "rdm6300_ascii"}.get(target)
    yield {"line": b"E28068940000502C6FE618BB\r\n", "rdm6300": b"\x026F00538E12B0\x03"}.get(target, b"\x00")
    vectors = _SHARED / "serial.json"
    if vectors.exists():
        for vector in json.loads(vectors.read_text()):
            if protocol in (None, vector["protocol"]):
                frame = bytes.fromhex(vector["hex"])
                yield b"\x90" + frame if target == "chafon" else frame
