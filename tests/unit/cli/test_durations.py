import pytest

from beepy.cli.durations import seconds
from beepy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10s", 10),
        ("10", 10),
        (" 2m ", 120),
        ("1.5h", 5400),
        ("500ms", 0.5),
        ("20us", 20e-6),
        ("3ns", 3e-9),
        ("0.001s", 0.001),
        ("999999999999", 999_999_999_999),
    ],
)
def test_a_duration(text: str, value: float) -> None:
    assert seconds("--timeout", text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "0", "0s", "0.0ms", "-1s", "1 s", "s", "1d", "1m30s", "1e3s", "inf", "nan", ".5s", "1.", "٣s"],
)
def test_no_duration(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds("--timeout", text)
    assert str(caught.value) == f"--timeout '{text}': expected a duration above 0, such as 10s, 500ms or 2m"


@pytest.mark.parametrize("text", ["1" * 13, "99999999999999999999999h", "9" * 5000])
def test_a_duration_has_a_bound(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds("--timeout", text)
    assert str(caught.value) == f"--timeout '{text}': expected a duration of at most 999999999999s"


def test_what_is_quoted_is_safe() -> None:
    with pytest.raises(UsageError, match=r"--interval '\\x1b\[31m': "):
        seconds("--interval", "\x1b[31m")
