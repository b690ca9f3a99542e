"""Runs a driver as the gateway does: in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rfid_gateway.driver import Driver, ReaderError
from rfid_gateway.reads import ReaderItem, ReaderState, ReaderStatus, TagRead, TagReport
from tests.servers import eventually


class Running:
    """A driver in its thread, what it emitted, and what ended it."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.items: list[ReaderItem] = []
        self.error: ReaderError | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.driver.run(self.items.append)
        except ReaderError as error:
            self.error = error

    @property
    def reports(self) -> list[TagReport]:
        return [item for item in self.items if isinstance(item, TagReport)]

    @property
    def reads(self) -> list[TagRead]:
        return [read for report in self.reports for read in report.tag_reads]

    @property
    def states(self) -> list[ReaderState]:
        return [item.state for item in self.items if isinstance(item, ReaderStatus)]

    def reads_more(self, more: int = 10) -> None:
        """Wait for that many further tag reads."""
        before = len(self.reads)
        eventually(lambda: len(self.reads) >= before + more or self.error is not None, f"{more} more reads")
        assert self.error is None

    def ends_soon(self) -> bool:
        """Whether the driver returns instead of going on."""
        self.thread.join(60)
        return not self.thread.is_alive()


@contextmanager
def running(driver: Driver) -> Iterator[Running]:
    """Run a driver and close it in the end."""
    run = Running(driver)
    try:
        yield run
    finally:
        driver.close()
        run.thread.join(60)
