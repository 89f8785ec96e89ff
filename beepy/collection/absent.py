"""Programs whose attach point this kernel lacks: an error, or left out and told."""

import errno
import logging

from beepy.errors import AttachError, KernelError, NotSupported
from beepy.text import safe

_log = logging.getLogger(__name__)


class Absent:
    """What a load does about such a program; ``skipped`` are those left out, each with its reason."""

    def __init__(self, *, skips: bool, level: int = logging.WARNING) -> None:
        self.skips = skips
        self._level = level
        self.skipped: dict[str, str] = {}

    def skip(self, program: str, error: KernelError) -> None:
        """Leave the program out if that is wanted and ``error`` says that the kernel lacks something; else raise it."""
        if not self.skips or not lacks(error):
            raise error
        self.skipped[program] = str(error)
        _log.log(self._level, "program '%s': left out: %s", safe(program), error)


def lacks(error: KernelError) -> bool:
    """Tell whether an error says that this kernel does not have what was asked for."""
    return isinstance(error, NotSupported) or (isinstance(error, AttachError) and error.errno == errno.ENOENT)
