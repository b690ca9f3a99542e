"""Finds LLRP readers: by what they announce, and by connecting to the addresses of a subnet. I/O only."""

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from rfid_drivers.llrp.announcements import Announcements
from rfid_drivers.llrp.interview import Interview, Portrait
from rfid_gateway.driver import DiscoveryProgress, DiscoveryRequest, FoundReader, ReaderError

_PORT, _TLS_PORT = 5084, 5085
_AT_ONCE = 16
"""Connections under way; more would look like an attack to many firewalls."""
_CONNECT_S = 0.7
_WORD_S = 3.0
"""For the greeting and for each answer; an R420 answers within a tenth of it."""
_VISIT_S = 10.0
"""For all of it, whatever goes on talking."""
_STEP_S = 0.25
_CHUNK = 1 << 16


def discover_llrp(request: DiscoveryRequest) -> Iterator[FoundReader | DiscoveryProgress]:
    """Find LLRP readers (entry point `llrp` of `rfid_gateway.discoverers`).

    Raises:
        ReaderError: multicast does not work here, and no subnet was given to look through.
    """
    known: set[tuple[str, int]] = set()
    try:
        yield from _announced(request, known)
    except ReaderError:
        if request.subnet is None:
            raise
    if request.subnet is not None:
        yield from _in_subnet([str(host) for host in request.subnet.hosts()], request.port, known)


def _announced(request: DiscoveryRequest, known: set[tuple[str, int]]) -> Iterator[FoundReader | DiscoveryProgress]:
    began = time.monotonic()
    with Announcements(request.interface) as announcements:
        while (passed := time.monotonic() - began) < request.listen_s:
            yield DiscoveryProgress("listening for announcements", passed, request.listen_s)
            for name, host, port in announcements.next(min(_STEP_S, request.listen_s - passed)):
                if (host, port) not in known:
                    known.add((host, port))
                    found = _ask(host, port, "announcement", name)
                    yield found or _found(host, port, "announcement", name, Portrait(detail="it cannot be reached"))


def _in_subnet(
    hosts: list[str], port: int | None, known: set[tuple[str, int]]
) -> Iterator[FoundReader | DiscoveryProgress]:
    ports = (_PORT, _TLS_PORT) if port is None else (port,)
    targets = [(host, port) for port in ports for host in hosts if (host, port) not in known]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="discover") as pool:
        pending = [pool.submit(_ask, host, port, "subnet") for host, port in targets]
        try:
            for done, answered in enumerate(as_completed(pending), start=1):
                if found := answered.result():
                    yield found
                yield DiscoveryProgress("connecting to addresses", done, len(targets))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ask(host: str, port: int, found_by: str, name: str = "") -> FoundReader | None:
    """Connect and ask; None where nothing listens."""
    try:
        connection = socket.create_connection((host, port), _CONNECT_S)
    except OSError:
        return None
    with connection:
        if port == _TLS_PORT:
            return _found(host, port, found_by, name, Portrait(state="free", detail="encrypted, so it was not asked"))
        interview = Interview()
        connection.settimeout(_WORD_S)
        # Whatever it fails at, what it has told so far is worth showing.
        with contextlib.suppress(OSError):
            until = time.monotonic() + _VISIT_S
            while not interview.done and time.monotonic() < until and (data := connection.recv(_CHUNK)):
                if words := interview.feed(data):
                    connection.sendall(words)
    return _found(host, port, found_by, name, interview.portrait)


def _found(host: str, port: int, found_by: str, name: str, portrait: Portrait) -> FoundReader:
    options: dict[str, str | int | bool] = {"host": host}
    if port == _TLS_PORT:
        options["tls"] = True
    elif port != _PORT:
        options["port"] = port
    return FoundReader(
        driver="llrp",
        host=host,
        port=port,
        found_by=found_by,
        state=portrait.state,
        name=name,
        model=portrait.model,
        firmware=portrait.firmware,
        identification=portrait.identification,
        detail=portrait.detail,
        options=options,
    )
