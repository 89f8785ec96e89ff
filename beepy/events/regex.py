"""The regular expressions of -f, which are RE2's, as bee's are: they take linear time.

Processes choose the text that is searched. Python's ``re`` can search 50 bytes for hours, and no
signal interrupts it.
"""

from collections.abc import Callable
from typing import Final

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
    try:
        import re2  # noqa: PLC0415 - few runs filter
    except ImportError:
        missing = UsageError("regular expressions need google-re2, which is not installed")
        missing.add_note(_INSTALL)
        raise missing from None
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
        return "not UTF-8"
    reason = error.args[0]
    return reason.decode("utf-8", "backslashreplace") if isinstance(reason, bytes) else str(reason)
