"""How log events look: columns and colours on a terminal, fields in the journal, `key=value` everywhere else."""

import contextlib
import logging
import os
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from rfid_gateway import journal
from rfid_gateway.cli.journal_socket import JournalSocket, stderr_is_journal

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2, "exception": 3}
"""syslog(3)"""
IDENTIFIER = "SYSLOG_IDENTIFIER"
"""Environment variable of the units: what systemd calls us in the journal; a further gateway has its own name."""


def configure(level: str) -> None:
    """Send log events of this level and above to standard error, or to the journal where that is the same."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    factory: structlog.typing.WrappedLogger = structlog.PrintLoggerFactory(file=sys.stderr)
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
    ]
    if sys.stderr.isatty():
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR")),
        ]
    elif stderr_is_journal():
        processors.append(_as_entry)
        writer = JournalWriter(JournalSocket(), os.environ.get(IDENTIFIER, "rfid-gateway"))
        factory = lambda *_: writer  # noqa: E731 - structlog's interface
    else:
        processors += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=factory,
        # A reload may change the level, so that no logger may keep the one that it began with.
        cache_logger_on_first_use=False,
    )


_render = structlog.processors.LogfmtRenderer(key_order=["event"], drop_missing=True)


def _as_entry(logger: WrappedLogger, name: str, event: EventDict) -> tuple[tuple[str, int, EventDict], EventDict]:
    """What `JournalWriter.write` takes: the line for people, the priority, and the fields as they are."""
    priority = _PRIORITIES.get(str(event.pop("level", "info")), 6)
    fields = dict(event)
    stack = event.pop("exception", None)
    line = str(_render(logger, name, event))
    return (line if stack is None else f"{line}\n{stack}", priority, fields), {}


class JournalWriter:
    """Writes log events to the journal; while its socket is away to standard error, as lines. Never raises.

    Any thread may write.
    """

    def __init__(self, journal_socket: JournalSocket, identifier: str) -> None:
        self._socket = journal_socket
        self._identifier = identifier

    def write(self, line: str, priority: int, fields: EventDict) -> None:
        """Write one event."""
        own = dict(fields)
        name = str(own.pop("event", ""))
        try:
            self._socket.send(journal.entry(name, line, priority, self._identifier, own))
        except OSError:
            # sd-daemon(3): the stream takes `<N>` at the start of each line as its priority.
            marked = "".join(f"<{priority}>{part}\n" for part in line.split("\n"))
            with contextlib.suppress(OSError):
                sys.stderr.write(marked)
                sys.stderr.flush()

    debug = info = warning = error = critical = exception = msg = write
