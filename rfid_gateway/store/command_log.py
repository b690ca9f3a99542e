"""Commands that were carried out and what was answered, so that none is carried out twice."""

from typing import NamedTuple

from rfid_gateway.store.database import Database


class LoggedCommand(NamedTuple):
    """A command that was carried out."""

    asked: str
    """Its fields, so that another request under the same name is noticed."""
    reply: str
    """JSON."""


class CommandLog:
    """Requests by their names. Shares its connection's owner."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, request: str) -> LoggedCommand | None:
        """Return what became of a request, or None if it is new or forgotten."""
        row = self._database.row("SELECT asked, reply FROM command_log WHERE request = ?", (request,))
        return LoggedCommand._make(map(str, row)) if row else None

    def add(self, request: str, logged: LoggedCommand, at: int) -> None:
        """Note a request that is new; belongs into the transaction of what it changes. `at` is UTC, microseconds."""
        self._database.change(
            "INSERT INTO command_log (request, asked, at, reply) VALUES (?, ?, ?, ?)",
            (request, logged.asked, at, logged.reply),
        )

    def prune(self, before: int) -> int:
        """Forget requests noted before a time (UTC, microseconds); return how many."""
        return self._database.change("DELETE FROM command_log WHERE at < ?", (before,))
