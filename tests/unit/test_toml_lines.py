import tomllib

from rfid_gateway.toml_lines import line_of, lines_of_keys

TEXT = """\
# a comment with = and [brackets]
[gateway]
site = "hamburg"

[[readers]]
id = "dock-1"
note = \"\"\"
id = "not a key"
[not.a.table]
\"\"\"
[[readers]]
id = "dock-2"
antennas = [
    1,  # first
    2,
]
host = "10.0.0.1"
[[doors]]
[doors.out]
biz_step = "loading"
"a key".deep = 1
"""


def test_every_key_is_found_on_its_line() -> None:
    tomllib.loads(TEXT)
    lines = lines_of_keys(TEXT)
    assert lines["gateway",] == 2
    assert lines["gateway", "site"] == 3
    assert lines["readers", 0, "id"] == 6
    assert lines["readers", 1, "id"] == 12
    assert lines["readers", 1, "host"] == 17
    assert lines["doors", 0, "out", "biz_step"] == 20
    assert lines["doors", 0, "out", "a key", "deep"] == 21


def test_text_inside_a_multi_line_value_is_no_key() -> None:
    lines = lines_of_keys(TEXT)
    assert ("not", "a", "table") not in lines
    assert len([path for path in lines if path[-1] == "id"]) == 2


def test_a_missing_key_is_placed_at_the_table_around_it() -> None:
    assert line_of(lines_of_keys(TEXT), ("readers", 1, "driver")) == 11
    assert line_of(lines_of_keys(TEXT), ("mqtt", "host")) == 1
