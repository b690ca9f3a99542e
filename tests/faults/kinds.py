"""The kinds of fault: how each is injected, how it ends, and how we know that it really happened.

Every function injects one fault at once, lets it last, ends it, and fails (`NotInjectedError`) where what proves it did
not happen: a fault that was not there counts for nothing. `wait` is called with a condition and minds the gateway.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from rfid_simulators.faults import CutMidMessage, Reboot
from rfid_simulators.serial.faults import Unplug
from tests.faults.packets import Event
from tests.faults.proxy import FAIR, Weather
from tests.faults.site import Site

Wait = Callable[[Callable[[], bool], str], None]


class NotInjectedError(Exception):
    """What proves the fault did not happen."""


@dataclass(slots=True)
class Scene:
    """What a fault may touch. Owner: the driver."""

    site: Site
    chance: random.Random
    wait: Wait
    forgettable: list[Event]
    """What a killed broker had acknowledged; faults append to it."""


def _demand(proof: bool, words: str) -> None:  # noqa: FBT001 - it is the proof
    if not proof:
        raise NotInjectedError(words)


def _down(scene: Scene, code: int) -> None:
    """After a kill: time without a gateway, then another one."""
    _demand(code == -9, f"the gateway ended with {code}, not by the kill")
    time.sleep(scene.chance.uniform(0, 0.5))
    scene.site.gateway.start()


def kill_anywhere(scene: Scene) -> None:
    """kill -9 at any instant."""
    _down(scene, scene.site.gateway.kill())


def kill_in_commit(scene: Scene) -> None:
    """The process is killed by its own write to the disk, half of which is done."""
    before = scene.site.disk.kills
    scene.site.disk.kill_at_write(scene.chance.randint(1, 12))
    scene.wait(lambda: scene.site.disk.kills > before, "a write that the kill waits for")
    code = scene.site.gateway.kill()
    scene.site.disk.disarm()
    _down(scene, code)


def kill_before_puback(scene: Scene) -> None:
    """An event is committed and on its way; no PUBACK ever reaches the gateway, which is killed at once."""
    proxy = scene.site.proxy
    before = proxy.record.withheld
    proxy.withhold(forward=scene.chance.random() < 0.5)
    scene.wait(proxy.withheld.is_set, "an event on its way to the broker")
    code = scene.site.gateway.kill()
    _demand(proxy.record.withheld > before, "no event was withheld")
    # What was committed has to come from the disk: nobody reads these tags any more.
    scene.site.field.take_away({event.shipment for event in proxy.record.sent[-(proxy.record.withheld - before) :]})
    proxy.cut(reset=True)
    _down(scene, code)


def sigterm(scene: Scene) -> None:
    code = scene.site.gateway.terminate()
    _demand(code == 0, f"SIGTERM ended the gateway with {code}")
    scene.site.gateway.start()


def broker_killed(scene: Scene) -> None:
    """The gateway is let in again when the subscriber is back: the broker has forgotten both sessions."""
    site, broker = scene.site, scene.site.broker
    subscriptions = site.listener.subscriptions
    site.proxy.set_weather(Weather(open=False))
    broker.kill()
    scene.wait(lambda: site.proxy.connected() == 0, "the connection to the killed broker is gone")
    scene.forgettable += site.proxy.record.acknowledged
    time.sleep(scene.chance.uniform(0, 1.0))
    broker.start()
    scene.wait(lambda: site.listener.subscriptions > subscriptions, "the subscriber is back")
    site.proxy.set_weather(FAIR)


def broker_restarted(scene: Scene) -> None:
    before = scene.site.proxy.record.connections
    scene.site.broker.stop()
    time.sleep(scene.chance.uniform(0, 1.0))
    scene.site.broker.start()
    scene.wait(lambda: scene.site.proxy.record.connections > before, "the gateway connects again")


def broker_frozen(scene: Scene) -> None:
    scene.site.broker.freeze()
    time.sleep(scene.chance.uniform(0.2, 2.5))
    _demand(not scene.site.broker.answers(), "the frozen broker answers")
    scene.site.broker.thaw()


def connection_cut(scene: Scene) -> None:
    proxy = scene.site.proxy
    before = proxy.record.connections
    _demand(proxy.cut(reset=scene.chance.random() < 0.5) > 0, "there was no connection to cut")
    scene.wait(lambda: proxy.record.connections > before, "the gateway connects again")


def half_open(scene: Scene) -> None:
    """Nothing goes through, nobody is told: the gateway has to notice by itself."""
    proxy = scene.site.proxy
    before, swallowed = proxy.record.connections, proxy.record.swallowed_bytes
    _demand(proxy.connected() > 0, "there was no connection")
    proxy.set_weather(Weather(open=False, hole=True))
    scene.wait(lambda: proxy.connected() == 0, "the gateway leaves the black hole")
    _demand(proxy.record.swallowed_bytes > swallowed, "nothing fell into the black hole")
    proxy.set_weather(FAIR)
    scene.wait(lambda: proxy.record.connections > before, "the gateway connects again")


def lost_puback(scene: Scene) -> None:
    proxy = scene.site.proxy
    before = proxy.record.swallowed_pubacks
    proxy.set_weather(Weather(pubacks=False))
    scene.wait(lambda: proxy.record.swallowed_pubacks > before, "a PUBACK to swallow")
    time.sleep(scene.chance.uniform(0, 0.5))
    proxy.cut(reset=scene.chance.random() < 0.5)
    proxy.set_weather(FAIR)


def slow_network(scene: Scene) -> None:
    proxy, chance = scene.site.proxy, scene.chance
    events = proxy.record.slow_events
    proxy.set_weather(Weather(slice_bytes=chance.randint(1, 40), delay_s=chance.uniform(0.001, 0.03)))
    scene.wait(lambda: proxy.record.slow_events > events, "an event on the slow network")
    time.sleep(chance.uniform(0.2, 2.0))
    proxy.set_weather(FAIR)


def slow_disk(scene: Scene) -> None:
    disk = scene.site.disk
    before = disk.syncs_delayed
    disk.slow(round(scene.chance.uniform(50_000, 600_000)))
    scene.wait(lambda: disk.syncs_delayed > before, "a delayed fsync")
    time.sleep(scene.chance.uniform(0.5, 2.0))
    disk.slow(0)


def full_disk(scene: Scene) -> None:
    """There is no room until a write was refused, and a while longer; half of the time for what was kept back, too.

    A database with free pages and a log that is long enough may need no room for a while. The state file always does,
    so after a few seconds that is proof enough.
    """
    room, disk = scene.site.room, scene.site.disk
    before, files = disk.writes_refused, disk.files_refused
    enough = time.monotonic() + 5.0
    room.fill()
    try:
        scene.wait(
            lambda: disk.writes_refused > before or (disk.files_refused > files and time.monotonic() > enough),
            "a write that the full disk refuses",
        )
        time.sleep(scene.chance.uniform(0.1, 1.0))
        if scene.chance.random() < 0.5:
            room.fill()
            time.sleep(scene.chance.uniform(0.1, 2.0))
    finally:
        room.make_room()


def clock_jump(scene: Scene) -> None:
    """Hours and days, forward and back; proved by what the gateway writes into its state file."""
    site = scene.site
    hours = scene.chance.choice([hour for hour in (-72, -24, -5, -1, 0, 1, 5, 24, 72) if hour != site.hours_ahead])
    site.gateway.set_clock(hours * 3600)
    site.hours_ahead = hours
    scene.wait(lambda: abs(site.gateway_time_s() - time.time() - hours * 3600) < 600, "the gateway's clock jumps")


def reader_rebooted(scene: Scene) -> None:
    """An LLRP reader loses its power; afterwards its clock shows another year."""
    reader = scene.chance.choice(sorted(scene.site.llrp))
    clock_us = scene.chance.choice([946_684_800_000_000, scene.site.clock.utc_us()])
    before = scene.site.reconnects(reader)
    scene.site.llrp[reader].inject(Reboot(round(scene.chance.uniform(0, 1_000_000)), clock_us))
    scene.wait(lambda: scene.site.reconnects(reader) > before, f"{reader} comes back")


def reader_cut(scene: Scene) -> None:
    """An LLRP connection ends in the middle of a message, by a FIN or a TCP reset."""
    reader = scene.chance.choice(sorted(scene.site.llrp))
    before = scene.site.reconnects(reader)
    fault = CutMidMessage(scene.chance.randint(0, 40), reset=scene.chance.random() < 0.5)
    scene.site.llrp[reader].inject(fault)
    scene.wait(lambda: scene.site.reconnects(reader) > before, f"{reader} comes back")


def serial_unplugged(scene: Scene) -> None:
    before = scene.site.reconnects("table")
    scene.site.table.inject(Unplug(round(scene.chance.uniform(100_000, 1_500_000))))
    scene.wait(lambda: scene.site.reconnects("table") > before, "the serial reader comes back")


def queue_overflow(scene: Scene) -> None:
    """The pipeline hangs in its disk while more tag reads come than may wait."""
    site = scene.site
    before = site.merged_reads()
    site.disk.slow(1_500_000)
    time.sleep(2.0)
    site.disk.slow(0)
    scene.wait(lambda: site.merged_reads() > before, "reads are merged")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    inject: Callable[[Scene], None]
    passages: bool = False
    """Goods go through the door meanwhile: gateway and readers stay as they are."""
    crowd: bool = False
    """Very many tags arrive at once."""


KINDS = {
    "kill -9 at any instant": Kind(kill_anywhere),
    "kill -9 within a commit": Kind(kill_in_commit),
    "kill -9 before PUBACK": Kind(kill_before_puback),
    "SIGTERM restart": Kind(sigterm),
    "broker killed": Kind(broker_killed, passages=True),
    "broker restarted": Kind(broker_restarted, passages=True),
    "broker frozen": Kind(broker_frozen, passages=True),
    "connection cut": Kind(connection_cut, passages=True),
    "half-open": Kind(half_open, passages=True),
    "lost PUBACK": Kind(lost_puback, passages=True),
    "slow network": Kind(slow_network, passages=True),
    "slow disk": Kind(slow_disk, passages=True),
    "full disk": Kind(full_disk),
    "clock jump": Kind(clock_jump),
    "LLRP reader rebooted": Kind(reader_rebooted),
    "LLRP connection cut": Kind(reader_cut),
    "serial unplugged": Kind(serial_unplugged),
    "queue overflow": Kind(queue_overflow, crowd=True),
}
NAMES = {name.lower().replace(" -9", "").replace("-", "_").replace(" ", "_"): name for name in KINDS}
"""What the command line calls them."""
