"""Fixtures that every test may use."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.asyncapi import Contract
from tests.servers import Mosquitto, mosquitto_path

# No test asserts a time, and the machines that run them are busy.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

CI = os.environ.get("CI") == "true"

# Started in the background of a shell, Ctrl-C is ignored here and in every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _signals_are_given_back() -> Iterator[None]:
    """A test that keeps a signal is named itself, not the one after it that needs the signal."""
    before = [signal.getsignal(number) for number in _ENDINGS]
    yield
    after = [signal.getsignal(number) for number in _ENDINGS]
    for number, handler in zip(_ENDINGS, before, strict=True):
        signal.signal(number, handler)
    assert after == before


def skip_or_fail(reason: str) -> None:
    """Skip because a part is missing; in CI a missing part is a failure."""
    if CI:
        pytest.fail(f"{reason} (in CI nothing may be missing)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        skip_or_fail(f"no reference data: {folder} is not there")
    return folder


@pytest.fixture(scope="session")
def contract(shared: Path) -> Contract:
    """docs/asyncapi.yaml and its schemas, with GS1's schema of EPCIS events from the reference data."""
    return Contract(json.loads((shared / "epcis/schema/EPCIS-JSON-Schema.json").read_text()))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running Mosquitto of this test alone."""
    program = mosquitto_path()
    if program is None:
        skip_or_fail("Mosquitto is not installed")
        return
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    broker = Mosquitto(program, folder)
    broker.start()
    yield broker
    broker.kill()
