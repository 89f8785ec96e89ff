import pytest

from beepy.cli.numbers import whole
from beepy.errors import UsageError


def test_a_whole_number() -> None:
    assert [whole("--count", 1)(text) for text in ("1", "900")] == [1, 900]
    assert [whole("--prom-port", 0, 65535)(text) for text in ("0", "65535")] == [0, 65535]


@pytest.mark.parametrize("text", ["", "x", "-1", "65536", "1.5", "0x10", "9" * 5000, "\x1b"])
def test_no_whole_number(text: str) -> None:
    shown = text.replace("\x1b", r"\x1b")
    with pytest.raises(UsageError) as caught:
        whole("--prom-port", 0, 65535)(text)
    assert str(caught.value) == f"--prom-port '{shown}': expected a whole number from 0 to 65535"
