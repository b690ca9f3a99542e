"""Try what a gateway never needs, and what it does; prints a JSON object: what is tried, and "ok" or the error.

Runs in the container, once as root without a sandbox (everything must work, or the trial proves nothing) and once in
the service's sandbox.
"""

import contextlib
import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

PTRACE_TRACEME = 0
CLONE_NEWUSER = 0x10000000
SETUID = 0o4700


def write_into(folder: str) -> None:
    path = Path(folder) / "rfid-probe"
    path.write_text("x")
    path.unlink()


def call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def in_child(action: Callable[[], None]) -> None:
    """Do it in a process of its own, because it changes the process."""
    child = os.fork()
    if child == 0:
        code = 200
        with contextlib.suppress(OSError):
            action()
            code = 0
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "refused in a child process")


def make_setuid() -> None:
    path = Path("/var/lib/rfid-gateway/setuid-probe")
    path.write_text("x")
    try:
        path.chmod(SETUID)
    finally:
        path.unlink()


def connect_to_broker() -> None:
    socket.create_connection(("127.0.0.1", 1883), 5).close()


TRIALS: dict[str, Callable[[], object]] = {
    "write /usr": lambda: write_into("/usr"),
    "write /etc": lambda: write_into("/etc"),
    "write /home": lambda: write_into("/home"),
    "write /root": lambda: write_into("/root"),
    "write /var/lib": lambda: write_into("/var/lib"),
    "other device": lambda: os.close(os.open("/srv/some-device", os.O_RDONLY)),
    "ptrace": lambda: in_child(lambda: call("ptrace", PTRACE_TRACEME, 0, 0, 0)),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "new namespace": lambda: in_child(lambda: call("unshare", CLONE_NEWUSER)),
    "set-user-id file": make_setuid,
    "see process 1": lambda: Path("/proc/1/status").read_text(),
    "change host name": lambda: socket.sethostname(socket.gethostname()),
    "write state": lambda: write_into("/var/lib/rfid-gateway"),
    "connect": connect_to_broker,
}


def main() -> None:
    results = {}
    for name, trial in TRIALS.items():
        try:
            trial()
            results[name] = "ok"
        except OSError as error:
            results[name] = str(error)
    sys.stdout.write("PROBE " + json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
