"""What `make fuzz` runs for long is right for its seeds, and for every input that once broke a target."""

from pathlib import Path

import pytest

from fuzz.run import TARGETS as NAMES
from fuzz.seeds import write_seeds
from fuzz.targets import TARGETS

DAMAGED_PER_SEED = 3


def test_the_runner_knows_every_target() -> None:
    assert set(NAMES) == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_survives_its_seeds_whole_cut_and_damaged(target: str, tmp_path: Path) -> None:
    write_seeds(target, tmp_path)
    seeds = [file.read_bytes() for file in sorted(tmp_path.iterdir())]
    assert seeds
    for seed in seeds:
        TARGETS[target](seed)
        TARGETS[target](seed[: len(seed) // 2])
        for at in range(0, len(seed), max(1, len(seed) // DAMAGED_PER_SEED)):
            TARGETS[target](seed[:at] + bytes((seed[at] ^ 0xFF,)) + seed[at + 1 :])
