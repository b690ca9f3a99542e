"""Passages through doors: which tags are open at which door, until when, and what is made of them at the end."""

import heapq
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count

from rfid_gateway.observe.background import Port, Resting
from rfid_gateway.observe.beam_decision import COME_FAR, Sight, weigh
from rfid_gateway.observe.beams import KIND, Beams
from rfid_gateway.observe.decision import TURN_BACK_READS, Judgement, Verdict, judge
from rfid_gateway.observe.observations import Direction, Observation, Passage
from rfid_gateway.observe.passage import LATE, Ended, OpenPassage
from rfid_gateway.observe.rules import Antenna, DoorRules
from rfid_gateway.observe.saved import Changes, Saveable
from rfid_gateway.observe.sums import Sums
from rfid_gateway.observe.voting import Stays, Votes
from rfid_gateway.reads import TagRead

HOLD = 400_000
"""µs that an unclear passage waits for the votes of tags that moved with it: within the half second a door has."""
FORGET_RESTING = 600_000_000
"""µs without a read after which a resting tag is forgotten."""
RECHECK = 60_000_000
"""µs after which a timer is looked at even if it lies further away, so that those of woken tags do not pile up."""
IDLE_WINDOWS = 3
"""Passages in a row that came to nothing before a tag counts as background, for tags heard only now and then."""
IDLE_KEPT = 10_000
ENDED_KEPT = 1_000
VOTABLE_READS = 16
"""With fewer reads than this rise and fall cannot be told, and the group may speak for the tag."""


class Door:
    """One door's tags. Owner: `Doors`."""

    def __init__(self, rules: DoorRules) -> None:
        self.rules = rules
        self.beams = Beams(rules) if rules.photo_eyes else None
        self.passages: dict[str, OpenPassage] = {}
        self.resting: dict[str, Resting] = {}
        self.votes = Votes()
        self.idle: OrderedDict[str, int] = OrderedDict()
        """Passages in a row that came to nothing, per tag."""
        self.ended: OrderedDict[str, OpenPassage] = OrderedDict()
        """Passages that ended lately, per tag, in the order in which they did."""

    def count_idle(self, epc: str) -> int:
        """Count one more passage that came to nothing."""
        windows = self.idle.pop(epc, 0) + 1
        self.idle[epc] = windows
        if len(self.idle) > IDLE_KEPT:
            self.idle.popitem(last=False)
        return windows

    def keep(self, passage: OpenPassage, now: int) -> list[OpenPassage]:
        """Keep a passage that has ended; returns those that are kept no longer for it."""
        self.ended[passage.epc] = passage
        gone = []
        while self.ended and (len(self.ended) > ENDED_KEPT or next(iter(self.ended.values())).last + LATE <= now):
            gone.append(self.ended.popitem(last=False)[1])
        return gone

    def judge(self, passage: OpenPassage, *, capped: bool) -> Judgement:
        """Judge a passage by itself: by its reads, and by what the photo-eyes saw."""
        sums = passage.sums
        inside = [each for port, each in sums.items() if port in self.rules.inside]
        outside = [each for port, each in sums.items() if port in self.rules.outside]
        judgement = judge(inside, outside, self.rules)
        if self.beams is None or not passage.sums:
            return judgement
        order = self.beams.order(passage.origin, passage.middle(), passage.seen)
        return judgement if order is None else weigh(judgement, Sight(order, leaving=not capped), self.rules)


class Doors:
    """All doors together, because a tag may be heard at several. Owner: the observer, in the pipeline thread.

    Bounds: at most `limit` open passages and resting tags together; past that the one whose timer is next is closed
    at once. Per door `IDLE_KEPT` tags that came to nothing and `ENDED_KEPT` passages that ended lately; over all doors
    `STAYS_KEPT` of these.
    """

    def __init__(self, rules: Sequence[DoorRules], out: list[Observation], changes: Changes, *, limit: int) -> None:
        self._out = out
        self._changes = changes
        self._limit = limit
        self._timers: list[tuple[int, int, OpenPassage | Resting]] = []
        self._serial = count()
        self._stays = Stays()
        self.doors = {door.door: Door(door) for door in rules}
        self._window_due: int | None = None
        """Monotonic time at which the next photo-eyes' window is due."""

    def __len__(self) -> int:
        """Passages and resting tags held, to be compared with the limit."""
        return len(self._timers)

    def next_deadline(self) -> int | None:
        """Monotonic time of the next timer; a tag read since then only has its timer moved."""
        due = self._timers[0][0] if self._timers else None
        if due is None or self._window_due is None:
            return self._window_due if due is None else due
        return min(due, self._window_due)

    def expire(self, monotonic: int) -> None:
        """Close every passage that is quiet or capped, and forget resting tags that are gone."""
        while self._window_due is not None and self._window_due <= monotonic:
            self._close_due_windows(monotonic)
        while self._timers and self._timers[0][0] <= monotonic:
            entry = self._timers[0][2]
            due = self._due(entry)
            if due > monotonic:
                heapq.heapreplace(self._timers, (min(due, monotonic + RECHECK), next(self._serial), entry))
                continue
            heapq.heappop(self._timers)
            self._run_timer(entry, monotonic)

    def edge(self, door: Door, beam: int, *, high: bool, now: int, at: int) -> None:
        """Take one edge of a photo-eye: an interrupted beam opens the door's window, which holds its passages open."""
        beams = door.beams
        assert beams is not None
        beams.edge(beam, high=high, now=now, at=at)
        self._changes.touch(beams)
        self._window_due = self._next_window()

    def lose_beam(self, door: Door, beam: int, now: int) -> None:
        """The reader of a photo-eye is away."""
        assert door.beams is not None
        door.beams.lose(beam, now)
        self._changes.touch(door.beams)
        self._window_due = self._next_window()

    def restore_beams(self, door: str, state: str, monotonic: int, utc: int) -> None:
        """Go on with saved photo-eyes; rows of doors that have none any more are deleted."""
        known = self.doors.get(door)
        if known is None or known.beams is None:
            self._changes.drop(KIND, door, "")
            return
        known.beams.restore(state, monotonic, utc)
        self._window_due = self._next_window()

    def restore_passage(self, door: str, epc: str, state: str, monotonic: int, utc: int) -> None:
        """Go on with a saved passage; rows of doors that are no longer configured are deleted."""
        passage = OpenPassage.restored(door, epc, state, monotonic, utc)
        if door not in self.doors:
            self._changes.forget(passage)
            return
        if passage.ended is not None:
            self.doors[door].ended[epc] = passage
            return
        self.doors[door].passages[epc] = passage
        self._watch(passage)

    def restore_resting(self, door: str, epc: str, state: str, monotonic: int) -> None:
        """Go on with a saved resting tag; rows of doors that are no longer configured are deleted."""
        resting = Resting.restored(door, epc, state, monotonic)
        if door not in self.doors:
            self._changes.forget(resting)
            return
        self.doors[door].resting[epc] = resting
        self._watch(resting)

    def memory(self) -> list[Saveable]:
        """Every passage that is open or ended lately, resting tag and pair of photo-eyes."""
        entries: list[Saveable] = []
        for door in self.doors.values():
            entries += door.passages.values()
            entries += door.ended.values()
            entries += door.resting.values()
            entries += [door.beams] if door.beams is not None else []
        return entries

    def open(self, door: Door, port: Port, read: TagRead, now: int, at: int) -> OpenPassage | None:
        """Open a passage; None while the tag rests beside the door."""
        resting = door.resting.get(read.epc)
        if resting is not None:
            if read.peak_rssi is None or resting.stays(port, read.peak_rssi, now, at):
                return None
            self._forget(resting)
        while len(self._timers) >= self._limit:
            self._evict()
        ended = door.ended.pop(read.epc, None)
        if ended is not None and ended.goes_on(at, now, door.rules.quiet, rested=resting is not None):
            passage = ended
            passage.reopen(now)
        else:
            passage = OpenPassage(door.rules.door, read.epc, read.tid, at, now)
            passage.stored = ended is not None  # it inherits the row
        if resting is not None:
            passage.begin_resting(resting.rested_at(at, door.rules.quiet), resting.levels)
        door.passages[read.epc] = passage
        self._watch(passage)
        return passage

    def read(self, passage: OpenPassage) -> None:
        """Have a passage written soon: it was read."""
        self._changes.run(passage)

    def _run_timer(self, entry: OpenPassage | Resting, now: int) -> None:
        """Do what is due for an entry, unless it ended before its timer did."""
        if isinstance(entry, OpenPassage):
            if self._is_open(entry):
                self._close(entry, now)
        elif self._is_resting(entry):
            self._forget(entry)

    def _next_window(self) -> int | None:
        eyes = [door.beams for door in self.doors.values() if door.beams is not None]
        return min((due for beams in eyes if (due := beams.due()) is not None), default=None)

    def _close_due_windows(self, now: int) -> None:
        for door in self.doors.values():
            due = door.beams.due() if door.beams is not None else None
            if door.beams is not None and due is not None and due <= now:
                self._close_window(door, door.beams, now)
        self._window_due = self._next_window()

    def _close_window(self, door: Door, beams: Beams, now: int) -> None:
        """The door is clear and quiet: every passage that waited for that alone is decided now.

        The timers of the others stand at the cap, as nothing else could be said while the window was open.
        """
        beams.close()
        self._changes.touch(beams)
        for passage in tuple(door.passages.values()):
            if passage.last + door.rules.quiet <= now:
                self._close(passage, now)
            else:
                self._watch(passage)

    def _watch(self, entry: OpenPassage | Resting) -> None:
        heapq.heappush(self._timers, (min(self._due(entry), entry.last + RECHECK), next(self._serial), entry))

    def _is_resting(self, entry: Resting) -> bool:
        return self.doors[entry.door].resting.get(entry.epc) is entry

    def _is_open(self, entry: OpenPassage) -> bool:
        return self.doors[entry.door].passages.get(entry.epc) is entry

    def _due(self, entry: OpenPassage | Resting) -> int:
        """Monotonic time at which something is to be done; 0 for what has ended."""
        if isinstance(entry, Resting):
            return entry.last + FORGET_RESTING if self._is_resting(entry) else 0
        return self._due_of_passage(entry) if self._is_open(entry) else 0

    def _due_of_passage(self, passage: OpenPassage) -> int:
        door = self.doors[passage.door]
        capped_at = passage.opened + door.rules.cap
        if door.beams is not None and door.beams.is_open:
            return capped_at
        return min(passage.last + door.rules.quiet + HOLD * passage.held, capped_at)

    def _evict(self) -> None:
        """Make room: judge the tag whose timer comes next with what is there, and let it go."""
        _, _, entry = heapq.heappop(self._timers)
        if isinstance(entry, OpenPassage) and self._is_open(entry):
            door = self.doors[entry.door]
            del door.passages[entry.epc]
            self._changes.forget(entry)
            self._conclude(door, entry, door.judge(entry, capped=False), capped=False)
        elif isinstance(entry, Resting) and self._is_resting(entry):
            self._forget(entry)

    def _forget(self, resting: Resting) -> None:
        del self.doors[resting.door].resting[resting.epc]
        self._changes.forget(resting)

    def _close(self, passage: OpenPassage, now: int) -> None:
        door = self.doors[passage.door]
        capped = now < passage.last + door.rules.quiet
        judgement = door.judge(passage, capped=capped)
        if not capped and not passage.held and _is_votable(judgement, passage):
            passage.held = True
            self._watch(passage)
            return
        del door.passages[passage.epc]
        self._changes.forget(passage)
        reported = self._conclude(door, passage, judgement, capped=capped)
        self._stays.add(passage, now)
        if not capped:
            passage.ended = Ended(reported, judgement.verdict is Verdict.ONE_SIDE and reported is None)
            self._changes.touch(passage)
            for gone in door.keep(passage, now):
                self._changes.forget(gone)
        if capped:
            self._go_on(door, passage, reported, now)
        elif reported is None and door.count_idle(passage.epc) >= IDLE_WINDOWS:
            self._rest(door, passage, now)
        elif reported is not None:
            door.idle.pop(passage.epc, None)

    def _conclude(self, door: Door, passage: OpenPassage, judgement: Judgement, *, capped: bool) -> Direction | None:
        """Report what a passage amounts to; the direction reported, or None for nothing."""
        others = [
            other.passages[passage.epc]
            for other in self.doors.values()
            if other is not door and passage.epc in other.passages
        ]
        if self._stays.louder_door(passage, others) is not None:
            return None
        direction, confidence = _direction(judgement), judgement.confidence
        evidence = dict(judgement.evidence)
        if direction in {Direction.IN, Direction.OUT}:
            if direction != passage.follows:
                door.votes.add(passage, direction)
        elif _is_votable(judgement, passage) and (election := door.votes.elect(passage)) is not None:
            direction, confidence = election.direction, election.confidence
            evidence["votes"] = election.votes
        if direction is None or (capped and direction is Direction.UNDECIDED and not _has_come_far(judgement, door)):
            return None
        if passage.follows is not None and direction in {passage.follows, Direction.UNDECIDED}:
            return None
        self._out.append(
            Passage(
                passage.epc,
                passage.door,
                direction,
                round(confidence, 4),
                passage.origin,
                passage.seen,
                evidence,
                tid=passage.tid,
            )
        )
        return direction

    def _go_on(self, door: Door, passage: OpenPassage, reported: Direction | None, now: int) -> None:
        """After the cap the tag is still there: it rests, or goes on with a passage that has been reported."""
        if reported is None:
            self._rest(door, passage, now)
            return
        follower = OpenPassage(passage.door, passage.epc, passage.tid, passage.seen, now)
        follower.last = passage.last
        follower.follows = reported
        door.passages[passage.epc] = follower
        self._watch(follower)
        self._changes.touch(follower)

    def _rest(self, door: Door, passage: OpenPassage, now: int) -> None:
        levels = passage.levels()
        if not levels:
            return
        resting = Resting(passage.door, passage.epc, levels, now)
        door.resting[passage.epc] = resting
        self._changes.touch(resting)
        self._watch(resting)


class DoorPort:
    """One antenna of one door and its hot path. Owner: the observer."""

    __slots__ = ("_door", "_doors", "_floor", "_port")

    def __init__(self, door: Door, doors: Doors, antenna: Antenna) -> None:
        self._door = door
        self._doors = doors
        self._port = antenna
        self._floor = door.rules.rssi_floor

    def add(self, read: TagRead, epc: str, at: int, rssi: float | None, now: int) -> None:
        """Count one read. `at` is UTC, `now` monotonic."""
        if rssi is not None and rssi < self._floor:
            return
        passage = self._door.passages.get(epc)
        if passage is None:
            passage = self._doors.open(self._door, self._port, read, now, at)
            if passage is None:
                return
        sums = passage.sums.get(self._port)
        if sums is None:
            sums = passage.sums[self._port] = Sums()
        # Reads that a full queue merged come with a span of time, and spans of two antennas overlap.
        passage.last = max(passage.last, now)
        passage.seen = max(passage.seen, at)
        sums.add((at - passage.origin) * 1e-6, rssi)
        if not passage.waits:
            self._doors.read(passage)


def _direction(judgement: Judgement) -> Direction | None:
    if judgement.verdict is Verdict.CROSSED:
        return Direction.OUT if judgement.score > 0 else Direction.IN
    return Direction.UNDECIDED if judgement.verdict is Verdict.UNDECIDED else None


def _has_come_far(judgement: Judgement, door: Door) -> bool:
    """Whether a tag that is still there at the cap moved so much that its passage must not get lost.

    Less movement is what a parked tag shows while others drive past it; it will be judged when it leaves.
    """
    return float(judgement.evidence["movement_db"]) >= COME_FAR * door.rules.movement_db


def _is_votable(judgement: Judgement, passage: OpenPassage) -> bool:
    """Whether those that moved with a tag may speak for it: too few reads to be clear, but more than one."""
    reads = passage.reads()
    if judgement.verdict is Verdict.UNDECIDED:
        return True
    thin = 2 <= reads < VOTABLE_READS  # noqa: PLR2004 - one read is a stray read
    one_side = judgement.verdict is Verdict.ONE_SIDE and reads < 2 * TURN_BACK_READS
    return one_side or (thin and judgement.verdict in {Verdict.STRAY, Verdict.STILL, Verdict.TURNED_BACK})
