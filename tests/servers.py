"""Servers that tests start for themselves, and what listens to them."""

import contextlib
import getpass
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

PATIENCE_S = 60.0


def mosquitto_path() -> str | None:
    """Where Mosquitto is installed; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


_PORTS_OF_A_WORKER = 1500
_FIRST_PORT = 20_000
"""Below what the system gives to connections by itself (32768), so that nobody takes a port between two starts."""
_ports = itertools.count(random.randrange(_PORTS_OF_A_WORKER))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on; each process of a parallel run has ports of its own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    while True:
        port = _FIRST_PORT + worker * _PORTS_OF_A_WORKER + next(_ports) % _PORTS_OF_A_WORKER
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def eventually(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; fail with `what` when patience ends."""
    until = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < until, f"did not happen: {what}"
        time.sleep(0.01)


class Mosquitto:
    """A real Mosquitto on a port of 127.0.0.1 that stays the same over restarts, with its own folder."""

    def __init__(self, program: str, folder: Path, extra: str = "allow_anonymous true") -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._program = program
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            # Started by root, Mosquitto would become a user who may not write into the test's folder.
            f"user {getpass.getuser()}\nlistener {self.port} {self.host}\n{extra}\n"
            f"persistence true\npersistence_location {folder}/\n"
            "max_queued_messages 0\nmax_inflight_messages 20\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._listens, "mosquitto listens")

    def stop(self) -> None:
        """End it in order; it saves what it keeps."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """End it in order and start it on the same port."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it answer nothing any more, with all its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def answers(self) -> bool:
        """Whether it answers a CONNECT of MQTT 3.1.1 within a moment."""
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=0.1) as client:
            client.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02hi")
            return bool(client.recv(4))
        return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)
            self._process = None

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1):
            return True
        return False


class Subscriber:
    """A client that records what arrives, in order, through a session that outlives the broker's restarts."""

    def __init__(
        self, host: str, port: int, topic_filter: str = "#", prepare: Callable[[Client], None] = lambda _client: None
    ) -> None:
        """Connect and subscribe; `prepare` gives the client a password or TLS before."""
        self.received: list[tuple[str, bytes]] = []
        """Owned by paho's thread; a list's append is atomic, and tests only read it."""
        self._filter = topic_filter
        self.subscriptions = 0
        """Times that the broker has accepted the subscription: at first, and after each of its restarts."""
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"subscriber-{time.monotonic_ns()}",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        prepare(self._client)
        self._client.connect(host, port)
        self._client.loop_start()
        eventually(lambda: self.subscriptions > 0, "the subscriber is subscribed")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for the PUBACK."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def payloads(self, beginning: str) -> list[bytes]:
        """Payloads of the topics that begin so, in the order of their arrival."""
        return [payload for topic, payload in tuple(self.received) if topic.startswith(beginning)]

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(self._filter, qos=1)

    def _on_subscribe(self, *_: Any) -> None:
        self.subscriptions += 1

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self.received.append((message.topic, bytes(message.payload)))


@contextlib.contextmanager
def subscriber(
    broker: Mosquitto, topic_filter: str = "#", prepare: Callable[[Client], None] = lambda _client: None
) -> Iterator[Subscriber]:
    """A subscriber for a block."""
    listener = Subscriber(broker.host, broker.port, topic_filter, prepare)
    try:
        yield listener
    finally:
        listener.close()
