import os
import pty
from pathlib import Path

import pytest

from beepy.width import columns_of_terminal, columns_of_user, pad, truncate, width, wrap

WORLD = "\u4e16\u754c"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("abc", 3),
        (WORLD, 4),
        ("e\u0301", 1),
        ("\U0001f600", 2),
        ("\u00ad", 1),
        ("na\u00efve", 5),
    ],
)
def test_widths_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("abcd", 1, "…"),
        ("abcd", 0, ""),
        (WORLD, 4, WORLD),
        (WORLD * 2, 4, WORLD[0] + "…"),
        (WORLD * 2, 6, WORLD + "…"),
        (WORLD, 1, "…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_a_text_that_is_too_long_ends_in_an_ellipsis(
    text: str, columns: int, expected: str
) -> None:
    assert truncate(text, columns) == expected
    assert width(truncate(text, columns)) <= columns


def test_texts_are_padded() -> None:
    assert pad(WORLD, 6) == WORLD + "  "
    assert pad("7", 3, right=True) == "  7"
    assert pad("long", 3, right=True) == "long"


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("one two", 7, ["one two"]),
        ("one two", 6, ["one", "  two"]),
        ("  one   two three", 11, ["  one   two", "  three"]),
        ("a-b/c_d efghijklmn o", 8, ["a-b/c_d", "  efghij", "  klmn o"]),
        (WORLD * 3 + " " + WORLD, 8, [WORLD * 2, "  " + WORLD, "  " + WORLD]),
        (WORLD * 2, 5, [WORLD, "  " + WORLD[0], "  " + WORLD[1]]),
        ("abc", 1, ["a", "  b", "  c"]),
        ("", 5, [""]),
    ],
)
def test_lines_break_between_words(text: str, columns: int, lines: list[str]) -> None:
    assert wrap(text, columns, "  ") == lines


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("80", 80),
        ("0080", 80),
        ("4097", 4096),
        ("9" * 5000, 4096),
        ("0", None),
        ("", None),
        ("-5", None),
        ("x", None),
    ],
)
def test_the_variable_columns(
    columns: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert columns_of_user() == expected


def test_the_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pty.openpty()
    try:
        monkeypatch.delenv("COLUMNS", raising=False)
        assert columns_of_terminal(second) == 80  # it does not know its size
        monkeypatch.setenv("COLUMNS", "60")
        assert columns_of_terminal(second) == 60
    finally:
        os.close(first)
        os.close(second)
    with Path(os.devnull).open("rb") as file:
        assert columns_of_terminal(file.fileno()) is None


def test_the_end_of_a_path_is_kept() -> None:
    assert truncate("/usr/include/bpf/bpf_helpers.h", 14, start=True) == "\u2026bpf_helpers.h"
    assert truncate(f"/{WORLD}/x", 5, start=True) == "\u2026\u754c/x"
    assert truncate("/short", 6, start=True) == "/short"
    assert [truncate("/long", columns, start=True) for columns in (0, 1)] == ["", "\u2026"]
