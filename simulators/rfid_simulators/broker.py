"""An MQTT broker for a demo: the installed Mosquitto, or else amqtt, on a free port of this PC alone."""

import asyncio
import contextlib
import logging
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_START_S = 15.0
HOST = "127.0.0.1"


class BrokerError(Exception):
    """There is no broker to start, or it does not start; the message says what helps."""


class _Server(Protocol):
    def start(self) -> None:
        """Start and return when it listens; BrokerError when it does not."""
        ...

    def stop(self) -> None:
        """Stop; also after a start that failed."""
        ...


class EmbeddedBroker:
    """A broker for a `with` block; owns its process or thread. Anyone on this PC may connect without a password.

    Args:
        kind: "mosquitto" or "amqtt"; None takes the first that is installed.
    """

    def __init__(self, kind: str | None = None) -> None:
        self.host = HOST
        self.port = _free_port()
        program = mosquitto_path()
        self.name = kind or ("mosquitto" if program else "amqtt")
        if self.name == "amqtt":
            self._server: _Server = _Amqtt(self.port)
        elif program is not None:
            self._server = _Mosquitto(program, self.port)
        else:
            raise BrokerError("Mosquitto is not installed (Debian: apt install mosquitto)")

    def __enter__(self) -> Self:
        try:
            self._server.start()
        except BrokerError:
            self._server.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()


class _Mosquitto:
    def __init__(self, program: str, port: int) -> None:
        self._program = program
        self._port = port
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="rfid-demo-broker-", ignore_cleanup_errors=True)
        configuration = Path(self._folder.name) / "mosquitto.conf"
        configuration.write_text(
            f"listener {self._port} {HOST}\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n",
            encoding="utf-8",
        )
        self._process = subprocess.Popen(  # noqa: S603 - the installed program with our own configuration
            [self._program, "-c", str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C in the terminal ends the demo first, so that the gateway can still say goodbye to its broker.
            start_new_session=True,
        )
        until = time.monotonic() + _START_S
        while not _listens(self._port):
            if self._process.poll() is not None or time.monotonic() > until:
                raise BrokerError(f"{self._program} does not listen on {HOST}:{self._port}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_START_S)
        if self._folder is not None:
            self._folder.cleanup()


class _Amqtt:
    """amqtt (MQTT 3.1.1 only) in an event loop of its own thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="amqtt", daemon=True)

    def start(self) -> None:
        try:
            import amqtt.broker  # noqa: F401 - to say it here, not in the thread
        except ImportError as error:
            raise BrokerError(
                "neither Mosquitto nor amqtt is installed: apt install mosquitto, or pip install 'rfid-gateway[demo]'"
            ) from error
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        self._thread.start()
        # Not by trying a connection: amqtt never closes one that brought no CONNECT.
        if not self._listening.wait(_START_S):
            raise BrokerError(f"amqtt does not listen on {HOST}:{self._port}")

    def stop(self) -> None:
        if self._loop is not None and self._closing is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(_START_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        from amqtt.broker import Broker

        self._loop = asyncio.get_running_loop()
        self._closing = asyncio.Event()
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self._port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        self._listening.set()
        await self._closing.wait()
        await broker.shutdown()


def mosquitto_path() -> str | None:
    """Where Mosquitto is installed; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False
