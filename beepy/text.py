r"""Text that a process can choose, escaped for a terminal.

Any local user can name a process or a file, and beepy prints such names on root's terminal.
"""

import re
from collections.abc import Iterable
from typing import Final

# Invisible characters that str.isprintable() accepts: the grapheme joiner, fillers of Hangul,
# inherent vowels of Khmer, variation selectors, the blank of Braille.
_INVISIBLE: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f"
    "\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
)
# Combining accents: languages put up to three on a letter, more are drawn over other lines.
_ACCENT: Final = (
    "[\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_UNSAFE: Final = f"[{_INVISIBLE}]|(?<={_ACCENT}{_ACCENT}{_ACCENT}){_ACCENT}"

# The backslash of a literal \xNN that could be taken for an escaped byte: of a control character,
# a backslash, a byte of UTF-8.
_TYPED: Final = rb"\\(?=x(?:[01][0-9a-f]|5c|7f|[89a-f][0-9a-f]))"

# Blanks other than ASCII's, which str.isprintable() rejects: harmless on a terminal.
_BLANKS: Final = frozenset("\u00a0\u1680\u202f\u205f\u3000").union(map(chr, range(0x2000, 0x200B)))
_MAX_LINES: Final = 20  # of a message
_SLACK: Final = 4  # characters that two similar names may differ in length
_ENDS: Final = 3  # characters that similar names begin or end with alike


def _bytes(character: str) -> str:
    r"""Return the character's UTF-8 as ``\xNN``, one byte for a surrogate of surrogateescape."""
    one_byte = "\udc80" <= character <= "\udcff"
    raw = character.encode("utf-8", "surrogateescape" if one_byte else "surrogatepass")
    return "".join([f"\\x{byte:02x}" for byte in raw])


def safe(text: str) -> str:
    r"""Return ``text`` with characters that control a terminal, or are invisible, as ``\xNN``.

    These are control and format characters (of zero width, right-to-left, tags), variation
    selectors, line and paragraph separators, unassigned code points, lone surrogates, and more than
    three accents on a letter; ``\xNN`` are the bytes of their UTF-8.

    The result can always be encoded. Applying ``safe`` again does not change it, as messages quote
    messages. To get the bytes of a text of ``escaped`` back, replace each ``\xNN`` by its byte.
    """
    if text.isascii():
        if text.isprintable():
            return text
    else:
        text = re.sub(_UNSAFE, lambda match: _bytes(match[0]), text)
        if text.isprintable():
            return text
    return "".join(
        [char if char.isprintable() or char in _BLANKS else _bytes(char) for char in text]
    )


def escaped(raw: bytes) -> str:
    r"""Return UTF-8 as text; other bytes become ``\xNN``, a literal ``\xNN`` becomes ``\x5cxNN``.

    Different bytes have different texts, also after ``safe``. A literal ``\x41`` is unchanged: an
    ``A`` is never escaped.
    """
    if b"\\x" in raw:
        raw = re.sub(_TYPED, rb"\\x5c", raw)
    return raw.decode("utf-8", "backslashreplace")


def excerpt(value: object, limit: int = 80) -> str:
    """Return the text of a value from outside, made safe, as at most ``limit`` characters."""
    text = safe(str(value)[: limit + 1])
    return text if len(text) <= limit else text[: limit - 3] + "..."


def brief(text: str, most: int = 1000) -> str:
    """Return a message that fits a screen: of at most 20 lines and ``most`` characters.

    The middle of a longer one is replaced by ``...``.
    """
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        text = "\n".join([*lines[:half], "...", *lines[1 - half :]])
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]} ... {text[5 - half :]}"
    return text


def similar(name: str, names: Iterable[str]) -> list[str]:
    """Return the few of many (100,000) ``names`` that are similar to ``name``, nearest first."""
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    near = {
        other
        for other in names
        if abs(len(other) - len(name)) <= _SLACK
        and (other[:_ENDS] == name[:_ENDS] or other[-_ENDS:] == name[-_ENDS:])
    }
    return get_close_matches(name, sorted(near), cutoff=0.75)
