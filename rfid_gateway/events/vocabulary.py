"""The words of CBV 2.0 that an event may use, as data for configuration checks.

Bare words, as EPCIS 2.0 writes them in JSON. A site's own values are URIs and are not listed here.
"""

from collections.abc import Collection

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


def conflicts(biz_steps: Collection[str]) -> list[str]:
    """What CBV forbids to use together, one sentence per coarse step that meets its own fine steps.

    Args:
        biz_steps: the business steps of one flow of goods; whoever asks decides what a flow is.
    """
    return [
        f"{coarse} stands for the whole of {', '.join(fine)}; use either it or {', '.join(met)}, not both"
        for coarse, fine in _INSTEAD_OF.items()
        if coarse in biz_steps and (met := [step for step in fine if step in biz_steps])
    ]
