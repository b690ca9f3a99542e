"""The words of EPCIS 2.0 and CBV 2.0 that an event may use, as data for configuration checks.

Bare words, as EPCIS 2.0 writes them in JSON. A site's own values are URIs and are not listed here.
"""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

EventType = Literal["ObjectEvent", "AggregationEvent", "AssociationEvent", "TransactionEvent"]
"""Of the five event types of EPCIS 2.0 all but TransformationEvent: a gateway sees nothing being made."""
Action = Literal["OBSERVE", "ADD", "DELETE"]

BIZ_STEPS = frozenset({
    "accepting", "arriving", "assembling", "collecting", "commissioning", "consigning", "creating_class_instance",
    "cycle_counting", "decommissioning", "departing", "destroying", "disassembling", "dispensing", "encoding",
    "entering_exiting", "holding", "inspecting", "installing", "killing", "loading", "other", "packing", "picking",
    "receiving", "removing", "repackaging", "repairing", "replacing", "reserving", "retail_selling", "sampling",
    "sensor_reporting", "shipping", "staging_outbound", "stock_taking", "stocking", "storing", "transporting",
    "unloading", "unpacking", "void_shipping",
})  # fmt: skip
"""Business steps (CBV 2.0 7.1)."""

DISPOSITIONS = frozenset({
    "active", "available", "completeness_inferred", "completeness_verified", "conformant", "container_closed",
    "container_open", "damaged", "destroyed", "dispensed", "disposed", "encoded", "expired", "in_progress",
    "in_transit", "inactive", "mismatch_class", "mismatch_instance", "mismatch_quantity", "needs_replacement",
    "no_pedigree_match", "non_conformant", "non_sellable_other", "partially_dispensed", "recalled", "reserved",
    "retail_sold", "returned", "sellable_accessible", "sellable_not_accessible", "stolen", "unavailable", "unknown",
})  # fmt: skip
"""Dispositions (CBV 2.0 7.2)."""

_INSTEAD_OF = {
    "shipping": ("staging_outbound", "loading", "departing"),
    "consigning": ("staging_outbound", "loading", "departing", "accepting"),
    "receiving": ("arriving", "accepting"),
}
"""A coarse step stands for a whole flow and excludes the fine steps of it (CBV 2.0 7.1, definitions)."""


_JOINING = frozenset({"packing", "loading", "assembling", "installing", "picking", "collecting"})
_PARTING = frozenset({"unpacking", "unloading", "disassembling", "removing"})
_ACTIONS: dict[EventType, tuple[frozenset[str], frozenset[str]]] = {
    "ObjectEvent": (frozenset(), frozenset()),
    "AggregationEvent": (_JOINING, _PARTING),
    "AssociationEvent": (_JOINING, _PARTING),
    "TransactionEvent": (frozenset({"shipping", "consigning", "departing"}), frozenset({"void_shipping"})),
}
"""Business steps that add something to a parent or a transaction, and those that take it away (CBV 2.0 7.1)."""

_OWN = re.compile(
    r"(?!urn:epcglobal:cbv|https?://(?:ns|ref)\.gs1\.org/cbv/)"
    r"[A-Za-z][A-Za-z0-9+.-]*:(?:[\w.~:/?#@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+",
    re.ASCII,
)
_LONG_FORM = re.compile(r"urn:epcglobal:cbv:\w+:(\w+)|https?://(?:ns|ref)\.gs1\.org/cbv/\w+-(\w+)", re.ASCII)


class Conflict(NamedTuple):
    """A coarse step that meets fine steps of its own flow."""

    coarse: str
    met: tuple[str, ...]

    def sentence(self) -> str:
        """What CBV says about it."""
        whole = ", ".join(_INSTEAD_OF[self.coarse])
        return f"{self.coarse} stands for the whole of {whole}; use either it or {', '.join(self.met)}, not both"


def action_of(event_type: EventType, biz_step: str) -> Action:
    """What a business step does to the parent or the transaction; OBSERVE where it changes nothing there."""
    adding, deleting = _ACTIONS[event_type]
    return "ADD" if biz_step in adding else "DELETE" if biz_step in deleting else "OBSERVE"


def is_own_value(text: str) -> bool:
    """Whether a text is a site's own value: a URI, and none of CBV's, which JSON writes as bare words."""
    return _OWN.fullmatch(text) is not None


def bare_word(text: str) -> str | None:
    """The bare word of a CBV value that is written as URI (`urn:epcglobal:cbv:bizstep:loading`); None for others."""
    match = _LONG_FORM.fullmatch(text)
    return (match[1] or match[2]) if match else None


def conflicts(biz_steps: Collection[str]) -> list[Conflict]:
    """What CBV forbids to use together, once for each coarse step that meets its own fine steps.

    Args:
        biz_steps: the business steps of one flow of goods; whoever asks decides what a flow is.
    """
    return [
        Conflict(coarse, met)
        for coarse, fine in _INSTEAD_OF.items()
        if coarse in biz_steps and (met := tuple(step for step in fine if step in biz_steps))
    ]
