"""Programs whose attach point this kernel lacks: an error, or left out and told."""

import errno
from typing import Final, Literal, get_args

from beepy.errors import AttachError, KernelError, NotSupported
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)


Missing = Literal["fail", "skip", "note"]
"""What to do: raise; leave the program out with a warning; leave it out, and only note it in ``Absent.skipped``."""

_CHOICES: Final[tuple[str, ...]] = get_args(Missing)


class Absent:
    """Does about such programs what ``missing`` says; ``skipped`` are those left out, each with its reason."""

    def __init__(self, missing: Missing = "fail") -> None:
        if missing not in _CHOICES:
            from beepy.arguments import no_choice  # noqa: PLC0415 - only on the way to an error

            raise no_choice("missing", _CHOICES, missing)
        self._missing = missing
        self.skipped: dict[str, str] = {}

    def skip(self, program: str, error: KernelError) -> None:
        """Leave the program out if that is wanted and ``error`` says that the kernel lacks something; else raise it."""
        if self._missing == "fail" or not _lacks(error):
            raise error
        self.skipped[program] = str(error)
        tell = _log.warning if self._missing == "skip" else _log.info
        where = f"program '{safe(program)}': "
        tell("%sleft out: %s", where, str(error).removeprefix(where))


def _lacks(error: KernelError) -> bool:
    return isinstance(error, NotSupported) or (isinstance(error, AttachError) and error.errno == errno.ENOENT)
