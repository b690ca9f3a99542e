"""`/healthz`, `/readyz` and `/metrics`, each answered from one snapshot."""

from collections.abc import Callable, Iterable
from time import CLOCK_BOOTTIME, clock_gettime, time

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rfid_gateway.metrics import families
from rfid_gateway.snapshot import Snapshot

TakeSnapshot = Callable[[], Snapshot]
_HEADERS = {"Cache-Control": "no-store"}


class GatewayCollector(Collector):
    """The gateway's metrics, read when they are asked for."""

    def __init__(self, take: TakeSnapshot) -> None:
        """Ask nothing yet."""
        self._take = take

    def collect(self) -> Iterable[Metric]:
        """All metric families of this moment."""
        return families(self._take())

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering asks for no snapshot."""
        return ()


class SandboxedProcessCollector(ProcessCollector):
    """prometheus-client's, where the unit's sandbox shows no /proc/stat; without the time of boot it stays silent."""

    def _boot_time(self) -> float:
        return time() - clock_gettime(CLOCK_BOOTTIME)


def registry_of(take: TakeSnapshot) -> CollectorRegistry:
    """A registry of its own with the gateway's metrics and the process's."""
    registry = CollectorRegistry()
    registry.register(GatewayCollector(take))
    SandboxedProcessCollector(registry=registry)
    return registry


def routes(take: TakeSnapshot) -> list[Route]:
    """The three pages; GET and HEAD."""
    registry = registry_of(take)

    async def healthz(_request: Request) -> Response:
        snapshot = take()
        return _json(health(snapshot), well=snapshot.healthy)

    async def readyz(_request: Request) -> Response:
        snapshot = take()
        return _json(readiness(snapshot), well=not snapshot.not_ready)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={**_HEADERS, "Content-Type": content_type})

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def health(snapshot: Snapshot) -> dict[str, object]:
    """What `/healthz` says: which worker hangs, and how long ago each moved."""
    return {
        "status": "ok" if snapshot.healthy else "failed",
        "hangs": snapshot.hanging,
        "ended": not snapshot.alive,
        "last_moved_s": {
            worker: round((snapshot.now - at) / 1e6, 3) if at else None for worker, at in snapshot.heartbeats.items()
        },
    }


def readiness(snapshot: Snapshot) -> dict[str, object]:
    """What `/readyz` says: what keeps the gateway from its job, and what else is wrong but does not."""
    publisher = snapshot.publisher
    return {
        "status": "not ready" if snapshot.not_ready else "ready",
        "reasons": snapshot.not_ready,
        "database": snapshot.work.store_trouble or "ok",
        "disk": snapshot.work.room.words,
        "clock": "wrong" if snapshot.clock_wrong else "ok",
        "broker": f"connected to {publisher.broker}" if publisher.connected else f"not connected: {publisher.detail}",
        "waiting_events": snapshot.stored.backlog,
        "readers": {reader: view.state.value for reader, view in snapshot.readers.items()},
    }


def _json(content: dict[str, object], *, well: bool) -> Response:
    return JSONResponse(content, 200 if well else 503, _HEADERS)
