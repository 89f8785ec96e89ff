import pytest

from beepy.cli import listing
from beepy.oci.store import Entry
from beepy.width import width as columns_of

ONE = Entry("one", "what it does", "sha256:" + 64 * "1", 999, None, "linux/amd64")


def test_an_unknown_column_is_omitted() -> None:
    lines, hidden = listing.table([(ONE._replace(platform=None, size=None), True)], None)
    assert (lines[0].split(), hidden) == (["NAME", "BUNDLED", "DIGEST", "DESCRIPTION"], [])
    created = ONE._replace(
        name="two", created="2026-11-24T00:00:00Z", description=None, platform="linux/arm64"
    )
    lines, _ = listing.table([(ONE, True), (created, False)], None)
    assert lines == [
        "NAME  SIZE  CREATED               PLATFORM     BUNDLED  DIGEST               DESCRIPTION",
        "one   999B  -                     linux/amd64  yes      sha256:111111111111  what it does",
        "two   999B  2026-11-24T00:00:00Z  linux/arm64  no       sha256:111111111111  -",
    ]


def test_no_images() -> None:
    assert listing.table([], None) == (["NAME  DESCRIPTION"], [])
    assert listing.table([], 80) == (["NAME  DESCRIPTION"], [])


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [
        (200, ["SIZE", "PLATFORM", "BUNDLED", "DIGEST"], []),
        (90, ["SIZE", "PLATFORM", "BUNDLED"], ["DIGEST"]),
        (70, ["SIZE", "BUNDLED"], ["DIGEST", "PLATFORM"]),
        (62, ["BUNDLED"], ["DIGEST", "PLATFORM", "SIZE"]),
        (40, [], ["DIGEST", "PLATFORM", "SIZE", "BUNDLED"]),
    ],
)
def test_the_least_useful_columns_are_hidden_first(
    width: int, shown: list[str], hidden: list[str]
) -> None:
    entries = [
        (ONE._replace(description="long " * 20), True),
        (ONE._replace(name="an/image:1"), False),
    ]
    lines, hidden_columns = listing.table(entries, width)
    assert lines[0].split() == ["NAME", *shown, "DESCRIPTION"]
    assert hidden_columns == hidden
    assert max(map(len, lines)) <= width
    assert lines[1].endswith("…") == (width < 150)


@pytest.mark.parametrize("width", [80, 60, 40])
def test_long_and_wide_texts_fit(width: int) -> None:
    entries = [(ONE._replace(name="x" * 300, description="看" * 300), True), (ONE, True)]
    lines, _ = listing.table(entries, width)
    assert max(map(columns_of, lines)) <= width
    assert "".join(lines).count("…") == 2
    assert all(name in listing.table(entries, None)[0][1] for name in ("x" * 300, "看" * 300))


def test_texts_of_an_image_are_one_safe_line() -> None:
    entry = ONE._replace(
        name="a\x1b[2J", description="first\nsecond \x1b]0;t\x07\u202e", created="x" * 9999
    )
    ((_, line), _) = listing.table([(entry, False)], None)
    assert line.isprintable()
    assert r"first second \x1b]0;t\x07\xe2\x80\xae" in line
    assert len(line) < 250


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (6308, "6.31kB"),
        (999_600, "1MB"),
        (123_456_789, "123MB"),
    ],
)
def test_a_size(size: int, text: str) -> None:
    assert listing.size_text(size) == text


def test_descriptions_fit() -> None:
    lines = listing.descriptions([ONE, ONE._replace(name="longer", description="long " * 30)], 40)
    assert lines == ["  one     what it does", "  longer  long long long long long long…"]
