"""A gateway in which everything that a monitoring system can see has a value."""

from rfid_gateway.durations import Distribution
from rfid_gateway.mqtt.publisher_state import PublisherState
from rfid_gateway.reader_views import ReaderView
from rfid_gateway.reads import ReaderState
from rfid_gateway.snapshot import Snapshot, Stored, Work
from rfid_gateway.store.room import RoomState

AT = 1_795_000_000_000_000
NOW = 90_000_000
SNAPSHOT = Snapshot(
    site="hamburg",
    gateway="gate-1",
    version="1.2.3",
    started_at=AT - 60_000_000,
    at=AT,
    now=NOW,
    alive=True,
    stopping=False,
    heartbeats={"pipeline": NOW - 10_000, "publisher": NOW - 500_000},
    readers={
        "dock-1": ReaderView(
            ReaderState.ONLINE,
            AT - 5_000_000,
            model='Speedway "R420"',
            firmware="5.14",
            antennas=(1, 2),
            temperature=47.5,
            reads=1234,
            clock_offset=-1_500_000,
            last_read_at=AT - 2_000_000,
            reconnects=3,
        ),
        "packing-1": ReaderView(ReaderState.OFFLINE, AT),
    },
    publisher=PublisherState(
        connected=True,
        broker="10.0.0.1:1883",
        detail="",
        connections=4,
        new_sessions=2,
        published=90,
        refused=5,
        set_aside=6,
    ),
    stored=Stored(
        backlog=7,
        oldest_waiting_at=AT - 8_000_000,
        unbound=9,
        unbound_given_up=10,
        events_set_aside=11,
        loads_open=12,
        databases_set_aside=1,
    ),
    work=Work(
        reads=1234,
        events=97,
        as_object=13,
        unknown=14,
        observations_lost=15,
        pruned_early=16,
        passages={("door-1", "in"): 17, ("door-1", "out"): 18, ("door-1", "undecided"): 19},
        presence={("storage", "arrived"): 20},
        commits=Distribution((1_000, 5_000), (3, 2, 1), 12_500),
        room=RoomState(free_bytes=1 << 30, database_bytes=1 << 20),
    ),
    merged_reads=21,
    publishing=Distribution((5_000,), (4, 1), 30_000),
    clock_wrong=False,
    clock_apart=250_000,
)
