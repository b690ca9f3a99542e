"""Which of the configured brokers is connected to next. Pure: time and luck are arguments.

Each has its own back-off and version of MQTT. Of those that are due the first in the list is tried, so a loss goes on
to the next one at once, and nobody is called more often than its own back-off says.
"""

from rfid_gateway.mqtt.reconnect import Loss, Reconnect
from rfid_gateway.mqtt.settings import MqttSettings


class Brokers:
    """The list of brokers and where we are in it; owned by the publisher's thread."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings.brokers
        self._reconnects = [Reconnect(each.protocol) for each in self._settings]
        self._current = 0

    @property
    def settings(self) -> MqttSettings:
        """Of the broker that is or was connected, or is to be."""
        return self._settings[self._current]

    @property
    def reconnect(self) -> Reconnect:
        """Back-off and version of that broker."""
        return self._reconnects[self._current]

    @property
    def better(self) -> tuple[MqttSettings, ...]:
        """Those that come before it in the list."""
        return self._settings[: self._current]

    @property
    def due_at(self) -> int:
        """Monotonic microseconds of the next attempt at any of them."""
        return min(each.due_at for each in self._reconnects)

    def choose(self, now: int) -> bool:
        """Make the first one that is due the current one; False if none is."""
        for index, each in enumerate(self._reconnects):
            if each.due_at <= now:
                self._current = index
                return True
        return False

    def better_is_back(self, now: int) -> None:
        """One that comes before the current one was seen to be well: its back-off is over."""
        for each in self._reconnects[: self._current]:
            each.due_at = min(each.due_at, now)

    def ended(self, loss: Loss, now: int, luck: float) -> None:
        """The connection to the current one ended or did not come about."""
        self.reconnect.ended(loss, now, luck)
