"""What goes into a support bundle, and how it is packed. Pure."""

import io
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_ABOUT = """\
Support bundle of rfid-gateway, {name}, made {made} (UTC) as user {user}

Passwords, tokens, user names, private keys and all comments of the configuration were taken out and read REDACTED.
{goods}
Look through it before you give it away: it is yours.

"""
_WITHOUT = "Shipments, loads and EPCs are left out; rfid-gateway support-bundle --with-events adds them."
_WITH = "It contains shipments, loads and EPCs, because that was asked for (--with-events)."


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the bundle."""

    name: str
    text: str = ""
    lacks: str = ""
    """What could not be had, and why; empty where all is there."""

    @property
    def row(self) -> str:
        """How the list of contents says it."""
        said = f"{len(self.text.encode()):>9}  {self.name}" if self.text else f"{'-':>9}  {self.name}"
        return f"{said}: {self.lacks}" if self.lacks else said


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who makes a bundle when; `at` is UTC in microseconds."""

    name: str
    user: str
    at: int
    with_events: bool

    @property
    def file_name(self) -> str:
        """The bundle's name where the person gives none."""
        return f"{self.name}.tar.gz"


def occasion(host: str, user: str, at: int, *, with_events: bool) -> Occasion:
    """Name a bundle by the PC and the time: `rfid-gateway-support-HOST-YYYYMMDDTHHMMSSZ`."""
    when = datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    return Occasion(f"rfid-gateway-support-{host}-{when}", user, at, with_events)


def contents(parts: Iterable[Part], made: Occasion) -> str:
    """The bundle's first file: what is in it and what is not."""
    when = datetime.fromtimestamp(made.at / 1e6, UTC).isoformat(timespec="seconds").removesuffix("+00:00")
    goods = _WITH if made.with_events else _WITHOUT
    head = _ABOUT.format(name=made.name, made=when, user=made.user, goods=goods)
    return head + "".join(f"{part.row}\n" for part in parts)


def packed(parts: Sequence[Part], made: Occasion) -> bytes:
    """A .tar.gz with one folder, for its owner alone."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for part in (Part("CONTENTS.txt", contents(parts, made)), *parts):
            content = part.text.encode()
            if not content:
                continue
            entry = tarfile.TarInfo(f"{made.name}/{part.name}")
            entry.size, entry.mtime, entry.mode = len(content), made.at // 1_000_000, 0o600
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
