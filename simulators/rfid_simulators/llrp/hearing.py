"""What a reader hears of what its radio sees: transmit power, sensitivity and Gen2 Select filters take effect. Pure.

Source: LLRP 1.0.1 12.2.1.3 (RFReceiver, RFTransmitter), 15.2.1.2.1.1 (C1G2Filter); Gen2 memory banks.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from rfid_simulators.llrp.configuration import AntennaSettings
from rfid_simulators.llrp.grammar import Element, parse_parameter
from rfid_simulators.llrp.profiles import ReaderProfile
from rfid_simulators.llrp.tag_reports import tag_memory
from rfid_simulators.llrp.wire import ParameterType as P
from rfid_simulators.world.sighting import Sighting

_EPC_BANK, _TID_BANK = 1, 2
_TID_BYTES = 12

_NOTHING = None
_UNAWARE_ACTIONS: tuple[tuple[bool | None, bool | None], ...] = (
    (True, False),
    (True, _NOTHING),
    (_NOTHING, False),
    (False, _NOTHING),
    (False, True),
    (_NOTHING, True),
)
"""By Action: what becomes of tags that match and of those that do not (LLRP 1.0.1 15.2.1.2.1.1.3)."""


class SelectFilter(NamedTuple):
    """One C1G2Filter; all bits are strings of 0 and 1."""

    bank: int
    pointer: int
    mask: str
    matching: bool | None
    others: bool | None

    def applied(self, memory: dict[int, str], *, before: bool | None) -> bool | None:
        """Return whether a tag is selected after this filter; None as long as none has said."""
        found = memory.get(self.bank, "")[self.pointer : self.pointer + len(self.mask)]
        outcome = self.matching if found == self.mask else self.others
        return before if outcome is None else outcome


class AntennaHearing(NamedTuple):
    """How one antenna differs from full power, full sensitivity and no filter."""

    shift_db: float
    weakest_dbm: float
    filters: tuple[SelectFilter, ...]


class Hearing:
    """What one AISpec hears.

    Args:
        profile: the reader.
        antennas: how every antenna is set in the reader's own configuration; antenna 1 comes first.
        configurations: AntennaConfiguration parameters of the AISpec, which come before that.
    """

    def __init__(
        self, profile: ReaderProfile, antennas: Sequence[AntennaSettings], configurations: Iterable[Element]
    ) -> None:
        self._special: dict[int, AntennaHearing] = {}
        configurations = list(configurations)
        for antenna, settings in enumerate(antennas, 1):
            own = [one for one in configurations if one.uint(0, 2) in (0, antenna)]
            special = _antenna_hearing(profile, settings, own)
            if special is not None:
                self._special[antenna] = special

    def hear(self, sighting: Sighting) -> Sighting | None:
        """Return the sighting as the reader hears it; None when it does not."""
        special = self._special.get(sighting.antenna_id)
        if special is None:
            return sighting
        rssi = sighting.rssi + special.shift_db
        if rssi < special.weakest_dbm or not _is_selected(sighting.epc, special.filters):
            return None
        return sighting._replace(rssi=rssi)


def _antenna_hearing(
    profile: ReaderProfile, settings: AntennaSettings, configurations: list[Element]
) -> AntennaHearing | None:
    receiver, transmitter, command = (
        parse_parameter(raw) for raw in (settings.receiver, settings.transmitter, settings.command)
    )
    for configuration in configurations:
        receiver = configuration.find(P.RF_RECEIVER) or receiver
        transmitter = configuration.find(P.RF_TRANSMITTER) or transmitter
        command = configuration.find(P.C1G2_INVENTORY_COMMAND) or command
    shift_db = (profile.powers_cdbm[transmitter.uint(4, 2) - 1] - profile.powers_cdbm[-1]) / 100
    deafer_db = profile.sensitivities_db[max(0, receiver.uint(0, 2) - 1)]
    filters = tuple(_select_filter(one) for one in command.all(P.C1G2_FILTER))
    if not (shift_db or deafer_db or filters):
        return None
    # At full power the world has decided what is heard.
    weakest_dbm = profile.sensitivity_dbm + deafer_db if shift_db or deafer_db else float("-inf")
    return AntennaHearing(shift_db, weakest_dbm, filters)


def _select_filter(element: Element) -> SelectFilter:
    mask = element.one(P.C1G2_TAG_INVENTORY_MASK)
    action = element.find(P.C1G2_STATE_UNAWARE_FILTER_ACTION)
    matching, others = _UNAWARE_ACTIONS[action.fields[0] if action else 0]
    bits = "".join(f"{byte:08b}" for byte in mask.fields[5:])[: mask.uint(3, 2)]
    return SelectFilter(mask.fields[0] >> 6, mask.uint(1, 2), bits, matching, others)


@lru_cache(maxsize=1 << 14)
def _is_selected(epc: str, filters: tuple[SelectFilter, ...]) -> bool:
    """Whether a tag takes part; one that no filter speaks of does so where the first one only takes tags away."""
    if not filters:
        return True
    tag = tag_memory(epc)
    epc_bank = tag.crc.to_bytes(2, "big") + tag.pc.to_bytes(2, "big") + bytes.fromhex(epc)
    banks = {_EPC_BANK: epc_bank, _TID_BANK: tag.tid[-_TID_BYTES:]}
    memory = {bank: "".join(f"{byte:08b}" for byte in data) for bank, data in banks.items()}
    selected: bool | None = None
    for one in filters:
        selected = one.applied(memory, before=selected)
    takes_away = True not in (filters[0].matching, filters[0].others)
    return takes_away if selected is None else selected
