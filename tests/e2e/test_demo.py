import re

import pytest

from tests.e2e.running import command


@pytest.mark.timeout(120)
def test_the_demo_shows_events_and_ends_with_a_summary() -> None:
    done = command("demo", "--seconds", "12")
    assert done.returncode == 0, done.stderr
    running, look, monitor, *lines, _, summary, shipments = done.stdout.splitlines()
    assert "mosquitto" in running
    assert look.startswith("look     rfid-gateway status --config ")
    assert re.fullmatch(r"monitor  curl http://127\.0\.0\.1:\d+/metrics", monitor)
    assert any("packing-1" in line and "packing" in line for line in lines)
    assert any("storage-1" in line and "storing" in line for line in lines)
    assert any("dock-1" in line for line in lines)
    counts = [int(number) for number in re.findall(r"(?<![\w-])\d+", summary)]
    reads, events, published, waiting, received = counts
    assert reads > events == published == received == len(lines)
    assert waiting == 0
    known = re.fullmatch(r"the order backend knows where (\d+) shipments are", shipments)
    assert known is not None
    assert int(known[1]) == len({line.split()[1] for line in lines})
    assert done.stderr == ""
