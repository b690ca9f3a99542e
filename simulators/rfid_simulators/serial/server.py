"""Runs a simulated serial reader: what the radio hears goes through the firmware and the faults onto the wire."""

import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from rfid_simulators.faults import CutMidMessage, StopKeepalives
from rfid_simulators.serial.faults import (
    Echo,
    Fault,
    FaultySerialLine,
    PowerCycle,
    ReportError,
    SendUnknown,
    TagsPerFrame,
    Unplug,
)
from rfid_simulators.serial.noise import NoiseLevel
from rfid_simulators.serial.wires import Connected, Wire
from rfid_simulators.world.sighting import Radio, Sighting

_STEP_S = 0.01
"""The radio is asked this often; also how long a command may wait."""


class Firmware(Protocol):
    """A simulated reader without its wire. Owned by the server.

    What else it can do depends on its protocol, and `SerialReaderServer.inject` refuses what it cannot.
    """

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas heard; give the frames to send unasked."""
        ...

    def receive(self, command: bytes) -> list[bytes]:
        """Take what the gateway sent; give the answers."""
        ...


@runtime_checkable
class Restarting(Protocol):
    """Firmware that can lose its power."""

    def restart(self) -> None:
        """Forget what is not in flash memory, and start as it was left there."""
        ...


@runtime_checkable
class Complaining(Protocol):
    """Firmware that can report errors."""

    usual_error: int
    error: int | None
    """What it reports instead of tags; None: nothing is wrong."""


@runtime_checkable
class Packing(Protocol):
    """Firmware that sends several tags in one frame."""

    tags_per_frame: int


@runtime_checkable
class KeepingAlive(Protocol):
    """Firmware that shows that it lives where there is nothing to tell."""

    def is_keepalive(self, frame: bytes) -> bool:
        """Tell such frames from others."""
        ...


@runtime_checkable
class Unknown(Protocol):
    """Firmware that may be newer than every manual."""

    def unknown(self) -> bytes:
        """Make a frame of a type that no manual has."""
        ...


_NEEDED: dict[type[Fault], type] = {
    PowerCycle: Restarting,
    ReportError: Complaining,
    TagsPerFrame: Packing,
    StopKeepalives: KeepingAlive,
    SendUnknown: Unknown,
}
"""What firmware has to be able to for a fault."""


class SerialReaderServer:
    """A simulated reader on a wire, in a thread of its own, from `start` (or `with`) to `stop`.

    The thread owns firmware, faults and wire; others give it orders. `intact` is appended to by it alone and may be
    read by others.
    """

    def __init__(self, firmware: Firmware, radio: Radio, wire: Wire, noise: NoiseLevel | None = None) -> None:
        self.url = wire.url
        self.intact: list[bytes] = []
        """Frames that went out whole and unchanged, in order."""
        self._firmware = firmware
        self._radio = radio
        self._wire = wire
        is_keepalive = firmware.is_keepalive if isinstance(firmware, KeepingAlive) else _never
        unknown = firmware.unknown if isinstance(firmware, Unknown) else bytes
        self._line = FaultySerialLine(noise or NoiseLevel(), is_keepalive, unknown)
        self._usual_error = firmware.error if isinstance(firmware, Complaining) else None
        self._usual_tags = firmware.tags_per_frame if isinstance(firmware, Packing) else 0
        self._orders: SimpleQueue[Callable[[int], None]] = SimpleQueue()
        self._down_until: int | None = None
        self._unplugged_until: int | None = None
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

    def check(self, fault: Fault) -> None:
        """Raise ValueError where a fault has no meaning for this reader or its wire."""
        name = type(self._firmware).__name__
        if isinstance(fault, CutMidMessage) and not isinstance(self._wire, Connected):
            raise ValueError(  # noqa: TRY004 - it is the fault that is wrong here
                f"{fault} needs a connection, and a pseudo-terminal has none: unplug it, or take a TCP port"
            )
        needed = _NEEDED.get(type(fault))
        if needed is not None and not isinstance(self._firmware, needed):
            raise ValueError(f"{fault} has no meaning for {name}")

    def inject(self, fault: Fault) -> None:
        """Let something go wrong from the reader's next step on. Raises as `check` does. From any thread."""
        self.check(fault)
        self._orders.put(lambda now: self._begin(fault, now))

    def clear_faults(self) -> None:
        """Let everything go right again; what has happened at once stays so. From any thread."""
        self._orders.put(lambda _now: self._clear())

    def power_cycle(self, down_us: int = 0) -> None:
        """Take the reader's power away and give it back after `down_us` microseconds. From any thread."""
        self.inject(PowerCycle(down_us))

    def _run(self) -> None:
        began = time.monotonic_ns()
        shown_until = 0
        try:
            while not self._stopping.is_set():
                command = self._receive()
                now = (time.monotonic_ns() - began) // 1000
                self._obey_orders(now)
                self._go_on(now)
                self._step(command, self._radio(shown_until, now), now)
                shown_until = now
        finally:
            self._wire.close()

    def _receive(self) -> bytes:
        if self._unplugged_until is None:
            return self._wire.receive(_STEP_S)
        self._stopping.wait(_STEP_S)
        return b""

    def _obey_orders(self, now: int) -> None:
        while True:
            try:
                self._orders.get_nowait()(now)
            except Empty:
                return

    def _begin(self, fault: Fault, now: int) -> None:
        match fault:
            case PowerCycle(down_us):
                self._down_until = now + down_us
            case Unplug(out_us) if self._unplugged_until is None:
                self._wire.unplug()
                self._unplugged_until = now + out_us
            case _:
                self._line.inject(fault)
                self._set_firmware()

    def _clear(self) -> None:
        self._line.clear()
        self._set_firmware()

    def _set_firmware(self) -> None:
        firmware = self._firmware
        if isinstance(firmware, Complaining):
            fault = self._line.find(ReportError)
            if fault is None:
                firmware.error = self._usual_error
            else:
                firmware.error = firmware.usual_error if fault.code is None else fault.code
        if isinstance(firmware, Packing):
            packed = self._line.find(TagsPerFrame)
            firmware.tags_per_frame = packed.count if packed else self._usual_tags

    def _go_on(self, now: int) -> None:
        """End what has lasted long enough."""
        if self._unplugged_until is not None and now >= self._unplugged_until:
            self._wire.plug_in()
            self._unplugged_until = None
        if self._down_until is not None and now >= self._down_until:
            self._down_until = None
            self._line.restart()
            if isinstance(self._firmware, Restarting):
                self._firmware.restart()

    def _step(self, command: bytes, sightings: Sequence[Sighting], now: int) -> None:
        if command and self._line.has(Echo):
            self._wire.send(command)
        if self._down_until is not None:
            return
        command = self._line.receive(command)
        frames = self._firmware.receive(command) if command else []
        frames += self._firmware.hear(self._line.heard(sightings))
        if self._unplugged_until is None:
            self._send(frames, now)

    def _send(self, frames: list[bytes], now: int) -> None:
        if frames and isinstance(self._wire, Connected) and (cut := self._line.take(CutMidMessage)):
            self._wire.drop(frames[0][: cut.keep], reset=cut.reset)
            return
        for sending in self._line.carry(frames, now):
            went_out = [self._wire.send(piece) for piece in sending.pieces]
            if all(went_out):
                self.intact += sending.intact


def _never(_frame: bytes) -> bool:
    return False
