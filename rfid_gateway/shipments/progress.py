"""How far a shipment is on its way, from the states of its units. Pure.

A unit's state is what its last decided event claims. In order of progress:

    returned  arrived  received  checked  held  stored  picked  unpacked  packed  staged  loaded  departed

A shipment is as far as the least advanced of its units that were seen: two units departed and one stored make
`stored`. While some of its units were never seen, the state says so: `partly_loaded`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

SEEN = "seen"
"""A unit that was seen, without any event that claims a step."""
RETURNED = "returned"
PARTLY = "partly_"

_STEPS = {
    "arrived": ("arriving", "unloading"),
    "received": ("receiving", "accepting", "collecting"),
    "checked": ("inspecting",),
    "held": ("holding", "void_shipping"),
    "stored": ("storing", "stocking"),
    "picked": ("picking",),
    "unpacked": ("unpacking",),
    "packed": ("packing", "repackaging"),
    "staged": ("staging_outbound",),
    "loaded": ("loading",),
    "departed": ("departing", "shipping", "consigning", "transporting"),
}
"""State and the business steps (CBV 2.0 7.1) that bring a unit into it. Steps that are not here claim no progress."""

STATES = (SEEN, RETURNED, *_STEPS)
"""In order of progress. What came back from a truck has its way before it again."""

_STATE_OF = {step: state for state, steps in _STEPS.items() for step in steps}
_RANK = {state: rank for rank, state in enumerate(STATES)}


class Progress(NamedTuple):
    """How far a shipment is."""

    state: str
    total: int
    """Units of the shipment that the directory knows."""
    seen: int
    states: dict[str, int]
    """How many of the seen units are in each state, in order of progress."""


def state_of(biz_step: str | None, verdict: str) -> str | None:
    """The state into which an event brings its unit; None where it claims none: an undecided passage, stock-taking."""
    return RETURNED if verdict == "returned" else _STATE_OF.get(biz_step or "")


def progress(states: Sequence[str | None], total: int) -> Progress:
    """How far a shipment is.

    Args:
        states: of its units that were seen, at least one; None for a unit of which no event claims a step.
        total: how many units it has, those never seen included.
    """
    counts = Counter(state or SEEN for state in states)
    ordered = {state: counts[state] for state in sorted(counts, key=_RANK.__getitem__)}
    least = next(iter(ordered))
    return Progress(least if len(states) >= total else PARTLY + least, total, len(states), ordered)
