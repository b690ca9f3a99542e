"""Counts what observation concluded, for each zone and door. Pure."""

from collections.abc import Iterable, Mapping

from rfid_gateway.observe.observations import Direction, Observation, Passage, Presence


class ObservationCounts:
    """Since the start. Owner: the pipeline; other threads call `passages` and `presence`.

    Every place is there from the start with nothing counted, so that no series begins with its first passage, which
    a rate would miss.
    """

    def __init__(self, zones: Iterable[str], doors: Iterable[str]) -> None:
        """Begin with nothing counted at these zones and doors."""
        self._passages = {(door, direction.value): 0 for door in doors for direction in Direction}
        self._presence = {(zone, change.value): 0 for zone in zones for change in Presence}

    def count(self, observations: Iterable[Observation]) -> None:
        """Count new observations; one that comes back because its shipment is known now is not new."""
        for each in observations:
            counts, key = (
                (self._passages, (each.door, each.direction.value))
                if isinstance(each, Passage)
                else (self._presence, (each.zone, each.change.value))
            )
            # A place may have left the configuration while a tag was in it.
            counts[key] = counts.get(key, 0) + 1

    def passages(self) -> Mapping[tuple[str, str], int]:
        """Passages by door and direction."""
        return self._passages.copy()

    def presence(self) -> Mapping[tuple[str, str], int]:
        """Presence changes by zone and kind."""
        return self._presence.copy()
