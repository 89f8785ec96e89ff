"""Programs whose attach point this kernel lacks: raise an error, or skip them with a warning."""

import errno
from typing import Literal

from beepy.errors import AttachError, BeepyError, NotSupported
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)


Missing = Literal["fail", "skip", "note"]
"""The --missing policy: raise; skip the program with a warning; skip it with a log line of INFO."""


class SkippedPrograms:
    """The programs that the --missing policy skips, by name, with the ``reasons``."""

    def __init__(self, missing: Missing = "fail") -> None:
        self._missing = missing
        self.reasons: dict[str, str] = {}

    def skip(self, program: str, error: BeepyError) -> None:
        """Skip a program if its ``error`` is that the kernel lacks something; else raise it."""
        if self._missing == "fail" or not lacks(error):
            raise error
        self.reasons[program] = str(error)
        log = _log.warning if self._missing == "skip" else _log.info
        where = f"program '{safe(program)}': "
        log("%sskipped: %s", where, str(error).removeprefix(where))


def lacks(error: BeepyError) -> bool:
    """Tell whether the kernel lacks an attach point or a feature that a program needs."""
    return isinstance(error, NotSupported) or (isinstance(error, AttachError) and error.errno == errno.ENOENT)
