"""All readers' supervisors: started, ended, and exchanged for others while the gateway runs."""

from collections.abc import Callable, Iterable

from rfid_gateway.clock import Clock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.driver import Emit
from rfid_gateway.outputs import Switch
from rfid_gateway.supervisor import ReaderSupervisor

CLOSE_S = 3.0
"""How long a reader may take to end; its thread is a daemon and holds nobody up."""


class Readers:
    """Owner of the set: the pipeline's thread, once it runs. The main thread starts and ends them."""

    def __init__(self, readers: Iterable[ReaderConfig], emit: Emit, clock: Clock) -> None:
        self._emit = emit
        self._clock = clock
        # Replaced as a whole, never changed in place: the main thread may be walking over it.
        self._supervisors = {reader.id: self._new(reader) for reader in readers}
        self.restarts: dict[str, Callable[[], None]] = {}
        """For commands, by reader id; the pipeline's thread alone."""
        self._offer_restarts()

    def start(self) -> None:
        """Start every reader's thread."""
        for supervisor in self._supervisors.values():
            supervisor.start()

    def close(self, reason: str) -> None:
        """End all readers, and wait until they have handed over what they read last."""
        self._close(tuple(self._supervisors.values()), reason)

    def close_some(self, reader_ids: Iterable[str], reason: str) -> None:
        """The same for these readers."""
        self._close([self._supervisors[reader_id] for reader_id in reader_ids], reason)

    def follow(self, readers: Iterable[ReaderConfig], anew: Iterable[str]) -> None:
        """Let the set be these readers: those named in `anew` get a new supervisor, which is not started; others stay.

        Whoever is replaced or left out must have been closed.
        """
        begin = frozenset(anew)
        known = self._supervisors
        self._supervisors = {
            reader.id: self._new(reader) if reader.id in begin else known[reader.id] for reader in readers
        }
        self._offer_restarts()

    def start_some(self, reader_ids: Iterable[str]) -> None:
        """Start the threads of these readers."""
        for reader_id in reader_ids:
            self._supervisors[reader_id].start()

    def switch(self, switch: Switch) -> None:
        """Switch an output; from any thread, never blocks."""
        self._supervisors[switch.reader_id].set_output(switch.port, high=switch.high)

    def _new(self, reader: ReaderConfig) -> ReaderSupervisor:
        return ReaderSupervisor(reader, self._emit, self._clock)

    def _offer_restarts(self) -> None:
        # In place: the command desk holds this very dictionary.
        self.restarts.clear()
        self.restarts.update({reader_id: each.restart for reader_id, each in self._supervisors.items()})

    @staticmethod
    def _close(supervisors: Iterable[ReaderSupervisor], reason: str) -> None:
        ending = tuple(supervisors)
        for supervisor in ending:
            supervisor.close(reason)
        for supervisor in ending:
            supervisor.join(CLOSE_S)
