"""Encodes our ROSpec (LLRP 1.0.1 sections 16.2.4, 16.2.7.1 and 16.3.1.2). Pure.

By hand and not with sllurp's tables: those cannot send filters, state-aware singulation or most vendors' parameters,
and give the GPI trigger the type of another one (180 in place of 181).
"""

import struct
from collections.abc import Iterable

from rfid_drivers.llrp.encoding import custom, tlv
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import IMPINJ
from rfid_drivers.llrp.profiles import Profile
from rfid_drivers.llrp.radio_options import GpiStart, Stop, TagFilter
from rfid_drivers.llrp.radio_plan import AntennaPlan, Plan, Singulation, Transmitter
from rfid_drivers.llrp.rospec import ROSPEC_ID

_DISABLED = 0
_START_IMMEDIATE, _START_GPI = 1, 3
_STOP_NULL, _STOP_DURATION, _STOP_GPI = 0, 1, 2
_GEN2 = 1
_N_TAGS_OR_END_OF_AISPEC = 1
_CONTENT = 0x1F80
"""TagReportContentSelector: AntennaID, ChannelIndex, PeakRSSI, First- and LastSeenTimestamp, TagSeenCount."""
_PC_BITS = 0x40
_IMPINJ_SEARCH_MODE = 23
_BANKS = {"epc": 1, "tid": 2, "user": 3}
_SL = 0

_UNAWARE_ACTIONS = {"first include": 0, "include": 1, "first exclude": 4, "exclude": 3}
"""C1G2TagInventoryStateUnawareFilterAction: select and unselect the others, select, unselect and select the others,
unselect."""
_AWARE_ACTIONS = {"first include": 0, "include": 1, "first exclude": 4, "exclude": 5}
"""C1G2TagInventoryStateAwareFilterAction: the same, said of the SL flag."""


def encode_rospec(options: LlrpOptions, plan: Plan, profile: Profile) -> bytes:
    """Our ROSpec as an encoded parameter, which is also the body of ADD_ROSPEC.

    It starts at once and never stops unless triggers are configured; a report comes every `report_every_n` tag reads.
    sllurp's own builder puts that number into the AISpec's stop trigger, which restarts the radio each time; here it
    is in the report trigger.
    """
    antennas = options.antennas or (0,)
    inventory = [encode_antenna(antenna, one) for antenna, one in plan.antennas]
    ai_spec = tlv(
        183,
        struct.pack(f"!H{len(antennas)}H", len(antennas), *antennas),
        tlv(184, struct.pack("!BI", 0, 0)),
        tlv(186, struct.pack("!HB", 1, _GEN2), *inventory),
    )
    report = tlv(
        237,
        struct.pack("!BH", _N_TAGS_OR_END_OF_AISPEC, options.report_every_n),
        tlv(238, struct.pack("!H", _CONTENT), tlv(348, bytes([_PC_BITS]))),
        profile.encode_contents(plan.contents) if plan.contents else b"",
    )
    boundary = tlv(178, _start(options.start_trigger), _stop(options.stop_trigger))
    return tlv(177, struct.pack("!IBB", ROSPEC_ID, 0, _DISABLED), boundary, ai_spec, report)


def _start(trigger: GpiStart | None) -> bytes:
    if trigger is None:
        return tlv(179, bytes([_START_IMMEDIATE]))
    return tlv(179, bytes([_START_GPI]), _gpi(trigger.gpi, trigger.high, 0))


def _stop(trigger: Stop | None) -> bytes:
    if trigger is None:
        return tlv(182, struct.pack("!BI", _STOP_NULL, 0))
    if trigger.gpi is None:
        return tlv(182, struct.pack("!BI", _STOP_DURATION, trigger.duration_ms))
    return tlv(182, struct.pack("!BI", _STOP_GPI, 0), _gpi(trigger.gpi, trigger.high, trigger.timeout_ms))


def _gpi(port: int, high: bool, timeout_ms: int) -> bytes:  # noqa: FBT001  # a field of the parameter, not a switch
    return tlv(181, struct.pack("!HBI", port, high << 7, timeout_ms))


def encode_antenna(antenna: int, plan: AntennaPlan) -> bytes:
    """AntennaConfiguration for what is planned, and nothing else."""
    parts = [struct.pack("!H", antenna)]
    if plan.sensitivity_index is not None:
        parts.append(tlv(223, struct.pack("!H", plan.sensitivity_index)))
    if plan.transmitter:
        parts.append(_transmitter(plan.transmitter))
    command = _inventory_command(plan)
    return tlv(222, *parts, command)


def _transmitter(transmitter: Transmitter) -> bytes:
    fields = (transmitter.hop_table_id, transmitter.channel_index, transmitter.power_index)
    return tlv(224, struct.pack("!HHH", *fields))


def _inventory_command(plan: AntennaPlan) -> bytes:
    """C1G2InventoryCommand; nothing where nothing in it is planned."""
    target = plan.singulation.target if plan.singulation else None
    parts = _filters(plan.filters, _AWARE_ACTIONS if target else _UNAWARE_ACTIONS, state_aware=bool(target))
    if plan.mode:
        parts.append(tlv(335, struct.pack("!HH", *plan.mode)))
    if plan.singulation:
        parts.append(_singulation(plan.singulation, filtered=bool(plan.filters)))
    if plan.search_mode is not None:
        parts.append(custom(IMPINJ, _IMPINJ_SEARCH_MODE, struct.pack("!H", plan.search_mode)))
    return tlv(330, bytes([bool(target) << 7]), *parts) if parts else b""


def _singulation(control: Singulation, *, filtered: bool) -> bytes:
    """C1G2SingulationControl. Without filters no tag has its SL flag set, so tags without it are to answer."""
    action = b""
    if control.target:
        action = tlv(337, bytes([(control.target == "B") << 7 | (not filtered) << 6]))
    return tlv(336, struct.pack("!BHI", control.session << 6, control.tag_population, control.tag_transit_ms), action)


def _filters(filters: Iterable[TagFilter], actions: dict[str, int], *, state_aware: bool) -> list[bytes]:
    """C1G2Filters, includes first: each Select acts on what those before it have chosen."""
    parts = []
    for position, one in enumerate(sorted(filters, key=lambda one: one.action == "exclude")):
        action = actions[one.action if position else f"first {one.action}"]
        chosen = tlv(333, bytes([_SL, action])) if state_aware else tlv(334, bytes([action]))
        parts.append(tlv(331, b"\x00", _mask(one), chosen))
    return parts


def _mask(one: TagFilter) -> bytes:
    """C1G2TagInventoryMask: bits from the highest on, filled up to whole bytes with zeros."""
    size = (one.bit_count + 7) // 8
    digits = one.mask.ljust(size * 2, "0")[: size * 2]
    unused = size * 8 - one.bit_count
    value = int(digits, 16) >> unused << unused
    return tlv(332, struct.pack("!BHH", _BANKS[one.bank] << 6, one.first_bit, one.bit_count), value.to_bytes(size))
