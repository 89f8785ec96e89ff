"""What beepy's modules tell ``logging``, which whoever wants to hear it imports, else the first warning.

Before it is imported nobody can have asked for ``debug`` or ``info``; importing it takes a fortieth of the time to the
first event of a run.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_DEBUG: Final = 10  # logging's

_instead: list[Callable[[str], None]] = []  # of logging, for warnings; at most one


class Log:
    """``logging.getLogger(name)``, as far as beepy uses it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debugs(self) -> bool:
        """Tell whether anybody hears ``debug``."""
        return _is_imported() and bool(_logger(self._name).isEnabledFor(_DEBUG))

    def debug(self, message: str, *arguments: object, exc_info: bool = False) -> None:
        """Tell what developers look for; ``exc_info``: with the exception that is being handled."""
        if _is_imported():
            _logger(self._name).debug(message, *arguments, exc_info=exc_info, stacklevel=2)

    def info(self, message: str, *arguments: object) -> None:
        """Tell what is done."""
        if _is_imported():
            _logger(self._name).info(message, *arguments, stacklevel=2)

    def warning(self, message: str, *arguments: object) -> None:
        """Tell what the user should know."""
        if _instead:
            _instead[0](message % arguments)
        else:
            _logger(self._name).warning(message, *arguments, stacklevel=2)


def warn(function: Callable[[str], None] | None) -> None:
    """Let ``function`` take all warnings from now on, in the place of ``logging``; None: ``logging`` again.

    For a program that wants to hear nothing but them: no module need be found and read for a warning that may come when
    there is no file descriptor left.
    """
    _instead[:] = [function] if function else []


def _is_imported() -> bool:
    return "logging" in sys.modules


@cache
def _logger(name: str) -> Any:  # noqa: ANN401 - logging.Logger
    import logging  # noqa: PLC0415 - the purpose of this module

    return logging.getLogger(name)
