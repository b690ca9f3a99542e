"""Which settings to do without when a reader refuses its ROSpec: those that it names, or one after another. Pure."""

from collections.abc import Iterator, Sequence

from rfid_drivers.llrp.fault import Fault
from rfid_drivers.llrp.parameters import CUSTOM
from rfid_drivers.llrp.radio_plan import ANTENNA_POWERS

_AISPEC, _REPORT_SPEC = 183, 237

_CONTENTS = "vendor_content"
_SETTINGS_OF: dict[tuple[int, int | None], tuple[str, ...]] = {
    (222, 0): (ANTENNA_POWERS,),
    (223, None): ("rx_sensitivity_db",),
    (224, None): (ANTENNA_POWERS,),
    (335, 0): ("mode_index",),
    (335, 1): ("tari_ns",),
    (335, None): ("tari_ns", "mode_index"),
    (336, 0): ("session",),
    (336, 1): ("tag_population",),
    (336, None): ("tag_population", "session"),
    (337, None): ("target",),
    (330, 0): ("target",),
}
"""Parameter, and its field where it matters -> settings that stand in it, least missed first."""

_NEVER_LEFT_OUT = {178, 179, 181, 182, 331, 332, 333, 334}
"""Triggers and filters: a refusal that names them is final."""


def is_final(fault: Fault) -> bool:
    """Say whether the reader names something without which it must not read."""
    antennas_are_wrong = fault.parameters[-1:] == (_AISPEC,) and fault.field is not None
    return antennas_are_wrong or not _NEVER_LEFT_OUT.isdisjoint(fault.parameters)


def named_setting(fault: Fault, remaining: Sequence[str]) -> str | None:
    """Choose the setting that the reader names; None where it names none of the remaining."""
    for depth, kind in reversed(list(enumerate(fault.parameters))):
        field = fault.field if depth == len(fault.parameters) - 1 else None
        if kind == CUSTOM:
            in_report = _REPORT_SPEC in fault.parameters[:depth]
            suspects = [one for one in remaining if one.startswith(_CONTENTS if in_report else "impinj_")]
        else:
            names = _SETTINGS_OF.get((kind, field)) or _SETTINGS_OF.get((kind, None)) or ()
            suspects = [one for one in names if one in remaining]
        if suspects:
            return suspects[0]
    return None


def attempts(remaining: Sequence[str]) -> Iterator[frozenset[str]]:
    """Yield what else to leave out where the reader names nothing: each setting alone, then more and more of them."""
    yield from (frozenset({one}) for one in remaining)
    yield from (frozenset(remaining[:count]) for count in range(2, len(remaining) + 1))
