"""Presence: which zone a tag is in. Time-limited means of RSSI, hysteresis, and a quiet time before it departs.

A tag has one *home*: the zone it is present in. Every zone that reads it keeps one `_Cell` for it. A read at home
costs a look-up and a few additions; only a read elsewhere compares zones.

The mean RSSI has a time limit: two buckets, each one `window` long, so nothing older than two windows counts. (EdgeX's
ring of the last 20 reads has none, and hour-old reads still vote.)
"""

import heapq
import json
from collections.abc import Sequence
from itertools import count
from math import inf, isnan, nan

from rfid_gateway.observe.observations import Observation, Presence, PresenceChange
from rfid_gateway.observe.rules import ZoneRules
from rfid_gateway.observe.saved import Changes, Saveable
from rfid_gateway.reads import TagRead

KIND = "presence"


class _Tag:
    """A tag that at least one zone reads. Owner: `Zones`."""

    __slots__ = ("cells", "home")

    def __init__(self) -> None:
        self.home: _Cell | None = None
        self.cells = 0


class _Cell:
    """One tag at one zone. Owner: `Zones`. `last` and `*_at` are monotonic, `first` and `seen` UTC."""

    __slots__ = (
        "check_at",
        "epc",
        "first",
        "home",
        "last",
        "older_reads",
        "older_rssi_sum",
        "reads",
        "rssi_sum",
        "save_at",
        "seen",
        "stored",
        "tag",
        "tid",
        "window_ends_at",
        "zone",
    )

    def __init__(self, zone: str, epc: str, tag: _Tag, tid: str | None) -> None:
        self.zone = zone
        self.epc = epc
        self.tag = tag
        self.tid = tid
        self.home = False
        """The tag is present here; then it is also its tag's `home`."""
        self.first = self.seen = 0
        self.last = self.check_at = self.save_at = self.window_ends_at = 0
        self.reads = self.older_reads = 0
        self.rssi_sum = self.older_rssi_sum = 0.0
        self.stored = False

    def key(self) -> tuple[str, str, str]:
        """Kind, zone and EPC."""
        return KIND, self.zone, self.epc

    def state(self) -> str:
        """All of it; monotonic times relative to the last read."""
        return json.dumps(
            {
                "home": self.home,
                "first": self.first,
                "seen": self.seen,
                "tid": self.tid,
                "window_left": self.window_ends_at - self.last,
                "now": [self.reads, None if isnan(self.rssi_sum) else self.rssi_sum],
                "older": [self.older_reads, None if isnan(self.older_rssi_sum) else self.older_rssi_sum],
            }
        )

    def load(self, text: str, monotonic: int) -> None:
        """Go on from `state`, as if the last read were at `monotonic`."""
        state = json.loads(text)
        self.first, self.seen = state["first"], state["seen"]
        self.last = monotonic
        self.window_ends_at = monotonic + state["window_left"]
        self.reads, rssi_sum = state["now"]
        self.older_reads, older_rssi_sum = state["older"]
        self.rssi_sum = nan if rssi_sum is None else rssi_sum
        self.older_rssi_sum = nan if older_rssi_sum is None else older_rssi_sum
        self.stored = True
        self.home = state["home"]
        if self.home:
            self.tag.home = self

    def mean_rssi(self) -> float:
        """Mean over the last one to two windows in dBm; not a number where reads were without RSSI."""
        reads = self.reads + self.older_reads
        return (self.rssi_sum + self.older_rssi_sum) / reads if reads else nan


class Zones:
    """All zones together. Owner: the observer, in the pipeline thread.

    Bounds: at most `limit` cells (tag and zone); past that the cell that was looked at longest ago goes, with a
    DEPARTED if its tag was present there. A cell goes by itself after its zone's `depart_after`.
    """

    def __init__(
        self, rules: Sequence[ZoneRules], out: list[Observation], changes: Changes, *, save_every: int, limit: int
    ) -> None:
        self._out = out
        self._changes = changes
        self._save_every = save_every
        self._limit = limit
        self._tags: dict[str, _Tag] = {}
        self._timers: list[tuple[int, int, _Cell]] = []
        self._serial = count()
        self.zones = {zone.zone: Zone(zone, self) for zone in rules}

    def __len__(self) -> int:
        """Cells held, to be compared with the limit."""
        return len(self._timers)

    def next_deadline(self) -> int | None:
        """Monotonic time of the next timer; a tag read since then only has its timer moved."""
        return self._timers[0][0] if self._timers else None

    def expire(self, monotonic: int) -> None:
        """Let everything depart that was quiet for long enough."""
        timers = self._timers
        while timers and timers[0][0] <= monotonic:
            _, _, cell = timers[0]
            due = cell.last + self.zones[cell.zone].rules.depart_after
            if due > monotonic:
                heapq.heapreplace(timers, (due, next(self._serial), cell))
            else:
                heapq.heappop(timers)
                self._drop(cell)

    def restore(self, zone: str, epc: str, state: str, monotonic: int) -> None:
        """Go on with a saved cell; rows of zones that are no longer configured are deleted."""
        known = zone in self.zones
        tag = (self._tags.get(epc) if known else None) or _Tag()
        cell = _Cell(zone, epc, tag, json.loads(state)["tid"])
        cell.load(state, monotonic)
        if known:
            self._keep(cell, monotonic)
        else:
            self._changes.forget(cell)

    def memory(self) -> list[Saveable]:
        """Every cell that is held."""
        return [cell for zone in self.zones.values() for cell in zone.cells.values()]

    def new_cell(self, zone: str, epc: str, tid: str | None, now: int) -> _Cell:
        """Start to follow a tag at a zone, making room first if there is none."""
        while len(self._timers) >= self._limit:
            self._drop(heapq.heappop(self._timers)[2])
        cell = _Cell(zone, epc, self._tags.get(epc) or _Tag(), tid)
        cell.last = now
        self._keep(cell, now)
        return cell

    def renew(self, cell: _Cell, window: int, now: int, at: int) -> None:
        """Turn the window when it is over, and have the cell saved when that is due."""
        if now >= cell.window_ends_at:
            self._turn_window(cell, window, now, at)
        if now >= cell.save_at:
            if cell.home or cell.tag.home is None:
                self._changes.touch(cell)
            cell.save_at = now + self._save_every
        cell.check_at = min(cell.window_ends_at, cell.save_at)

    def contest(self, cell: _Cell, rules: ZoneRules, now: int) -> None:
        """Decide whether a tag read away from its home, or without one, is at home here now."""
        tag = cell.tag
        home = tag.home
        if cell.reads + cell.older_reads < rules.min_reads:
            return
        if home is None:
            self._out.append(PresenceChange(cell.epc, cell.zone, Presence.ARRIVED, cell.first, tid=cell.tid))
        elif _is_stronger(cell, home, rules, now):
            self._out.append(
                PresenceChange(cell.epc, cell.zone, Presence.MOVED, cell.seen, previous_zone=home.zone, tid=cell.tid)
            )
            home.home = False
            self._changes.forget(home)
        else:
            return
        tag.home = cell
        cell.home = True
        self._changes.touch(cell)

    def _keep(self, cell: _Cell, now: int) -> None:
        self._tags[cell.epc] = cell.tag
        cell.tag.cells += 1
        zone = self.zones[cell.zone]
        zone.cells[cell.epc] = cell
        heapq.heappush(self._timers, (now + zone.rules.depart_after, next(self._serial), cell))

    def _drop(self, cell: _Cell) -> None:
        tag = cell.tag
        del self.zones[cell.zone].cells[cell.epc]
        tag.cells -= 1
        if not tag.cells:
            del self._tags[cell.epc]
        if tag.home is cell:
            tag.home = None
            self._out.append(PresenceChange(cell.epc, cell.zone, Presence.DEPARTED, cell.seen, tid=cell.tid))
        self._changes.forget(cell)

    @staticmethod
    def _turn_window(cell: _Cell, window: int, now: int, at: int) -> None:
        if now < cell.window_ends_at + window:
            cell.older_reads, cell.older_rssi_sum = cell.reads, cell.rssi_sum
        else:
            cell.older_reads, cell.older_rssi_sum = 0, 0.0
        if not cell.older_reads:
            cell.first = at
        cell.reads, cell.rssi_sum = 0, 0.0
        cell.window_ends_at = now + window


class Zone:
    """One zone's cells and its hot path. Owner: `Zones`."""

    __slots__ = ("_min_rssi", "_zones", "cells", "rules")

    def __init__(self, rules: ZoneRules, zones: Zones) -> None:
        self.rules = rules
        self.cells: dict[str, _Cell] = {}
        self._zones = zones
        self._min_rssi = -inf if rules.min_rssi is None else rules.min_rssi

    def add(self, read: TagRead, epc: str, at: int, rssi: float | None, now: int) -> None:
        """Count one read. `at` is UTC, `now` monotonic."""
        if rssi is None:
            rssi = nan
        elif rssi < self._min_rssi:
            return
        cell = self.cells.get(epc)
        if cell is None:
            cell = self._zones.new_cell(self.rules.zone, epc, read.tid, now)
        if now >= cell.check_at:
            self._zones.renew(cell, self.rules.window, now, at)
        seen_count = read.tag_seen_count
        cell.last = max(cell.last, now)
        cell.seen = at
        cell.reads += seen_count
        cell.rssi_sum += rssi * seen_count
        if not cell.home:
            self._zones.contest(cell, self.rules, now)


def _is_stronger(cell: _Cell, home: _Cell, rules: ZoneRules, now: int) -> bool:
    if now - home.last > rules.window:
        return True
    return cell.mean_rssi() >= home.mean_rssi() + rules.hysteresis_db
