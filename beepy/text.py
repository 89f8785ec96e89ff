"""Text that a process can choose, made harmless for a terminal."""

import re

# C0, DEL, C1; line and paragraph separators; bidi marks, embeddings, overrides, isolates; lone surrogates; the
# byte-order mark. Any local user can name a process so, and what we print runs through root's terminal.
_UNSAFE = "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"


_MAX_LINES = 20


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as surrogateescape holds it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def safe(text: str) -> str:
    r"""Return ``text`` with every control character, bidi control and lone surrogate written as ``\xNN`` or ``\uNNNN``.

    Text decoded with ``surrogateescape`` shows its undecodable bytes as ``\xNN``. The result never moves the cursor,
    never changes the order of what stands beside it, and can always be encoded as UTF-8.
    """
    return text if text.isprintable() else re.sub(_UNSAFE, _visible, text)  # none of the unsafe ones is printable


def brief(text: str, most: int = 1000) -> str:
    """Return a message that fits a screen; beyond 20 lines or ``most`` characters the middle is left out."""
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        half = _MAX_LINES // 2
        text = "\n".join([*lines[:half], "...", *lines[1 - half :]])
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]} ... {text[5 - half :]}"
    return text
