"""The state file: how the running gateway is doing, for `rfid-gateway status`."""

import json
from collections.abc import Mapping
from pathlib import Path

STATE_FILE = "status.json"
"""In the state folder; rewritten every second."""


def write_state(folder: Path, state: Mapping[str, object]) -> None:
    """Replace the state file; a reader sees the old one or the new one, never half of one.

    Raises:
        OSError: the folder is full or not writable.
    """
    draft = folder / f".{STATE_FILE}"
    draft.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    draft.replace(folder / STATE_FILE)


def last_sign_of_life(folder: Path) -> int:
    """Return when the gateway wrote its state last, UTC in microseconds; 0 where that is not known."""
    try:
        at = read_state(folder)["at"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    return at if isinstance(at, int) else 0


def read_state(folder: Path) -> dict[str, object]:
    """Return what the gateway wrote last.

    Raises:
        FileNotFoundError: it has never run here.
    """
    state: dict[str, object] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    return state
