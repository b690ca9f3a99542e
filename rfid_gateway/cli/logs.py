"""How log events look: columns and colours on a terminal, `key=value` with a priority for the journal."""

import logging
import os
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

# sd-daemon(3): the journal takes `<N>` at the start of a line as its priority.
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2, "exception": 3}


def configure(level: str) -> None:
    """Send log events of this level and above to standard error."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
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
    elif for_journal():
        processors += [_Prefixed(structlog.processors.LogfmtRenderer(key_order=["event"], drop_missing=True))]
    else:
        processors += [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
        ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        # A reload may change the level, so that no logger may keep the one that it began with.
        cache_logger_on_first_use=False,
    )


def for_journal() -> bool:
    """Whether standard error is the journal's, as far as systemd's environment tells."""
    return "JOURNAL_STREAM" in os.environ and not sys.stderr.isatty()


class _Prefixed:
    """A renderer's line with the journal's priority in front; the journal keeps the time itself."""

    def __init__(self, renderer: structlog.processors.LogfmtRenderer) -> None:
        self._renderer = renderer

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        priority = _PRIORITIES.get(str(event.pop("level", "info")), 6)
        line = self._renderer(logger, name, event)
        return "\n".join(f"<{priority}>{part}" for part in line.split("\n"))
