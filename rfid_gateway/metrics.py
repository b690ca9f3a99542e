"""What Prometheus gets to see: a `Snapshot` becomes metric families. Pure.

Names follow Prometheus' conventions: prefix, base units, `_total` for counters. The labels' values come from the
configuration or from short lists, so that their number is bounded. docs/monitoring.md explains each one.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from rfid_gateway.durations import Distribution
from rfid_gateway.reader_views import ReaderView
from rfid_gateway.reads import UP, ReaderState
from rfid_gateway.snapshot import Snapshot

PREFIX = "rfid_gateway_"
_US = 1e6


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """All metric families of one moment, in the order in which people look for them."""
    yield from _gateway(snapshot)
    yield from _readers(snapshot)
    yield from _observation(snapshot)
    yield from _events(snapshot)
    yield from _disk_and_clock(snapshot)


def _gateway(snapshot: Snapshot) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        f"{PREFIX}build_info", "Always 1; the labels say which gateway this is.", labels=["site", "gateway", "version"]
    )
    info.add_metric([snapshot.site, snapshot.gateway, snapshot.version], 1)
    yield info
    yield _gauge("start_time_seconds", "When the gateway started, Unix time.", snapshot.started_at / _US)
    yield _gauge("healthy", "1 while every worker is there and moves (/healthz), else 0.", snapshot.healthy)
    yield _gauge("ready", "1 while the gateway can do its job (/readyz), else 0.", not snapshot.not_ready)
    age = GaugeMetricFamily(
        f"{PREFIX}worker_heartbeat_age_seconds", "How long ago each worker moved last.", labels=["worker"]
    )
    for worker, at in snapshot.heartbeats.items():
        if at:
            age.add_metric([worker], max(0, snapshot.now - at) / _US)
    yield age


def _readers(snapshot: Snapshot) -> Iterator[Metric]:
    def gauge(name: str, text: str, value: Callable[[ReaderView], float | None]) -> Metric:
        family = GaugeMetricFamily(f"{PREFIX}reader_{name}", text, labels=["reader"])
        for reader, view in snapshot.readers.items():
            found = value(view)
            if found is not None:
                family.add_metric([reader], found)
        return family

    def counter(name: str, text: str, value: Callable[[ReaderView], int]) -> Metric:
        family = CounterMetricFamily(f"{PREFIX}reader_{name}", text, labels=["reader"])
        for reader, view in snapshot.readers.items():
            family.add_metric([reader], value(view))
        return family

    yield gauge("up", "1 while the reader is read from (online or degraded), else 0.", lambda view: view.state in UP)
    states = GaugeMetricFamily(
        f"{PREFIX}reader_state", "1 for the state that the reader is in, 0 for the others.", labels=["reader", "state"]
    )
    info = GaugeMetricFamily(
        f"{PREFIX}reader_info",
        "Always 1; the labels say what the reader tells of itself.",
        labels=["reader", "model", "firmware"],
    )
    for reader, view in snapshot.readers.items():
        info.add_metric([reader, view.model, view.firmware], 1)
        for state in ReaderState:
            states.add_metric([reader, state.value], view.state is state)
    yield states
    yield info
    yield counter("reads_total", "Tag reads that the reader delivered.", lambda view: view.reads)
    yield counter("reconnects_total", "Times that the reader came back.", lambda view: view.reconnects)
    yield gauge(
        "last_read_timestamp_seconds",
        "When the reader delivered tag reads last, Unix time.",
        lambda view: None if view.last_read_at is None else view.last_read_at / _US,
    )
    yield gauge(
        "clock_offset_seconds",
        "The reader's clock minus the gateway's.",
        lambda view: None if view.clock_offset is None else view.clock_offset / _US,
    )
    yield gauge("temperature_celsius", "The reader's temperature, where it tells.", lambda view: view.temperature)
    yield gauge(
        "antennas_connected",
        "Antennas that are connected, where the reader tells.",
        lambda view: None if view.antennas is None else len(view.antennas),
    )


def _observation(snapshot: Snapshot) -> Iterator[Metric]:
    work, stored = snapshot.work, snapshot.stored
    yield _counter("merged_reads", "Tag reads that lost their detail in a full queue.", snapshot.merged_reads)
    passages = CounterMetricFamily(
        f"{PREFIX}passages", "Passages through each door, by direction.", labels=["door", "direction"]
    )
    for (door, direction), count in work.passages.items():
        passages.add_metric([door, direction], count)
    yield passages
    presence = CounterMetricFamily(
        f"{PREFIX}presence_changes",
        "Tags that arrived in, moved into or departed from a zone.",
        labels=["zone", "change"],
    )
    for (zone, change), count in work.presence.items():
        presence.add_metric([zone, change], count)
    yield presence
    yield _counter("unknown_observations", "Observations of tags that no shipment had then.", work.unknown)
    yield _gauge("unbound_observations", "Observations that wait for the entry of their tag.", stored.unbound)
    yield _counter(
        "unbound_given_up",
        "Observations given up because no entry came or too many waited, since the database was made.",
        stored.unbound_given_up,
    )
    yield _counter("observations_lost", "Observations given up because nothing could be kept.", work.observations_lost)
    yield _gauge("loads_open", "Loads that are not closed.", stored.loads_open)


def _events(snapshot: Snapshot) -> Iterator[Metric]:
    work, stored, publisher = snapshot.work, snapshot.stored, snapshot.publisher
    yield _counter("events_committed", "Location events committed to the outbox.", work.events)
    yield _counter("events_published", "Location events that the broker acknowledged.", publisher.published)
    yield _counter("events_refused", "Times that the broker refused a location event.", publisher.refused)
    yield _counter("events_set_aside", "Location events set aside: the broker never takes them.", publisher.set_aside)
    yield _counter("events_as_object", "Events that had to be ObjectEvents for want of a parent.", work.as_object)
    yield _gauge("set_aside_events", "Location events set aside that wait for somebody.", stored.events_set_aside)
    yield _gauge("outbox_events", "Location events that wait for the broker's acknowledgement.", stored.backlog)
    oldest = stored.oldest_waiting_at
    yield _gauge(
        "outbox_oldest_event_age_seconds",
        "Age of the first event that waits, by its event time; 0 when none waits.",
        0 if oldest is None else max(0, snapshot.at - oldest) / _US,
    )
    yield _gauge("broker_connected", "1 while the broker is connected, else 0.", publisher.connected)
    yield _counter("broker_connections", "Connections that the broker accepted.", publisher.connections)
    yield _counter("broker_new_sessions", "Of these, without a session from before.", publisher.new_sessions)
    yield _histogram("commit_duration_seconds", "How long commits of observations took.", work.commits)
    yield _histogram(
        "publish_duration_seconds",
        "From a commit to the broker's acknowledgement of its last event.",
        snapshot.publishing,
    )


def _disk_and_clock(snapshot: Snapshot) -> Iterator[Metric]:
    work, stored, room = snapshot.work, snapshot.stored, snapshot.work.room
    yield _gauge("database_usable", "1 while events can be committed, else 0.", not work.store_trouble)
    yield _gauge("database_size_bytes", "Size of the database without its log.", room.database_bytes)
    yield _gauge("databases_set_aside", "Damaged databases that wait for somebody.", stored.databases_set_aside)
    yield _gauge("disk_free_bytes", "Free space where the database lies.", room.free_bytes)
    yield _gauge("disk_low", "1 while there is too little room for the database, else 0.", room.words != "ok")
    yield _counter("events_pruned_early", "Published events deleted before their time for room.", work.pruned_early)
    yield _gauge("clock_wrong", "1 while the PC's clock shows a time before 2025, else 0.", snapshot.clock_wrong)
    yield _gauge("clock_apart_seconds", "The PC's clock minus the gateway's.", snapshot.clock_apart / _US)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, value=value)


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(f"{PREFIX}{name}", text, value=value)


def _histogram(name: str, text: str, found: Distribution) -> Metric:
    bounds = [*(str(bound / _US) for bound in found.bounds_us), "+Inf"]
    buckets = list(zip(bounds, accumulate(found.counts), strict=True))
    return HistogramMetricFamily(f"{PREFIX}{name}", text, buckets=buckets, sum_value=found.sum_us / _US)
