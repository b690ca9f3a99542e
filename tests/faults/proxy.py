"""The way between gateway and broker: passes packets on, keeps a record of events, and does to them what it is told.

The record is what the broker cannot give: which events it had acknowledged to the gateway when it was killed. Such an
event may be forgotten by the broker, and that is no loss of the gateway's; any other one that is missing is.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from tests.faults.packets import (
    CONNECT,
    PUBACK,
    PUBLISH,
    Event,
    Packet,
    PacketSplitter,
    acknowledged_id,
    protocol_level,
    read_event,
    read_publish,
)

_T = TypeVar("_T")
_PATIENCE_S = 60.0


@dataclass(slots=True)
class Record:
    """What went by. Appended to by the proxy's thread alone; others read it (`list.append` is atomic)."""

    sent: list[Event] = field(default_factory=list)
    """PUBLISH packets of events as the gateway sent them, in order, repetitions too."""
    acknowledged: list[Event] = field(default_factory=list)
    """Those whose PUBACK was passed on to the gateway, in order."""
    taken: list[str] = field(default_factory=list)
    """Topics of messages to the gateway whose PUBACK it has sent: it has kept what they say."""
    connections: int = 0
    """CONNECT packets from the gateway."""
    cut: int = 0
    swallowed_pubacks: int = 0
    swallowed_bytes: int = 0
    """What a black hole took, both ways."""
    slow_bytes: int = 0
    slow_events: int = 0
    withheld: int = 0
    """Events behind `withhold`: they reached the proxy and their PUBACK never reached the gateway."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network is at the moment."""

    open: bool = True
    """New connections are taken."""
    hole: bool = False
    """Nothing goes through connections that are there now; they never work again."""
    pubacks: bool = True
    """PUBACKs reach the gateway."""
    slice_bytes: int = 0
    """Packets are cut into pieces of this size; 0: not cut."""
    delay_s: float = 0.0
    """What each piece waits."""


FAIR = Weather()


class Proxy:
    """A TCP proxy on 127.0.0.1 in a thread of its own, within a `with` block.

    The thread owns the sockets and the weather; other threads give orders and wait for them.
    """

    def __init__(self, target: tuple[str, int], event_topics: str) -> None:
        """Pass on to `target`; PUBLISH packets whose topic begins with `event_topics` are events."""
        self.record = Record()
        self.withheld = threading.Event()
        """Set with the first event that `withhold` caught."""
        self._target = target
        self._event_topics = event_topics
        self._weather = FAIR
        self._withhold: bool | None = None
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_S)

    # Orders from other threads ---------------------------------------------------------------------------------------

    def set_weather(self, weather: Weather) -> None:
        self._order(lambda: self._change(weather))

    def cut(self, *, reset: bool) -> int:
        """Break every connection; returns how many there were."""
        return self._order(lambda: self._cut(reset=reset))

    def withhold(self, *, forward: bool) -> None:
        """From the next event on no PUBACK reaches the gateway; that event reaches the broker if `forward`."""
        self.withheld.clear()
        self._order(lambda: setattr(self, "_withhold", forward))

    def connected(self) -> int:
        return self._order(lambda: len(self._links))

    def _order(self, work: Callable[[], _T]) -> _T:
        done: Future[_T] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(work()))
        return done.result(_PATIENCE_S)

    # The thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._take, sock=self._listener))
        self._loop.run_forever()
        server.close()
        # Broken connections end their tasks; a cancelled one would be reported as an error by asyncio's streams.
        self._cut(reset=False)
        if tasks := asyncio.all_tasks(self._loop):
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=_PATIENCE_S))
        self._loop.close()

    def _change(self, weather: Weather) -> None:
        self._weather = weather
        for link in self._links:
            link.dead = link.dead or weather.hole

    def _cut(self, *, reset: bool) -> int:
        self._withhold = None
        links, self._links = self._links, set()
        for link in links:
            link.close(reset=reset)
        self.record.cut += len(links)
        return len(links)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._weather.open:
            _break(writer, reset=True)
            return
        try:
            broker_reader, broker_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _break(writer, reset=True)
            return
        link = _Link(writer, broker_writer)
        self._links.add(link)
        ways = [
            asyncio.ensure_future(self._pump(link, reader, broker_writer, self._from_gateway)),
            asyncio.ensure_future(self._pump(link, broker_reader, writer, self._from_broker)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        # A black hole tells neither side of the other's end, so only the weather's change ends it, or the gateway.
        self._links.discard(link)
        link.close(reset=False)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _pump(
        self,
        link: "_Link",
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        judge: "Callable[[_Link, Packet], bool]",
    ) -> None:
        splitter = PacketSplitter()
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if link.dead:
                    self.record.swallowed_bytes += len(data)
                    continue
                for packet in splitter.feed(data):
                    if not link.dead and judge(link, packet):
                        await self._pass(sink, packet.raw)

    async def _pass(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        weather = self._weather
        if not weather.slice_bytes:
            sink.write(data)
            await sink.drain()
            return
        # Large packets in proportion larger pieces: what is slow is to stay slow, not to stand.
        size = max(weather.slice_bytes, len(data) // 16)
        for start in range(0, len(data), size):
            await asyncio.sleep(weather.delay_s)
            sink.write(data[start : start + size])
            await sink.drain()
            self.record.slow_bytes += len(data[start : start + size])

    def _from_gateway(self, link: "_Link", packet: Packet) -> bool:
        if packet.kind == CONNECT:
            link.level = protocol_level(packet)
            self.record.connections += 1
        if packet.kind == PUBACK:
            topic = link.inbound.pop(int.from_bytes(packet.body[:2], "big"), None)
            self.record.taken += [] if topic is None or acknowledged_id(packet) is None else [topic]
        if packet.kind != PUBLISH:
            return True
        publish = read_publish(packet, link.level)
        if publish is None or not publish.topic.startswith(self._event_topics):
            return True
        event = read_event(publish.payload)
        self.record.sent.append(event)
        link.in_flight[publish.packet_id] = event
        if self._weather.slice_bytes:
            self.record.slow_events += 1
        if self._withhold is None:
            return True
        self.record.withheld += 1
        self.withheld.set()
        return self._withhold

    def _from_broker(self, link: "_Link", packet: Packet) -> bool:
        if packet.kind == PUBLISH and (publish := read_publish(packet, link.level)) is not None:
            link.inbound[publish.packet_id] = publish.topic
        if packet.kind != PUBACK:
            return True
        packet_id = int.from_bytes(packet.body[:2], "big")
        event = link.in_flight.pop(packet_id, None)
        if event is None:
            return True
        if self._withhold is not None:
            return False
        if not self._weather.pubacks:
            self.record.swallowed_pubacks += 1
            return False
        if acknowledged_id(packet) is not None:
            self.record.acknowledged.append(event)
        return True


class _Link:
    """One connection of the gateway, passed on to the broker. Owner: the proxy's thread."""

    def __init__(self, gateway: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.level = 4
        self.dead = False
        """In a black hole."""
        self.in_flight: dict[int, Event] = {}
        self.inbound: dict[int, str] = {}
        """Topics of what the gateway has not acknowledged."""
        self._writers = (gateway, broker)

    def close(self, *, reset: bool) -> None:
        for writer in self._writers:
            _break(writer, reset=reset)


def _break(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset and not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
