import pytest

from beepy.cli.choices import one_of
from beepy.errors import UsageError


def test_one_of_some_names() -> None:
    choose = one_of("--shape", ["round", "square"])
    assert choose("round") == "round"
    with pytest.raises(UsageError, match=r"^invalid value for --shape: 'x\\x1b' is not one of 'round', 'square'$"):
        choose("x\x1b")
