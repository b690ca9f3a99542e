"""Tell the service manager how the gateway is doing: systemd's notification protocol, sd_notify(3).

A datagram of `KEY=value` lines to the socket that NOTIFY_SOCKET names. Not started by systemd, nothing is sent.
"""

import os
import socket
from collections.abc import Mapping


def message(**fields: str | int) -> bytes:
    """One datagram: `message(READY=1, STATUS="...")`; line breaks inside a value become blanks."""
    return "\n".join(f"{key}={' '.join(str(value).split())}" for key, value in fields.items()).encode()


def reloading(monotonic_us: int) -> bytes:
    """Say that the configuration is being read again; READY=1 follows. `monotonic_us`: CLOCK_MONOTONIC now."""
    return message(RELOADING=1, MONOTONIC_USEC=monotonic_us)


WATCHDOG_US = 60_000_000
"""WatchdogSec= of the unit files."""


def hanging(heartbeats: Mapping[str, int], now: int, watchdog_us: int) -> list[str]:
    """Workers that have not moved for too long, by name; one that has yet to begin does not hang.

    Args:
        heartbeats: monotonic time (µs) at which each worker moved last; 0 if it has yet to begin.
        now: monotonic time, µs.
        watchdog_us: after so long the service manager kills the gateway.
    """
    # More than a writer waits for a busy database (30 s of systemd's 60 s here), which is no hang.
    limit_us = watchdog_us * 3 // 4
    return [worker for worker, at in heartbeats.items() if at and now - at > limit_us]


class Attendance:
    """What to tell and when: READY once, STATUS when it changes, WATCHDOG while every worker moves. Pure.

    Owner: the main thread.
    """

    def __init__(self, watchdog_us: int | None) -> None:
        """Begin with a gateway that is not ready.

        Args:
            watchdog_us: after so long without WATCHDOG the service manager kills us; None: it does not watch.
        """
        self._watchdog_us = watchdog_us
        self._ready = False
        self._status = ""

    def stale(self, heartbeats: Mapping[str, int], now: int) -> list[str]:
        """Workers that have not moved for too long, by name.

        Args:
            heartbeats: monotonic time (µs) at which each worker moved last; 0 if it has yet to begin.
            now: monotonic time, µs.
        """
        if self._watchdog_us is None or not self._ready:
            return []
        return hanging(heartbeats, now, self._watchdog_us)

    def due(self, heartbeats: Mapping[str, int], status: str, now: int) -> bytes | None:
        """The datagram to send now, if any; to be asked about twice a second. Arguments as for `stale`."""
        fields: dict[str, str | int] = {}
        if not self._ready and all(heartbeats.values()):
            self._ready = True
            fields["READY"] = 1
        stale = self.stale(heartbeats, now)
        if stale:
            status = f"hangs: {', '.join(stale)}; {status}"
        elif self._ready and self._watchdog_us is not None:
            fields["WATCHDOG"] = 1
        if status != self._status:
            self._status = fields["STATUS"] = status
        return message(**fields) if fields else None


class ServiceManager:
    """The other end of NOTIFY_SOCKET, if there is one. Owner: the main thread."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        self.watchdog_us = int(watchdog) if watchdog.isdecimal() and ours else None
        """How often it wants to hear from us; None where it does not watch."""

    @property
    def present(self) -> bool:
        """Whether a service manager listens."""
        return bool(self._address)

    def tell(self, datagram: bytes) -> None:
        """Send one datagram. A service manager that is not there or is just being restarted is no trouble of ours."""
        if not self.present:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.sendto(datagram, address)
        except OSError:
            # Said again with the next change; a WATCHDOG that never arrives has the restart as its consequence.
            return
