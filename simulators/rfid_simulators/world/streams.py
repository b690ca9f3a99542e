"""Random streams: one per component and stretch of time, so that a change in one never shifts another."""

from hashlib import blake2b
from random import Random


def stream(*name: int | str) -> Random:
    """A generator of its own for this name, the same on every machine and in every run."""
    return Random(number(*name))


def number(*name: int | str) -> int:
    """A 64-bit number of its own for this name."""
    text = "/".join(map(str, name))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
