import pytest

from beepy.cli.option_values import Bound, bound, one_of, seconds, size, whole_number
from beepy.errors import UsageError


def test_only_the_names_are_accepted() -> None:
    parse = one_of("--shape", ["round", "square"])
    assert parse("round") == "round"
    message = r"^invalid value for --shape: 'x\\x1b' is not one of 'round', 'square'$"
    with pytest.raises(UsageError, match=message):
        parse("x\x1b")


def test_whole_numbers() -> None:
    assert [whole_number("--count", 1)(text) for text in ("1", "900")] == [1, 900]
    parse_port = whole_number("--prom-port", 0, 65535)
    assert [parse_port(text) for text in ("0", "65535")] == [0, 65535]


@pytest.mark.parametrize("text", ["", "x", "-1", "65536", "1.5", "0x10", "9" * 5000, "\x1b"])
def test_other_texts_are_not_whole_numbers(text: str) -> None:
    quoted = text.replace("\x1b", r"\x1b")
    with pytest.raises(UsageError) as caught:
        whole_number("--prom-port", 0, 65535)(text)
    message = f"--prom-port '{quoted}': expected a whole number from 0 to 65535"
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "value"), [("2%", 0.02), (" 0.5% ", 0.005), ("150%", 1.5), ("0.000001%", 1e-8)]
)
def test_shares(text: str, value: float) -> None:
    assert bound("--max-overhead")(text).share == pytest.approx(value)
    assert bound("--max-overhead")("2%:shed") == Bound(0.02, shed=True)


@pytest.mark.parametrize(
    "text", ["", "2", "0%", "-1%", "1e3%", "%", "2%:she", "2:shed", "9999999%", "\x1b"]
)
def test_other_texts_are_not_shares(text: str) -> None:
    quoted = text.replace("\x1b", r"\x1b")
    with pytest.raises(UsageError) as caught:
        bound("--max-overhead")(text)
    assert str(caught.value) == (
        f"--max-overhead '{quoted}': expected a percentage of one CPU above 0, such as 2%"
    )


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
def test_durations(text: str, value: float) -> None:
    assert seconds("--timeout", text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        *["", "0", "0s", "0.0ms", "-1s", "1 s", "s", "1d"],
        *["1m30s", "1e3s", "inf", "nan", ".5s", "1.", "٣s"],
    ],
)
def test_other_texts_are_not_durations(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds("--timeout", text)
    message = f"--timeout '{text}': expected a duration above 0, such as 10s, 500ms or 2m"
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["1" * 13, "99999999999999999999999h", "9" * 5000])
def test_a_duration_is_bounded(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        seconds("--timeout", text)
    message = f"--timeout '{text}': expected a duration of at most 999999999999s"
    assert str(caught.value) == message


def test_sizes() -> None:
    parse = size("--last", 64 << 10)
    assert [parse(text) for text in ("64K", "65536", " 1G ", "7M")] == [
        *(1 << 16, 1 << 16, 1 << 30, 7 << 20),
    ]
    for text in ("63K", "64k", "", "-1M", "1.5M", "64 M", "1T"):
        with pytest.raises(UsageError, match="expected a size from 64K on, such as 64M"):
            parse(text)


def test_a_message_quotes_the_value_safely() -> None:
    with pytest.raises(UsageError, match=r"--interval '\\x1b\[31m': "):
        seconds("--interval", "\x1b[31m")
