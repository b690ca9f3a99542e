"""Settings that a picky reader refuses, one by one, so that a client's ways round can be tested. Pure.

Real readers refuse what the standard lets them leave out; LLRP 1.0.1 13.2 says how they tell.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from rfid_simulators.llrp.grammar import Element
from rfid_simulators.llrp.profiles import ReaderProfile
from rfid_simulators.llrp.status import RequestError, StatusCode, bad_parameter_field
from rfid_simulators.llrp.wire import CUSTOM
from rfid_simulators.llrp.wire import ParameterType as P

FACTORY_POPULATION = 32
_CUSTOM_PREFIX = "custom-"


class _Rule(NamedTuple):
    parameter: int
    is_refused: Callable[[Element, ReaderProfile], bool]
    field: int | None
    """Number of the field that is wrong; None refuses the whole parameter."""


def _always(_element: Element, _profile: ReaderProfile) -> bool:
    return True


_RULES = {
    "population": _Rule(
        P.C1G2_SINGULATION_CONTROL, lambda control, _: control.uint(1, 2) not in (0, FACTORY_POPULATION), 1
    ),
    "session": _Rule(
        P.C1G2_SINGULATION_CONTROL, lambda control, profile: control.fields[0] >> 6 != profile.factory_session, 0
    ),
    "target": _Rule(P.C1G2_STATE_AWARE_SINGULATION_ACTION, _always, None),
    "mode": _Rule(P.C1G2_RF_CONTROL, lambda control, profile: control.uint(0, 2) != profile.factory_rf_mode, 0),
    "tari": _Rule(P.C1G2_RF_CONTROL, lambda control, _: control.uint(2, 2) != 0, 1),
    "filters": _Rule(P.C1G2_FILTER, _always, None),
    "antenna-settings": _Rule(P.ANTENNA_CONFIGURATION, lambda antenna, _: antenna.uint(0, 2) != 0, 0),
    "power": _Rule(P.RF_TRANSMITTER, _always, None),
    "sensitivity": _Rule(P.RF_RECEIVER, _always, None),
    "hold": _Rule(P.EVENTS_AND_REPORTS, lambda hold, _: bool(hold.fields[0] & 0x80), 0),
    "events": _Rule(P.READER_EVENT_NOTIFICATION_SPEC, _always, None),
    "inputs": _Rule(P.GPI_PORT_CURRENT_STATE, _always, None),
    "outputs": _Rule(P.GPO_WRITE_DATA, _always, None),
    "keepalives": _Rule(P.KEEPALIVE_SPEC, _always, None),
}
NAMES = (*_RULES, f"{_CUSTOM_PREFIX}SUBTYPE")
"""What may be refused; the last one stands for Custom parameters, as in `custom-23`."""


def check_refusals(tree: Element, profile: ReaderProfile) -> None:
    """Refuse what the profile says that the reader refuses.

    Raises:
        RequestError: P_FieldError or P_UnsupportedParameter, with the path to the parameter.
        ValueError: the profile names something that is not in `NAMES`.
    """
    if profile.refuses:
        _check(tree, profile, [(name, _rule(name)) for name in sorted(profile.refuses)])


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError where a name is none of `NAMES`."""
    for name in names:
        _rule(name)


def _check(tree: Element, profile: ReaderProfile, rules: Iterable[tuple[str, _Rule]]) -> None:
    for child in tree.children:
        try:
            for name, rule in rules:
                if rule.parameter == child.type and rule.is_refused(child, profile):
                    raise _refusal(name, rule)
            _check(child, profile, rules)
        except RequestError as error:
            raise error.within(child.type) from None


def _refusal(name: str, rule: _Rule) -> RequestError:
    text = f"this reader refuses {name}"
    if rule.field is None:
        return RequestError(text, StatusCode.P_UNSUPPORTED_PARAMETER)
    return bad_parameter_field(text, (), rule.field)


def _rule(name: str) -> _Rule:
    if name in _RULES:
        return _RULES[name]
    subtype = name.removeprefix(_CUSTOM_PREFIX)
    if subtype == name or not subtype.isdecimal():
        raise ValueError(f"a reader cannot refuse {name!r}, expected one of {', '.join(NAMES)}")
    wanted = int(subtype)
    return _Rule(CUSTOM, lambda custom, _: custom.uint(4, 4) == wanted, None)
