"""Entries of the shipment directory: which shipment a tag belongs to.

A unit (pallet, parcel, roll cage) is found by its key, which is one of

    (00)340123450000000017                SSCC            element string, 18 digits with check digit
    (01)04012345123456(21)1               SGTIN           element string
    (8003)04012345123456 + serial         GRAI            element string
    (8004)4012345 + reference             GIAI            element string
    epc:3034257BF7194E4000001A85          raw EPC         upper-case hex
    tid:E2801160600002054CE9A1B2          TID             upper-case hex

Never the EPC URN: one SSCC has several, one for each length of the company prefix.
"""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Unit:
    """One tagged thing of a shipment."""

    key: str
    """See the module's text."""
    parent: str | None = None
    """Key of the unit that carries it (a pallet), if known."""
    counts_as: str | None = None
    """The first key of the same thing where it has several (SSCC and TID of one tag); None for that first one."""

    @property
    def thing(self) -> str:
        """The key that stands for the thing, by whichever of its keys it was found."""
        return self.counts_as or self.key


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment as the order backend announced it, with the units that travel under it."""

    shipment_id: str
    units: tuple[Unit, ...] = ()
    orders: tuple[str, ...] = ()
    customer_reference: str | None = None
    despatch_advice: str | None = None
    carrier: str | None = None
    destination: str | None = None
    planned_door: str | None = None
    planned_departure: str | None = None
    """RFC 3339 with offset."""
    load: str | None = None
    """The load as the order backend names it."""

    @property
    def departure(self) -> int | None:
        """The planned departure as UTC in microseconds."""
        if self.planned_departure is None:
            return None
        return round(datetime.fromisoformat(self.planned_departure).timestamp()) * 1_000_000

    @property
    def load_id(self) -> str | None:
        """What one truck takes: `load` where it is given, else `dock-1@2026-11-23T17:30:00Z` (UTC), else None."""
        if self.load or self.planned_door is None or self.planned_departure is None:
            return self.load
        return (
            f"{self.planned_door}@{datetime.fromisoformat(self.planned_departure).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
