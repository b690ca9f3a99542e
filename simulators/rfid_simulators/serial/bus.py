"""Several simulated readers on one line, as on RS-485: each hears all commands, the addressed one answers. Pure."""

from collections.abc import Callable, Mapping, Sequence

from rfid_simulators.serial.cfprime import CfPrimeSetting, SimulatedCfPrime
from rfid_simulators.serial.chafon import ChafonSetting, SimulatedChafon
from rfid_simulators.serial.gx5a import Gx5aSetting, SimulatedGx5a
from rfid_simulators.serial.r2000 import R2000Setting, SimulatedR2000
from rfid_simulators.serial.server import Firmware
from rfid_simulators.serial.swct import SimulatedSwct, SwctSetting
from rfid_simulators.world.sighting import Sighting

ADDRESSED: dict[str, Callable[[int], Firmware]] = {
    "cfprime": lambda address: SimulatedCfPrime(CfPrimeSetting(active=False, address=address)),
    "chafon": lambda address: SimulatedChafon(ChafonSetting(address=address)),
    "gx5a": lambda address: SimulatedGx5a(Gx5aSetting(address=address)),
    "r2000": lambda address: SimulatedR2000(R2000Setting(address=address)),
    "swct": lambda address: SimulatedSwct(SwctSetting(active=False, address=address)),
}
"""Readers that can share a line, by protocol, each made with its address; they say nothing unasked."""


class SimulatedBus:
    """The readers of one line, which a server runs as if they were one. Owned by that server, but for `silent`.

    Each reader hears the sightings that name it (`Sighting.reader_id`).
    """

    def __init__(self, readers: Mapping[str, Firmware], *, echo: bool = False) -> None:
        self.silent: set[str] = set()
        """Readers that are unplugged: they hear no command and send nothing. May be changed by others."""
        self.heard: list[bytes] = []
        """Everything that was sent on the line, in order."""
        self._readers = readers
        self._echo = echo

    def hear(self, sightings: Sequence[Sighting]) -> list[bytes]:
        """Take what the antennas of all readers heard; give what is sent unasked."""
        frames = []
        for name, reader in self._readers.items():
            sent = reader.hear([sighting for sighting in sightings if sighting.reader_id == name])
            frames += [] if name in self.silent else sent
        return frames

    def receive(self, command: bytes) -> list[bytes]:
        """Take what was sent on the line; give its echo, where the adapter makes one, and the answers."""
        self.heard.append(command)
        frames = [command] if self._echo else []
        for name, reader in self._readers.items():
            if name not in self.silent:
                frames += reader.receive(command)
        return frames
