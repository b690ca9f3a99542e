"""What a backup says of itself: `manifest.json`, its first member. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

FORMAT = 1
"""Raised when an older rfid-gateway could not restore what is written from then on."""
MANIFEST = "manifest.json"
DATABASE = "gateway.db"
SEQUENCE = "gateway.sequence"
CONFIGURATION = "gateway.toml"
NAMED = "files/"
"""Before the number of a file that the configuration names."""
Kind = Literal["copy", "final"]
"""A copy of a gateway that goes on, or the last state of one that does not go on at its old place."""

_NAME = re.compile(r"gateway\.(db|sequence|toml)|files/[0-9]{1,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestError(ValueError):
    """A manifest that this version cannot use; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the backup."""

    size: int
    """Bytes."""
    sha256: str
    """Lower-case hex."""
    path: str | None = None
    """Where it belongs, for files that the configuration names."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest."""

    version: str
    """Of the rfid-gateway that made the backup."""
    kind: Kind
    site: str
    gateway: str
    made_at: str
    """RFC 3339, UTC: the instant of the state."""
    next_sequence: int
    """The sequence that the next event would have had."""
    waiting: int
    """Events that the broker had not acknowledged."""
    schema: tuple[str, ...]
    """Names of the database's schema changes, in order."""
    members: Mapping[str, Member]
    """By name, in the order in which they follow."""

    @property
    def size(self) -> int:
        """Bytes of all members, unpacked."""
        return sum(member.size for member in self.members.values())

    @property
    def made_at_us(self) -> int:
        """The instant of the state, UTC in microseconds."""
        return round(datetime.fromisoformat(self.made_at).timestamp() * 1e6)

    def encode(self) -> bytes:
        """As the file has it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1).encode() + b"\n"


def decode(content: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        ManifestError: it is none, is of a later format, or names something that does not belong into a backup.
    """
    try:
        value: dict[str, Any] = json.loads(content)
        form = value.pop("format")
        if isinstance(form, int) and form > FORMAT:
            raise ManifestError("the backup was made by a newer rfid-gateway; install that version or a later one")
        members = {str(name): Member(**member) for name, member in value.pop("members").items()}
        manifest = Manifest(**{**value, "schema": tuple(value["schema"])}, members=members)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, ManifestError):
            raise
        raise ManifestError(f"{MANIFEST} is not the manifest of a backup ({error!r})") from error
    try:
        aware = datetime.fromisoformat(manifest.made_at).tzinfo is not None
    except (ValueError, TypeError):
        aware = False
    if not aware:
        raise ManifestError(f"{MANIFEST}: made_at is no time with an offset: {manifest.made_at!r}")
    for name, member in manifest.members.items():
        _check_member(name, member)
    if DATABASE not in manifest.members or CONFIGURATION not in manifest.members:
        raise ManifestError(f"{MANIFEST} names no {DATABASE} or no {CONFIGURATION}")
    if manifest.kind not in ("copy", "final") or not isinstance(manifest.next_sequence, int):
        raise ManifestError(f"{MANIFEST}: unknown kind {manifest.kind!r}, or next_sequence is no number")
    return manifest


def _check_member(name: str, member: Member) -> None:
    if not _NAME.fullmatch(name):
        raise ManifestError(f"{MANIFEST} names {name!r}, which does not belong into a backup")
    if not isinstance(member.size, int) or member.size < 0 or not _SHA256.fullmatch(str(member.sha256)):
        raise ManifestError(f"{MANIFEST}: size or checksum of {name} is no such thing")
    if (member.path is not None) != name.startswith(NAMED):
        raise ManifestError(f"{MANIFEST}: {name} has a path and should not, or the other way round")
