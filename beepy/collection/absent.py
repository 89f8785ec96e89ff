"""Programs whose attach point this kernel lacks: an error, or left out and told."""

import errno
from typing import Literal

from beepy.errors import AttachError, BeepyError, NotSupported
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)


Missing = Literal["fail", "skip", "note"]
"""What to do: raise; leave the program out with a warning; leave it out, and only note it in ``Absent.skipped``."""


class Absent:
    """Does about such programs what ``missing`` says; ``skipped`` are those left out, each with its reason."""

    def __init__(self, missing: Missing = "fail") -> None:
        self._missing = missing
        self.skipped: dict[str, str] = {}

    def skip(self, program: str, error: BeepyError) -> None:
        """Leave the program out if that is wanted and ``error`` says that the kernel lacks something; else raise it."""
        if self._missing == "fail" or not lacks(error):
            raise error
        self.skipped[program] = str(error)
        tell = _log.warning if self._missing == "skip" else _log.info
        where = f"program '{safe(program)}': "
        tell("%sleft out: %s", where, str(error).removeprefix(where))


def lacks(error: BeepyError) -> bool:
    """Tell whether ``error`` says that the kernel lacks what a program attaches to, or the way to load it."""
    return isinstance(error, NotSupported) or (isinstance(error, AttachError) and error.errno == errno.ENOENT)
