"""What is left after a power cut, against what had been acknowledged before it. Pure."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.field import DOOR, Stay
from tests.faults.packets import Event
from tests.vm.messages import Message


@dataclass(frozen=True, slots=True)
class Remains:
    """What lies on the disk of a PC whose power was cut: read by no gateway, after replaying journal and WAL."""

    events: Mapping[int, str]
    """Sequence and event id of every committed event."""
    waiting: frozenset[int]
    """Sequences in the outbox."""
    shipments: frozenset[str]
    """In the directory, each with at least one unit."""
    places: frozenset[tuple[str, str]]
    """Shipment and last part of the read point of each event."""
    passages: Mapping[str, Mapping[int, int]]
    """Open passages by EPC: reads that were saved, by antenna."""


def read_witness(messages: Iterable[Message]) -> dict[int, str]:
    """Sequence and event id of each event that the guest had said was committed; ValueError where one has two ids."""
    said: dict[int, str] = {}
    for message in messages:
        if "sequence" in message and said.setdefault(message["sequence"], message["event_id"]) != message["event_id"]:
            raise ValueError(f"sequence {message['sequence']} is {said[message['sequence']]} and {message['event_id']}")
    return said


def saved_reads(state: str) -> dict[int, int]:
    """Reads by antenna in a saved passage."""
    return {antenna: count for _reader, antenna, count, *_ in json.loads(state)["sums"]}


def lost_on_disk(remains: Remains, said: Mapping[int, str], sent: Iterable[Event], taken: Collection[str]) -> list[str]:
    """A sentence about each thing that was acknowledged before the cut and is not on the disk as it was.

    Args:
        remains: what is on the disk.
        said: what the witness in the guest had told of.
        sent: what had been seen on the way to the broker: no event is sent before its commit.
        taken: shipments whose entry the gateway had acknowledged to the broker.
    """
    claims = [(sequence, event_id, "told of by the witness") for sequence, event_id in said.items()]
    claims += [(event.sequence, event.event_id, "sent to the broker") for event in sent]
    wrong = [
        f"event {sequence} was {how} as {event_id} and is {remains.events.get(sequence, 'lost')} on the disk"
        for sequence, event_id, how in claims
        if remains.events.get(sequence) != event_id
    ]
    return [
        *dict.fromkeys(wrong),
        *(
            f"the directory's entry of {name} was acknowledged and is lost"
            for name in sorted({*taken} - remains.shipments)
        ),
    ]


def gaps(events: Iterable[Event]) -> list[str]:
    """A sentence about sequences that never came, where later ones did."""
    seen = {event.sequence for event in events}
    missing = sorted(set(range(1, max(seen, default=0) + 1)) - seen)
    return [f"sequences {missing} never came"] if missing else []


def reads_while_down(stays: Sequence[Stay], cut_us: int, back_us: int) -> int:
    """Reads of the tags that stood there, from the cut until the readers are online again."""
    return sum(max(0, back_us - max(cut_us, stay.start)) // stay.period_us for stay in stays)


def passage_outcome(events: Sequence[Event], shipment: str) -> str:
    """What became of goods that went out through the door when the power was cut: out, undecided, none or wrong."""
    found = {(event.event_id, event.direction) for event in events if (event.shipment, event.place) == (shipment, DOOR)}
    if not found:
        return "none"
    if len(found) > 1:
        return "wrong"
    ((_, direction),) = found
    return direction if direction in {"out", "undecided"} else "wrong"


def passage_unsaved(heard: int, remains: Remains, epc: str, shipment: str) -> int:
    """Reads of a passage that the reader had made before the cut and that were not saved; 0 where it was decided."""
    if (shipment, DOOR) in remains.places:
        return 0
    return max(0, heard - sum(remains.passages.get(epc, {}).values()))
