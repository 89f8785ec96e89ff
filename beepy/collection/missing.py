"""Programs whose attach point this kernel lacks: raise an error, or skip them with a warning."""

import errno
from typing import Final, Literal, get_args

from beepy.errors import AttachError, BeepyError, NotSupported
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)


Missing = Literal["fail", "skip", "note"]
"""The --missing policy: raise; skip the program with a warning; skip it with a log line of INFO."""

_CHOICES: Final[tuple[str, ...]] = get_args(Missing)


class SkippedPrograms:
    """The programs that the --missing policy skips, by name, with the ``reasons``.

    ``tolerant``: the image's own runner goes on without programs that it cannot attach, for
    whatever reason. ``optional`` are those without which it goes on if what they attach to is not
    there. Without a policy these are skipped, too.
    """

    def __init__(
        self,
        missing: Missing | None = None,
        *,
        tolerant: bool = False,
        optional: frozenset[str] = frozenset(),
    ) -> None:
        if missing not in {*_CHOICES, None}:
            from beepy.arguments import no_choice  # noqa: PLC0415 - only on the way to an error

            raise no_choice("missing", _CHOICES, missing)
        self._missing = missing
        self._tolerant = tolerant
        self._optional = optional
        self.reasons: dict[str, str] = {}

    def skip(self, program: str, error: BeepyError, *, attaching: bool = False) -> None:
        """Skip a program if its ``error`` is that the kernel lacks something; else raise it.

        ``attaching``: the program is loaded, and could not be attached.
        """
        skips = self._tolerant or program in self._optional
        missing = self._missing or ("skip" if skips else "fail")
        if missing == "fail" or not (lacks(error) or (attaching and self._tolerant)):
            raise error
        self.reasons[program] = str(error)
        log = _log.warning if missing == "skip" else _log.info
        where = f"program '{safe(program)}': "
        log("%sskipped: %s", where, str(error).removeprefix(where))


def lacks(error: BeepyError) -> bool:
    """Tell whether the kernel lacks an attach point or a feature that a program needs."""
    return isinstance(error, NotSupported) or (
        isinstance(error, AttachError) and error.errno == errno.ENOENT
    )
