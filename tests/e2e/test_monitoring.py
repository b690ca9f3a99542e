"""The web server of a running gateway, and what a real Prometheus makes of it."""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from rfid_gateway.web.protocol import CONNECTIONS_MAX, REQUEST_S
from rfid_simulators.demo import Warehouse
from tests.e2e.running import RunningGateway, running_gateway, site
from tests.monitoring import DASHBOARD, RULES, exported_names, parse, parse_openmetrics, program
from tests.servers import Mosquitto, eventually, free_port


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def answers(port: int, path: str = "/healthz") -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return get(port, path)[0] == 200
    return False


def metrics(port: int) -> dict[str, float]:
    """Samples without labels, by name."""
    text = get(port, "/metrics")[2].decode()
    return {sample.name: sample.value for family in parse(text) for sample in family.samples if not sample.labels}


def with_web(file: Path, port: int) -> Path:
    file.write_text(f"{file.read_text()}[web]\nport = {port}\n")
    return file


@contextmanager
def served(folder: Path, broker: Mosquitto) -> Iterator[tuple[RunningGateway, int]]:
    port = free_port()
    with running_gateway(with_web(site(folder, broker), port)) as gateway:
        eventually(lambda: answers(port, "/readyz"), "the gateway is ready")
        yield gateway, port


def test_the_pages_answer_get_and_head_and_nothing_else(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with served(tmp_path, mosquitto) as (gateway, port):
        types = {"/healthz": "application/json", "/readyz": "application/json", "/metrics": "text/plain; version=0.0.4"}
        for path, content_type in types.items():
            status, headers, body = get(port, path)
            assert (status, headers["cache-control"]) == (200, "no-store")
            assert headers["content-type"].startswith(content_type)
            head_status, head, nothing = get(port, path, "HEAD")
            assert (head_status, nothing, head["content-type"]) == (200, b"", headers["content-type"])
            assert body
            assert get(port, path, "POST")[0] == 405
        assert get(port, "/")[0] == 404
        assert json.loads(get(port, "/healthz")[2])["status"] == "ok"
        (state,) = gateway.ask("status")
        assert state["web"] == f"listening on 127.0.0.1:{port}"
        _, headers, body = get(port, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert headers["content-type"].startswith("application/openmetrics-text")
        assert {
            sample.name for family in parse_openmetrics(body.decode()) for sample in family.samples
        } <= exported_names()


def test_a_broker_that_is_away_is_said_and_no_reason_to_be_restarted(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with served(tmp_path, mosquitto) as (_, port):
        eventually(lambda: metrics(port)["rfid_gateway_broker_connected"] == 1, "the broker is connected")
        mosquitto.stop()
        eventually(lambda: metrics(port)["rfid_gateway_broker_connected"] == 0, "the broker is gone")
        assert get(port, "/healthz")[0] == 200
        status, _, body = get(port, "/readyz")
        assert (status, json.loads(body)["status"]) == (200, "ready")
        assert json.loads(body)["broker"].startswith("not connected: ")


def test_a_port_in_use_stops_nothing_and_is_taken_once_it_is_free(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gateway = RunningGateway(with_web(site(tmp_path, mosquitto), port))
        gateway.start()
        try:
            words = f"does not listen on 127.0.0.1:{port}: Address already in use"
            eventually(lambda: _web(gateway).startswith(words), "status says that the port is taken")
            eventually(lambda: "connected to" in gateway.ask("status")[0]["broker"], "everything else works")
            assert "web.down" in gateway.log()
            other.close()
            eventually(lambda: answers(port), "the gateway has taken the port", patience_s=60)
            gateway.stop()
        finally:
            gateway.kill()


def _web(gateway: RunningGateway) -> str:
    try:
        return str(gateway.ask("status")[0]["web"])
    except AssertionError:
        return ""


def test_without_the_table_nothing_listens(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with running_gateway(site(tmp_path, mosquitto)) as gateway:
        eventually(lambda: _web(gateway) == "off", "status says that nothing is served")
        assert "web.listening" not in gateway.log()


def test_slow_clients_garbage_and_many_connections_do_no_harm(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with served(tmp_path, mosquitto) as (gateway, port), ExitStack() as stack:
        lines = len(gateway.log().splitlines())

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=3 * REQUEST_S))

        for junk in (b"\x00\xff" * 5000, b"GET /" + b"a" * 100_000, b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n"):
            client = connect()
            with contextlib.suppress(ConnectionError):
                client.sendall(junk + b"\r\n\r\n")
                assert client.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 404", b""))
        silent = [connect() for _ in range(200)]
        slow = connect()
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        greedy = connect()
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        assert get(port, "/healthz")[0] == 200
        assert metrics(port)["rfid_gateway_healthy"] == 1
        # None of them is kept for longer than it takes to see that nothing comes.
        for client in (*silent, slow):
            assert client.recv(1) == b""
        for _ in range(CONNECTIONS_MAX + 50):
            connect()
        eventually(lambda: answers(port), "there is room again", patience_s=3 * REQUEST_S)
        # One goes after the other.
        eventually(
            lambda: answers(port) and metrics(port)["process_open_fds"] < CONNECTIONS_MAX,
            "connections that nothing comes from are closed",
            patience_s=3 * REQUEST_S,
        )
        # Whatever anybody sends is no line in the log.
        assert [line for line in gateway.log().splitlines()[lines:] if "web" in line or "Traceback" in line] == []
        assert gateway.ask("status")[0]["running"]


def test_a_stop_ends_the_server_too(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with served(tmp_path, mosquitto) as (gateway, port), socket.create_connection(("127.0.0.1", port)):
        assert "acknowledged" in gateway.stop()
        assert not answers(port)
        assert json.loads((tmp_path / "state/status.json").read_text())["stopped"]


# With a real Prometheus ----------------------------------------------------------------------------------------------


@contextmanager
def scraping(folder: Path, gateway_port: int) -> Iterator[int]:
    """A Prometheus that scrapes the gateway each second; gives its port."""
    port = free_port()
    target = {"targets": [f"127.0.0.1:{gateway_port}"], "labels": {"instance": "gate-1"}}
    job = {"job_name": "rfid-gateway", "static_configs": [target]}
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [job],
    }
    file = folder / "prometheus.yml"
    file.write_text(json.dumps(settings))
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        eventually(lambda: answers(port, "/-/ready"), "Prometheus is ready", patience_s=60)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def ask(port: int, path: str, **parameters: str) -> Any:
    status, _, body = get(port, f"/api/v1/{path}?{urlencode(parameters)}")
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "success"), answer
    return answer["data"]


def queries() -> list[tuple[str, str]]:
    """Every query of the dashboard with its panel's title, as Grafana asks it."""
    variables = {"$gateway": ".+", "$__rate_interval": "4s"}
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(name, value)
            assert "$" not in expression, expression
            found.append((panel["title"], expression))
    return found


@pytest.mark.timeout(240)
def test_prometheus_finds_data_for_every_panel(tmp_path: Path) -> None:
    program("prometheus")
    with Warehouse(lambda _: None) as plant:
        file = tmp_path / "gateway.toml"
        file.write_text(plant.configuration(tmp_path / "state"))
        port = int(re.findall(r"\[web\]\nport = (\d+)", file.read_text())[0])
        with running_gateway(file) as gateway, scraping(tmp_path, port) as prometheus:
            eventually(lambda: _moved(port), "something passed a door and was published", patience_s=90)
            missing = [query for _, query in queries()]

            def all_have_data() -> bool:
                missing[:] = [query for query in missing if not ask(prometheus, "query", query=query)["result"]]
                time.sleep(0.2)
                return not missing

            eventually(all_have_data, f"every panel has data, but for {missing}", patience_s=60)
            rules = ask(prometheus, "rules")["groups"][0]["rules"]
            assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
            assert {rule["health"] for rule in rules} == {"ok"}
            assert ask(prometheus, "query", query='ALERTS{alertstate="firing"}')["result"] == []
            (target,) = ask(prometheus, "targets")["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            names = set(ask(prometheus, "label/__name__/values"))
            assert exported_names() - names == set()
            assert gateway.ask("status")[0]["running"]


def _moved(port: int) -> bool:
    if not answers(port):
        return False
    text = get(port, "/metrics")[2].decode()
    passed = sum(
        sample.value for family in parse(text) for sample in family.samples if sample.name.endswith("passages_total")
    )
    return passed > 1 and metrics(port)["rfid_gateway_events_published_total"] > 1
