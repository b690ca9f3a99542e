"""The thread loop of a reader that may share its line with others. I/O only.

A reader whose options give it a place on a line (see `SerialOptions.place`) only speaks and listens in its turn; any
other has its port for itself.
"""

from abc import abstractmethod
from contextlib import closing

from rfid_drivers.serial.bus import Place
from rfid_drivers.serial.protocol import US_PER_MS, Alone, PolledDialogue
from rfid_drivers.serial.reader import OptionsT, SerialReader
from rfid_drivers.serial.session import Session
from rfid_gateway.driver import Emit

_PAUSE_S = 0.01
"""How long a reader that has nothing to say stays off its line."""

_FALL_QUIET_US = 500 * US_PER_MS
"""Ours: a line that does not fall quiet is spoken on after this time all the same."""

_REST = 4
"""Ours: a reader that does not answer leaves the line to the others for this many times as long as it kept it."""


class BusReader(SerialReader[OptionsT]):
    """Driver of a reader that may share its line (see rfid_gateway.driver)."""

    @abstractmethod
    def dialogue(self) -> PolledDialogue:
        """Make the dialogue of a new connection."""

    def run(self, emit: Emit) -> None:
        """Read until closed; raise ReaderError when the reader, or the line, cannot go on."""
        address = self.options.place
        if isinstance(address, Alone):
            super().run(emit)
        elif not self._closed.is_set():
            with closing(Place(self.options.port, self._settings(), address)) as place:
                self._take_turns(place, emit)

    def _take_turns(self, place: Place, emit: Emit) -> None:
        dialogue = self.dialogue()
        session = Session(self.decoder(), dialogue, self.options, self._now())
        unanswered, rest_until = 1, 0  # one that was never heard rests after its first silence
        while not self._closed.is_set():
            asked_at = self._now().monotonic
            if asked_at < rest_until and place.is_shared:
                self._closed.wait(_PAUSE_S)
                continue
            while not place.take():
                if self._closed.is_set():
                    return
            began_at = self._now().monotonic
            session.excuse(began_at - asked_at)
            before = session.heard_at
            try:
                spoke = self._converse(place, session, dialogue, emit)
            finally:
                place.give_back()
            if not spoke:
                self._closed.wait(_PAUSE_S)
                continue
            unanswered = unanswered + 1 if session.heard_at == before else 0
            ended_at = self._now().monotonic
            rest_until = ended_at + _REST * (ended_at - began_at) if unanswered > 1 else 0

    def _converse(self, place: Place, session: Session, dialogue: PolledDialogue, emit: Emit) -> bool:
        """Say what is due and hear the answer out; False where nothing was due."""
        at = self._now()
        turn = session.advance(b"", at)
        if turn.send and place.speaks_after_another:
            self._let_it_fall_quiet(place)
        self._carry_out(turn, at, place, emit)
        while self._now().monotonic < dialogue.awaited_until and not self._closed.is_set():
            data = place.read()
            at = self._now()
            self._carry_out(session.hear(data, at), at, place, emit)
        return bool(turn.send)

    def _let_it_fall_quiet(self, place: Place) -> None:
        """Pass over what still comes for another reader, until a read brings nothing."""
        until = self._now().monotonic + _FALL_QUIET_US
        while place.read() and self._now().monotonic < until and not self._closed.is_set():
            pass
