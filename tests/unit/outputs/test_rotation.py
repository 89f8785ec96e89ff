import pytest

from beepy.errors import UsageError
from beepy.outputs.rotation import Rotation, rotation


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100M", Rotation(size=100 << 20)),
        ("4K", Rotation(size=4096)),
        ("2G", Rotation(size=2 << 30)),
        ("1h", Rotation(seconds=3600)),
        ("30s", Rotation(seconds=30)),
        ("5m", Rotation(seconds=300)),
        ("1d", Rotation(seconds=86400)),
    ],
)
def test_a_size_or_a_time(text: str, expected: Rotation) -> None:
    assert rotation(text) == expected


@pytest.mark.parametrize("text", ["", "100", "0M", "0h", "1K", "100k", "1.5h", "-1h", "9" * 10])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected a size from 4K on, such as 100M, or a time"):
        rotation(text)
