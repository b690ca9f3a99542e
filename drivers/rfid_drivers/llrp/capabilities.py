"""What a reader told about itself, and the choice of entries from its tables. Pure."""

from dataclasses import dataclass

from rfid_gateway.driver import ReaderError

CENTI = 100


@dataclass(frozen=True, slots=True)
class RfMode:
    """One entry of a reader's C1G2UHFRFModeTable (LLRP 1.0.1 section 16.3.1.1.3)."""

    identifier: int
    """ModeIdentifier, which is also what readers want as ModeIndex, whatever the standard says of an index."""
    min_tari_ns: int
    max_tari_ns: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a reader told about itself (GET_READER_CAPABILITIES_RESPONSE)."""

    manufacturer: int
    """IANA private enterprise number."""
    model: int
    firmware: str
    antennas: int
    inputs: int
    """GPI ports."""
    max_rospecs: int
    """How many ROSpecs it can hold; 0 = no limit."""
    holding: bool
    """It can hold events and reports while nobody is connected."""
    power_table: tuple[tuple[int, int], ...]
    """(index, hundredths of a dBm)."""
    hop_table_id: int
    """Of the first hop table; 0 where the reader does not hop."""
    sensitivity_table: tuple[tuple[int, int], ...] = ()
    """(index, dB above the best sensitivity)."""
    modes: tuple[RfMode, ...] = ()
    state_aware: bool = False
    """It can choose tags by their inventoried flag."""
    max_filters: int | None = None
    """MaxNumSelectFiltersPerQuery; None where it does not tell."""


def power_index(table: tuple[tuple[int, int], ...], dbm: float) -> int:
    """Choose the entry of a reader's TransmitPowerLevelTable: the highest that is not above `dbm`.

    Args:
        table: (index, hundredths of a dBm). Indexes may have gaps (an R420 counts to 81, others to 193).
        dbm: what the configuration asks for.

    Raises:
        ReaderError: the reader cannot transmit as weakly as that, or gave no table. Never is more power than asked
            for the answer: index 0 would mean the maximum to some readers.
    """
    hundredths = round(dbm * CENTI)
    return _highest_not_above(table, hundredths, f"tx_power_dbm = {dbm:g}", CENTI, "dBm")


def sensitivity_index(table: tuple[tuple[int, int], ...], db: float) -> int:
    """Choose the entry of a reader's ReceiveSensitivityTable: the least sensitive that is not beyond `db`.

    Args:
        table: (index, dB above the best sensitivity), in which indexes may have gaps.
        db: what the configuration asks for.

    Raises:
        ReaderError: the reader has nothing as sensitive as that, or gave no table.
    """
    return _highest_not_above(table, db, f"rx_sensitivity_db = {db:g}", 1, "dB")


def _highest_not_above(table: tuple[tuple[int, int], ...], wanted: float, option: str, scale: int, unit: str) -> int:
    if not table:
        raise ReaderError(f"{option} is set, but this reader tells no table for it; leave the option out")
    possible = [(value, index) for index, value in table if value <= wanted]
    if not possible:
        values = [value / scale for _, value in table]
        reach = f"{min(values):g} to {max(values):g} {unit}"
        raise ReaderError(f"{option} is below what this reader can do; its lowest is {min(values):g} {unit} ({reach})")
    return max(possible)[1]


def check_mode(modes: tuple[RfMode, ...], wanted: int) -> None:
    """See that the reader has that mode; a reader that tells no table will judge by itself.

    Raises:
        ReaderError: it has not; the words list what it offers.
    """
    offered = sorted({mode.identifier for mode in modes})
    if offered and wanted not in offered:
        listed = ", ".join(map(str, offered))
        raise ReaderError(f"mode_index = {wanted} is none of this reader's modes; it offers {listed}")


def check_tari(modes: tuple[RfMode, ...], mode_index: int, tari_ns: int) -> None:
    """See that the mode allows that Tari.

    Raises:
        ReaderError: it does not; the words tell its range.
    """
    ranges = [(mode.min_tari_ns, mode.max_tari_ns) for mode in modes if mode.identifier == mode_index]
    if ranges and not any(least <= tari_ns <= most for least, most in ranges):
        allowed = " or ".join(f"{least} to {most} ns" for least, most in ranges)
        raise ReaderError(f"tari_ns = {tari_ns} does not fit mode {mode_index}, which allows {allowed}")
