"""The regular expressions of -f take time linear in the text, and errors go to no stream."""

import subprocess
import sys

import pytest

from beepy.errors import UsageError
from beepy.events.regex import SYNTAX, searcher


@pytest.mark.parametrize(
    ("regex", "text"),
    [
        (r"^(/[a-z0-9]+)+(\.[a-z]+)+$", "/a." + 40 * "a" + "!"),
        (r"^(/[a-z0-9]+)+(\.[a-z]+)+$", "/" + 2 * "ab/" + 5000 * "a.a" + "!"),
        (r"^/(\w+/?)+\.conf$", "/" + 48 * "a"),
        (r"(x+x+)+y", 60_000 * "x"),
    ],
)
def test_no_text_takes_long_to_search(regex: str, text: str) -> None:
    assert not searcher(regex)(text)  # Python's re does not come back


@pytest.mark.parametrize(
    ("regex", "matching", "other"),
    [
        ("as", "bash", "BASH"),  # anywhere, and of that case
        ("(?i)as", "BASH", "sh"),
        ("^sh$", "sh", "sh\n"),  # Python's $ would match before the newline
        (r"^\w+$", "naive", "naïve"),  # \w, \d, \s and \b are ASCII
        (r"^\pL+$", "naïve", "a1"),
        ("^n..ve$", "naïve", "naïves"),
        ("a.b", "a\tb", "a\nb"),
        (r"\x{1F600}", "😀", "😁"),
        ("(?P<a>x)(?P<b>y)", "xy", "yx"),
        ("", "", None),
        (r"ud800", "\ud800", "\ud801"),  # half of a UTF-16 pair, as JSON can have it
    ],
)
def test_syntax_of_re2(regex: str, matching: str, other: str | None) -> None:
    matches = searcher(regex)
    assert matches(matching)
    assert other is None or not matches(other)


@pytest.mark.parametrize(
    "regex",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        r"(a)\1",
        "(?P<x>a)(?P=x)",
        "a++",
        "(?>a)",
        r"a\Z",
        "a{1001}",
    ],
)
def test_syntax_without_bounded_time_is_refused(
    regex: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        searcher(regex)
    assert caught.value.__notes__ == [SYNTAX]
    assert capfd.readouterr() == ("", "")


def test_the_engine_is_imported_when_it_is_needed() -> None:
    code = """
import sys
from beepy.events import filter
from beepy.errors import UsageError
assert "re2" not in sys.modules
sys.modules["re2"] = None  # as where it is not installed
try:
    filter.check(["comm,a"])
except UsageError as error:
    print(error, *error.__notes__, sep="\\n")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.splitlines() == [
        "filter 'comm,a': regex 'a': regular expressions need google-re2, which is not installed",
        "python3 -m pip install google-re2",
    ]
