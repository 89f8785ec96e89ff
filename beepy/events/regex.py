"""Regular expressions of -f and of labels, which are RE2's, as bee's are: they take linear time.

Processes choose the text that is searched. Python's ``re`` can search 50 bytes for hours, and no
signal interrupts it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from beepy.errors import UsageError

SYNTAX: Final = (
    "expressions are RE2's (https://github.com/google/re2/wiki/Syntax): "
    "no look-around, no back-references"
)
_INSTALL: Final = "python3 -m pip install google-re2"


def searcher(regex: str) -> Callable[[str], bool]:
    """Return a function that tells whether ``regex`` matches anywhere in a text.

    Raises UsageError if it is malformed, or if google-re2 is not installed.
    """
    search = _compiled(regex, captures=False).search
    # names of a recording, or in the files of a runtime, may have half of a UTF-16 pair
    return lambda text: search(text.encode(errors="backslashreplace")) is not None


def capturer(regex: str) -> Callable[[bytes], bytes | None]:
    """Return a function that searches bytes: it returns what ``regex`` matches, None if nothing.

    If the expression has a group it is what the group matches. With several groups nothing matches.
    Raises what ``searcher`` raises.
    """
    compiled = _compiled(regex, captures=True)
    if compiled.groups > 1:
        return lambda _raw: None

    @cache
    def bytewise() -> Any:  # noqa: ANN401 - as below
        # to Go a byte that is not UTF-8 is a character, which "." matches: so it is in Latin-1
        return _compiled(regex, captures=True, latin1=regex.isascii())

    def capture(raw: bytes) -> bytes | None:
        match = (compiled if _is_utf8(raw) else bytewise()).search(raw)
        if match is None:
            return None
        found: bytes | None = match.group(compiled.groups)
        return found or b""

    return capture


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _compiled(regex: str, *, captures: bool, latin1: bool = False) -> Any:  # noqa: ANN401 - a class of google-re2
    try:
        import re2  # noqa: PLC0415 - few runs filter
    except ImportError:
        missing = UsageError("regular expressions need google-re2, which is not installed")
        missing.add_note(_INSTALL)
        raise missing from None
    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    options.never_capture = not captures
    if captures:
        options.max_mem = 1 << 20  # an image chooses these
    if latin1:
        options.encoding = re2.Options.Encoding.LATIN1
    try:
        return re2.compile(regex.encode() if latin1 else regex, options)
    except (re2.error, UnicodeEncodeError) as error:
        refused = UsageError(_reason(error))
        refused.add_note(SYNTAX)
        raise refused from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "not UTF-8"
    reason = error.args[0]
    return reason.decode("utf-8", "backslashreplace") if isinstance(reason, bytes) else str(reason)
