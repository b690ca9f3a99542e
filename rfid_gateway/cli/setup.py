"""`rfid-gateway setup`: the first run on an empty PC."""

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from rfid_gateway import config
from rfid_gateway.cli.asking import choose, good, note, title, wrong
from rfid_gateway.cli.configuration import DEFAULT, InstalledDrivers
from rfid_gateway.cli.packaged import FILES, is_example
from rfid_gateway.cli.setup_broker import ask_broker, ask_gateway, checked_time_zone, try_broker
from rfid_gateway.cli.setup_draft import SERVICE_FOLDER, Draft, Given
from rfid_gateway.cli.setup_next import next_steps, obstacles, program, service_group
from rfid_gateway.cli.setup_places import ask_places, placed
from rfid_gateway.cli.setup_readers import ask_readers
from rfid_gateway.config import ConfigError
from rfid_gateway.config_tables import Document, Reader
from rfid_gateway.mqtt.settings import CREDENTIAL
from rfid_gateway.setup import answers, names, surroundings
from rfid_gateway.setup.document import effective, text_of
from rfid_gateway.setup.files import NewFile, put

_SECTIONS: dict[str, Callable[[Draft, Given], Draft]] = {
    "gateway": ask_gateway,
    "broker": ask_broker,
    "readers": ask_readers,
    "places": ask_places,
}
_Text = TypeVar("_Text", str | None, tuple[str, ...])
_NOTHING_WRITTEN = "nothing was written"


def _readers(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> tuple[Reader, ...]:
    drivers = InstalledDrivers()
    try:
        readers = tuple(answers.reader(text, drivers) for text in texts)
    except ValueError as error:
        raise click.BadParameter(answers.described(error)) from error
    for index, reader in enumerate(readers):
        if any(reader.id == earlier.id for earlier in readers[:index]):
            raise click.BadParameter(f"{reader.id!r} is used twice; every reader needs its own name")
    return readers


def _checked(check: Callable[[str], object]) -> Callable[[click.Context, click.Parameter, _Text], _Text]:
    """Make click's callback of a check that raises ValueError; for an option that may be repeated, of each."""

    def callback(_ctx: click.Context, _param: click.Parameter, given: _Text) -> _Text:
        for text in (given,) if isinstance(given, str) else given or ():
            try:
                check(text)
            except ValueError as error:
                raise click.BadParameter(answers.described(error)) from error
        return given

    return callback


def _absolute(_ctx: click.Context, _param: click.Parameter, file: str | None) -> str | None:
    """The service runs in another folder than whoever calls this."""
    return file if file is None or file.startswith(CREDENTIAL) else str(Path(file).expanduser().absolute())


@click.command()
@click.option("--site", callback=_checked(lambda text: answers.checked_name(text, "a site")), help="Name of the site.")
@click.option(
    "--gateway",
    callback=_checked(lambda text: answers.checked_name(text, "a gateway")),
    help="Name of this gateway.  [default: this PC's name]",
)
@click.option("--time-zone", callback=_checked(checked_time_zone), help="IANA name.  [default: this PC's]")
@click.option("--broker", metavar="HOST[:PORT]", callback=_checked(answers.split_address), help="The MQTT broker.")
@click.option("--tls", is_flag=True, help="Encrypt, and trust the authorities that this PC trusts.")
@click.option(
    "--tls-ca",
    type=click.Path(),
    metavar="FILE",
    callback=_absolute,
    help="Encrypt, and trust the authority in this PEM file.",
)
@click.option("--username", help="User name at the broker.")
@click.option(
    "--password-file",
    type=click.Path(),  # which shells complete; it need not be there, and may be a credential
    metavar="FILE",
    callback=_absolute,
    help='File whose first line is the password, or "credential:NAME" of systemd.',
)
@click.option(
    "--reader",
    "readers",
    multiple=True,
    metavar="NAME=ADDRESS",
    callback=_readers,
    help="Such as dock-1=llrp://10.0.0.5 or gate=serial:///dev/ttyUSB0?protocol=chafon; repeat for several.",
)
@click.option(
    "--door",
    "doors",
    multiple=True,
    metavar="NAME=INSIDE/OUTSIDE",
    callback=_checked(lambda text: answers.door(text, "urn:")),
    help="A door and its antennas, such as door-1=dock-1:1/dock-1:2; repeat for several.",
)
@click.option(
    "--zone",
    "zones",
    multiple=True,
    metavar="NAME=ANTENNAS",
    callback=_checked(lambda text: answers.zone(text, "urn:")),
    help="A zone and its antennas, such as packing=gate or storage=dock-1:3,dock-1:4?step=storing.",
)
@click.option(
    "--locations",
    metavar="GLN|URI",
    callback=_checked(lambda text: answers.checked_uri(names.locations_of(text, "site"))),
    help="What read points are made of: the site's GLN, or a URI that the names of places are put behind.",
)
@click.option("--state-dir", metavar="FOLDER", help="Folder of the database.  [default: by --output]")
@click.option("--no-test", is_flag=True, help="Do not try the broker.")
@click.option("--no-input", is_flag=True, help="Ask nothing: what is necessary and was not given is an error.")
@click.option("--force", is_flag=True, help="Replace a configuration; the old one is kept beside it.")
@click.option(
    "--output",
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    default=DEFAULT,
    envvar="RFID_GATEWAY_CONFIG",
    show_default=True,
    help="The file to write.",
)
def setup(
    *,
    output: Path,
    no_input: bool,
    no_test: bool,
    force: bool,
    **options: object,
) -> None:
    """Ask what a gateway must know, try it, and write the configuration: the first thing to do on a new PC.

    It looks for readers on the network and at serial ports, tries the broker, shows the file and checks it before it
    is written. What an option says is not asked. Until the end, Ctrl-C leaves everything as it was.

    Behind a ? an address of a reader has further keys of its driver (antennas=1,2 or baud=57600), a place has
    read_point, biz_location and business steps (a zone step, a door in and out), with & between them.

    With --no-input nothing is asked. Needed are --site, --broker, a --reader, and a --door or --zone.
    Exit code 0: written; 1: the broker refused, or the file cannot be written; 2: wrong use or a wrong configuration.
    """
    given = Given(output=output.absolute(), test=not no_test, **options)  # type: ignore[arg-type]  # click's own types
    _refuse_early(given)
    if no_input or not sys.stdin.isatty():
        _without_questions(given, force=force, no_input=no_input)
        return
    try:
        draft, text = _with_questions(given, force=force)
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"\nended: {_NOTHING_WRITTEN}", err=True)
        raise click.exceptions.Exit(1) from None
    _write(draft, text, given)


def _refuse_early(given: Given) -> None:
    """Say before the first question what would make the last one useless."""
    folder = given.output.parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise click.ClickException(f"{folder} cannot be written; call it with sudo, or with --output FILE")
    if given.tls_ca is not None and not given.tls_ca.startswith(CREDENTIAL):
        try:
            Path(given.tls_ca).open("rb").close()
        except OSError as error:
            raise click.BadParameter(f"{given.tls_ca}: {error.strerror}", param_hint="--tls-ca") from error
    if given.password_file is not None and given.username is None:
        raise click.UsageError("--password-file needs --username")


def _is_own(output: Path) -> bool:
    """Whether there is a configuration that somebody has written."""
    return output.exists() and not is_example(output)


def _without_questions(given: Given, *, force: bool, no_input: bool) -> None:
    missing = list(_missing(given))
    if missing:
        why = "" if no_input else "standard input is no terminal, so nothing can be asked; "
        raise click.UsageError(f"{why}missing: {', '.join(missing)}")
    if _is_own(given.output) and not force:
        raise click.UsageError(f"{given.output} is there; --force replaces it and keeps the old one beside it")
    assert given.site is not None
    assert given.broker is not None
    name = given.gateway or names.name_of(surroundings.host_name()) or "gateway"
    try:
        draft = Draft(
            gateway=answers.gateway(given.site, name, given.time_zone or surroundings.time_zone(), given.state_folder),
            mqtt=answers.broker(given.broker, given.tls_settings, given.username, given.password_file),
            readers=given.readers,
        )
        draft = placed(draft, given)
    except ValueError as error:
        raise click.UsageError(answers.described(error)) from error
    try:
        text = _checked_text(draft, given)
    except ConfigError as error:
        raise click.UsageError("\n".join(_sentences(error))) from error
    if given.test:
        trial = try_broker(draft)
        if trial is not None and not trial.good:
            raise click.ClickException(f"{_NOTHING_WRITTEN}; --no-test writes it without trying the broker")
    _write(draft, text, given)


def _missing(given: Given) -> Iterator[str]:
    if given.site is None:
        yield "--site"
    if given.broker is None:
        yield "--broker"
    if not given.readers:
        yield "--reader"
    if not (given.doors or given.zones):
        yield "--door or --zone"


def _with_questions(given: Given, *, force: bool) -> tuple[Draft, str]:
    """Ask until the administrator says yes to the file's text; click.Abort where it is to be left."""
    click.secho("rfid-gateway setup", bold=True)
    note(f"It asks what this gateway must know and writes {given.output}.")
    note("Enter takes what stands in [brackets]. Until the end, Ctrl-C leaves everything as it was.")
    draft = Draft()
    if _is_own(given.output):
        click.echo(f"\n{given.output} is there already. A new one takes over only what is asked here;")
        click.echo("the old one is kept beside it.")
        if not force and not click.confirm("Write a new one?", default=False):
            raise click.Abort
        draft = _known_of(given.output)
    for ask_section in _SECTIONS.values():
        draft = ask_section(draft, given)
    while True:
        title("The configuration")
        try:
            text = _checked_text(draft, given)
        except ConfigError as error:
            for mistake in _sentences(error):
                wrong(mistake)
            wanted = choose("What to correct", (*_SECTIONS, "quit"), "places")
        else:
            click.echo(effective(draft.document))
            click.echo()
            note("The file has each other key, too, with its default and what it does.")
            wanted = choose(f"Write {given.output}", ("yes", *_SECTIONS, "quit"), "yes")
            if wanted == "yes":
                return draft, text
        if wanted == "quit":
            raise click.Abort
        draft = _SECTIONS[wanted](draft, given.without_answers)


def _known_of(output: Path) -> Draft:
    """Suggestions from the configuration that is there; none where it is a wrong one."""
    try:
        document = Document.model_validate(tomllib.loads(output.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return Draft()
    return Draft(document.gateway, document.mqtt, readers=document.readers)


def _checked_text(draft: Draft, given: Given) -> str:
    """The file's text, checked as `rfid-gateway check` does it; ConfigError where it would not be taken."""
    drivers = InstalledDrivers()
    text = text_of(draft.document, (FILES / "gateway.toml").read_text(encoding="utf-8"), drivers)
    config.parse(text, str(given.output), drivers)
    return text


def _sentences(error: ConfigError) -> list[str]:
    """The mistakes without file and line: nobody has seen that file yet."""
    return [mistake.partition(": ")[2] for mistake in error.mistakes]


def _write(draft: Draft, text: str, given: Given) -> None:
    group = service_group() if given.output.parent == SERVICE_FOLDER else None
    files = [NewFile(given.output, text, 0o644, keeps_old=_is_own(given.output))]
    if draft.secret is not None:
        mode = 0o600 if group is None else 0o640
        files.insert(0, NewFile(given.own_password_file, f"{draft.secret}\n", mode, group))
    try:
        kept = put(files, datetime.now().astimezone().strftime("%Y%m%dT%H%M%S"))
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}; {_NOTHING_WRITTEN}") from error
    for old in kept:
        click.echo(f"kept      {old}")
    for file in files:
        good(f"wrote     {file.path}")
    for obstacle in obstacles(draft.document, given.output):
        wrong(f"but       {obstacle}")
    click.echo("\nnext:")
    steps = list(next_steps(given.output, program()))
    width = max(len(command) for command, _ in steps)
    for command, what in steps:
        click.echo(f"  {command.ljust(width)}   {what}")
