"""What observation must not forget over a restart: rows for the database."""

from itertools import islice
from typing import NamedTuple, Protocol


class SavedState(NamedTuple):
    """One row of observation's memory; (kind, name, epc) is its key."""

    kind: str
    """"presence", "passage", "background" or "beams"."""
    name: str
    """Zone or door."""
    epc: str
    """Upper-case hex; empty for what belongs to the place itself."""
    state: str | None
    """JSON text; None deletes the row."""


class Saveable(Protocol):
    """Something with a row of its own."""

    stored: bool
    """A row of it was handed out, so its end has to delete that row."""

    def key(self) -> tuple[str, str, str]:
        """Kind, name and EPC."""
        ...

    def state(self) -> str:
        """Everything needed to go on after a restart, as JSON text."""
        ...


class Running(Saveable, Protocol):
    """Something that changes with every read."""

    waits: bool
    """`Changes` has it on its list, so it need not be told again."""


ROWS_AT_ONCE = 250
"""Running sums that one `take` writes: with the pipeline's 20 checkpoints a second about a tenth of a core at most."""


class Changes:
    """What changed since somebody asked last. Owner: the observer that made it, in the pipeline thread.

    What belongs to an observation goes out with it. Running sums change with every read and may wait: they go out
    first come, first served, so many at a time; a pallet's at once, a thousand tags at once a little later.
    """

    def __init__(self) -> None:
        self._changed: dict[tuple[str, str, str], Saveable | None] = {}
        self._running: dict[tuple[str, str, str], Running] = {}

    def touch(self, entry: Saveable) -> None:
        """Have `entry` written with the next rows."""
        key = entry.key()
        if self._changed.get(key, entry) is None:
            # Its predecessor's row is still there and was about to be deleted; this one inherits it.
            entry.stored = True
        self._changed[key] = entry

    def run(self, entry: Running) -> None:
        """Have `entry` written soon."""
        entry.waits = True
        self._running[entry.key()] = entry

    def forget(self, entry: Saveable) -> None:
        """Have the row of `entry` deleted, if it ever had one."""
        key = entry.key()
        self._running.pop(key, None)
        if entry.stored:
            self._changed[key] = None
        else:
            self._changed.pop(key, None)

    def drop(self, kind: str, name: str, epc: str) -> None:
        """Have a row deleted of which nothing is left in memory."""
        self._changed[kind, name, epc] = None

    def take(self) -> list[SavedState]:
        """Rows to write or delete since the last call, of running sums the first of those that wait."""
        changed, self._changed = self._changed, {}
        for key in list(islice(self._running, ROWS_AT_ONCE)):
            running = changed[key] = self._running.pop(key)
            running.waits = False
        rows = []
        for (kind, name, epc), entry in changed.items():
            if entry is not None:
                entry.stored = True
            rows.append(SavedState(kind, name, epc, None if entry is None else entry.state()))
        return rows
