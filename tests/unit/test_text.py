"""No character that could steer a terminal is left as it is."""

import unicodedata

from beepy.text import safe

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
