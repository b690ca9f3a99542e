"""docs/administration.md and docs/install.md, at the warehouses that their sections want."""

import pytest

from tests.guide.page import Section
from tests.guide.running import run, to_run


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("page", "section"),
    [(page, section) for page in ("administration.md", "install.md") for section in to_run(page)],
    ids=lambda value: value.anchor if isinstance(value, Section) else value,
)
def test_the_section_is_what_happens(page: str, section: Section) -> None:
    run(page, section)
