"""Every kind of fault once, at two sites at once; `make test-faults` is the long version."""

import random
from functools import reduce
from operator import add

import pytest
from rich.progress import Progress

from tests.conftest import skip_or_fail
from tests.faults.check import Count
from tests.faults.kinds import KINDS
from tests.faults.run import missing_parts, repeat_command, run, summed


@pytest.mark.timeout(600)
def test_every_kind_of_fault_loses_nothing_doubles_nothing_and_keeps_the_order() -> None:
    if missing := missing_parts():
        skip_or_fail(f"not here: {', '.join(missing)}")
    seed, kinds = random.SystemRandom().randrange(1 << 32), list(KINDS)
    print(f"again: {repeat_command(seed, len(kinds), kinds)}")
    with Progress(disable=True) as progress:
        results = run(seed, len(kinds), kinds, sites=2, size=len(kinds) // 2, progress=progress)
    for result in results:
        for words in result.wrong:
            print(f"batch {result.batch.number}: {words}")
        print(result.log)
    counts = summed(results)
    print(*counts.items(), sep="\n")
    assert [words for result in results for words in result.wrong] == []
    assert {kind: count.faults for kind, count in counts.items()} == dict.fromkeys(KINDS, 1)
    total = reduce(add, counts.values(), Count())
    assert total.expected >= 3 * len(kinds)
    assert (total.received + total.by_broker, total.wrong) == (total.expected, 0)
    assert total.by_broker <= counts["broker killed"].by_broker
