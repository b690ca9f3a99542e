"""Fixtures of the tests with a real broker."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import skip_or_fail
from tests.e2e.publishing import append
from tests.servers import Mosquitto, mosquitto_path

MakeBroker = Callable[..., Mosquitto]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """An empty database of a gateway."""
    path = tmp_path / "gateway.db"
    append(path, 0)
    return path


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Starts brokers with a configuration of their own: `make_broker("max_packet_size 1000", ...)`."""
    brokers: list[Mosquitto] = []

    def make(*lines: str) -> Mosquitto:
        program = mosquitto_path()
        if program is None:
            skip_or_fail("Mosquitto is not installed")
        assert program is not None
        folder = tmp_path / f"broker-{len(brokers)}"
        folder.mkdir()
        broker = Mosquitto(program, folder, "\n".join(lines or ("allow_anonymous true",)))
        brokers.append(broker)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.kill()
