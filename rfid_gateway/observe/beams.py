"""Photo-eyes of a door: when something was in the door, and which beam it interrupted first and left last. Pure.

A pair of beams, one behind the other, tells direction by itself: what goes through comes in at one beam and leaves at
the other, whether or not it is long enough to interrupt both at once. So a *window* begins with the first interruption
and ends when both beams have been clear for the door's quiet time; the beam that was interrupted first and the one
that was cleared last are all that it keeps.
"""

import json
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from rfid_gateway.observe.rules import DoorRules

KIND = "beams"
WINDOWS_KEPT = 8
"""Windows over lately: a tag may be judged some seconds after its own."""
INSIDE, OUTSIDE = 0, 1


class BeamOrder(StrEnum):
    """What the photo-eyes saw of whatever went past them."""

    IN = "in"
    OUT = "out"
    TURNED_BACK = "turned_back"
    """It left where it came from."""
    CUT = "cut"
    """Something was there; which way it went cannot be told from these beams."""
    CLEAR = "clear"
    """All beams are known to work, and nothing interrupted them."""


@dataclass(frozen=True, slots=True)
class BeamWindow:
    """One stretch of interruptions. Times are UTC in microseconds."""

    began: int
    ended: int
    """Last edge so far."""
    first: int
    """Beam interrupted first: 0 inside, 1 outside."""
    last: int
    """Beam that changed last."""
    whole: bool = True
    """No edge of it can have been missed."""


class Beams:
    """The photo-eyes of one door. Owner: its `Door`, in the pipeline thread.

    A beam that stays interrupted for longer than the door's cap says nothing any more (something is parked in it, it
    is dirty, or its reader was away when it cleared): it counts as unknown until its next edge.
    """

    epc = ""

    def __init__(self, rules: DoorRules) -> None:
        self.door = rules.door
        self._rules = rules
        self._cut = [False for _ in rules.photo_eyes]
        self._heard = [False for _ in rules.photo_eyes]
        self._open: BeamWindow | None = None
        self._opened = self._changed = 0
        self._over: deque[BeamWindow] = deque(maxlen=WINDOWS_KEPT)
        self.stored = False

    @property
    def is_open(self) -> bool:
        """Whether something is in the door, or was there less than the quiet time ago."""
        return self._open is not None

    def edge(self, beam: int, *, high: bool, now: int, at: int) -> None:
        """Take one edge of a photo-eye: `now` is monotonic, `at` UTC."""
        cut = high == self._rules.photo_eye_active_high
        self._heard[beam] = True
        if cut == self._cut[beam]:
            return
        self._cut[beam] = cut
        self._changed = now
        if self._open is None:
            if cut:
                self._opened = now
                self._open = BeamWindow(at, at, beam, beam)
        else:
            self._open = replace(self._open, ended=max(at, self._open.ended), last=beam)

    def lose(self, beam: int, now: int) -> None:
        """The reader of a beam is away: edges may be missed, so the beam is unknown until its next one."""
        self._heard[beam] = False
        if self._open is not None:
            self._open = replace(self._open, whole=False)
        if self._cut[beam]:
            self._cut[beam] = False
            self._changed = now

    def due(self) -> int | None:
        """Monotonic time at which the open window has to be looked at; None while none is open."""
        if self._open is None:
            return None
        return self._opened + self._rules.cap if any(self._cut) else self._changed + self._rules.quiet

    def close(self) -> None:
        """End the open window, which is due: all beams are clear and quiet, or one is stuck."""
        assert self._open is not None
        if any(self._cut):
            self._heard = [heard and not cut for heard, cut in zip(self._heard, self._cut, strict=True)]
            self._cut = [False for _ in self._cut]
        self._over.append(self._open)
        self._open = None

    def order(self, started: int, middle: int, ended: int) -> BeamOrder | None:
        """What was seen of a tag: the window nearest to its middle, of those during or near its passage (all UTC).

        None where the beams cannot know.
        """
        near = self._rules.quiet
        windows = [*self._over, *([self._open] if self._open else [])]
        windows = [window for window in windows if window.began <= ended + near and started - near <= window.ended]
        if not windows:
            return BeamOrder.CLEAR if all(self._heard) and not any(self._cut) else None
        nearest = min(windows, key=lambda window: max(window.began - middle, middle - window.ended, 0))
        return BeamOrder.CUT if nearest is self._open and any(self._cut) else self._order_of(nearest)

    def _order_of(self, window: BeamWindow) -> BeamOrder:
        if len(self._heard) == 1 or not all(self._heard) or not window.whole:
            return BeamOrder.CUT
        if window.first == window.last:
            return BeamOrder.TURNED_BACK
        return BeamOrder.OUT if window.first == INSIDE else BeamOrder.IN

    def key(self) -> tuple[str, str, str]:
        """Kind and door; beams have no EPC."""
        return KIND, self.door, self.epc

    def state(self) -> str:
        """Everything but the timers."""
        return json.dumps(
            {
                "cut": self._cut,
                "heard": self._heard,
                "open": _row(self._open) if self._open else None,
                "over": [_row(window) for window in self._over],
            }
        )

    def restore(self, text: str, monotonic: int, utc: int) -> None:
        """Go on from `state`: quiet counts anew from now, the cap from when the window began.

        Beams that were added or removed in the configuration start anew.
        """
        state = json.loads(text)
        self.stored = True
        if len(state["cut"]) != len(self._cut):
            return
        self._cut, self._heard = state["cut"], state["heard"]
        self._over.extend(BeamWindow(*row) for row in state["over"])
        self._changed = monotonic
        if state["open"] is not None:
            self._open = BeamWindow(*state["open"])
            self._opened = monotonic - max(0, utc - self._open.began)


def _row(window: BeamWindow) -> tuple[int, int, int, int, bool]:
    return window.began, window.ended, window.first, window.last, window.whole
