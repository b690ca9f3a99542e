"""One thing that was looked at in the virtual PC."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """A check and what it found."""

    check: str
    passed: bool
    detail: str = ""
    figure: str = ""

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        figure = f" [{self.figure}]" if self.figure else ""
        return f"{'ok    ' if self.passed else 'FAILED'} {self.check}{figure}: {' '.join(self.detail.split())[-400:]}"


def happened(check: str, detail: str = "", figure: str = "") -> Finding:
    """What was waited for has come; where it does not come, the waiting ends the run."""
    return Finding(check, True, detail, figure)  # noqa: FBT003 - the field has a name
