"""No character that could steer a terminal is left as it is."""

import unicodedata

from beepy.text import brief, safe

_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_OTHERS = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\ufeff"}


def test_every_character() -> None:
    for number in range(0x110000):
        one = chr(number)
        unsafe = unicodedata.category(one) in _CATEGORIES or one in _OTHERS
        assert (safe(one) != one) == unsafe, hex(number)
        assert not unsafe or safe(one).isascii()


def test_bytes_that_are_no_text() -> None:
    assert safe("a\udcffb\x1b[0m\n") == "a\\xffb\\x1b[0m\\n".replace("\\n", "\\x0a")
    assert safe("\u202e\ud800") == "\\u202e\\ud800"


def test_a_message_fits_a_screen() -> None:
    assert brief("short\ntext") == "short\ntext"
    assert brief("a" * 1000) == "a" * 1000
    cut = brief("a" * 5000 + "b" * 5000)
    assert cut == "a" * 500 + " ... " + "b" * 495
    lines = brief("\n".join(map(str, range(100)))).split("\n")
    assert lines == [*map(str, range(10)), "...", *map(str, range(91, 100))]
