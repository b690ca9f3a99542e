"""Listens for readers that announce themselves by DNS-SD over multicast DNS. The only importer of zeroconf."""

from queue import Empty, SimpleQueue
from typing import NamedTuple, Self

from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf import ServiceBrowser as Browser

from rfid_gateway.driver import ReaderError

SERVICE = "_llrp._tcp.local."
"""Registered for LLRP; Impinj and Zebra readers announce it."""

_RESOLVE_MS = 1000


class Announcement(NamedTuple):
    """One reader that announced itself."""

    name: str
    host: str
    """IPv4 address."""
    port: int


class Announcements:
    """Announcements as they come. Owner: the discovery; use it as a context.

    zeroconf calls back in its own thread, which only puts names into the queue.

    Raises:
        ReaderError: multicast does not work here.
    """

    def __init__(self, interface: str | None) -> None:
        self._names: SimpleQueue[str] = SimpleQueue()
        try:
            self._zeroconf = (
                Zeroconf(interfaces=[interface], ip_version=IPVersion.V4Only)
                if interface
                else Zeroconf(ip_version=IPVersion.V4Only)
            )
        except OSError as error:
            raise ReaderError(f"cannot listen for announcements: {error.strerror or error}") from error
        self._browser = Browser(self._zeroconf, [SERVICE], handlers=[self._take])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.cancel()
        self._zeroconf.close()

    def next(self, timeout_s: float) -> list[Announcement]:
        """Wait for the next announcement; all addresses of it, or nothing."""
        try:
            name = self._names.get(timeout=timeout_s)
        except Empty:
            return []
        service = self._zeroconf.get_service_info(SERVICE, name, timeout=_RESOLVE_MS)
        if service is None or not service.port:
            return []
        short = name.removesuffix(f".{SERVICE}")
        return [Announcement(short, host, service.port) for host in service.parsed_addresses(IPVersion.V4Only)]

    def _take(
        self,
        zeroconf: Zeroconf,  # noqa: ARG002 - zeroconf calls with these names
        service_type: str,  # noqa: ARG002
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if state_change is ServiceStateChange.Added:
            self._names.put(name)
