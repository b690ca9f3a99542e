"""What may be configured of the radio and of the times at which it reads; part of the `[[readers]]` table."""

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from rfid_gateway.driver import DriverOptions

SearchMode = Literal["reader_selected", "single_target", "dual_target", "tag_focus"]
_BITS_PER_DIGIT = 4
_FIRST_EPC_BIT = 32


class TagFilter(DriverOptions):
    """A Gen2 Select: which tags take part, by bits of their memory (LLRP 1.0.1 section 15.2.1.2.1.1)."""

    mask: str = Field(pattern=r"^[0-9A-Fa-f]+$", max_length=64, description="Hex digits that the memory must show")
    bits: int | None = Field(default=None, ge=1, le=256, description="Bits of the mask that count; None for all")
    bank: Literal["epc", "tid", "user"] = Field(default="epc", description="Memory bank")
    pointer: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="First bit of the bank that is compared; None for the first of the EPC itself, else of the bank",
    )
    action: Literal["include", "exclude"] = Field(default="include", description="What happens to tags that match")

    @property
    def first_bit(self) -> int:
        """Where the comparison starts: before the EPC itself its bank holds a CRC and the PC bits."""
        if self.pointer is not None:
            return self.pointer
        return _FIRST_EPC_BIT if self.bank == "epc" else 0

    @property
    def bit_count(self) -> int:
        """How many bits are compared."""
        return self.bits or len(self.mask) * _BITS_PER_DIGIT

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.bit_count > len(self.mask) * _BITS_PER_DIGIT:
            raise ValueError(f"bits = {self.bits}, but the mask has only {len(self.mask) * _BITS_PER_DIGIT}")
        return self


class RadioOptions(DriverOptions):
    """Settings of the radio, for all antennas or for one. What is not set stays as it is in the reader."""

    tx_power_dbm: float | None = Field(
        default=None, ge=0, le=40, description="Transmit power; the reader's nearest step that is not above is taken"
    )
    rx_sensitivity_db: float | None = Field(
        default=None, ge=0, le=128, description="How much less sensitive than at its best the receiver is to be"
    )
    mode_index: int | None = Field(
        default=None, ge=0, le=65535, description="RF mode, a ModeIdentifier of the reader's table"
    )
    tari_ns: int | None = Field(default=None, ge=6250, le=25000, description="Tari, within the range of the mode")
    session: int | None = Field(
        default=None, ge=0, le=3, description="Gen2 session: S1 to S3 let a tag rest after its read"
    )
    target: Literal["A", "B"] | None = Field(
        default=None, description="Inventoried flag of the tags to read, on readers with state-aware singulation"
    )
    tag_population: int | None = Field(default=None, ge=1, le=65535, description="Tags expected in the field at once")
    filters: Annotated[tuple[TagFilter, ...], Strict(strict=False)] | None = Field(
        default=None, description="Which tags take part in the inventory at all"
    )
    impinj_search_mode: SearchMode | None = Field(
        default=None, description="How an Impinj reader repeats tags; tag_focus needs session 1"
    )


class GpiStart(DriverOptions):
    """Reading starts when an input changes to a level."""

    gpi: int = Field(ge=1, le=65535, description="Input, counted from 1")
    high: bool = Field(default=True, description="The level to which it changes")


class Stop(DriverOptions):
    """What ends reading that a trigger started: a time, or an input and at the latest a time."""

    duration_ms: int | None = Field(default=None, ge=1, le=0xFFFF_FFFF, description="Time from the start")
    gpi: int | None = Field(default=None, ge=1, le=65535, description="Input, counted from 1")
    high: bool = Field(default=False, description="The level to which the input changes")
    timeout_ms: int = Field(
        default=0, ge=0, le=0xFFFF_FFFF, description="Latest end while the input does not change; 0 for never"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.duration_ms is None) == (self.gpi is None):
            raise ValueError("give either duration_ms or gpi")
        if self.duration_ms is not None and self.timeout_ms:
            raise ValueError("timeout_ms belongs to gpi; with duration_ms it has no effect")
        return self
