"""The publisher's outbox on a connection that breaks."""

from pathlib import Path

import pytest

from rfid_gateway.mqtt.outbox import open_outbox
from rfid_gateway.store.connection import open_store
from rfid_gateway.store.database import StoreDamagedError, StoreError
from rfid_gateway.store.outbox import OutboxEvent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.db"
    with open_store(path) as store:
        store.outbox.append(
            OutboxEvent(f"ni:///{number}", 1, "AA", "S", None, None, "ok", "urn:x", "t", lambda _: b"{}")
            for number in range(3)
        )
    return path


def test_a_connection_that_broke_is_opened_anew_with_the_next_call(path: Path) -> None:
    with open_outbox(path) as outbox:
        assert outbox.backlog() == 3
        outbox._store.close()  # type: ignore[attr-defined]
        with pytest.raises(StoreError):
            outbox.published([1], 1)
        outbox.published([1], 1)
        assert [row.sequence for row in outbox.unpublished(0, 10)] == [2, 3]


def test_a_backlog_that_cannot_be_read_is_the_last_known_one(path: Path) -> None:
    with open_outbox(path) as outbox:
        assert outbox.backlog() == 3
        outbox._store.close()  # type: ignore[attr-defined]
        aside = path.rename(path.with_name("elsewhere"))
        assert outbox.backlog() == 3
        with pytest.raises(StoreError):
            outbox.unpublished(0, 10)
        aside.rename(path)
        assert len(outbox.unpublished(0, 10)) == 3


def test_damage_is_not_waited_for(path: Path) -> None:
    with open_store(path) as store:
        store._database.change("DELETE FROM meta WHERE name = 'backlog'")
    with open_outbox(path) as outbox, pytest.raises(StoreDamagedError):
        outbox.backlog()
