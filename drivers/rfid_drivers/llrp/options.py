"""What may stand in the `[[readers]]` table of an LLRP reader."""

from typing import Annotated

from pydantic import Field, Strict

from rfid_gateway.driver import DriverOptions


class LlrpOptions(DriverOptions):
    """Options of the driver `llrp`. What is not set stays as it is configured in the reader."""

    host: str = Field(min_length=1, description="Name, IPv4 or IPv6 address of the reader")
    port: int = Field(default=5084, ge=1, le=65535, description="TCP port of LLRP; the standard's is 5084")
    antennas: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], Strict(strict=False)] = Field(
        default=(), description="Antennas to read with, counted from 1; empty for all"
    )
    tx_power_dbm: float | None = Field(
        default=None, ge=0, le=40, description="Transmit power; the reader's nearest step that is not above is taken"
    )
    session: int | None = Field(
        default=None, ge=0, le=3, description="Gen2 session: S1 to S3 let a tag rest after its read"
    )
    tag_population: int | None = Field(default=None, ge=1, le=65535, description="Tags expected in the field at once")
    mode_index: int | None = Field(
        default=None, ge=0, le=65535, description="RF mode, a ModeIdentifier of the reader's table"
    )
    report_every_n: int = Field(
        default=1, ge=1, le=65535, description="Tag reads that the reader collects for one report"
    )
    keepalive_s: int = Field(
        default=5,
        ge=1,
        le=60,
        description="Period of the reader's keepalives; after three silent periods it counts as gone",
    )
    connect_timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="Limit for the TCP connection, and for the reader's greeting after it"
    )
    request_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="Limit for the answer to each LLRP request"
    )
    impinj_extensions: bool = Field(
        default=True, description="On Impinj readers: phase, Doppler, finer RSSI, and drop of dead connections"
    )
