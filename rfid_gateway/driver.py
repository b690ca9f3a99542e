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
    ├── ReaderBusyError  somebody else holds the reader: back off 30 s to 60 s, and alert
    anything else        a bug: logged with its stack, counted, then treated like ReaderError
"""

from collections.abc import Callable
from typing import Protocol

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
