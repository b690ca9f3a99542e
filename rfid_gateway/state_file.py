"""The state file: how the running gateway is doing, for `rfid-gateway status`."""

import errno
import json
from collections.abc import Mapping
from pathlib import Path

STATE_FILE = "status.json"
"""In the state folder; rewritten every second."""
_LOOKS = 20
"""Half a file is whole again within microseconds."""


def write_state(folder: Path, state: Mapping[str, object]) -> None:
    """Replace the state file; a reader sees the old one or the new one, never half of one.

    Only on a full disk, where there is no room for a second one, the file is written in place: that is when people
    need it most. `read_state` reads again where it meets half of one.

    Raises:
        OSError: the folder is not writable.
    """
    content = json.dumps(state, ensure_ascii=False).encode()
    draft = folder / f".{STATE_FILE}"
    try:
        draft.write_bytes(content)
        draft.replace(folder / STATE_FILE)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        draft.unlink(missing_ok=True)
        with (folder / STATE_FILE).open("r+b") as file:
            file.write(content)
            file.truncate()


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
    for _ in range(_LOOKS - 1):
        try:
            return _read(folder)
        except ValueError:
            continue
    return _read(folder)


def _read(folder: Path) -> dict[str, object]:
    state: dict[str, object] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    return state
