"""Commands and batches through the pipeline on a real database, with what they reach outside made by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rfid_gateway.command_desk import REMEMBERED_US
from rfid_gateway.command_tokens import read_clients
from rfid_gateway.commands.catalogue import COMMANDS
from rfid_gateway.config import ConfigError, parse
from rfid_gateway.gateway import RETRY_US
from rfid_gateway.intake import DirectoryMessage
from rfid_gateway.mqtt.requests import Request
from rfid_gateway.mqtt.topics import TopicError, Topics
from rfid_gateway.store.database import StoreFullError
from tests.command_site import KEY, OWN, TOKEN, Site, arrive, publish
from tests.unit.test_pipeline import CONFIG, DRIVERS, EPC, SECOND, SSCC


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.store.close()


def test_every_command_of_the_catalogue_is_carried_out(site: Site) -> None:
    site.announce("S-1", load="T-1")
    fields: dict[str, dict[str, Any]] = {
        "status": {},
        "restart_reader": {"reader": "dock-1"},
        "bind_tag": {"shipment_id": "S-1", "sscc": SSCC},
        "find_tag": {"epc": EPC},
        "unbind_tag": {"epc": EPC},
        "close_load": {"load": "T-1"},
        "replay": {"from_sequence": 1, "to_sequence": 9},
        "reload": {},
    }
    assert fields.keys() == COMMANDS.keys()
    outcomes = {name: site.wms(name, **given)["outcome"] for name, given in fields.items()}
    assert outcomes == dict.fromkeys(COMMANDS, "done") | {"replay": "refused"}
    assert site.acknowledged == list(fields)


def test_a_tag_is_bound_found_moved_and_unbound(site: Site) -> None:
    site.announce("S-1")
    site.announce("S-2")
    site.wms("bind_tag", "1", shipment_id="S-1", epc=EPC, parent="340123450000000024")
    moved = site.wms("bind_tag", "2", shipment_id="S-2", sscc=SSCC)
    assert moved["result"] == {"key": KEY, "keys": [KEY], "shipment_id": "S-2", "previous_shipment_id": "S-1"}
    assert site.send("find_tag", {"epc": EPC})["result"]["shipment_id"] == "S-2"
    gone = site.wms("unbind_tag", "3", sscc=SSCC)
    assert gone["result"] == {"key": KEY, "keys": [KEY], "shipment_id": None, "previous_shipment_id": "S-2"}
    assert site.send("find_tag", {"epc": EPC})["result"]["shipment_id"] is None
    again = site.wms("unbind_tag", "4", sscc=SSCC)
    assert (again["outcome"], again["detail"][:36]) == ("refused", "1 fault; nothing was changed. (00)34")


def test_a_tag_seen_before_it_is_bound_becomes_an_event_in_the_same_commit(site: Site) -> None:
    site.announce("S-1")
    arrive(site, EPC)
    assert site.store.history.events(9) == []
    drained = site.drain("bind_tag", {"token": TOKEN, "request_id": "1", "shipment_id": "S-1", "sscc": SSCC})
    assert [event.shipment_id for event in drained.located] == ["S-1"]
    assert site.send("find_tag", {"sscc": SSCC})["result"]["last_biz_step"] == "storing"


def test_an_unknown_shipment_or_reader_is_refused_with_its_key(site: Site) -> None:
    unknown = site.wms("bind_tag", shipment_id="S-9", sscc=SSCC)
    assert [(fault["key"], unknown["outcome"]) for fault in unknown["faults"]] == [("shipment_id", "refused")]
    reader = site.send("restart_reader", {"reader": "dok-1", "request_id": "1"})
    assert reader["faults"][0]["problem"] == "there is no reader 'dok-1'; did you mean 'dock-1'?"
    assert site.restarted == []


def test_a_copy_of_a_command_is_answered_and_not_carried_out_again(site: Site) -> None:
    first = site.send("restart_reader", {"reader": "dock-1", "request_id": "1"})
    site.clock.now += 5 * SECOND
    site.start()
    second = site.send("restart_reader", {"request_id": "1", "reader": "dock-1"})
    assert second == first | {"repeated": True}
    assert site.restarted == ["dock-1"]
    assert site.acknowledged == ["restart_reader"] * 2


def test_correlation_data_names_a_request_too(site: Site) -> None:
    for _ in range(2):
        site.drain("restart_reader", {"reader": "dock-1"}, correlation=b"\x00\xff")
    assert site.restarted == ["dock-1"]
    assert [notice.correlation for notice in site.notices] == [b"\x00\xff"] * 2


def test_another_request_under_a_known_id_is_refused(site: Site) -> None:
    site.send("restart_reader", {"reader": "dock-1", "request_id": "1"})
    other = site.send("restart_reader", {"reader": "storage-1", "request_id": "1"})
    assert (other["outcome"], other["faults"][0]["key"]) == ("refused", "request_id")
    assert site.restarted == ["dock-1"]
    site.clock.now += REMEMBERED_US + SECOND
    site.pipeline.tidy()
    site.send("restart_reader", {"reader": "storage-1", "request_id": "1"})
    assert site.restarted == ["dock-1", "storage-1"]


def test_what_was_refused_may_be_tried_again_under_its_id(site: Site) -> None:
    assert site.wms("bind_tag", "1", shipment_id="S-1", sscc=SSCC)["outcome"] == "refused"
    site.announce("S-1")
    assert site.wms("bind_tag", "1", shipment_id="S-1", sscc=SSCC)["outcome"] == "done"


def test_a_command_that_changes_something_needs_an_id(site: Site) -> None:
    reply = site.send("restart_reader", {"reader": "dock-1"})
    assert (reply["outcome"], reply["faults"][0]["key"]) == ("refused", "request_id")
    assert site.send("status")["result"] == {"state": "online"}


def test_rights_hang_on_the_token(site: Site) -> None:
    without = site.send("bind_tag", {"request_id": "1", "shipment_id": "S-1", "sscc": SSCC})
    assert without["outcome"] == "refused"
    assert without["detail"].startswith("bind_tag is not allowed to anybody without a token")
    wrong = site.send("status", {"token": "wrong-horse-battery"})
    assert wrong["detail"].startswith("the token is no client's")
    unknown = site.send("open_gate", {"gate": "1"})
    assert unknown["detail"] == "there is no command 'open_gate'; expected one of find_tag, restart_reader, status"


def test_a_token_is_neither_answered_nor_logged_nor_kept(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.announce("S-1")
    site.wms("bind_tag", shipment_id="S-1", sscc=SSCC)
    site.send("bind_tag", {"token": TOKEN, "request_id": "2"})
    site.send("bind_tag", {"token": TOKEN + "x", "request_id": "3"})
    said = capsys.readouterr()
    assert "wms" in said.out + said.err
    assert TOKEN not in said.out + said.err
    assert not any(TOKEN.encode() in notice.payload for notice in site.notices)
    site.store.close()
    assert TOKEN.encode() not in b"".join(file.read_bytes() for file in site.folder.glob("gateway.db*"))


def test_a_retained_request_is_refused_and_its_deletion_is_passed_over(site: Site) -> None:
    assert "retained" in site.send("restart_reader", {"reader": "dock-1", "request_id": "1"}, retained=True)["detail"]
    assert "retained" in site.send(None, [{"shipment_id": "S-1"}], retained=True)["detail"]
    site.drain("restart_reader", b"", retained=True)
    site.drain(None, b"", retained=True)
    assert len(site.notices) == 2
    assert len(site.acknowledged) == 4
    assert site.restarted == []
    assert site.store.directory.show("S-1") is None


def test_a_request_that_comes_too_late_is_refused(site: Site) -> None:
    late = {"reader": "dock-1", "request_id": "1", "expires_at": "2026-11-18T11:06:39.000Z"}
    reply = site.send("restart_reader", late)
    assert reply["detail"].startswith("came too late: expires_at is 2026-11-18T11:06:39.000+00:00")
    assert site.send("restart_reader", late | {"expires_at": "2026-11-18T12:06:41+01:00"})["outcome"] == "done"


def test_too_many_commands_are_refused_and_batches_are_not(site: Site) -> None:
    outcomes = [site.send("status", {"token": "guess"})["detail"][:9] for _ in range(31)]
    assert (outcomes[-2], outcomes[-1]) == ("the token", "too many:")
    assert site.send(None, [{"shipment_id": "S-1"}])["outcome"] == "done"
    site.clock.now += 2 * SECOND
    assert site.send("status")["outcome"] == "done"


def test_a_reply_goes_where_it_may_go(site: Site) -> None:
    site.send("status", {"reply_to": f"{OWN}/responses/wms"})
    site.send("status", {"reply_to": f"{OWN}/responses/wms"}, response_topic=f"{OWN}/responses/5", correlation=b"7")
    site.send("status", {"reply_to": f"{OWN}/commands/status"})
    site.send("status", response_topic="rfid/hamburg/directory/responses")
    site.send(None, {"reply_to": "rfid/hamburg/directory/responses/wms", "entries": []})
    topics = [(notice.topic, json.loads(notice.payload)["outcome"], notice.retain) for notice in site.notices]
    assert topics == [
        (f"{OWN}/responses/wms", "done", False),
        (f"{OWN}/responses/5", "done", False),
        (f"{OWN}/responses", "refused", False),
        (f"{OWN}/responses", "refused", False),
        ("rfid/hamburg/directory/responses/wms", "refused", False),
    ]
    assert len({notice.subject for notice in site.notices}) == len(site.notices)


@pytest.mark.parametrize("topic", ["rfid/hamburg/gate-1/responses/+", "rfid/hamburg/gate-1/responsesx", "#", "", "a/b"])
def test_no_reply_goes_anywhere_else(topic: str) -> None:
    with pytest.raises(TopicError):
        Topics("rfid", "hamburg", "gate-1").checked_reply_topic(topic, of_site=True)


def test_a_batch_is_written_as_a_whole(site: Site) -> None:
    site.announce("S-0")
    entries = [{"shipment_id": "S-1", "units": [{"sscc": SSCC}]}, {"shipment_id": "S-0", "delete": True}]
    reply = site.send(None, {"request_id": "7", "entries": [*entries, {"shipment_id": "S-9", "delete": True}]})
    assert (reply["command"], reply["request_id"]) == ("directory_batch", "7")
    assert reply["result"] == {"written": 1, "deleted": 1, "unknown": 1}
    assert site.store.directory.show("S-1") is not None
    assert site.store.directory.show("S-0") is None


def test_a_batch_with_a_fault_is_refused_as_a_whole(site: Site) -> None:
    site.announce("S-0")
    entries = [{"shipment_id": "S-0", "delete": True}, {"shipment_id": "S-1"}, {"shipment_id": "S-2", "Carrier": "X"}]
    reply = site.send(None, entries)
    assert reply["faults"] == [
        {"index": 2, "line": None, "key": "Carrier", "problem": "unknown key; did you mean 'carrier'?"}
    ]
    assert site.store.directory.show("S-0") is not None
    assert site.store.directory.show("S-1") is None
    assert site.send(None, b"{\n" * 200)["outcome"] == "refused"


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (None, rb'{"request_id":"\ud800","entries":[]}'),
        (None, rb'[{"\ud800":1}]'),
        (None, b"[" * 100_000),
        ("status", rb'{"\ud800":"\ud800"}'),
        ("status", rb'{"token":"\ud800"}'),
        ("status", b"\xff"),
        ("", b"{}"),
        ("\ud800", b"{}"),
    ],
)
def test_whatever_comes_is_answered_in_json(site: Site, command: str | None, payload: bytes) -> None:
    request = Request(f"{OWN}/commands/{command}", command, payload, lambda: site.acknowledged.append("it"))
    site.pipeline.drain([request])
    assert json.loads(site.notices[-1].payload)["outcome"] == "refused"
    assert site.acknowledged == ["it"]


def test_commands_and_entries_take_effect_in_the_order_of_their_arrival(site: Site) -> None:
    def command(name: str, request_id: str, **fields: str) -> Request:
        payload = json.dumps({"token": TOKEN, "request_id": request_id, **fields}).encode()
        return Request(f"{OWN}/commands/{name}", name, payload, lambda: site.acknowledged.append(request_id))

    entry = DirectoryMessage("S-1", b'{"units":[]}', lambda: site.acknowledged.append("entry"))
    bind = {"shipment_id": "S-1", "sscc": SSCC}
    site.pipeline.drain([command("bind_tag", "1", **bind), entry, command("bind_tag", "2", **bind)])
    assert [json.loads(notice.payload)["outcome"] for notice in site.notices] == ["refused", "done"]
    assert site.acknowledged == ["1", "entry", "2"]


def test_without_a_database_commands_fail_at_once_and_batches_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreFullError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(site.store.observation_state, "save", full)
        failed = site.send("restart_reader", {"reader": "dock-1", "request_id": "1"})
        assert (failed["outcome"], failed["detail"][-7:], failed["result"]) == ("failed", "no room", None)
        assert site.send("status")["outcome"] == "done"
        assert site.send("restart_reader", {"reader": "dock-1"})["outcome"] == "refused"
        site.drain("status", b"", retained=True)
        site.drain(None, [{"shipment_id": "S-1"}])
        assert (len(site.notices), site.restarted) == (3, [])
        assert site.acknowledged == ["restart_reader", "status", "restart_reader", "status"]
        assert site.pipeline.store_trouble == "no room"
    site.clock.now += RETRY_US
    site.pipeline.drain([])
    assert json.loads(site.notices[-1].payload)["command"] == "directory_batch"
    assert site.acknowledged[-1] == "batch"
    assert site.restarted == []
    assert site.store.directory.show("S-1") is not None
    assert site.send("restart_reader", {"reader": "dock-1", "request_id": "1"})["repeated"] is False
    assert site.restarted == ["dock-1"]


def test_a_replay_puts_published_events_back_and_counts_the_others(site: Site) -> None:
    publish(site.store, site, 5)
    assert site.store.history.prune(site.clock.now + 1, 1) == 1
    reply = site.wms("replay", from_sequence=1, to_sequence=99)
    assert reply["result"] == {"from_sequence": 1, "to_sequence": 5, "replayed": 3, "waiting": 1, "missing": 1}
    assert [(row.sequence, row.again) for row in site.store.outbox.unpublished(0, 9)] == [
        (2, True),
        (3, True),
        (4, True),
        (5, False),
    ]
    assert site.store.outbox.backlog() == 4
    assert len(site.refilled) == 1
    assert site.store.history.prune(site.clock.now + 1, 10) == 0
    site.store.outbox.published([2, 3, 4, 5], site.clock.now)
    assert site.store.outbox.backlog() == 0
    beyond = site.wms("replay", "2", from_sequence=6, to_sequence=6)
    assert beyond["faults"][0]["problem"] == "is 6; expected at most 5, the latest event"


def test_a_bad_message_of_the_feed_is_given_back_with_topic_and_reason(site: Site) -> None:
    drained = site.pipeline.drain([DirectoryMessage("S-1", b"{not json", lambda: site.acknowledged.append("S-1"))])
    (refusal,) = drained.refused
    assert (refusal.topic, refusal.shipment_id) == ("rfid/hamburg/directory/shipments/S-1", "S-1")
    assert refusal.reason.startswith("rfid/hamburg/directory/shipments/S-1:1: column 2: is no JSON")
    assert site.acknowledged == ["S-1"]


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["short", "x" * 16], "the first line has 5 characters; expected at least 16"),
        (["x" * 16, "x" * 16], "holds the token of 'a'; every client needs its own"),
        ([None, "x" * 16], "No such file or directory"),
    ],
)
def test_tokens_that_protect_nothing_are_refused(tmp_path: Path, tokens: list[str | None], words: str) -> None:
    text = CONFIG
    for name, token in zip("ab", tokens, strict=True):
        file = tmp_path / name
        if token is not None:
            file.write_text(token)
        text += f'[[commands.clients]]\nname = "{name}"\ntoken_file = "{file}"\nallow = ["status"]\n'
    with pytest.raises(ConfigError, match=words) as refusal:
        read_clients(parse(text, "test", DRIVERS))
    assert "xxxx" not in str(refusal.value)


def test_a_right_to_something_unknown_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(CONFIG + '[commands]\nallow = ["restart"]\n', "test", DRIVERS)
    assert "commands.allow: 'restart' is no command, did you mean 'restart_reader'?" in str(refusal.value)


def test_no_gateway_is_called_as_the_directorys_topics() -> None:
    with pytest.raises(ConfigError, match=r"test:3: gateway.id: 'directory' is the topic level"):
        parse(CONFIG.replace('id = "gate-1"', 'id = "directory"'), "test", DRIVERS)


def test_a_reload_is_asked_for_once_and_only_where_the_file_is_good(site: Site) -> None:
    done = site.wms("reload")
    assert (done["outcome"], done["result"]["readers_added"]) == ("done", ["shelf"])
    assert done["detail"].endswith("changed: readers, zones")
    assert site.wms("reload")["repeated"] is True
    assert len(site.reloaded) == 1
    site.mistakes = ["gateway.toml:3: gateway.id: needs a restart", "gateway.toml:9: mqtt.hots: unknown key"]
    refused = site.wms("reload", "2")
    assert (refused["outcome"], [fault["problem"] for fault in refused["faults"]]) == ("refused", site.mistakes)
    assert len(site.reloaded) == 1


def test_rights_of_another_configuration_hold_at_once(site: Site) -> None:
    assert site.send("find_tag", {"epc": EPC})["outcome"] == "done"
    site.desk.follow(parse(CONFIG, "test", DRIVERS), ())
    refused = site.send("find_tag", {"epc": EPC})
    assert (refused["outcome"], "not allowed" in refused["detail"]) == ("refused", True)
    assert site.wms("status")["outcome"] == "refused", "the token is nobody's any more"
