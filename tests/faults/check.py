"""What the subscriber received against what really happened: loss, doubles, order. Pure.

lost          something happened and no event of it arrived
doubled       something happened once and became two events (two event ids), or an event tells what did not happen;
              one event id stands under two sequences, or one sequence under two event ids. Another delivery of the same
              event (same id, same sequence) is no double: MQTT's QoS 1 delivers at least once.
out of order  the first arrival of an event after the first arrival of one with a higher sequence. A broker that refuses
              an event may reorder (docs/mqtt.md); none does here, so there is no exception.
by broker     a broker that was killed had acknowledged the event to the gateway, and has forgotten it. Only an event
              whose PUBACK the proxy saw go to the gateway before that kill is taken for such; anything else is lost.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.field import Truth
from tests.faults.packets import Event


@dataclass(frozen=True, slots=True)
class Count:
    """What became of the events of one kind of fault."""

    faults: int = 0
    expected: int = 0
    received: int = 0
    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    by_broker: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Count") -> "Count":
        return Count(
            self.faults + other.faults,
            self.expected + other.expected,
            self.received + other.received,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.out_of_order + other.out_of_order,
            self.by_broker + other.by_broker,
            self.seconds + other.seconds,
        )

    @property
    def wrong(self) -> int:
        return self.lost + self.doubled + self.out_of_order


def truth_of(event: Event) -> Truth:
    """What an event says has happened."""
    return Truth(event.shipment, event.place, event.direction)


def check(
    happened: Mapping[Truth, str],
    received: Sequence[Event],
    sent: Sequence[Event],
    forgettable: Collection[Event],
) -> tuple[dict[str, Count], list[str]]:
    """Compare.

    Args:
        happened: the ground truth, and beside which kind of fault it happened.
        received: what the subscriber got, in the order of arrival.
        sent: what the proxy saw the gateway send, in order; it must tell the same story.
        forgettable: what was acknowledged to the gateway by a broker that was killed later.

    Returns:
        Counts by kind (faults and seconds are 0), and a sentence about each thing that is wrong.
    """
    counts: dict[str, Count] = {kind: Count() for kind in happened.values()}
    words: list[str] = []
    ids: dict[Truth, set[str]] = {}
    for event in received:
        ids.setdefault(truth_of(event), set()).add(event.event_id)
    forgotten = {truth_of(event) for event in forgettable} - ids.keys()
    for truth, kind in happened.items():
        found = len(ids.get(truth, ()))
        lost, by_broker = int(not found and truth not in forgotten), int(not found and truth in forgotten)
        doubled = max(0, found - 1)
        counts[kind] += Count(expected=1, received=min(1, found), lost=lost, doubled=doubled, by_broker=by_broker)
        words += [f"{kind}: lost: {truth}"] * lost
        words += [f"{kind}: {found} events of {truth}: {sorted(ids[truth])}"] if doubled else []
    for truth in ids.keys() - happened.keys():
        _add(counts, "(no fault)", Count(doubled=len(ids[truth])))
        words.append(f"an event of what did not happen: {truth}")
    for event, sentence in [*_confused(received, sent), *_overtaken(received)]:
        kind = happened.get(truth_of(event), "(no fault)")
        late = sentence.startswith("out of order")
        _add(counts, kind, Count(out_of_order=int(late), doubled=int(not late)))
        words.append(f"{kind}: {sentence}")
    return counts, words


def _add(counts: dict[str, Count], kind: str, count: Count) -> None:
    counts[kind] = counts.get(kind, Count()) + count


def _confused(received: Sequence[Event], sent: Sequence[Event]) -> list[tuple[Event, str]]:
    """Where sequence and event id do not belong to each other one to one, on the wire or at the subscriber."""
    by_sequence: dict[int, Event] = {}
    by_id: dict[str, Event] = {}
    wrong = []
    for event in dict.fromkeys([*sent, *received]):
        first = by_sequence.setdefault(event.sequence, event)
        if first.event_id != event.event_id:
            wrong.append((event, f"sequence {event.sequence} is {first.event_id} and {event.event_id}"))
        first = by_id.setdefault(event.event_id, event)
        if first.sequence != event.sequence:
            wrong.append((event, f"{event.event_id} has the sequences {first.sequence} and {event.sequence}"))
    return wrong


def _overtaken(received: Sequence[Event]) -> list[tuple[Event, str]]:
    highest = 0
    wrong = []
    for event in dict.fromkeys(received):
        if event.sequence < highest:
            wrong.append((event, f"out of order: sequence {event.sequence} first came after {highest}"))
        highest = max(highest, event.sequence)
    return wrong
