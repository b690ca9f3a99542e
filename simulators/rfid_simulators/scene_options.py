"""The options with which `rfid-simulator reader` and `serial` play a scene."""

from collections.abc import Callable
from typing import Any

import click

from rfid_simulators.scenes import PlayedScene, played
from rfid_simulators.world.scenarios import SCENES

_OPTIONS = (
    click.option("--scene", type=click.Choice(sorted(SCENES)), help="Play this scene instead of a field of tags."),
    click.option("--seed", default=0, show_default=True, help="The same seed gives the same tags and reads."),
    click.option("--reader", "scene_reader", metavar="ID", help="Reader of the scene; without it its first."),
    click.option(
        "--scene-after",
        type=click.FloatRange(0),
        default=5.0,
        show_default=True,
        help="Seconds from the start to the scene's beginning, for the gateway to connect.",
    ),
)


def scene_options(command: Callable[..., None]) -> Callable[..., Any]:
    """Give a command the options `scene`, `seed`, `scene_reader` and `scene_after`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_scene(scene: str | None, seed: int, scene_reader: str | None, scene_after: float) -> PlayedScene | None:
    """Give the scene that the options name; None where they name none. Refuses a reader that is not in it."""
    if scene is None:
        if scene_reader is not None:
            raise click.UsageError(f"--reader is {scene_reader!r}, expected it with --scene only")
        return None
    try:
        return played(scene, seed, scene_reader, scene_after)
    except ValueError as error:
        raise click.UsageError(f"--reader: {error}") from error


def tell(scene: PlayedScene | None) -> None:
    """Print what will truly happen in the scene, so that a tester can compare."""
    for line in scene.told() if scene else ():
        click.echo(line)
