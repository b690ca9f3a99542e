"""The files that come with the program: the annotated configuration, and what systemd and udev need."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

FILES: Traversable = files("rfid_gateway") / "packaged"


def is_example(config_file: Path) -> bool:
    """Whether a configuration file is still the annotated example as it was installed."""
    try:
        return config_file.read_bytes() == (FILES / "gateway.toml").read_bytes()
    except OSError:
        return False
