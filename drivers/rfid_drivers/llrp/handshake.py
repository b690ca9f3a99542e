"""What is said to a reader, in order: the set-up after its greeting and the farewell. Pure.

Each is a script: a generator that yields one step at a time and is sent the answer. The session numbers the requests,
watches the clock and matches the answers, so that a script reads like the conversation that it is.
"""

import struct
from collections.abc import Generator
from dataclasses import dataclass

from rfid_drivers.llrp import control
from rfid_drivers.llrp.notifications import Status
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import CUSTOM, IMPINJ, LlrpDecodeError
from rfid_drivers.llrp.rospec import ROSPEC_ID, InstalledSpec, SpecState, content_of, installed_specs
from rfid_gateway.driver import ReaderError

_CUSTOM_FIXED_BYTES = 5
"""Vendor and subtype, before the parameters of a custom message."""
_HOLDING = "holding of reports"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the reader."""

    name: str
    type: int
    answer_type: int | None
    """None: there is no answer, the script goes on at once."""
    body: bytes = b""
    parameters_at: int = 0
    """Where the answer's parameters start in its body."""


@dataclass(frozen=True, slots=True)
class AwaitStart:
    """Wait a while for the reader to say that our ROSpec started; the answer's status is `ok` if it did."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the body where it was no ERROR_MESSAGE."""

    status: Status
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the set-up found and agreed."""

    capabilities: control.Capabilities
    holding: bool
    """The reader keeps its reports while we are away."""
    remarks: tuple[str, ...]
    """What the reader refused and we can live without."""


Step = Request | AwaitStart
Script = Generator[Step, Answer, Settled | None]

_ENABLE_EVENTS_AND_REPORTS = Request("ENABLE_EVENTS_AND_REPORTS", 64, None)
_GET_ROSPECS = Request("GET_ROSPECS", 26, 36)
_CLOSE_CONNECTION = Request("CLOSE_CONNECTION", 14, 4)
_IMPINJ_ENABLE_EXTENSIONS = Request(
    "IMPINJ_ENABLE_EXTENSIONS",
    CUSTOM,
    CUSTOM,
    control.encode_impinj_enable_extensions(),
    parameters_at=_CUSTOM_FIXED_BYTES,
)


def _about_rospec(name: str, message_type: int, rospec_id: int = ROSPEC_ID) -> Request:
    """DELETE, START, STOP, ENABLE or DISABLE_ROSPEC; the answers' types lie ten above."""
    return Request(name, message_type, message_type + 10, struct.pack("!I", rospec_id))


def _delete(rospec_id: int = ROSPEC_ID) -> Request:
    return _about_rospec("DELETE_ROSPEC", 21, rospec_id)


def _disable(rospec_id: int = ROSPEC_ID) -> Request:
    return _about_rospec("DISABLE_ROSPEC", 25, rospec_id)


def _start() -> Request:
    return _about_rospec("START_ROSPEC", 22)


def _enable() -> Request:
    return _about_rospec("ENABLE_ROSPEC", 24)


def _set_config(body: bytes) -> Request:
    return Request("SET_READER_CONFIG", 3, 13, body)


def set_up(options: LlrpOptions) -> Generator[Step, Answer, Settled]:
    """Bring a reader that has just greeted us to reporting tags.

    Raises:
        ReaderError: the reader refused something that is needed, or cannot do what is configured.
    """
    capabilities = yield from _get_capabilities(options)
    remarks: list[str] = []
    impinj = False
    if capabilities.manufacturer == IMPINJ and options.impinj_extensions:
        answer = yield _IMPINJ_ENABLE_EXTENSIONS
        impinj = answer.status.ok
        if not impinj:
            remarks.append(f"Impinj extensions: {answer.status}")
    wishes = _wishes(capabilities)
    content = {}
    if impinj:
        wishes.append(("Impinj link monitor", control.encode_impinj_link_monitor_config()))
        content = control.impinj_report_content()
    yield from _needed(_set_config(control.encode_keepalive_config(options.keepalive_s)))
    refused = yield from _configure(wishes)
    remarks += [f"{subject}: {status}" for subject, status in refused.items()]
    rospec = control.encode_rospec(options, capabilities, content)
    installed = yield from _get_rospecs()
    if any(spec.content == content_of(rospec) and spec.state == SpecState.ACTIVE for spec in installed):
        yield _ENABLE_EVENTS_AND_REPORTS
    else:
        yield from _make_room(installed, capabilities.max_rospecs)
        yield from _install(rospec)
    return Settled(capabilities, capabilities.holding and _HOLDING not in refused, tuple(remarks))


def _get_capabilities(options: LlrpOptions) -> Generator[Step, Answer, control.Capabilities]:
    body = control.encode_capabilities_request()
    answer = yield from _needed(Request("GET_READER_CAPABILITIES", 1, 11, body))
    try:
        capabilities = control.decode_capabilities(answer.body)
    except LlrpDecodeError as error:
        raise ReaderError(f"the reader tells its capabilities in a way that cannot be read: {error}") from error
    beyond = [antenna for antenna in options.antennas if antenna > capabilities.antennas]
    if beyond:
        raise ReaderError(f"antennas names {beyond}, but this reader has only {capabilities.antennas}")
    return capabilities


def _needed(request: Request) -> Generator[Step, Answer, Answer]:
    answer = yield request
    if not answer.status.ok:
        raise ReaderError(f"the reader refused {request.name}: {answer.status}")
    return answer


def _wishes(capabilities: control.Capabilities) -> list[tuple[str, bytes]]:
    """What the reader should do, but need not: subject and SET_READER_CONFIG."""
    wishes = [("event notifications", control.encode_events_config())]
    if capabilities.inputs:
        wishes.append(("inputs", control.encode_inputs_config(capabilities.inputs)))
    if capabilities.holding:
        wishes.append((_HOLDING, control.encode_holding_config()))
    return wishes


def _configure(wishes: list[tuple[str, bytes]]) -> Generator[Step, Answer, dict[str, Status]]:
    """Configure the reader, one SET_READER_CONFIG per subject, so that one refusal spoils nothing else.

    Returns:
        What was refused, by subject.
    """
    refused = {}
    for subject, body in wishes:
        answer = yield _set_config(body)
        if not answer.status.ok:
            refused[subject] = answer.status
    return refused


def _get_rospecs() -> Generator[Step, Answer, list[InstalledSpec]]:
    """List what the reader holds; empty where it refuses to tell or cannot be understood."""
    answer = yield _GET_ROSPECS
    try:
        return installed_specs(answer.body)
    except LlrpDecodeError:
        return []


def _make_room(installed: list[InstalledSpec], max_rospecs: int) -> Generator[Step, Answer, None]:
    """See that no ROSpec of another program keeps ours from running.

    A running one is disabled: the antennas are busy with it. All are deleted only where there is no room beside them
    (an R420 holds a single ROSpec). Refusals are let pass: ADD_ROSPEC will tell.
    """
    others = [spec for spec in installed if spec.rospec_id != ROSPEC_ID]
    full = bool(max_rospecs) and len(others) >= max_rospecs
    for spec in others:
        if full:
            yield _delete(spec.rospec_id)
        elif spec.state == SpecState.ACTIVE:
            yield _disable(spec.rospec_id)


def _install(rospec: bytes) -> Generator[Step, Answer, None]:
    yield _delete()  # refused where there is none
    yield from _needed(Request("ADD_ROSPEC", 20, 30, rospec))
    yield from _needed(_enable())
    yield _ENABLE_EVENTS_AND_REPORTS
    answer = yield AwaitStart()
    if answer.status.ok:
        return
    # Some readers ignore the Immediate trigger, others start without saying so and refuse to start again.
    start = yield _start()
    if not start.status.ok:
        installed = yield from _get_rospecs()
        if any(spec.rospec_id == ROSPEC_ID and spec.state != SpecState.ACTIVE for spec in installed):
            raise ReaderError(f"the reader does not start reading: {start.status}")


def leave() -> Generator[Step, Answer, None]:
    """Say goodbye; the reader goes on reading and holds its reports for us."""
    yield _CLOSE_CONNECTION


def clear_away_and_leave() -> Generator[Step, Answer, None]:
    """Stop the reader, which would otherwise read for nobody, and say goodbye. Refusals do not matter."""
    yield _disable()
    yield _delete()
    yield _CLOSE_CONNECTION
