"""No control character reaches a terminal, and the shown text determines the bytes."""

import random
import re
import unicodedata

import pytest

from beepy.text import brief, escaped, excerpt, safe, similar

_CASES = 5_000
_PIECES = [
    b"\\", b"x", b"\\x", b"\\xff", b"\\x5c", b"5c", b"f", b"0", b"\\u202e", b"\\x1", b"\\x41",
    b"/etc", b" ",
    b"\xff", b"\x80", b"\xe2\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1b[2J", b"\n", b"\x7f",
    *[
        character.encode()
        for character in "\x85\u00e9\u200b\u202e\u2028\ufe0f\ufeff\u0301\u3000\u5d0e\u0600\u3164"
    ],
    *[one.encode() for one in "\U000e0041\U000e0101\U0001f600"],
]  # fmt: skip


def raw_bytes(text: str) -> bytes:
    """Replace each \\xNN by its byte, but those of printable ASCII, which nothing is written as."""
    parts = re.split(r"\\x([01][0-9a-f]|5c|7f|[89a-f][0-9a-f])", text)
    return b"".join(
        [bytes.fromhex(part) if at % 2 else part.encode() for at, part in enumerate(parts)]
    )


def test_every_character() -> None:
    rest = range(0x20000, 0x110000, 97)  # almost all of it has no character
    for number in (*range(0x20000), *range(0xE0000, 0xE0200), *rest):
        one = chr(number)
        category = unicodedata.category(one)
        shown = safe(one)
        if category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            assert re.fullmatch(r"(\\x[0-9a-f]{2})+", shown), hex(number)
        elif category[0] in "LNPS" or category == "Zs":
            assert shown == one or "FILLER" in unicodedata.name(one) or number == 0x2800, hex(
                number
            )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\udcffb\x1b[0m\n", r"a\xffb\x1b[0m\x0a"),
        ("\u202e\ud800", r"\xe2\x80\xae\xed\xa0\x80"),
        ("\x85", r"\xc2\x85"),  # not \x85, which is a byte that is no UTF-8
        ("ad\u200bmin", r"ad\xe2\x80\x8bmin"),
        ("sh\U000e0061", r"sh\xf3\xa0\x81\xa1"),
        ("sh\ufe0f", r"sh\xef\xb8\x8f"),
        ("e" + 3 * "\u0301", "e" + 3 * "\u0301"),
        ("e" + 5 * "\u0301", "e" + 3 * "\u0301" + 2 * r"\xcc\x81"),
        ("naïve ü€😀 岩\u3000崎 सिद्धि C:\\xyz", "naïve ü€😀 岩\u3000崎 सिद्धि C:\\xyz"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_shown_bytes_can_be_told() -> None:
    dice = random.Random(11)
    for _ in range(_CASES):
        raw = (
            b"".join(dice.choices(_PIECES, k=dice.randint(0, 9)))
            if dice.random() < 0.7
            else dice.randbytes(9)
        )
        text = escaped(raw)
        shown = safe(text)
        assert raw_bytes(text) == raw_bytes(shown) == raw
        assert safe(shown) == shown


def test_nothing_steers_the_terminal() -> None:
    dice = random.Random(12)
    for _ in range(_CASES):
        text = "".join([chr(dice.randrange(0x110000)) for _ in range(3)]) + dice.choice(
            "\x1b\x9b\u202e\u200d\ufe0e"
        )
        shown = safe(text)
        assert all(one.isprintable() or unicodedata.category(one) == "Zs" for one in shown)
        assert shown.encode()


def test_a_message_fits_a_screen() -> None:
    assert brief("short\ntext") == "short\ntext"
    assert brief("a" * 1000) == "a" * 1000
    cut = brief("a" * 5000 + "b" * 5000)
    assert cut == "a" * 500 + " ... " + "b" * 495
    lines = brief("\n".join(map(str, range(100)))).split("\n")
    assert lines == [*map(str, range(10)), "...", *map(str, range(91, 100))]


def test_an_excerpt_is_short_and_safe() -> None:
    assert excerpt("abc", 3) == "abc"
    assert excerpt(None) == "None"
    assert excerpt("a" * 81) == "a" * 77 + "..."
    assert excerpt("\x1b" * 5000) == ("\\x1b" * 20)[:77] + "..."


def test_the_most_similar_names_come_first() -> None:
    names = ["vfs_read", "vfs_readv", "vfs_write", "tcp_v4_connect", "vfs_readdir", "do_vfs_read"]
    assert similar("vfs_reed", names)[0] == "vfs_read"
    assert similar("vfs_raed", names)[0] == "vfs_read"
    assert similar("zzz", names) == []


def test_a_hundred_thousand_names_are_not_compared_one_by_one() -> None:
    names = [f"function_{number}_of_the_kernel" for number in range(100_000)]
    assert similar("tcp_v4_conect", [*names, "tcp_v4_connect"]) == ["tcp_v4_connect"]
