"""The thread loop that all serial readers share: a port on one side, a session on the other. I/O only."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import closing
from threading import Event
from typing import ClassVar, Generic, TypeVar, cast

from rfid_drivers.serial.explain import explain
from rfid_drivers.serial.port import LineSettings, Port, line_name, open_port
from rfid_drivers.serial.protocol import Decoder, Dialogue, Health, Instant, SerialOptions
from rfid_drivers.serial.session import Session, Turn
from rfid_drivers.serial.sharing import clashes
from rfid_gateway.clock import Clock, SystemClock
from rfid_gateway.driver import Clash, DriverOptions, Emit
from rfid_gateway.reads import ReaderStatus, TagReport

OptionsT = TypeVar("OptionsT", bound=SerialOptions)


class SerialReader(ABC, Generic[OptionsT]):
    """Driver of a serial reader; a protocol's class says how to decode and what to say (see rfid_gateway.driver).

    Everything is owned by the thread in `run`, but for the event that `close` sets.
    """

    Options: ClassVar[type[DriverOptions]]

    def __init__(self, reader_id: str, options: OptionsT, clock: Clock) -> None:
        self.options = options
        self._reader_id = reader_id
        self._clock = clock
        self._closed = Event()

    @abstractmethod
    def decoder(self) -> Decoder:
        """Make the decoder of a new connection."""

    @abstractmethod
    def dialogue(self) -> Dialogue:
        """Make the dialogue of a new connection."""

    def run(self, emit: Emit) -> None:
        """Read until closed; raise ReaderError when the reader cannot go on."""
        if self._closed.is_set():
            return
        with closing(open_port(self.options.port, self._settings())) as port:
            session = Session(self.decoder(), self.dialogue(), self.options, self._now())
            while not self._closed.is_set():
                data = port.read()
                at = self._now()
                self._carry_out(session.advance(data, at), at, port, emit)

    def close(self) -> None:
        """Make `run` return within a read's wait (50 ms), or within 2 s while it still connects."""
        self._closed.set()

    @staticmethod
    def clashes(readers: Sequence[tuple[str, SerialOptions]]) -> Iterable[Clash]:
        """Say which serial readers cannot share a port as they are configured."""
        return clashes(readers, line_name)

    def explain(self, data: bytes) -> list[dict[str, object]]:
        """Say what this reader's protocol makes of bytes, one flat record each; opens nothing."""
        return explain(self.decoder(), data)

    @classmethod
    def explain_recording(cls, data: bytes) -> list[dict[str, object]]:
        """Say what this protocol makes of bytes, with the options as they are where nothing is configured."""
        options = cast("OptionsT", cls.Options.model_validate({"port": "/dev/null"}))
        return cls("", options, SystemClock()).explain(data)

    def _settings(self) -> LineSettings:
        return LineSettings(self.options.baud, self.options.parity, self.options.control_lines)

    def _now(self) -> Instant:
        return Instant(self._clock.utc_us(), self._clock.monotonic_us())

    def _carry_out(self, turn: Turn, at: Instant, port: Port, emit: Emit) -> None:
        if turn.health:
            emit(self._status(turn.health, at))
        if turn.tag_reads:
            emit(TagReport(self._reader_id, at.utc, at.monotonic, turn.tag_reads))
        for command in turn.send:
            port.write(command)

    def _status(self, health: Health, at: Instant) -> ReaderStatus:
        return ReaderStatus(self._reader_id, at.utc, health.state, health.detail, health.model, health.firmware)
