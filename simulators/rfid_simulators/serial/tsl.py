"""A simulated reader that speaks TSL's ASCII 2: command lines in, answers out. Pure; its own codec."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rfid_simulators.world.sighting import Sighting

_MEMORY = 1024
"""Tags that wait for an inventory; the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class TslSetting:
    """What a simulated reader is and how it is used."""

    triggered: bool = False
    """Somebody holds the trigger: what is heard is sent unasked."""
    error: str = ""
    """Answers an inventory with this code."""


class SimulatedTsl:
    """One reader's firmware. Owned by the server that runs it."""

    usual_error = 20
    """Some code that is not 005, no tag."""

    def __init__(self, setting: TslSetting) -> None:
        self.error = int(setting.error) if setting.error else None
        """Code that answers every inventory."""
        self._setting = setting
        self._seen: deque[Sighting] = deque(maxlen=_MEMORY)

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antenna heard; give the inventory that the trigger started."""
        self._seen.extend(sightings)
        return [self._inventory(".iv")] if self._setting.triggered and sightings else []

    def receive(self, data: bytes) -> list[bytes]:
        """Take commands, as one read brings them; give the answers."""
        lines = data.decode("ascii", errors="replace").split("\r\n")
        return [self._obey(line) for line in lines if line.startswith(".")]

    def restart(self) -> None:
        """Lose the power and get it back: tags that wait are forgotten."""
        self._seen.clear()

    def unknown(self) -> bytes:
        """Build a line that no manual has."""
        return b"ZZ: 1\r\n"

    def _obey(self, line: str) -> bytes:
        if line.startswith(".iv"):
            return self._inventory(line)
        if line.startswith(".vr"):
            return _answer(line, ["MF: TSL", "US: 1128-000001", "PV: 2.4", "UF: 2.7.0"])
        return _answer(line, [])

    def _inventory(self, line: str) -> bytes:
        heard = list(self._seen)
        if self.error is not None or not heard:
            return _answer(line, [], f"ER: {5 if self.error is None else self.error:03}")
        self._seen.clear()
        return _answer(line, [part for s in heard for part in (f"EP: {s.epc}", f"RI: {round(s.rssi)}")])


def _answer(line: str, lines: list[str], end: str = "OK:") -> bytes:
    return "\r\n".join([f"CS: {line}", *lines, end, "", ""]).encode("ascii")
