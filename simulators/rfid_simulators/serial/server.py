"""Runs a simulated serial reader: what the radio hears goes through the firmware and the noise onto the wire."""

import time
from collections.abc import Sequence
from threading import Event, Thread
from types import TracebackType
from typing import Protocol, Self

from rfid_simulators.serial.noise import Noise, NoiseLevel
from rfid_simulators.serial.wires import Wire
from rfid_simulators.world.sighting import Radio, Sighting

_STEP_S = 0.01
"""The radio is asked this often; also how long a command may wait."""


class Firmware(Protocol):
    """A simulated reader without its wire. Owned by the server."""

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give the frames to send unasked."""
        ...

    def receive(self, command: bytes) -> list[bytes]:
        """Take what the gateway sent; give the answers."""
        ...


class SerialReaderServer:
    """A simulated reader on a wire, in a thread of its own, from `start` (or `with`) to `stop`.

    The thread owns firmware, noise and wire. `intact` is appended to by it alone and may be read by others; `silent`
    may be set by others: what is set there stops the reader from sending anything, as a hung one does.
    """

    def __init__(self, firmware: Firmware, radio: Radio, wire: Wire, noise: NoiseLevel | None = None) -> None:
        self.url = wire.url
        self.silent = Event()
        self.intact: list[bytes] = []
        """Frames that went out whole and unchanged, in order."""
        self._firmware = firmware
        self._radio = radio
        self._wire = wire
        self._noise = Noise(noise or NoiseLevel())
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="simulated-serial-reader", daemon=True)

    def start(self) -> None:
        """Switch the reader on."""
        self._thread.start()

    def stop(self) -> None:
        """Pull the plug: the gateway sees the line break. Any number of times."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        began = time.monotonic_ns()
        shown_until = 0
        try:
            while not self._stopping.is_set():
                command = self._wire.receive(_STEP_S)
                now = (time.monotonic_ns() - began) // 1000
                frames = self._firmware.receive(command) if command else []
                frames += self._firmware.hear(self._radio(shown_until, now))
                shown_until = now
                self._send(frames)
        finally:
            self._wire.close()

    def _send(self, frames: list[bytes]) -> None:
        if self.silent.is_set():
            return
        for frame in frames:
            damaged = self._noise.damage(frame)
            went_out = [self._wire.send(piece) for piece in self._noise.pieces(damaged.data)]
            if damaged.intact and all(went_out):
                self.intact.append(frame)
