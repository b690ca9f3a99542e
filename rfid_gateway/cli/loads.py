"""`rfid-gateway loads`: what is on each truck and what is not, and `rfid-gateway republish`."""

from pathlib import Path

import click

from rfid_gateway.cli.configuration import config_option, existing_store, load
from rfid_gateway.cli.output import Row, json_line, json_option, listing, local_time
from rfid_gateway.clock import SystemClock
from rfid_gateway.retained_payloads import load_status
from rfid_gateway.shipments.loads import COMMAND, Comparison, Load, label
from rfid_gateway.store.connection import Store
from rfid_gateway.store.database import StoreError

_COUNTS = ("expected", "seen", "outstanding", "missing", "undecided", "wrong_door", "misrouted", "over")
_COLUMNS = ("load", "state", "door", "departure", *_COUNTS)
_WORDS = {
    "outstanding": "not seen yet",
    "missing": "not seen, load closed",
    "undecided": "was at the door: went out or not? look there",
    "wrong_door": "went out elsewhere",
    "misrouted": "belongs to another load: take it off",
    "over": "belongs to no load: take it off",
}


class _LoadsGroup(click.Group):
    """`loads` and `loads LOAD` are short for `loads show [LOAD]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_LoadsGroup)
def loads() -> None:
    """Say what is on each truck and what is not: `loads` lists all, `loads LOAD` shows one."""


@loads.command()
@click.argument("load_id", metavar="[LOAD]", required=False)
@click.option("--limit", "-n", default=50, show_default=True, help="How many, open ones first.")
@config_option
@json_option
def show(load_id: str | None, limit: int, config_file: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes options by name
    """List loads with what is expected and seen; with LOAD, every unit of it that is not where it should be."""
    configuration = load(config_file)
    with existing_store(configuration) as store:
        if load_id is not None:
            _show(store, load_id, as_json=as_json)
            return
        doors = {door.id for door in configuration.doors}
        compared = ((each, store.loads.compare(each)) for each in store.loads.by_departure(limit))
        # A site's gateways all know all loads; this one does not speak of those at others' doors.
        rows = [
            _row(each, found, as_json=as_json)
            for each, found in compared
            if each.door is None or each.door in doors or found.touched
        ]
    listing(rows, _COLUMNS, as_json=as_json, nothing="no loads: no shipment names one, or a planned door and departure")


def _show(store: Store, load_id: str, *, as_json: bool) -> None:
    found = _find(store, load_id)
    comparison = store.loads.compare(found)
    if as_json:
        json_line(_values(found, comparison))
        return
    for name, value in _row(found, comparison, as_json=False).items():
        if value is not None and (name not in _WORDS or value):
            click.echo(f"{name.replace('_', ' '):14}{value}")
    units: list[Row] = [
        {"unit": label(each.unit), "shipment": each.shipment_id, "what": name.replace("_", " "), "meaning": words}
        for name, words in _WORDS.items()
        for each in getattr(comparison, name)
    ]
    click.echo()
    if units:
        listing(units, ("unit", "shipment", "what", "meaning"), as_json=False, nothing="")
    else:
        click.echo("everything is on the load and nothing else")


@loads.command()
@click.argument("load_id", metavar="LOAD")
@config_option
def close(load_id: str, config_file: Path) -> None:
    """Close a load: what was not seen of it is missing from now on. The running gateway publishes that at once."""
    with _store(config_file) as store:
        _find(store, load_id)
        try:
            closed = store.loads.close(load_id, SystemClock().utc_us(), COMMAND)
        except StoreError as error:
            raise click.ClickException(str(error)) from error
        comparison = store.loads.compare(_find(store, load_id))
    if not closed:
        raise click.ClickException(f"load {load_id!r} is closed already")
    lacking = len(comparison.missing) + len(comparison.wrong_door)
    click.echo(f"load {load_id} is closed: {comparison.seen} of {comparison.expected} units seen, {lacking} missing")


@click.command()
@config_option
def republish(config_file: Path) -> None:
    """Publish the status of all shipments and loads again, after the broker has lost what it retained.

    The running gateway does it, some 200 topics a second. It does so by itself when a broker has lost its session.
    After `rfid-gateway restore` it waits for this command, because the broker may have something newer.
    """
    with _store(config_file) as store:
        count = store.retained.count()
        try:
            store.retained.release_and_say_all_again()
        except StoreError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"{count} topics will be published again")


def _store(config_file: Path) -> Store:
    return existing_store(load(config_file))


def _find(store: Store, load_id: str) -> Load:
    found = store.loads.find(load_id)
    if found is None:
        raise click.ClickException(f"there is no load {load_id!r}")
    return found


def _values(found: Load, comparison: Comparison) -> Row:
    return load_status(found, comparison, SystemClock().utc_us())


def _row(found: Load, comparison: Comparison, *, as_json: bool) -> Row:
    if as_json:
        return _values(found, comparison)
    counts = {name: getattr(comparison, name) for name in _COUNTS}
    return {
        "load": found.load_id,
        "state": _state(found, comparison),
        "door": found.door,
        "departure": None if found.departure is None else local_time(found.departure),
        **{name: value if isinstance(value, int) else len(value) for name, value in counts.items()},
    }


def _state(found: Load, comparison: Comparison) -> str:
    if found.closed_at is not None:
        return f"closed ({found.closed_by}) {local_time(found.closed_at)}"
    return "complete" if comparison.complete else "open"
