"""A progress bar for work in stages, which appears once the work takes longer than a second."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rfid_gateway.backup.archive import OnProgress

_AFTER_S = 1.0


@contextmanager
def stages(total_of_pages: int = 4096) -> Generator[OnProgress]:
    """Give what takes the name of a stage, how much of it is done and of how much; on a terminal alone.

    `total_of_pages` is how many bytes a page has, for the stage that counts pages.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = _Bar(Progress(*columns, console=console, transient=True), total_of_pages)
    try:
        yield bar.show
    finally:
        bar.end()


class _Bar:
    """Owner: whoever opened it."""

    def __init__(self, progress: Progress, page: int) -> None:
        self._progress = progress
        self._page = page
        self._begun = time.monotonic()
        self._tasks: dict[str, TaskID] = {}
        self._running = False

    def show(self, stage: str, done: int, total: int) -> None:
        unit = self._page if stage == "copying" else 1
        if not self._running and time.monotonic() - self._begun > _AFTER_S:
            self._progress.start()
            self._running = True
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(f"{stage:<9}", total=total * unit)
        self._progress.update(self._tasks[stage], completed=done * unit, total=total * unit)

    def end(self) -> None:
        if self._running:
            self._progress.stop()
