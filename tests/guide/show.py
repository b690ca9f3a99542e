"""For whoever writes a page: `python -m tests.guide.show SITE COMMAND...` shows what commands answer at a site."""

import sys
import time

from tests.guide.page import Command
from tests.guide.sites import warehouse


def main() -> None:
    site, *commands = sys.argv[1:]
    with warehouse(site) as house:
        for words in commands:
            print(f"$ {words}\n{house.pc.run(Command(0, words, ()), time.monotonic() + 15)}", end="", flush=True)


if __name__ == "__main__":
    main()
