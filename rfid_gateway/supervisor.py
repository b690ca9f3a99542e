"""Keeps one reader going, for ever: runs its driver, and after an error again, with a back-off that grows.

One reader's trouble never reaches another: each has its own thread, its own driver and its own back-off.
"""

import random
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import cast

import structlog

from rfid_gateway.clock import Clock
from rfid_gateway.config import ReaderConfig
from rfid_gateway.driver import Driver, Emit, OutputDriver, ReaderBusyError, ReaderError
from rfid_gateway.reads import ReaderItem, ReaderState, ReaderStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """How long to wait before another attempt: doubling from `first_us` up to `limit_us`, with jitter."""

    first_us: int
    limit_us: int

    def delay(self, failures: int, luck: float) -> int:
        """Microseconds to wait after so many failures in a row (at least one).

        Args:
            failures: attempts in a row that failed.
            luck: 0 to 1, spreads the readers of a site that lost power together over half the delay.
        """
        full = min(self.limit_us, self.first_us << min(failures - 1, 30))
        return int(full * (0.5 + 0.5 * luck))


RETRY = BackoffPolicy(first_us=1_000_000, limit_us=60_000_000)
BUSY = BackoffPolicy(first_us=5_000_000, limit_us=60_000_000)
"""Another client holds the reader: knocking often makes some readers refuse for longer. The first wait is short all the
same, because that client may be we ourselves, killed a moment ago, and the reader has yet to notice."""
HEALTHY_US = 60_000_000
"""An attempt that read for this long ends a row of failures. Less would let a reader that accepts and drops us at
once be called every second for ever."""


class ReaderSupervisor:
    """One reader with its thread `reader-<id>`, which owns the driver and all the state in here.

    The lock guards which driver is the present one: `close` and `restart` come from other threads, and must not close
    one that was made a moment ago in answer to themselves, nor miss it.
    """

    def __init__(self, reader: ReaderConfig, emit: Emit, clock: Clock) -> None:
        self._reader = reader
        self._emit = emit
        self._clock = clock
        self._driver: Driver = reader.driver(reader.id, reader.options, clock)
        self._lock = Lock()
        self._closing = Event()
        self._interrupted = Event()
        """Ends a back-off: the reader is to end, or to begin anew."""
        self._restarting = False
        self._reason = ""
        self._online_since: int | None = None
        # Daemon: a driver that does not come back from the system must not keep the program from ending.
        self._thread = Thread(target=self.run, name=f"reader-{reader.id}", daemon=True)

    def start(self) -> None:
        """Start the reader's thread."""
        self._thread.start()

    def close(self, reason: str = "the gateway was stopped") -> None:
        """Ask the reader to end; `join` waits for it. The first reason is what its last status says."""
        with self._lock:
            self._reason = self._reason or reason
            self._closing.set()
            self._interrupted.set()
            driver = self._driver
        driver.close()

    def restart(self) -> None:
        """End the connection and begin anew, with a new driver and without a back-off; from any thread, never blocks.

        An output that is to be switched while the old driver ends may miss that.
        """
        with self._lock:
            self._restarting = True
            self._interrupted.set()
            driver = self._driver
        driver.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread; False if it did not end in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def set_output(self, port: int, *, high: bool) -> None:
        """Switch an output of the reader; from any thread, never blocks. The configuration names only real ones."""
        driver = cast("OutputDriver", self._driver)
        driver.set_output(port, high=high)

    def run(self) -> None:
        """Run the driver until closed, backing off after each error."""
        failures = 0
        while not self._closing.is_set():
            self._online_since = None
            self._say(ReaderState.CONNECTING, "")
            policy, state = RETRY, ReaderState.OFFLINE
            try:
                self._driver.run(self._receive)
                detail = "the reader ended the connection"
            except ReaderBusyError as error:
                policy, state, detail = BUSY, ReaderState.BUSY, str(error)
            except ReaderError as error:
                detail = str(error)
            except Exception as error:  # a bug in a driver stops its reader for a while, never the warehouse
                log.exception("reader.bug", reader=self._reader.id)
                detail = f"internal error, please report it: {error!r}"
            if self._closing.is_set():
                break
            if self._begin_anew():
                log.info("reader.restart", reader=self._reader.id)
                failures = 0
                continue
            failures = 1 if self._was_healthy() else failures + 1
            delay_us = policy.delay(failures, random.random())  # noqa: S311 - jitter, not a secret
            log.warning("reader.down", reader=self._reader.id, reason=detail, retry_s=round(delay_us / 1e6, 1))
            self._say(state, detail)
            self._interrupted.wait(delay_us / 1e6)
            if self._begin_anew():
                failures = 0
        self._say(ReaderState.OFFLINE, self._reason)

    def _begin_anew(self) -> bool:
        """Take a new driver if somebody asked for a restart."""
        with self._lock:
            if not self._restarting or self._closing.is_set():
                return False
            self._restarting = False
            self._interrupted.clear()
            self._driver = self._reader.driver(self._reader.id, self._reader.options, self._clock)
        return True

    def _was_healthy(self) -> bool:
        return self._online_since is not None and self._clock.monotonic_us() - self._online_since >= HEALTHY_US

    def _receive(self, item: ReaderItem) -> None:
        if isinstance(item, ReaderStatus):
            if item.state is ReaderState.ONLINE and self._online_since is None:
                self._online_since = self._clock.monotonic_us()
            log.info("reader.state", reader=item.reader_id, state=item.state.value, detail=item.detail)
        self._emit(item)

    def _say(self, state: ReaderState, detail: str) -> None:
        self._emit(ReaderStatus(self._reader.id, self._clock.utc_us(), state, detail))
