"""A connection to QEMU or to the agent in its guest: JSON messages on a UNIX socket. I/O only."""

import json
import socket
from pathlib import Path
from typing import Any

from tests.vm.messages import Message, MessageSplitter

ANSWER_PATIENCE_S = 60.0


class MachineError(Exception):
    """The virtual PC does not do what it should."""


class Connection:
    """A UNIX socket with JSON messages, one question at a time. Owner: the machine."""

    def __init__(self, path: Path) -> None:
        self.events: list[Message] = []
        """Messages that were no answers."""
        self._splitter = MessageSplitter()
        self._messages: list[Message] = []
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise

    def ask(self, execute: str, patience_s: float = ANSWER_PATIENCE_S, **arguments: Any) -> Any:
        """What the command returned; MachineError where it failed, TimeoutError where nothing comes."""
        question: Message = {"execute": execute, "arguments": arguments}
        self._socket.settimeout(patience_s)
        self._socket.sendall(json.dumps(question).encode() + b"\n")
        while True:
            message = self.next(patience_s)
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise MachineError(f"{execute}: {message['error']}")
            self.events.append(message)

    def next(self, patience_s: float) -> Message:
        """The next message."""
        self._socket.settimeout(patience_s)
        while not self._messages:
            data = self._socket.recv(65_536)
            if not data:
                raise MachineError("the virtual PC has hung up")
            self._messages += self._splitter.feed(data)
        return self._messages.pop(0)

    def wait_event(self, name: str, patience_s: float) -> None:
        """Wait for an event that has come or is to come."""
        while not any(event.get("event") == name for event in self.events):
            self.events.append(self.next(patience_s))

    def close(self) -> None:
        self._socket.close()
