"""What is checked in each container, in the order of a gateway's life."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rfid_gateway.journal import message_id
from rfid_simulators.steady_field import steady_field
from tests.systemd import guide
from tests.systemd.container import Container, eventually
from tests.terminal import Terminal

UNIT = "rfid-gateway.service"
CONFIG = "/etc/rfid-gateway/gateway.toml"
STATE = "/var/lib/rfid-gateway"
CREDENTIAL = f"/run/credentials/{UNIT}/mqtt-password"
PROBE = Path(__file__).with_name("probe.py")
UNITS = Path(__file__).resolve().parents[2] / "systemd"
GATEWAY = """\
[gateway]
site = "test"
id = "{gateway}"
state_dir = "{state}"
[mqtt]
host = "127.0.0.1"
username = "gateway"
password_file = "{password}"
[[readers]]
id = "shelf"
driver = "llrp"
host = "127.0.0.1"
port = {llrp}
[[readers]]
id = "table"
driver = "chafon"
port = "socket://127.0.0.1:{serial}"
[[zones]]
id = "shelf"
antennas = ["shelf"]
read_point = "urn:epc:id:sgln:4012345.00010.shelf"
[zones.arrived]
biz_step = "storing"
[[zones]]
id = "table"
antennas = ["table"]
read_point = "urn:epc:id:sgln:4012345.00010.table"
[zones.arrived]
biz_step = "packing"
"""
SETUP = (
    *("--site", "test", "--gateway", "gate-1", "--time-zone", "Europe/Berlin"),
    *("--broker", "127.0.0.1", "--username", "gateway"),
    *("--reader", "shelf=llrp://127.0.0.1", "--reader", "table=socket://127.0.0.1:4001?protocol=chafon"),
    *("--zone", "shelf=shelf?step=storing", "--zone", "table=table?step=packing"),
    *("--locations", "urn:epc:id:sgln:4012345.00010."),
)
"""What `rfid-gateway setup` is told besides the password; later the file of `GATEWAY` stands for the same site."""
NEEDED = {"write state", "connect"}
_METRICS = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8684/metrics').read().decode())"


@dataclass(frozen=True, slots=True)
class Result:
    """One check in one distribution."""

    suite: str
    check: str
    passed: bool
    detail: str
    figure: str = ""

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def cell(self) -> str:
        return (self.figure or "ok") if self.passed else "FAILED"

    def line(self) -> str:
        return f"{self.suite:9} {'ok    ' if self.passed else 'FAILED'} {self.check}: {self.detail[-600:]}"


def check_suite(suite: str, archive: Path, deb: Path, folder: Path) -> Iterator[Result]:
    """Boot a distribution and take the package through its life there."""
    with Container(archive, folder) as box:
        life = _Life(box, deb, folder)
        for step in (
            life.install,
            life.configure,
            life.status,
            life.reload,
            life.killed,
            life.stopped_dead,
            life.one_worker_hangs,
            life.credentials,
            life.journal,
            life.sandbox,
            life.several_gateways,
            life.guide,
            life.mistake,
            life.upgrade,
            life.remove,
            life.purge,
            life.without_package,
        ):
            for check, passed, detail, *figure in step():
                yield Result(suite, check, passed, " ".join(detail.split()), *figure)


_Found = tuple[str, bool, str] | tuple[str, bool, str, str]


class _Life:
    """One container's checks. Owner: `check_suite`."""

    def __init__(self, box: Container, deb: Path, folder: Path) -> None:
        self._box = box
        self._deb = deb
        self._folder = folder
        self._installed_at = 0.0

    # From the package to the first event -----------------------------------------------------------------------------

    def install(self) -> Iterator[_Found]:
        box = self._box
        shutil.copy(self._deb, box.root / "root/rfid-gateway.deb")
        began = self._installed_at = time.monotonic()
        done = box.finish("apt-get", "install", "-y", "--no-install-recommends", "/root/rfid-gateway.deb")
        took = f"{time.monotonic() - began:.1f} s"
        yield "apt install without network", done.returncode == 0, done.stdout[-300:], took
        text = box.show(UNIT, "StatusText")
        state = (box.show(UNIT, "ActiveState"), box.show(UNIT, "UnitFileState"), box.show(UNIT, "NRestarts"))
        good = text.startswith("not configured: call rfid-gateway setup") and state == ("active", "enabled", "0")
        yield "status after install says what to do", good, f"{state} {text}"
        shown = box.run("systemctl", "status", "--no-pager", UNIT)
        yield "systemctl status shows it", "not configured: call rfid-gateway setup" in shown, shown
        version = box.finish("rfid-gateway", "version")
        yield "program and libraries run", version.returncode == 0 and "Python 3." in version.stdout, version.stdout
        discover = box.finish("rfid-gateway", "discover", "--help").returncode
        compiled = box.finish("python3", "-I", "-c", _COMPILED)
        fine = compiled.returncode == 0 and discover == 0
        yield "compiled libraries of this Python load", fine, compiled.stdout
        score = box.run("systemd-analyze", "security", "--no-pager", UNIT).strip().splitlines()[-1]
        found = re.search(r"\d+\.\d", score)
        figure = found[0] if found else "none"
        yield "systemd-analyze security at most 1.5", found is not None and float(figure) <= 1.5, score, figure

    def configure(self) -> Iterator[_Found]:
        box = self._box
        box.write(
            "/etc/mosquitto/conf.d/test.conf", "listener 1883 127.0.0.1\npassword_file /etc/mosquitto/passwords\n"
        )
        box.run("mosquitto_passwd", "-b", "-c", "/etc/mosquitto/passwords", "gateway", "secret of the gateway")
        box.run("chown", "mosquitto:", "/etc/mosquitto/passwords")
        box.run("systemctl", "restart", "mosquitto")
        listen = "mosquitto_sub -h 127.0.0.1 -u gateway -P 'secret of the gateway' -q 1 -v -t 'rfid/#'"
        self._start("listener", "sh", "-c", f"until {listen} -E; do sleep 0.2; done; {listen} > /run/heard")
        self._start("reader-llrp", "rfid-simulator", "reader", "--rate", "50", "--tags", "5", "--quiet")
        self._start("reader-serial", "rfid-simulator", "serial", "--protocol", "chafon", "--port", "4001")
        screen = self._set_up("secret of the gateway")
        good = "systemctl restart rfid-gateway" in screen and "but " not in screen and "secret" not in screen
        yield "rfid-gateway setup on a terminal", good, screen[-600:]
        owner = box.run("stat", "-c", "%a %U:%G", "/etc/rfid-gateway/mqtt-password").strip()
        yield "the password is for the service's group alone", owner == "640 root:rfid-gateway", owner
        drop_in = (UNITS / "mqtt-password.conf").read_text()
        box.write(f"/etc/systemd/system/{UNIT}.d/mqtt-password.conf", drop_in)
        checked = box.finish("rfid-gateway", "check")
        yield "rfid-gateway check", checked.returncode == 0, checked.stdout
        epcs = sorted({sighting.epc for sighting in steady_field("simulated", rate=50, tags=5)(0, 1_000_000)})
        units = [f"S-{number},{epc}" for number, epc in enumerate([*epcs, f"3034{1:020d}"])]
        box.write("/root/shipments.csv", "\n".join(["shipment_id,unit", *units]) + "\n")
        box.run("chmod", "0755", "/root")
        imported = box.finish(
            "runuser", "-u", "rfid-gateway", "--", "rfid-gateway", "shipments", "import", "/root/shipments.csv"
        )
        yield "shipments import", imported.returncode == 0, imported.stdout
        box.run("systemctl", "daemon-reload")
        started = box.finish("systemctl", "restart", UNIT)
        yield "start until READY", started.returncode == 0 and self._active(), started.stdout or self._text()
        arrived = eventually(lambda: self._events() > 0)
        took = f"{time.monotonic() - self._installed_at:.1f} s"
        yield (
            "apt install to first event",
            arrived,
            self._heard()[-300:] or box.run("journalctl", "-u", UNIT, "-n", "5"),
            took,
        )
        both = eventually(lambda: all(f"/events/{step}" in self._heard() for step in ("storing", "packing")))
        yield "events of LLRP and serial reader", both, f"{self._events()} events"

    def status(self) -> Iterator[_Found]:
        good = eventually(lambda: self._text() == "2 of 2 readers online, broker connected, 0 waiting")
        yield "STATUS of a healthy gateway", good, self._text()
        self._box.run("systemctl", "stop", "reader-serial")
        good = eventually(lambda: self._text().startswith("1 of 2 readers online"))
        yield "STATUS when a reader is away", good, self._text()
        self._start("reader-serial-again", "rfid-simulator", "serial", "--protocol", "chafon", "--port", "4001")
        shown = self._box.finish("rfid-gateway", "status")
        page = self._box.finish("python3", "-c", _METRICS).stdout
        served = "rfid_gateway_healthy 1.0" in page and "\nprocess_resident_memory_bytes " in page
        yield "metrics of gateway and process through the sandbox", served, page[-300:]
        yield "rfid-gateway status", shown.returncode == 0 and "running since" in shown.stdout, shown.stdout

    def reload(self) -> Iterator[_Found]:
        box, before = self._box, self._pid()
        config = (box.root / CONFIG.lstrip("/")).read_text()
        box.write(CONFIG, config.replace('biz_step = "packing"', 'biz_step = "picking"'))
        done = box.finish("systemctl", "reload", UNIT)
        applied = eventually(lambda: "event=reload.applied changed=zones" in self._log(before))
        alive = eventually(lambda: self._active() and self._pid() == before)
        yield "reload good: applied by the same process", done.returncode == 0 and applied and alive, self._log(before)
        box.write(CONFIG, config.replace("username", "usernam"))
        done = box.finish("systemctl", "reload", UNIT)
        line = 1 + config[: config.index("\nusername")].count("\n") + 1
        mistake = f"{CONFIG}:{line}: mqtt.usernam: unknown key"
        named = eventually(lambda: mistake in box.run("journalctl", "-u", UNIT, "-o", "cat", "-n", "30"))
        alive = eventually(lambda: self._active() and self._pid() == before)
        good = done.returncode != 0 and named and alive
        detail = f"code {done.returncode}, named: {named}, alive: {alive}, {done.stdout} {self._text()}"
        yield "reload bad: fails, line named, process left alone", good, detail
        box.run("kill", "-HUP", before)
        told = eventually(lambda: "last reload refused at 20" in self._text() and "mqtt.usernam" in self._text())
        alive = eventually(lambda: self._active() and self._pid() == before)
        yield "SIGHUP with a bad file: STATUS says so", told and alive, self._text()
        box.write(CONFIG, config)
        done = box.finish("systemctl", "reload", UNIT)
        good = eventually(lambda: self._text() == "2 of 2 readers online, broker connected, 0 waiting")
        yield "reload good: STATUS has forgotten the refusal", done.returncode == 0 and good, self._text()

    # What goes wrong -------------------------------------------------------------------------------------------------

    def killed(self) -> Iterator[_Found]:
        before = self._pid()
        self._box.run("kill", "-9", before)
        good = eventually(lambda: self._active() and self._pid() not in {before, "0"})
        yield "kill -9: started again", good, f"{before} -> {self._pid()}, {self._text()}"

    def stopped_dead(self) -> Iterator[_Found]:
        self._box.write(f"/etc/systemd/system/{UNIT}.d/quick.conf", "[Service]\nWatchdogSec=5\nTimeoutAbortSec=3\n")
        self._box.run("systemctl", "daemon-reload")
        self._box.run("systemctl", "restart", UNIT)
        before = self._pid()
        time.sleep(8)
        yield "healthy: the watchdog waits", self._pid() == before and self._active(), self._text()
        self._box.run("kill", "-STOP", before)
        good = eventually(lambda: self._active() and self._pid() not in {before, "0"})
        said = "Watchdog timeout" in self._box.run("journalctl", "-u", UNIT, "_PID=1", "-n", "50")
        yield (
            "process stopped dead: watchdog starts it again",
            good and said,
            f"{before} -> {self._pid()}, said: {said}",
        )

    def one_worker_hangs(self) -> Iterator[_Found]:
        """The password lies on something that never answers: a pipe without a writer stands for a dead network disk."""
        box = self._box
        box.run("mkfifo", "/etc/rfid-gateway/dead-disk")
        box.run("chown", "rfid-gateway", "/etc/rfid-gateway/dead-disk")
        self._write_config("/etc/rfid-gateway/dead-disk")
        box.run("systemctl", "restart", UNIT)
        before = self._pid()
        hangs = eventually(lambda: self._text().startswith("hangs: publisher;"))
        yield "one worker hangs: STATUS names it", hangs, self._text()
        good = eventually(lambda: self._pid() not in {before, "0"})
        log = box.run("journalctl", "-u", UNIT, "-o", "cat", f"_PID={before}")
        stack = "Fatal Python error: Aborted" in log and "publisher.py" in log and "event=worker.hangs" in log
        yield "one worker hangs: started again with its stack", good and stack, log[-400:]
        self._write_config("credential:mqtt-password")
        box.run("rm", "/etc/rfid-gateway/dead-disk", f"/etc/systemd/system/{UNIT}.d/quick.conf")
        box.run("systemctl", "daemon-reload")
        box.run("systemctl", "restart", UNIT)
        good = eventually(lambda: self._text().startswith("2 of 2 readers online, broker connected"))
        yield "and goes on once it can", good, self._text()

    def mistake(self) -> Iterator[_Found]:
        config = (self._box.root / CONFIG.lstrip("/")).read_text()
        self._box.write(CONFIG, config.replace("username", "usernam"))
        self._box.finish("systemctl", "restart", UNIT)
        time.sleep(7)
        state = tuple(self._box.show(UNIT, name) for name in ("ActiveState", "ExecMainStatus", "NRestarts"))
        log = self._box.run("journalctl", "-u", UNIT, "-o", "cat", "-n", "12")
        good = state == ("failed", "2", "0") and f"{CONFIG}:7: mqtt.usernam: unknown key" in log
        yield "mistake in the configuration: failed, no loop, line named", good, f"{state} {log[-300:]}"
        self._box.write(CONFIG, config)
        self._box.run("systemctl", "restart", UNIT)

    # What it may and what others may ---------------------------------------------------------------------------------

    def credentials(self) -> Iterator[_Found]:
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for path in ("/etc/rfid-gateway/mqtt-password", CREDENTIAL):
            there = self._box.finish("test", "-f", path).returncode == 0
            other = self._box.finish(*nobody, "cat", path)
            good = there and other.returncode != 0 and "secret" not in other.stdout
            yield f"others cannot read {Path(path).parent.name}/mqtt-password", good, other.stdout
        environment = self._box.run("cat", f"/proc/{self._pid()}/environ").replace("\0", " ")
        good = "secret" not in environment and "CREDENTIALS_DIRECTORY" in environment
        yield "the password is not in the environment", good, environment

    def journal(self) -> Iterator[_Found]:
        lines = self._box.run("journalctl", "-u", UNIT, "-o", "json", "--no-pager").splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        ours = [entry for entry in entries if "event=" in str(entry.get("MESSAGE", ""))]
        names = {entry.get("SYSLOG_IDENTIFIER") for entry in ours}
        priorities = {entry.get("PRIORITY") for entry in ours}
        uids = {entry.get("_UID") for entry in ours}
        good = names == {"rfid-gateway"} and {"6", "4"} <= priorities and uids and "0" not in uids
        yield "journal: identifier, priorities, user", bool(good), f"{names} {priorities} {uids}"
        found = self._box.run(
            *("journalctl", f"MESSAGE_ID={message_id('reader.state')}", "RFID_READER=shelf", "-o", "json", "--no-pager")
        )
        found_entries = [json.loads(line) for line in found.splitlines() if line.startswith("{")]
        online = [entry for entry in found_entries if entry.get("RFID_STATE") == "online"]
        units = {entry.get("_SYSTEMD_UNIT") for entry in online}
        owners = {entry.get("_UID") for entry in online}
        transports = {entry.get("_TRANSPORT") for entry in online}
        good = bool(online) and units == {UNIT} and owners == uids and transports == {"journal"}
        yield "journal: entries by message id and field", good, f"{units} {owners} {transports} {found[-200:]}"
        explained = self._box.run(
            *("journalctl", f"MESSAGE_ID={message_id('reader.state')}", "-x", "--no-pager", "-n", "5")
        )
        yield "journalctl -x explains them", "Defined-By: rfid-gateway" in explained, explained

    def sandbox(self) -> Iterator[_Found]:
        box = self._box
        shutil.copy(PROBE, box.root / "usr/lib/rfid-probe.py")
        free = self._probed(box.run("python3", "-I", "/usr/lib/rfid-probe.py"))
        works = bool(free) and set(free.values()) == {"ok"}
        yield "without sandbox everything can be done", works, str({k: v for k, v in free.items() if v != "ok"})
        unit = (box.root / "lib/systemd/system" / UNIT).read_text()
        unit = re.sub(
            r"^ExecStart=.*", "ExecStart=/usr/bin/python3 -I /usr/lib/rfid-probe.py", unit, flags=re.MULTILINE
        )
        unit = re.sub(r"^Type=.*", "Type=oneshot", unit, flags=re.MULTILINE)
        unit = re.sub(
            r"^(Restart|RestartSec|RestartPrevent\w+|WatchdogSec|NotifyAccess)=.*\n", "", unit, flags=re.MULTILINE
        )
        box.write("/etc/systemd/system/rfid-probe.service", unit)
        box.run("systemctl", "daemon-reload")
        box.run("systemctl", "start", "rfid-probe")
        log = box.run("journalctl", "-u", "rfid-probe", "-o", "cat")
        locked = self._probed(log)
        refused = {name for name, result in locked.items() if result != "ok"}
        good = bool(locked) and refused == set(free) - NEEDED
        wrong = {name: locked.get(name) for name in set(free) if (name in refused) == (name in NEEDED)}
        yield (
            "sandbox refuses all but state and network",
            good,
            f"wrong: {wrong}; {locked or log[-300:]}",
        )

    def several_gateways(self) -> Iterator[_Found]:
        box = self._box
        self._start(
            "reader-llrp-2", "rfid-simulator", "reader", "--port", "5085", "--rate", "50", "--tags", "5", "--quiet"
        )
        self._start("reader-serial-2", "rfid-simulator", "serial", "--protocol", "chafon", "--port", "4002")
        box.write("/etc/rfid-gateway/password-two", "secret of the gateway\n")
        box.run("chown", "rfid-gateway", "/etc/rfid-gateway/password-two")
        text = GATEWAY.format(
            gateway="gate-2", state=f"{STATE}/two", password="/etc/rfid-gateway/password-two", llrp=5085, serial=4002
        )
        box.write("/etc/rfid-gateway/two.toml", text)
        box.run("systemctl", "enable", "--now", "rfid-gateway@two")
        good = eventually(
            lambda: box.show("rfid-gateway@two", "StatusText").startswith("2 of 2 readers online, broker connected")
        )
        there = box.finish("test", "-f", f"{STATE}/two/gateway.db").returncode == 0
        detail = box.show("rfid-gateway@two", "StatusText") or box.run(
            "journalctl", "-u", "rfid-gateway@two", "-n", "5"
        )
        yield "a second gateway on the same PC", good and there and self._active(), detail

    def guide(self) -> Iterator[_Found]:
        """What the pages for administrators show, but for the package's removal, which has checks of its own."""
        box = self._box
        shutil.copy(self._deb, box.root / "root/rfid-gateway_0.1.0_amd64.deb")
        box.write("/etc/systemd/system/ModemManager.service", "[Service]\nExecStart=/bin/sleep infinity\n")
        north = (box.root / "etc/rfid-gateway/two.toml").read_text()
        box.write("/etc/rfid-gateway/north.toml", north.replace("gate-2", "gate-3").replace("/two", "/north"))
        for command in guide.commands():
            if not command.startswith(guide.REMOVING):
                done = box.finish("sh", "-c", f"cd /root && {guide.unattended(command)}")
                yield f"guide: {command}", guide.fine(command, done.returncode), done.stdout[-300:]
        box.finish("systemctl", "disable", "--now", "rfid-gateway@north")
        good = eventually(lambda: self._text().startswith("2 of 2 readers online, broker connected"))
        yield "guide: the gateway runs after it", good, self._text()

    # The package's end -----------------------------------------------------------------------------------------------

    def upgrade(self) -> Iterator[_Found]:
        box = self._box
        newer = _newer(self._deb, self._folder / "newer")
        shutil.copy(newer, box.root / "root/newer.deb")
        config, before, second = box.run("cat", CONFIG), self._pid(), box.show("rfid-gateway@two", "MainPID")
        kept = self._history()
        # As unattended upgrades do: the example has changed, and so has the administrator's file.
        done = box.finish("apt-get", "install", "-y", "-o", "Dpkg::Options::=--force-confold", "/root/newer.deb")
        version = box.run("dpkg-query", "-W", "-f", "${Version}", "rfid-gateway")
        yield "upgrade", done.returncode == 0 and version == "0.1.0+newer", f"{version} {done.stdout[-300:]}"
        same = box.run("cat", CONFIG) == config
        yield "upgrade keeps the configuration", same, CONFIG
        good = eventually(lambda: self._active() and self._pid() not in {before, "0"})
        now = self._history()
        yield (
            "upgrade keeps the events and goes on",
            good and bool(kept) and now[: len(kept)] == kept,
            f"{len(kept)}, {len(now)}",
        )
        good = eventually(lambda: box.show("rfid-gateway@two", "MainPID") not in {second, "0"})
        yield "upgrade restarts the second gateway too", good, box.show("rfid-gateway@two", "ActiveState")

    def remove(self) -> Iterator[_Found]:
        box = self._box
        done = box.finish("apt-get", "remove", "-y", "rfid-gateway")
        kept = [box.finish("test", "-f", path).returncode == 0 for path in (CONFIG, f"{STATE}/gateway.db")]
        gone = box.finish("test", "-e", "/usr/lib/rfid-gateway").returncode != 0
        running = box.finish("pgrep", "-a", "-f", "bin/rfid-gateway run").stdout
        good = done.returncode == 0 and kept == [True, True] and gone and not running
        yield (
            "remove ends all gateways, keeps configuration and data",
            good,
            f"{kept} {gone} {running} {done.stdout[-300:]}",
        )

    def purge(self) -> Iterator[_Found]:
        box = self._box
        done = box.finish("apt-get", "purge", "-y", "rfid-gateway")
        left = [path for path in ("/etc/rfid-gateway", STATE) if box.finish("test", "-e", path).returncode == 0]
        unit = box.run("systemctl", "list-unit-files", "rfid-gateway*", "--no-legend")
        yield (
            "purge removes configuration and data",
            done.returncode == 0 and not left,
            f"{left} {unit} {done.stdout[-200:]}",
        )
        user = box.finish("getent", "passwd", "rfid-gateway").stdout
        yield "purge leaves the user", "rfid-gateway" in user, user

    def without_package(self) -> Iterator[_Found]:
        """The same program in a folder of its own, as on a distribution without the package."""
        box = self._box
        # Ours, not the package's; its credential is purged.
        box.run("rm", "-r", f"/etc/systemd/system/{UNIT}.d")
        box.run("dpkg-deb", "-x", "/root/rfid-gateway.deb", "/opt/rfid-gateway")
        program = "/opt/rfid-gateway/usr/bin/rfid-gateway"
        done = box.finish(program, "service", "install")
        text, state = box.show(UNIT, "StatusText"), box.show(UNIT, "ActiveState")
        good = done.returncode == 0 and state == "active" and text.startswith("not configured: call rfid-gateway setup")
        yield "service install without the package", good, f"{state} {text} {done.stdout[-300:]}"
        runs = program in box.run("cat", f"/proc/{self._pid()}/cmdline").replace("\0", " ")
        yield "and it runs that program", runs, box.show(UNIT, "ExecStart")
        explained = "rfid-gateway: " in box.run("journalctl", "--list-catalog")
        yield "and journalctl -x explains its entries", explained, ""
        done = box.finish(program, "service", "uninstall")
        gone = box.finish("systemctl", "cat", UNIT).returncode != 0
        gone = gone and "rfid-gateway: " not in box.run("journalctl", "--list-catalog")
        kept = box.finish("test", "-f", CONFIG).returncode == 0
        yield "service uninstall", done.returncode == 0 and gone and kept, done.stdout

    # -----------------------------------------------------------------------------------------------------------------

    def _set_up(self, password: str) -> str:
        """What `rfid-gateway setup` shows on a terminal to somebody who gives all but the password as options."""
        with Terminal(self._box.inside("rfid-gateway", "setup", *SETUP), {"LC_ALL": "C.UTF-8"}) as terminal:
            terminal.answers("Encrypted (TLS)?")
            terminal.answers("Password", password)
            terminal.answers("Write ")
            terminal.ends()
            return terminal.screen

    def _start(self, unit: str, *command: str) -> None:
        done = self._box.finish("systemd-run", "--quiet", f"--unit={unit}", *command)
        assert done.returncode == 0, done.stdout

    def _write_config(self, password: str) -> None:
        text = GATEWAY.format(gateway="gate-1", state=STATE, password=password, llrp=5084, serial=4001)
        self._box.write(CONFIG, f"{text}[web]\n")

    def _active(self) -> bool:
        return self._box.show(UNIT, "ActiveState") == "active"

    def _pid(self) -> str:
        return self._box.show(UNIT, "MainPID")

    def _log(self, pid: str) -> str:
        return self._box.run("journalctl", "-u", UNIT, "-o", "cat", f"_PID={pid}", "-n", "50")

    def _text(self) -> str:
        return self._box.show(UNIT, "StatusText")

    def _heard(self) -> str:
        return self._box.run("cat", "/run/heard")

    def _events(self) -> int:
        return self._heard().count("rfid/test/gate-1/events/")

    def _history(self) -> list[str]:
        lines = self._box.run("rfid-gateway", "events", "--json", "-n", "100000").splitlines()
        return [json.loads(line)["event_id"] for line in lines if line.startswith("{")]

    def _probed(self, output: str) -> dict[str, str]:
        found = [line.removeprefix("PROBE ") for line in output.splitlines() if line.startswith("PROBE ")]
        results: dict[str, str] = json.loads(found[-1]) if found else {}
        return results


_COMPILED = (
    "import sys; sys.path.insert(0, '/usr/lib/rfid-gateway'); import pydantic_core._pydantic_core as a, "
    "zeroconf._dns as b; print(a.__file__, b.__file__); sys.exit(not b.__file__.endswith('.so'))"
)


def _newer(deb: Path, folder: Path) -> Path:
    """The same package with a later version and a changed example, as a release would have."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = folder / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 0.1.0+newer", control.read_text(), flags=re.MULTILINE))
    for example in (folder / CONFIG.lstrip("/"), folder / "usr/lib/rfid-gateway/rfid_gateway/packaged/gateway.toml"):
        example.write_text(example.read_text() + "\n# A later example.\n")
    newer = folder.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "-b", folder, newer], check=True, stdout=subprocess.DEVNULL)
    return newer
