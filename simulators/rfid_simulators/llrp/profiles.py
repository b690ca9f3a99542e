"""Kinds of readers that the simulator can be: what they can do and how they differ. Pure data.

The R420's figures are what a reader of that model with firmware 5.14.0 answers for itself.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from rfid_simulators.llrp.wire import IMPINJ, LLRP_1_0_1, LLRP_1_1, ZEBRA

FCC_PART_15 = 1
ETSI_302_208 = 2


class RfMode(NamedTuple):
    """One C1G2UHFRFModeTableEntry (LLRP 1.0.1 15.2.1.1.1.1); rates in bit/s, Tari in nanoseconds, PIE times 1000."""

    mode_identifier: int
    divide_ratio: int
    m_value: int
    forward_link_modulation: int
    spectral_mask: int
    backscatter_rate: int
    pie: int
    min_tari: int
    max_tari: int


@dataclass(frozen=True, slots=True)
class ReaderProfile:
    """One model of reader."""

    name: str
    manufacturer: int
    """IANA private enterprise number."""
    model: int
    firmware: str
    identity: bytes
    """EUI-64 of the reader, 8 bytes."""
    antennas: int
    gpis: int
    gpos: int
    has_utc_clock: bool
    max_rospecs: int
    max_specs_per_rospec: int
    max_accessspecs: int
    max_opspecs_per_accessspec: int
    max_filters: int
    country: int
    """ISO 3166-1 numeric."""
    communications_standard: int
    sensitivities_db: tuple[int, ...]
    """dB below the best sensitivity; index 1 comes first."""
    powers_cdbm: tuple[int, ...]
    """1/100 dBm, ascending; index 1 comes first."""
    frequencies_khz: tuple[int, ...]
    hopping: bool
    rf_modes: tuple[RfMode, ...]
    factory_rf_mode: int
    factory_session: int
    report_buffer_reads: int
    """TagReportData parameters that wait while no client takes them."""
    accepts_impinj_extensions: bool
    highest_version: int = LLRP_1_0_1
    """The protocol version up to which the reader negotiates; 1.0.1 knows no negotiation."""
    custom_vendors: frozenset[int] = frozenset()
    """Vendors whose Custom parameters the reader takes from the start."""
    refuses: frozenset[str] = frozenset()
    """Names of settings that the reader refuses, out of `refusals.NAMES`."""
    starts_autonomous: bool = False
    """Whether it reads by itself, and for no ROSpec, until a client ends that (Zebra)."""
    sensitivity_dbm: float = -84.0
    """Weakest tag that is heard where the transmit power is reduced."""
    celsius: int = 47
    """Temperature in the reader, which only Impinj's extensions ask for."""
    leaves_unchanged_out: bool = False
    """Whether reports lack what is as in the tag before (LLRP 1.0.1 14.2.3)."""


_FCC_HOP_SEQUENCE = (
    14, 12, 47, 18, 17, 49, 31, 6, 50, 38, 46, 34, 45, 28, 35, 22, 48, 29, 33, 24, 15, 30, 13, 1, 39,
    23, 27, 43, 4, 3, 2, 11, 26, 44, 21, 32, 20, 16, 40, 7, 9, 37, 42, 8, 25, 19, 36, 10, 41, 5,
)  # fmt: skip

_AUTOSET_MODES = (1000, 1002, 1003, 1004, 1005)

IMPINJ_R420 = ReaderProfile(
    name="impinj-r420",
    manufacturer=IMPINJ,
    model=2001002,
    firmware="5.14.0.240",
    identity=bytes.fromhex("001625FFFF1125D6"),
    antennas=4,
    gpis=4,
    gpos=4,
    has_utc_clock=True,
    max_rospecs=1,
    max_specs_per_rospec=32,
    max_accessspecs=1508,
    max_opspecs_per_accessspec=8,
    max_filters=2,
    country=840,
    communications_standard=FCC_PART_15,
    sensitivities_db=(0, *range(10, 51)),
    powers_cdbm=tuple(range(1000, 3001, 25)),
    frequencies_khz=tuple(902250 + 500 * channel for channel in _FCC_HOP_SEQUENCE),
    hopping=True,
    rf_modes=(
        RfMode(0, 1, 0, 2, 2, 640_000, 1500, 6250, 6250),
        RfMode(1, 1, 1, 2, 2, 640_000, 1500, 6250, 6250),
        RfMode(2, 1, 2, 0, 3, 274_000, 2000, 20000, 20000),
        RfMode(3, 1, 3, 0, 3, 170_600, 2000, 20000, 20000),
        RfMode(4, 1, 2, 0, 2, 640_000, 1500, 7140, 7140),
        *(RfMode(mode, 0, 0, 0, 0, 40_000, 1500, 6250, 6250) for mode in _AUTOSET_MODES),
    ),
    factory_rf_mode=1000,
    factory_session=1,
    report_buffer_reads=20_000,
    accepts_impinj_extensions=True,
)

GENERIC = ReaderProfile(
    name="generic",
    manufacturer=0,
    model=1,
    firmware="1.0.0",
    identity=bytes.fromhex("020000FFFE000001"),
    antennas=4,
    gpis=2,
    gpos=2,
    has_utc_clock=True,
    max_rospecs=4,
    max_specs_per_rospec=4,
    max_accessspecs=8,
    max_opspecs_per_accessspec=4,
    max_filters=1,
    country=276,
    communications_standard=ETSI_302_208,
    sensitivities_db=(0,),
    powers_cdbm=tuple(range(1000, 3001, 100)),
    frequencies_khz=(865_700, 866_300, 866_900, 867_500),
    hopping=False,
    rf_modes=(
        RfMode(0, 0, 1, 2, 3, 160_000, 2000, 12500, 25000),
        RfMode(1, 1, 2, 0, 3, 320_000, 2000, 12500, 25000),
    ),
    factory_rf_mode=0,
    factory_session=0,
    report_buffer_reads=5_000,
    accepts_impinj_extensions=False,
)

GENERIC_UPTIME = replace(GENERIC, name="generic-uptime", has_utc_clock=False)
"""A reader without a clock of its own: every timestamp counts from its last start (LLRP 1.0.1 7.1.3.1.1.2)."""

GENERIC_1_1 = replace(GENERIC, name="generic-1.1", highest_version=LLRP_1_1)
"""A reader that negotiates LLRP 1.1."""

TERSE = replace(GENERIC, name="terse", leaves_unchanged_out=True)
"""A reader that leaves out of its reports what has not changed since the tag before."""

PICKY = replace(
    IMPINJ_R420,
    name="picky",
    refuses=frozenset({"population", "tari", "mode", "filters", "antenna-settings", "custom-23", "custom-38"}),
)
"""An R420 that refuses single settings, the search mode and the link monitor among them."""

IMPINJ_R700 = replace(
    IMPINJ_R420,
    name="impinj-r700",
    model=2001052,
    firmware="8.0.0.240",
    identity=bytes.fromhex("001625FFFF7007D6"),
    gpis=2,
    gpos=3,
    powers_cdbm=tuple(range(1000, 3301, 25)),
    rf_modes=(
        *IMPINJ_R420.rf_modes,
        *(RfMode(mode, 0, 0, 0, 0, 40_000, 1500, 6250, 6250) for mode in (1110, 1111, 1112)),
    ),
    report_buffer_reads=50_000,
)
"""As an R420, with an R700's inputs, outputs and power; no R700 was recorded, so its model number and firmware are
stand-ins, and its tables are the R420's."""

ZEBRA_FX9600 = ReaderProfile(
    name="zebra-fx9600",
    manufacturer=ZEBRA,
    model=96008,
    firmware="3.32.37.0",
    identity=bytes.fromhex("8438FFFFFE960008"),
    antennas=8,
    gpis=4,
    gpos=4,
    has_utc_clock=True,
    max_rospecs=1,
    max_specs_per_rospec=16,
    max_accessspecs=16,
    max_opspecs_per_accessspec=8,
    max_filters=2,
    country=840,
    communications_standard=FCC_PART_15,
    sensitivities_db=(0,),
    powers_cdbm=tuple(range(1000, 2921, 10)),
    frequencies_khz=tuple(902750 + 500 * (channel - 1) for channel in _FCC_HOP_SEQUENCE),
    hopping=True,
    rf_modes=(
        RfMode(1, 1, 0, 0, 3, 640_000, 1500, 6250, 6250),
        RfMode(2, 1, 0, 0, 3, 640_000, 2000, 6250, 6250),
        RfMode(3, 1, 1, 0, 3, 120_000, 1500, 25000, 25000),
        RfMode(4, 1, 1, 0, 3, 120_000, 1500, 12500, 23000),
        RfMode(5, 1, 2, 0, 3, 320_000, 2000, 12500, 18800),
    ),
    factory_rf_mode=1,
    factory_session=0,
    report_buffer_reads=10_000,
    accepts_impinj_extensions=False,
    custom_vendors=frozenset({ZEBRA}),
)
"""Power in steps of 0.1 dB up to 29.2 dBm, phase on request, no extensions of Impinj; its tables are shortened."""

ZEBRA_AUTONOMOUS = replace(ZEBRA_FX9600, name="zebra-fx9600-autonomous", starts_autonomous=True)
"""An FX9600 whose radio no ROSpec gets before a client ends its autonomous mode."""

PROFILES = {
    profile.name: profile
    for profile in (
        IMPINJ_R420,
        IMPINJ_R700,
        ZEBRA_FX9600,
        ZEBRA_AUTONOMOUS,
        GENERIC,
        GENERIC_UPTIME,
        GENERIC_1_1,
        TERSE,
        PICKY,
    )
}
