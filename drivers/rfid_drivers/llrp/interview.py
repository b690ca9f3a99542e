"""Asks a reader who it is and leaves it as it was: the few words of a discovery. Pure."""

import struct
from dataclasses import dataclass

from rfid_drivers.llrp.framing import Frame, Framer, encode_frame
from rfid_drivers.llrp.models import name_model
from rfid_drivers.llrp.tree import Node, decode_tree
from rfid_drivers.llrp.vocabulary import MESSAGES

_EVENT, _CAPABILITIES, _CONFIG, _CLOSED = 63, 11, 12, 4
_GET_CAPABILITIES = encode_frame(1, 1, b"\x01")
"""GET_READER_CAPABILITIES, the general ones only (LLRP 1.0.1 section 16.1.1)."""
_GET_CONFIG = encode_frame(2, 2, struct.pack("!HBHH", 0, 1, 0, 0))
"""GET_READER_CONFIG, the Identification only (section 16.1.3)."""
_CLOSE = encode_frame(14, 3)
_ERROR_MESSAGE = 100
_BUSY = {1, 2}
_GREETING_PATH = (246, 256)


@dataclass(slots=True)
class Portrait:
    """What a reader has told so far. Owner: the interview."""

    state: str = "silent"
    """silent, busy or free."""
    model: str = ""
    firmware: str = ""
    identification: str = ""
    detail: str = "no LLRP greeting came: perhaps no reader, or one that hangs"


class Interview:
    """One connection to one reader: feed what it says, send what is returned. Owner: whoever has the socket.

    Attributes:
        portrait: what is known by now.
        done: nothing more will be asked; the connection can be closed.
    """

    def __init__(self) -> None:
        self.portrait = Portrait()
        self.done = False
        self._framer = Framer()

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; give what is to be sent now."""
        frames, lost = self._framer.feed(data)
        answer = b"".join(self._hear(frame) for frame in frames)
        if lost:
            self.portrait.detail = f"what listens there does not speak LLRP: {lost}"
            self.done = True
        return answer

    def _hear(self, frame: Frame) -> bytes:
        tree = decode_tree(MESSAGES[frame.type], frame.type, frame.body) if frame.type in MESSAGES else None
        if tree is None or self.done:
            return b""
        if frame.type == _EVENT and self.portrait.state == "silent":
            return self._greeted(_below(tree, *_GREETING_PATH))
        if frame.type == _CAPABILITIES or (frame.type == _ERROR_MESSAGE and frame.id == 1):
            self._introduce(tree.find(137))
            return _GET_CONFIG
        if frame.type == _CONFIG or (frame.type == _ERROR_MESSAGE and frame.id == 2):  # noqa: PLR2004 - our own id
            identification = tree.find(218)
            self.portrait.identification = str(identification.fields.get("ReaderID", "")) if identification else ""
            return _CLOSE
        self.done = frame.type in (_CLOSED, _ERROR_MESSAGE)
        return b""

    def _greeted(self, attempt: Node | None) -> bytes:
        if attempt is None or "Status" not in attempt.fields:
            return b""
        status = attempt.fields["Status"]
        if status == 0:
            self.portrait.state, self.portrait.detail = "free", ""
            return _GET_CAPABILITIES
        self.done = True
        self.portrait.state = "busy"
        if status in _BUSY:
            self.portrait.detail = "another client is connected, so it was not asked who it is"
        else:
            self.portrait.detail = f"it refuses connections (status {status}), so it was not asked who it is"
        return b""

    def _introduce(self, general: Node | None) -> None:
        if general is None:
            return
        manufacturer, model = general.fields.get("DeviceManufacturerName"), general.fields.get("ModelName")
        if isinstance(manufacturer, int) and isinstance(model, int):
            self.portrait.model = name_model(manufacturer, model)
        self.portrait.firmware = str(general.fields.get("ReaderFirmwareVersion", ""))


def _below(node: Node | None, *kinds: int) -> Node | None:
    for kind in kinds:
        node = node.find(kind) if node else None
    return node
