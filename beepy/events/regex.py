"""The regular expressions of -f: RE2's, as bee's are, whose time is linear in the text.

Processes choose the text. Python's ``re`` can search 50 bytes for hours, and no signal interrupts it.
"""

from collections.abc import Callable
from typing import Final

from beepy.errors import UsageError

SYNTAX: Final = "expressions are RE2's (https://github.com/google/re2/wiki/Syntax): no look-around, no back-references"
_INSTALL: Final = "python3 -m pip install google-re2"


def searcher(regex: str) -> Callable[[str], bool]:
    """Return what tells whether ``regex`` matches anywhere in a text. Raises UsageError for what is none."""
    try:
        import re2  # noqa: PLC0415 - few runs filter
    except ImportError:
        lacking = UsageError("regular expressions need google-re2, which is not installed")
        lacking.add_note(_INSTALL)
        raise lacking from None
    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    options.never_capture = True
    try:
        search = re2.compile(regex, options).search
    except (re2.error, UnicodeEncodeError) as error:
        refused = UsageError(_reason(error))
        refused.add_note(SYNTAX)
        raise refused from None
    return lambda text: search(text.encode()) is not None


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "is no UTF-8"
    reason = error.args[0]
    return reason.decode("utf-8", "backslashreplace") if isinstance(reason, bytes) else str(reason)
