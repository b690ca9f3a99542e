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


@dataclass(frozen=True, slots=True)
class Unit:
    """One tagged thing of a shipment."""

    key: str
    """See the module's text."""
    parent: str | None = None
    """Key of the unit that carries it (a pallet), if known."""


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
