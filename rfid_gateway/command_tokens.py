"""The secrets of those who may give commands, read from their files at the start and at each reload."""

from pathlib import Path

from rfid_gateway.commands.rights import Client, digest_of
from rfid_gateway.config import Config, ConfigError

SHORTEST_TOKEN = 16
"""Characters: a shorter one can be guessed by whoever may publish."""


def read_clients(config: Config) -> tuple[Client, ...]:
    """Return the clients of the configuration with what is kept of their tokens.

    Raises:
        ConfigError: a file cannot be read, holds too short a token, or two clients have the same one.
    """
    clients: list[Client] = []
    mistakes: list[str] = []
    for index, table in enumerate(config.commands.clients):
        key = f"commands.clients[{index}].token_file: {table.token_file}"
        try:
            token = Path(table.token_file).read_text(encoding="utf-8").partition("\n")[0].strip()
        except OSError as error:
            mistakes.append(f"{key}: {error.strerror}")
            continue
        except UnicodeDecodeError as error:
            mistakes.append(f"{key}: byte {error.start} is not UTF-8")
            continue
        digest = digest_of(token)
        if len(token) < SHORTEST_TOKEN:
            mistakes.append(f"{key}: the first line has {len(token)} characters; expected at least {SHORTEST_TOKEN}")
        same = next((known.name for known in clients if known.token_digest == digest), None)
        if same is not None:
            mistakes.append(f"{key}: holds the token of {same!r}; every client needs its own")
        clients.append(Client(table.name, frozenset(table.allow), digest))
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(clients)
