"""What is said to a reader, in order: the set-up after its greeting and the farewell. Pure.

Each is a script: a generator that yields one step at a time and is sent the answer. The session numbers the requests,
watches the clock and matches the answers, so that a script reads like the conversation that it is.
"""

import struct
from collections.abc import Generator, Iterable
from dataclasses import dataclass

from rfid_drivers.llrp import control
from rfid_drivers.llrp.capabilities import Capabilities
from rfid_drivers.llrp.notifications import Status
from rfid_drivers.llrp.options import LlrpOptions
from rfid_drivers.llrp.parameters import CUSTOM, LlrpDecodeError
from rfid_drivers.llrp.profiles import PROFILES, Quirk, profile_for
from rfid_drivers.llrp.radio_plan import Reader, droppable, make_plan, unsupported, with_dependents
from rfid_drivers.llrp.reader_config import EVERYTHING, ReaderConfig, decode_reader_config
from rfid_drivers.llrp.retreat import attempts, is_final, named_setting
from rfid_drivers.llrp.rospec import ROSPEC_ID, InstalledSpec, SpecState, content_of, installed_specs
from rfid_drivers.llrp.rospec_encoding import encode_rospec
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

    capabilities: Capabilities
    holding: bool
    """The reader keeps its reports while we are away."""
    remarks: tuple[str, ...]
    """What the reader refused and we can live without: each names the setting, and what the reader said."""
    identification: str | None = None
    """MAC address (EUI-64) or EPC of the reader in upper-case hex; None where it does not tell."""
    antennas_connected: tuple[int, ...] | None = None
    """None where the reader does not tell."""
    impinj_extensions: bool = False
    """Impinj's extensions are enabled."""


Step = Request | AwaitStart
Script = Generator[Step, Answer, Settled | None]

_ENABLE_EVENTS_AND_REPORTS = Request("ENABLE_EVENTS_AND_REPORTS", 64, None)
_GET_READER_CONFIG = Request("GET_READER_CONFIG", 2, 12, EVERYTHING)
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
    profile = PROFILES[options.profile] if options.profile else profile_for(capabilities.manufacturer)
    remarks: dict[str, object] = {}
    extended = options.impinj_extensions or Quirk.ENABLE_EXTENSIONS not in profile.quirks
    if extended and Quirk.ENABLE_EXTENSIONS in profile.quirks:
        answer = yield _IMPINJ_ENABLE_EXTENSIONS
        extended = answer.status.ok
        if not extended:
            remarks["Impinj extensions"] = answer.status
    config = yield from _get_config()
    reader = Reader(capabilities, config, profile, extended)
    make_plan(options, reader)  # what is configured wrongly shows before anything is changed
    yield from _needed(_set_config(control.encode_keepalive_config(options.keepalive_s)))
    refused = yield from _configure(_wishes(reader))
    dropped = yield from _run_rospec(options, reader)
    return Settled(
        capabilities,
        capabilities.holding and _HOLDING not in refused,
        tuple(f"{subject}: {why}" for subject, why in (remarks | refused | dropped).items()),
        config.identification,
        config.antennas_connected,
        extended and Quirk.ENABLE_EXTENSIONS in profile.quirks,
    )


def _run_rospec(options: LlrpOptions, reader: Reader) -> Generator[Step, Answer, dict[str, object]]:
    """See that our ROSpec runs, if need be without what the reader refuses.

    Returns:
        The settings that were left out, each with the reason.
    """
    missing = unsupported(options, reader)
    trial = _Trial(options, reader, frozenset(missing))
    installed = yield from _get_rospecs()
    adopted = trial.among(installed)
    if adopted is not None:
        yield _ENABLE_EVENTS_AND_REPORTS
        return {**missing, **dict.fromkeys(adopted, "refused when the reader was set up")}
    yield from _make_room(installed, reader.capabilities.max_rospecs)
    dropped = yield from _install(trial)
    yield _ENABLE_EVENTS_AND_REPORTS
    if options.start_trigger is None:
        yield from _see_it_start()
    return {**missing, **dropped}


def _get_config() -> Generator[Step, Answer, ReaderConfig]:
    """Ask what the reader is set to; nothing is known of one that refuses to tell or cannot be understood."""
    answer = yield _GET_READER_CONFIG
    try:
        return decode_reader_config(answer.body)
    except LlrpDecodeError:
        return ReaderConfig()


def _get_capabilities(options: LlrpOptions) -> Generator[Step, Answer, Capabilities]:
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


def _wishes(reader: Reader) -> list[tuple[str, bytes]]:
    """What the reader should do, but need not: subject and SET_READER_CONFIG."""
    capabilities = reader.capabilities
    wishes = [("event notifications", control.encode_events_config())]
    if capabilities.inputs:
        wishes.append(("inputs", control.encode_inputs_config(capabilities.inputs)))
    if capabilities.holding:
        wishes.append((_HOLDING, control.encode_holding_config()))
    if Quirk.LINK_MONITOR in reader.profile.quirks and reader.extended:
        wishes.append(("Impinj link monitor", control.encode_impinj_link_monitor_config()))
    if Quirk.AUTONOMOUS_MODE_OFF in reader.profile.quirks and reader.config.autonomous:
        wishes.append(("end of the autonomous mode", control.encode_zebra_autonomous_off_config()))
    return wishes


def _configure(wishes: list[tuple[str, bytes]]) -> Generator[Step, Answer, dict[str, object]]:
    """Configure the reader, one SET_READER_CONFIG per subject, so that one refusal spoils nothing else.

    Returns:
        What was refused, by subject.
    """
    refused: dict[str, object] = {}
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


class _Trial:
    """Builds our ROSpec with and without settings. Owner: the set-up; nothing in it changes."""

    def __init__(self, options: LlrpOptions, reader: Reader, missing: frozenset[str]) -> None:
        self.droppable = tuple(one for one in droppable(options, reader) if one not in missing)
        self._options = options
        self._reader = reader
        self._missing = missing

    def whole(self, without: Iterable[str]) -> frozenset[str]:
        """Add what has to be left out with these settings."""
        return with_dependents(without, self.droppable)

    def rospec(self, without: Iterable[str]) -> bytes:
        """Encode it without these settings, and those that the reader has not."""
        plan = make_plan(self._options, self._reader, self._missing.union(without))
        return encode_rospec(self._options, plan, self._reader.profile)

    def among(self, installed: list[InstalledSpec]) -> frozenset[str] | None:
        """Find ours among the reader's: None, or the settings without which it runs there already."""
        live = {SpecState.ACTIVE, SpecState.INACTIVE} if self._options.start_trigger else {SpecState.ACTIVE}
        running = {spec.content for spec in installed if spec.state in live}
        if not running:
            return None
        choices = (frozenset[str](), *map(self.whole, attempts(self.droppable)))
        return next((one for one in choices if content_of(self.rospec(one)) in running), None)


def _install(trial: _Trial) -> Generator[Step, Answer, dict[str, object]]:
    """Add and enable our ROSpec, if need be without settings that the reader names or that turn out to be refused.

    Returns:
        The settings that were left out, each with what the reader said.

    Raises:
        ReaderError: the reader refuses it whatever is left out, or names what must not be left out.
    """
    dropped: dict[str, object] = {}
    refusal = first = yield from _add(trial.rospec(()))
    while refusal:
        remaining = [one for one in trial.droppable if one not in dropped]
        named = None if is_final(refusal.status.fault) else named_setting(refusal.status.fault, remaining)
        if named is None:
            break
        dropped |= dict.fromkeys(sorted(trial.whole({named})), refusal.status)
        refusal = yield from _add(trial.rospec(dropped))
    if refusal is None:
        return dropped
    if not is_final(refusal.status.fault):
        for more in map(trial.whole, attempts(remaining)):
            if (yield from _add(trial.rospec({*dropped, *more}))) is None:
                return {**dropped, **dict.fromkeys(sorted(more), refusal.status)}
    assert first is not None
    raise ReaderError(f"the reader refused {first.name}: {first.status}")


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A request that was refused, and why."""

    name: str
    status: Status


def _add(rospec: bytes) -> Generator[Step, Answer, _Refusal | None]:
    """Add and enable our ROSpec in place of what there was of it; None if all went well."""
    yield _delete()  # refused where there is none
    for request in (Request("ADD_ROSPEC", 20, 30, rospec), _enable()):
        answer = yield request
        if not answer.status.ok:
            return _Refusal(request.name, answer.status)
    return None


def _see_it_start() -> Generator[Step, Answer, None]:
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
