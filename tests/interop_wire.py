"""What went by on the wire in one LLRP session, whoever took part in it."""

import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import skip_or_fail
from tests.tap import READER_PORT, write_pcap

CLOSE_CONNECTION_RESPONSE, CLOSE_CONNECTION, KEEPALIVE, KEEPALIVE_ACK = 4, 14, 62, 72
_LLRP_STATUS_SUCCESS = bytes.fromhex("011f 0008 0000 0000")
_HEADER = struct.Struct("!HII")

KNOWN_COMPLAINTS = frozenset(
    {
        "Incorrect length of parameter: 13 bytes decoded, but 15 bytes claimed.",  # every Identification parameter
        "_ws.malformed",  # the mark that goes with it
    }
)
"""tshark's about recorded traffic of real readers, too."""


class Message(NamedTuple):
    """One LLRP message: its type (LLRP 1.0.1 section 16.1), and its body without the header."""

    kind: int
    body: bytes


def messages(traffic: Iterable[tuple[bool, bytes]], *, from_client: bool) -> list[Message]:
    """Cut the bytes of one direction into whole messages; what is left over at the end is dropped."""
    stream = b"".join(data for sender, data in traffic if sender is from_client)
    return list(_cut(stream))


def _cut(stream: bytes) -> Iterator[Message]:
    at = 0
    while at + _HEADER.size <= len(stream):
        first, length, _ = _HEADER.unpack_from(stream, at)
        if length < _HEADER.size or at + length > len(stream):
            return
        yield Message(first & 0x3FF, stream[at + _HEADER.size : at + length])
        at += length


def keepalive_answered(traffic: Iterable[tuple[bool, bytes]]) -> bool:
    """Whether the reader sent a KEEPALIVE and the client its acknowledgement."""
    traffic = list(traffic)
    sent = {message.kind for message in messages(traffic, from_client=False)}
    answered = {message.kind for message in messages(traffic, from_client=True)}
    return KEEPALIVE in sent and KEEPALIVE_ACK in answered


def closed_in_order(traffic: Iterable[tuple[bool, bytes]]) -> bool:
    """Whether CLOSE_CONNECTION was the client's last message, and its successful answer the reader's."""
    traffic = list(traffic)
    last_asked = messages(traffic, from_client=True)[-1:]
    last_told = messages(traffic, from_client=False)[-1:]
    answer = Message(CLOSE_CONNECTION_RESPONSE, _LLRP_STATUS_SUCCESS)
    return [message.kind for message in last_asked] == [CLOSE_CONNECTION] and last_told == [answer]


def malformed(traffic: Iterable[tuple[bool, bytes]], capture: Path) -> set[str]:
    """Complaints of tshark about a session, written to `capture`, but for those that it has about any reader.

    A capture in which tshark recognises no LLRP at all is a complaint, too.
    """
    if shutil.which("tshark") is None:
        skip_or_fail("tshark is not installed")
    write_pcap(capture, traffic)
    command = ["tshark", "-r", str(capture), "-d", f"tcp.port=={READER_PORT},llrp", "-T", "fields"]
    wanted = ["-E", "occurrence=a", "-E", "aggregator=|", "-e", "llrp.type", "-e", "_ws.expert.message"]
    done = subprocess.run(
        [*command, *wanted, "-e", "_ws.malformed"], capture_output=True, text=True, timeout=60, check=True
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    found = {text for _, *complaints in rows for column in complaints for text in column.split("|") if text}
    recognised = any(kind for kind, *_ in rows)
    return (found - KNOWN_COMPLAINTS) | (set() if recognised else {"no LLRP message recognised"})
