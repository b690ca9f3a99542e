"""Finds out what the reader behind a serial port speaks. I/O only.

What to try next is in `detect_search.py`, what the bytes mean in `detection.py` and beside each protocol.

The port is opened anew for each baud rate and locked while it is looked at. Nothing is ever sent that changes a reader.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from rfid_drivers.serial.detect_report import detected, nothing_detected
from rfid_drivers.serial.detect_search import BAUDS, Candidate, Search, Step, asking, listening
from rfid_drivers.serial.detection import detection_of
from rfid_drivers.serial.port import LineSettings, Port, open_port
from rfid_drivers.serial.protocol import US_PER_S, Instant, checked_port
from rfid_gateway.clock import Clock, SystemClock
from rfid_gateway.driver import (
    AboutToAsk,
    DetectionItem,
    DetectionRequest,
    DiscoveryProgress,
)

Opener = Callable[[str, LineSettings], Port]

_LASTING_NAMES = (Path("/dev/serial/by-id"), Path("/dev/serial/by-path"))
"""Folders of names that stay after a replug, the better ones first."""

_NO_BAUD = 115_200
"""What a port that has none is opened with: it is ignored."""


def detect_serial(request: DetectionRequest) -> Generator[DetectionItem, None, None]:
    """Find out what the reader behind a serial port speaks (entry point `serial` of `rfid_gateway.detectors`)."""
    return detect(request, candidates(), open_port, SystemClock())


def candidates() -> list[Candidate]:
    """Give the protocols of all installed drivers that can be detected, by name."""
    found = []
    for entry in sorted(entry_points(group="rfid_gateway.drivers"), key=lambda entry: entry.name):
        # A driver that cannot be imported hurts only the configuration that names it.
        with contextlib.suppress(ImportError, AttributeError):
            driver = entry.load()
            detection = detection_of(driver)
            if detection is not None:
                found.append(Candidate(entry.name, driver, detection))
    return found


def detect(
    request: DetectionRequest, known: Sequence[Candidate], opener: Opener, clock: Clock
) -> Generator[DetectionItem, None, None]:
    """Look at the port of a request; see `rfid_gateway.driver.Detector` for what is promised."""
    checked_port(request.port)
    has_baud = not request.port.startswith("socket://")
    questions = [] if request.listen_only else asking(known, has_baud=has_baud)
    steps = [*listening(BAUDS if has_baud else (None,)), *questions]
    search = Search(known, steps)
    port = _Reopened(request, opener)
    try:
        yield from _carry_out(search, port, clock, known)
    finally:
        port.close()
    if search.found:
        yield detected(request, lasting_name(request.port), *search.found)
    else:
        yield nothing_detected(request, search)


class _Reopened:
    """The port, opened anew for each baud rate. Owned by the detector."""

    def __init__(self, request: DetectionRequest, opener: Opener) -> None:
        self._request = request
        self._opener = opener
        self._baud: int | None = None
        self._port: Port | None = None

    def at(self, baud: int | None) -> Port:
        """Give the port, open at this rate."""
        wanted = _NO_BAUD if baud is None else baud
        if self._port is None or wanted != self._baud:
            self.close()
            self._port = self._opener(self._request.port, LineSettings(wanted, self._request.parity))
            self._baud = wanted
        return self._port

    def close(self) -> None:
        """Let it go."""
        if self._port is not None:
            self._port.close()
            self._port = None


def _carry_out(
    search: Search, port: _Reopened, clock: Clock, known: Sequence[Candidate]
) -> Generator[DetectionItem, None, None]:
    asked = False
    while (step := search.step) is not None:
        if step.probe and not asked:
            asked = True
            yield AboutToAsk(tuple(each.name for each in known if each.detection.probes))
        line = port.at(step.baud)
        yield DiscoveryProgress(_in_words(step), search.done_us / US_PER_S, search.total_us / US_PER_S)
        while search.step is step:
            data = line.read()
            question = search.advance(data, Instant(clock.utc_us(), clock.monotonic_us()))
            if question:
                line.write(question)
            yield DiscoveryProgress(_in_words(step), search.done_us / US_PER_S, search.total_us / US_PER_S)


def _in_words(step: Step) -> str:
    doing = "asking" if step.probe else "listening"
    return doing if step.baud is None else f"{doing} at {step.baud} baud"


def lasting_name(port: str, folders: Iterable[Path] = _LASTING_NAMES) -> str:
    """Give the name of a device that it keeps over a replug; the name as it is where there is none, or it is one."""
    device = Path(port)
    known = tuple(folders)
    if "://" in port or device.parent in known:
        return port
    target = device.resolve()
    for folder in known:
        if folder.is_dir():
            for link in sorted(folder.iterdir()):
                if link.resolve() == target:
                    return str(link)
    return port
