"""The observer: tag reports and photo-eyes' edges in, presence changes and passages out. Pure: time is an argument.

Times of events are the reader's, corrected by the offset that the driver estimates; timers run on the monotonic
arrival time of reports. Both are integer microseconds.
"""

from collections.abc import Callable, Iterable

from rfid_gateway.observe import background, beams, passage, zones
from rfid_gateway.observe.doors import Door, DoorPort, Doors
from rfid_gateway.observe.observations import Observation
from rfid_gateway.observe.rules import Antenna, DoorRules, InputPort, ZoneRules, check_together
from rfid_gateway.observe.saved import Changes, SavedState
from rfid_gateway.observe.zones import Zones
from rfid_gateway.reads import GpiEdge, TagRead, TagReport

SAVE_PRESENCE_EVERY = 15_000_000
MAX_PRESENT = 500_000
MAX_AT_DOORS = 100_000

_Handler = Callable[[TagRead, str, int, float | None, int], None]
"""Takes one read, its EPC, its UTC, its RSSI and the monotonic arrival: unpacked once, for all who need them."""


class _Routes(dict[int, _Handler]):
    """One reader's antennas; antennas not named go where antenna 0 goes."""

    def __missing__(self, antenna_id: int) -> _Handler:
        return self.get(0, _ignore)


class Observer:
    """Zones and doors over all readers. Owner: the pipeline thread; nobody else may call it.

    Bounds: `max_present` tags at zones and `max_at_doors` tags at doors (open passages and resting tags). A tag takes
    about 0.6 kB at a zone and 1 kB at a door. Past a bound the tag whose timer comes next is concluded at once.

    Args:
        zones: No two with an antenna or a name in common.
        doors: Likewise; a door and a zone may share antennas.
        save_presence_every: µs. How old the last read of a present tag may be in the database.
        max_present: Tags followed at zones.
        max_at_doors: Tags followed at doors.

    Raises:
        ValueError: The rules contradict each other; the text names both.
    """

    def __init__(
        self,
        zones: Iterable[ZoneRules],
        doors: Iterable[DoorRules],
        *,
        save_presence_every: int = SAVE_PRESENCE_EVERY,
        max_present: int = MAX_PRESENT,
        max_at_doors: int = MAX_AT_DOORS,
    ) -> None:
        zone_rules, door_rules = tuple(zones), tuple(doors)
        check_together(zone_rules, door_rules)
        self._out: list[Observation] = []
        self._changes = Changes()
        self._zones = Zones(zone_rules, self._out, self._changes, save_every=save_presence_every, limit=max_present)
        self._doors = Doors(door_rules, self._out, self._changes, limit=max_at_doors)
        self._routes = _routes(self._handlers(zone_rules, door_rules))
        self._eyes: dict[InputPort, tuple[Door, int]] = {
            eye: (self._doors.doors[rules.door], beam)
            for rules in door_rules
            for beam, eye in enumerate(rules.photo_eyes)
        }

    def report(self, report: TagReport) -> list[Observation]:
        """Take one report; what follows from it and from timers that ran out before it arrived."""
        now = report.received_monotonic
        arrived = now if report.merged_since is None else report.merged_since
        deadline = self.next_deadline()
        if deadline is not None and deadline <= arrived:
            self._run_timers(arrived)
        routes = self._routes.get(report.reader_id)
        if routes is not None:
            offset = report.clock_offset
            for read in report.tag_reads:
                epc, antenna_id, _, last_seen, rssi = read[:5]
                routes[antenna_id](read, epc, last_seen - offset, rssi, now)
        return self._take()

    def edge(self, edge: GpiEdge) -> list[Observation]:
        """Take one edge of a reader's input; inputs that are no photo-eyes change nothing."""
        self._run_timers(edge.received_monotonic)
        eye = self._eyes.get((edge.reader_id, edge.port))
        if eye is not None:
            door, beam = eye
            self._doors.edge(door, beam, high=edge.high, now=edge.received_monotonic, at=edge.received_at)
        return self._take()

    def lose_reader(self, reader_id: str, monotonic: int) -> None:
        """A reader is away: its photo-eyes say nothing until their next edge."""
        for (eye_reader, _), (door, beam) in self._eyes.items():
            if eye_reader == reader_id:
                self._doors.lose_beam(door, beam, monotonic)

    def expire(self, monotonic: int) -> list[Observation]:
        """Decide what the clock decides: quiet or capped passages, departures."""
        self._run_timers(monotonic)
        return self._take()

    def next_deadline(self) -> int | None:
        """Monotonic time at which `expire` should be called; it may then find nothing to do yet."""
        presence, passages = self._zones.next_deadline(), self._doors.next_deadline()
        if presence is None or passages is None:
            return passages if presence is None else presence
        return min(presence, passages)

    def passages_open(self) -> bool:
        """Whether a passage is being observed at any door."""
        return any(door.passages for door in self._doors.doors.values())

    def changed(self) -> list[SavedState]:
        """What changed since the last call, for the same commit as the observations made until now."""
        return self._changes.take()

    def memory(self) -> list[SavedState]:
        """Return all that is in mind now, for an observer with other rules to `restore`; `changed` has its own."""
        entries = [*self._zones.memory(), *self._doors.memory()]
        return [SavedState(*entry.key(), entry.state()) for entry in entries]

    def restore(self, rows: Iterable[tuple[str, str, str, str | None]], monotonic: int, utc: int) -> None:
        """Go on after a restart, or in place of an observer with other rules; once, before the first report.

        Quiet times count anew from `monotonic`, so nothing departs because of the down-time; the cap of an open
        passage counts from when it was opened. Rows of zones and doors that are gone from the configuration are
        handed out for deletion by the next `changed`.

        Raises:
            ValueError: A row has an unknown kind.
        """
        for kind, name, epc, state in rows:
            if state is None:
                continue
            if kind == zones.KIND:
                self._zones.restore(name, epc, state, monotonic)
            elif kind == passage.KIND:
                self._doors.restore_passage(name, epc, state, monotonic, utc)
            elif kind == beams.KIND:
                self._doors.restore_beams(name, state, monotonic, utc)
            elif kind == background.KIND:
                self._doors.restore_resting(name, epc, state, monotonic)
            else:
                raise ValueError(f"saved state of {epc} at {name!r} has the unknown kind {kind!r}")

    def _run_timers(self, monotonic: int) -> None:
        self._zones.expire(monotonic)
        self._doors.expire(monotonic)

    def _take(self) -> list[Observation]:
        taken = self._out[:]
        self._out.clear()
        return taken

    def _handlers(
        self, zone_rules: tuple[ZoneRules, ...], door_rules: tuple[DoorRules, ...]
    ) -> Iterable[tuple[Antenna, _Handler]]:
        for rules in zone_rules:
            zone = self._zones.zones[rules.zone]
            for antenna in sorted(rules.antennas):
                yield antenna, zone.add
        for portal in door_rules:
            door = self._doors.doors[portal.door]
            for antenna in sorted(portal.inside | portal.outside):
                yield antenna, DoorPort(door, self._doors, antenna).add


def _routes(handlers: Iterable[tuple[Antenna, _Handler]]) -> dict[str, _Routes]:
    """Handlers by reader and antenna; those of antenna 0 also stand at every antenna that is named."""
    readers: dict[str, dict[int, list[_Handler]]] = {}
    for (reader_id, antenna_id), handler in handlers:
        readers.setdefault(reader_id, {}).setdefault(antenna_id, []).append(handler)
    routes = {}
    for reader_id, antennas in readers.items():
        whole = antennas.get(0, [])
        routes[reader_id] = _Routes(
            {
                antenna_id: _fan_out(tuple(dict.fromkeys(own if antenna_id == 0 else [*own, *whole])))
                for antenna_id, own in antennas.items()
            }
        )
    return routes


def _fan_out(handlers: tuple[_Handler, ...]) -> _Handler:
    if len(handlers) == 1:
        return handlers[0]

    def to_all(read: TagRead, epc: str, at: int, rssi: float | None, now: int) -> None:
        for handle in handlers:
            handle(read, epc, at, rssi, now)

    return to_all


def _ignore(read: TagRead, epc: str, at: int, rssi: float | None, now: int) -> None:
    """Take a read of an antenna that belongs to nothing."""
