"""`make test-systemd`: the package under the systemd of each distribution, as an administrator would use it.

Prints a line for each check and, at the end, a table; with --json also a JSON object for each. Exit code 1 if a check
failed. Needs root, mmdebstrap and systemd-container; what it makes lies in build/systemd.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from tests.systemd.checks import Result, check_suite
from tests.systemd.container import SUITES, make_root

FOLDER = Path("build/systemd").resolve()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deb", type=Path, required=True)
    parser.add_argument("--suites", default=",".join(SUITES))
    parser.add_argument("--json", type=Path, default=FOLDER / "results.json")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("containers need root: nothing was tested", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for suite in options.suites.split(","):
        for result in check_suite(suite, make_root(suite, FOLDER), options.deb, FOLDER):
            print(result.line(), flush=True)
            results.append(result)
    options.json.write_text("".join(json.dumps(result.row()) + "\n" for result in results), encoding="utf-8")
    print(_table(results))
    print(f"as JSON: {options.json}")
    return 0 if results and all(result.passed for result in results) else 1


def _table(results: list[Result]) -> str:
    suites = list(dict.fromkeys(result.suite for result in results))
    found = {(result.check, result.suite): result for result in results}
    lines = [f"\n{'check':58}" + "".join(f"{suite:12}" for suite in suites)]
    for check in dict.fromkeys(result.check for result in results):
        cells = [found.get((check, suite)) for suite in suites]
        lines.append(f"{check:58}" + "".join(f"{cell.cell() if cell else 'not run':12}" for cell in cells))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
