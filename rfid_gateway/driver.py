"""The driver contract: all that code for one kind of reader has to know of the gateway.

A driver is a class, published as an entry point in the group `rfid_gateway.drivers`:

    [project.entry-points."rfid_gateway.drivers"]
    llrp = "rfid_drivers.llrp.reader:LlrpReader"

It has a class attribute `Options` (a kind of `DriverOptions`): the keys that its `[[readers]]` table may have besides
`id` and `driver`; the gateway checks them and names file, line and key of whatever is wrong. Then:

* `Driver(reader_id, options, clock)` only remembers; it opens nothing and never fails.
* `run(emit)` blocks in the thread `reader-<id>`, which it owns: it connects, configures, reads and calls
  `emit` with tag reports, input edges and status changes, until `close()` is called (then it returns) or the reader
  cannot go on (then it raises `ReaderError`). It does not reconnect: the supervisor calls `run` again after a back-off.
* `close()` makes `run` return within a second or so. It may be called from any thread, before `run`, and twice.

Errors are grouped by what the supervisor does:

    ReaderError          back off 1 s to 60 s with jitter, try for ever
    ├── ReaderBusyError  somebody else holds the reader: back off 5 s to 60 s, and alert
    anything else        a bug: logged with its stack, counted, then treated like ReaderError
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from rfid_gateway.clock import Clock
from rfid_gateway.reads import ReaderItem

Emit = Callable[[ReaderItem], None]
"""Takes one item off the driver's hands. Never raises; may be called from the driver's own thread only."""


class ReaderError(Exception):
    """The reader cannot be read from now; the message says what happened and what helps, for a person."""


class ReaderBusyError(ReaderError):
    """Another client holds the reader (LLRP ConnectionAttemptEvent 1, 2): trying often makes it worse."""


class DriverOptions(BaseModel):
    """Base of every driver's options: frozen, strict, unknown keys refused.

    Every field has a description (it becomes documentation), units stand in the name (`_s`, `_dbm`, `_ms`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Driver(Protocol):
    """One reader. See the module's text for the promises."""

    def run(self, emit: Emit) -> None:
        """Read until closed; raise ReaderError when the reader cannot go on."""
        ...

    def close(self) -> None:
        """Make `run` return soon; from any thread, any number of times."""
        ...


class OutputDriver(Driver, Protocol):
    """A driver whose reader has outputs (LLRP GPO): a stack light, a horn."""

    def set_output(self, port: int, *, high: bool) -> None:
        """Switch an output (counted from 1) as soon as possible; from any thread.

        Never blocks and never fails: without a connection the latest state of each output is kept and set once the
        reader is online again.
        """
        ...


class DriverType(Protocol):
    """What an entry point of `rfid_gateway.drivers` names: a class that makes drivers."""

    Options: type[DriverOptions]

    def __call__(self, reader_id: str, options: DriverOptions, clock: Clock) -> Driver:
        """Make a driver that has opened nothing yet."""
        ...


class Clash(NamedTuple):
    """Why a reader cannot be used beside others that are good in themselves."""

    position: int
    """Of the reader in what was given, counted from 0."""
    key: str
    """The option to change."""
    message: str
    """What is wrong and what was expected."""


class Neighbours(Protocol):
    """What a driver's class may offer besides: it knows which readers get into each other's way."""

    def clashes(self, readers: Sequence[tuple[str, DriverOptions]]) -> Iterable[Clash]:
        """Say which readers cannot be used together.

        Called on the class, as a static method, once with the ids and options of every configured reader whose driver
        has this very function: drivers that share a resource (a serial port) inherit it from one class. Opens nothing.
        """
        ...


class Explainer(Protocol):
    """What a driver's class may offer besides: it says what its decoder makes of recorded bytes."""

    def explain_recording(self, data: bytes) -> list[dict[str, object]]:
        """Give a flat record per tag, per frame without tags and per rejected run, in the order of the bytes.

        Called on the class, as a static or class method; opens nothing and never raises. Keys: kind (tags, heartbeat,
        answer, ..., rejected), status, epc, antenna, rssi (dBm), detail; reason where rejected; raw (hex of the bytes)
        or offset (of the first byte), so that it can be found again; whatever else the protocol has.
        """
        ...


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """Where to look for readers."""

    subnet: IPv4Network | None = None
    """Addresses to connect to, one after the other; None connects to nobody who did not announce itself."""
    port: int | None = None
    """TCP port instead of the protocol's own."""
    listen_s: float = 5.0
    """How long to listen for readers that announce themselves."""
    interface: str | None = None
    """Address of the network interface to listen on; None listens on all."""


@dataclass(frozen=True, slots=True)
class DiscoveryProgress:
    """How far a discovery or a detection is."""

    stage: str
    """What is being done, for a person."""
    done: float
    total: float


@dataclass(frozen=True, slots=True)
class FoundReader:
    """A reader that was found, with what it told about itself."""

    driver: str
    """The name to write into `[[readers]]`."""
    host: str
    port: int
    found_by: str
    """announcement or subnet."""
    state: str
    """free, busy, or silent (something listens there, but does not greet as a reader does)."""
    name: str = ""
    """The name under which it announced itself."""
    model: str = ""
    firmware: str = ""
    identification: str = ""
    """MAC address or EPC, upper-case hex."""
    detail: str = ""
    """What else a person should know."""
    options: Mapping[str, str | int | bool] = field(default_factory=dict)
    """Keys of its `[[readers]]` table, besides id and driver."""


class Discoverer(Protocol):
    """What an entry point of `rfid_gateway.discoverers` names: it finds readers of one driver."""

    def __call__(self, request: DiscoveryRequest) -> Iterator[FoundReader | DiscoveryProgress]:
        """Yield each reader once, when it is found, and the progress in between. Sends nothing beyond the request."""
        ...


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """Which port to look at, and how."""

    port: str
    """As it would be written into `[[readers]]`."""
    parity: str = "none"
    """none, even or odd."""
    listen_only: bool = False
    """Send nothing at all."""


@dataclass(frozen=True, slots=True)
class AboutToAsk:
    """Nothing identified itself; from now on commands that only read are sent."""

    drivers: tuple[str, ...]
    """Whose commands."""


@dataclass(frozen=True, slots=True)
class DetectedReader:
    """The reader behind a port, as far as its bytes tell."""

    driver: str
    """The name to write into `[[readers]]`."""
    port: str
    """The name of the port that stays, where the system has one."""
    baud: int | None
    """None where it has no meaning (TCP)."""
    parity: str
    found_by: str
    """listening or asking."""
    certainty: str
    """certain, likely or possible."""
    evidence: str
    """What the certainty rests on, for a person."""
    model: str = ""
    firmware: str = ""
    antennas: tuple[int, ...] = ()
    """Antennas that tags were read at meanwhile; the reader may have more."""
    sample_epc: str = ""
    detail: str = ""
    """What else a person should know."""
    options: Mapping[str, str | int | bool | tuple[int, ...]] = field(default_factory=dict)
    """Keys of its `[[readers]]` table, besides id and driver."""


@dataclass(frozen=True, slots=True)
class HeardBytes:
    """What arrived at one setting of the line."""

    baud: int | None
    count: int
    sample: str
    """The first bytes, upper-case hex."""


@dataclass(frozen=True, slots=True)
class NothingDetected:
    """No reader was recognised."""

    detail: str
    """What that may mean and what helps, for a person."""
    heard: tuple[HeardBytes, ...] = ()
    """Settings of the line at which bytes arrived."""


DetectionItem = DetectedReader | NothingDetected | AboutToAsk | DiscoveryProgress


class Detector(Protocol):
    """What an entry point of `rfid_gateway.detectors` names: it finds out what the reader behind one port speaks."""

    def __call__(self, request: DetectionRequest) -> Generator[DetectionItem, None, None]:
        """Yield progress, and at the end a DetectedReader or NothingDetected. Closing it lets the port go.

        Listens first and asks only then, with commands that change nothing in any reader; yields AboutToAsk before.

        Raises:
            ValueError: a port of this form is none that this detector could open; the message says what is.
            ReaderError: the port cannot be opened or broke off.
        """
        ...
