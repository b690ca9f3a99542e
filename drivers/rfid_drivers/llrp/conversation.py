"""Runs a script of the handshake: numbers its requests, matches the answers, watches the time. Pure."""

from collections.abc import Generator
from dataclasses import dataclass

from rfid_drivers.llrp.framing import LLRP_1_0_1, Frame, encode_frame
from rfid_drivers.llrp.handshake import Answer, AwaitStart, Request
from rfid_drivers.llrp.notifications import Status, decode_status
from rfid_drivers.llrp.parameters import LlrpDecodeError
from rfid_drivers.llrp.versions import Probe, UseVersion
from rfid_gateway.driver import ReaderError

START_GRACE_US = 1_000_000
"""How long a reader may take to say that its ROSpec started."""

_ERROR_MESSAGE = 100
AnyStep = Request | AwaitStart | Probe | UseVersion
AnyScript = Generator[AnyStep, Answer, object]

_OK = Answer(Status(0, "", ""))
_NOT_SEEN = Answer(Status(-1, "no ROSpecEvent", ""))
_SILENCE = Answer(Status(-1, "no answer", ""))


@dataclass(frozen=True, slots=True)
class _Pending:
    """The step that waits for its answer."""

    step: Request | AwaitStart | Probe
    message_id: int
    deadline: int


class Conversation:
    """Carries one script at a time. Owner: the session. Times are monotonic microseconds.

    Attributes:
        outgoing: bytes that are to be sent; whoever sends them clears it.
        result: what the script returned, once it has.
        version: of LLRP, in the headers of what is sent.
        ended: the script is at its end.
    """

    def __init__(self, request_timeout_us: int) -> None:
        self.outgoing = bytearray()
        self.result: object = None
        self.version = LLRP_1_0_1
        self.ended = False
        self._timeout_us = request_timeout_us
        self._script: AnyScript | None = None
        self._pending: _Pending | None = None
        self._rospec_started = False
        self._last_id = 0

    @property
    def deadline(self) -> int | None:
        """When `tick` has something to do; None while nothing is awaited."""
        return self._pending.deadline if self._pending else None

    def begin(self, script: AnyScript, now_us: int) -> None:
        """Start a script, in place of whatever ran.

        Raises:
            ReaderError: out of the script; so do the methods below.
        """
        self._script, self.ended, self.result = script, False, None
        self._advance(None, now_us)

    def send(self, message_type: int, body: bytes = b"") -> None:
        """Send a message that nobody waits for."""
        self._last_id = self._last_id % 0xFFFF_FFFF + 1
        self.outgoing += encode_frame(message_type, self._last_id, body, self.version)

    def reply(self, message_type: int, message_id: int) -> None:
        """Send an answer without a body to a message of the reader."""
        self.outgoing += encode_frame(message_type, message_id, version=self.version)

    def take_answer(self, frame: Frame, now_us: int) -> None:
        """Hand a frame to the script if it answers the pending request.

        Raises:
            LlrpDecodeError: it does not, or it cannot be decoded; the request stays pending.
        """
        pending = self._pending
        asked = _request_of(pending.step) if pending and frame.id == pending.message_id else None
        if asked is None or frame.type not in (asked.answer_type, _ERROR_MESSAGE):
            complaint = f": {decode_status(frame.body)}" if frame.type == _ERROR_MESSAGE else ""
            raise LlrpDecodeError(f"message {frame.id} of type {frame.type} answers nothing that was asked{complaint}")
        if frame.type == _ERROR_MESSAGE:
            self._advance(Answer(decode_status(frame.body)), now_us)
        else:
            self._advance(Answer(decode_status(frame.body, asked.parameters_at), frame.body), now_us)

    def take_start(self, now_us: int) -> None:
        """Note that the reader said our ROSpec started, which may be before the script waits for it."""
        self._rospec_started = True
        if self._pending and isinstance(self._pending.step, AwaitStart):
            self._advance(_OK, now_us)

    def tick(self, now_us: int) -> None:
        """Look at the clock.

        Raises:
            ReaderError: the reader owes an answer for too long.
        """
        pending = self._pending
        if pending is None or now_us < pending.deadline:
            return
        if isinstance(pending.step, Request):
            limit = self._timeout_us / 1_000_000
            raise ReaderError(f"the reader did not answer {pending.step.name} within {limit:g} s; connecting anew")
        self._advance(_SILENCE if isinstance(pending.step, Probe) else _NOT_SEEN, now_us)

    def _advance(self, answer: Answer | None, now_us: int) -> None:
        """Hand an answer to the script and send what it asks next; steps without an answer follow at once."""
        assert self._script is not None
        self._pending = None
        try:
            while True:
                step = next(self._script) if answer is None else self._script.send(answer)
                if not self._answered_at_once(step, now_us):
                    return
                answer = _OK
        except StopIteration as end:
            self.ended = True
            self.result = end.value

    def _answered_at_once(self, step: AnyStep, now_us: int) -> bool:
        if isinstance(step, UseVersion):
            self.version = step.version
            return True
        if isinstance(step, AwaitStart):
            if self._rospec_started:
                return True
            self._pending = _Pending(step, 0, now_us + START_GRACE_US)
            return False
        request = step.request if isinstance(step, Probe) else step
        self.send(request.type, request.body)
        if request.answer_type is None:
            return True
        self._pending = _Pending(step, self._last_id, now_us + self._timeout_us)
        return False


def _request_of(step: Request | AwaitStart | Probe) -> Request | None:
    """The request of a step that has one."""
    if isinstance(step, Probe):
        return step.request
    return step if isinstance(step, Request) else None
