"""A line that is not there: a simulated reader at one baud rate, and a clock that reading moves on."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rfid_drivers.serial.detect import candidates, detect
from rfid_drivers.serial.port import LineSettings
from rfid_gateway.driver import DetectedReader, DetectionItem, DetectionRequest, NothingDetected
from rfid_simulators.serial.server import Firmware
from rfid_simulators.world.sighting import Sighting

STEP_US = 50_000
EVERY_US = 250_000
EPC = "303400000000000000000001"


class FakeClock:
    """Moves only when a port is read."""

    def __init__(self) -> None:
        self.now = 5_000_000

    def utc_us(self) -> int:
        return 1_700_000_000_000_000 + self.now

    def monotonic_us(self) -> int:
        return self.now


class Silence:
    """Nobody is there."""

    def hear(self, _sightings: object) -> list[bytes]:
        return []

    def receive(self, _command: bytes) -> list[bytes]:
        return []


class Says:
    """Sends the same bytes with each tag, and answers nothing."""

    def __init__(self, *lines: bytes) -> None:
        self._lines = lines

    def hear(self, sightings: object) -> list[bytes]:
        return list(self._lines) if sightings else []

    def receive(self, _command: bytes) -> list[bytes]:
        return []


class Echoes(Silence):
    """RX and TX are joined."""

    def receive(self, command: bytes) -> list[bytes]:
        return [command]


class BehindAnEcho:
    """A reader behind a half-duplex RS-485 adapter that hears itself."""

    def __init__(self, firmware: Firmware) -> None:
        self._firmware = firmware

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        return self._firmware.hear(sightings)

    def receive(self, command: bytes) -> list[bytes]:
        return [command, *self._firmware.receive(command)]


@dataclass
class FakeLine:
    """What `open_port` would open. A reader hears, and is heard, at its own rate alone; else there is garbage."""

    firmware: Firmware
    baud: int
    clock: FakeClock = field(default_factory=FakeClock)
    epc: str = EPC
    antenna: int = 1
    writes: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Time, baud rate and bytes of each."""
    opened: list[tuple[str, int, str]] = field(default_factory=list)
    open_now: bool = False

    def open(self, url: str, settings: LineSettings) -> "FakePort":
        assert not self.open_now
        self.open_now = True
        self.opened.append((url, settings.baud, settings.parity))
        return FakePort(self, settings.baud)

    def detect(self, request: DetectionRequest | None = None) -> list[DetectionItem]:
        asked = request or DetectionRequest("/dev/ttyS99")
        return list(detect(asked, candidates(), self.open, self.clock))

    def detected(self) -> DetectedReader:
        item = self.detect()[-1]
        assert isinstance(item, DetectedReader), item
        return item

    def nothing(self, request: DetectionRequest | None = None) -> NothingDetected:
        item = self.detect(request)[-1]
        assert isinstance(item, NothingDetected), item
        return item


class FakePort:
    def __init__(self, line: FakeLine, baud: int) -> None:
        self._line = line
        self._right = baud == line.baud
        self._baud = baud
        self._random = random.Random(baud)
        self._waiting = b""

    def read(self) -> bytes:
        clock = self._line.clock
        clock.now += STEP_US
        sightings = (
            [Sighting(clock.now, "r", self._line.antenna, self._line.epc, -55.0)] if clock.now % EVERY_US == 0 else []
        )
        data = self._waiting + b"".join(self._line.firmware.hear(sightings))
        self._waiting = b""
        return data if self._right else self._random.randbytes(len(data))

    def write(self, data: bytes) -> None:
        self._line.writes.append((self._line.clock.now, self._baud, data))
        heard = data if self._right else self._random.randbytes(len(data))
        self._waiting += b"".join(self._line.firmware.receive(heard))

    def close(self) -> None:
        self._line.open_now = False


Making = Callable[[], Firmware]
