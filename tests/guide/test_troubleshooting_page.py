"""docs/troubleshooting.md, each section at a warehouse that really has the trouble."""

import pytest

from tests.guide.page import Section
from tests.guide.running import run, to_run

PAGE = "troubleshooting.md"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("section", to_run(PAGE), ids=lambda section: section.anchor)
def test_the_section_is_what_happens(section: Section) -> None:
    run(PAGE, section)
