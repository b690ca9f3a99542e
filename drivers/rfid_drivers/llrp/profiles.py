"""How readers of a make differ from the standard or go beyond it: data, with the reason for each difference. Pure.

What no reader minds is done for all and stands in the handshake instead: a ROSpec is disabled and never stopped (an
Impinj answers STOP_ROSPEC on a disabled one with M_FieldError), foreign ROSpecs go where there is room for one only
(R420), reports come every N tag reads with N at least 1 (a Zebra reports nothing with 0), hop table and channel are
written back as they were read, and tags may come with EPC-96 or EPCData, with or without a ROSpecID.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args

from rfid_drivers.llrp.encoding import custom
from rfid_drivers.llrp.parameters import IMPINJ, ZEBRA

Content = Literal["phase", "doppler", "peak_rssi", "tid"]
"""What a reader can tell of a tag beyond the standard."""
CONTENTS: tuple[Content, ...] = get_args(Content)
ProfileName = Literal["impinj", "zebra", "generic"]

_MODE_ON = struct.pack("!H", 1)
_IMPINJ_SELECTOR = 50
_IMPINJ_ENABLES: dict[Content, int] = {"tid": 51, "phase": 52, "peak_rssi": 53, "doppler": 67}
_ZEBRA_SELECTOR = 708
_ZEBRA_ENABLE_PHASE = 1 << 28
"""The fourth of the selector's 32 bits, counted from the highest."""


class Quirk(StrEnum):
    """One thing that has to be done differently."""

    ENABLE_EXTENSIONS = "enable_extensions"
    LINK_MONITOR = "link_monitor"
    SEARCH_MODE = "search_mode"
    AUTONOMOUS_MODE_OFF = "autonomous_mode_off"


@dataclass(frozen=True, slots=True)
class Profile:
    """Readers of one make."""

    name: ProfileName
    manufacturer: int | None
    """IANA private enterprise number; None fits all."""
    quirks: Mapping[Quirk, str] = field(default_factory=dict)
    """With the reason for each."""
    contents: frozenset[Content] = frozenset()
    """What it can tell of a tag beyond the standard."""
    encode_contents: Callable[[Iterable[Content]], bytes] = lambda _: b""
    """Build the Custom parameter that asks for them, for the end of the ROReportSpec."""


def _impinj_contents(contents: Iterable[Content]) -> bytes:
    """ImpinjTagReportContentSelector; Impinj readers refuse it anywhere but in the ROReportSpec."""
    enables = sorted(_IMPINJ_ENABLES[content] for content in contents)
    return custom(IMPINJ, _IMPINJ_SELECTOR, *(custom(IMPINJ, one, _MODE_ON) for one in enables))


def _zebra_contents(_: Iterable[Content]) -> bytes:
    """MotoTagReportContentSelector; of what it can switch on, phase is all that we use."""
    return custom(ZEBRA, _ZEBRA_SELECTOR, struct.pack("!I", _ZEBRA_ENABLE_PHASE))


IMPINJ_PROFILE = Profile(
    "impinj",
    IMPINJ,
    {
        Quirk.ENABLE_EXTENSIONS: "an Impinj refuses its own parameters until its extensions are enabled",
        Quirk.LINK_MONITOR: "an Impinj keeps a dead client by itself, and would stay busy after our power cut",
        Quirk.SEARCH_MODE: "an Impinj chooses by itself how often a tag answers unless told (TagFocus and others)",
    },
    frozenset(CONTENTS),
    _impinj_contents,
)
"""Speedway R420 and R700; which extensions one of them lacks it says by refusing them."""

ZEBRA_PROFILE = Profile(
    "zebra",
    ZEBRA,
    {Quirk.AUTONOMOUS_MODE_OFF: "a Zebra in autonomous mode keeps its radio for itself, and our ROSpec waits for ever"},
    frozenset({"phase"}),
    _zebra_contents,
)
"""FX7500 and FX9600."""

GENERIC_PROFILE = Profile("generic", None)

PROFILES: dict[ProfileName, Profile] = {
    profile.name: profile for profile in (IMPINJ_PROFILE, ZEBRA_PROFILE, GENERIC_PROFILE)
}


def profile_for(manufacturer: int) -> Profile:
    """Choose by what the reader says of itself; no model of these makes has needed a profile of its own yet."""
    return next((one for one in PROFILES.values() if one.manufacturer == manufacturer), GENERIC_PROFILE)
