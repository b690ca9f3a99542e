"""Fuzzes with Atheris, one target after the other; a crash writes its input and ends with status 1.

    python -m fuzz.run [--seconds 60] [TARGET...]

Each target runs in a process of its own for that many seconds, and a JSON line sums it up: executions, coverage as
libFuzzer counts it, features. What a crash said is printed before. Corpora live as long as the run.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path

from fuzz.seeds import write_seeds

TARGETS = (
    *("framing", "session", "conversation", "reports", "tags", "control_messages"),
    *("cfprime", "chafon", "gx5a", "line", "m100", "mercury", "r2000", "rdm6300", "swct", "tsl"),
)
LONGEST_INPUT = 1024
_SHOWN_OF_A_CRASH = 60
_PROGRESS = re.compile(r"#(\d+)\s.*cov: (\d+) ft: (\d+)")
_INSTRUMENTED = """\
import logging, sys
import atheris
logging.disable()
with atheris.instrument_imports(include=["rfid_drivers", "rfid_gateway"]):
    from fuzz.targets import TARGETS
atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()
"""


def fuzz(target: str, seconds: int, crashes: Path) -> bool:
    """Run one target; say whether it survived."""
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(target, Path(folder))
        limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST_INPUT}", "-timeout=10", "-rss_limit_mb=1024"]
        command = [
            sys.executable,
            "-c",
            _INSTRUMENTED,
            target,
            folder,
            *limits,
            f"-artifact_prefix={crashes}/{target}-",
        ]
        process = subprocess.Popen(command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        executions = coverage = features = 0
        last_words: deque[str] = deque(maxlen=_SHOWN_OF_A_CRASH)
        for text in process.stdout:
            last_words.append(text)
            if progress := _PROGRESS.search(text):
                executions, coverage, features = map(int, progress.groups())
        survived = process.wait() == 0
    if not survived:
        print("".join(last_words), end="")
    summary = {"fuzz": target, "seconds": seconds, "executions": executions, "coverage": coverage, "features": features}
    print(json.dumps(summary | {"crashed": not survived}), flush=True)
    return survived


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all without one")
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("--crashes", type=Path, default=Path("build/fuzz"), help="where inputs that crash are kept")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown target {', '.join(sorted(unknown))}, expected some of {', '.join(TARGETS)}")
    arguments.crashes.mkdir(parents=True, exist_ok=True)
    survived = [fuzz(target, arguments.seconds, arguments.crashes) for target in arguments.targets or TARGETS]
    return 0 if all(survived) else 1


if __name__ == "__main__":
    sys.exit(main())
