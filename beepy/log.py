"""``logging`` for beepy's modules, imported only when somebody listens or the first warning comes.

As long as a process has not imported ``logging``, nobody can have enabled ``debug`` or ``info``, so
these cost nothing. The import takes a fortieth of the time to the first event of a run.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

_DEBUG: Final = 10  # logging.DEBUG

_handler: list[Callable[[str], None]] = []  # takes warnings instead of logging; empty or one


class Log:
    """The methods of ``logging.getLogger(name)`` that beepy uses."""

    def __init__(self, name: str) -> None:
        self._name = name

    def is_debug(self) -> bool:
        """Return whether ``debug`` is enabled, for messages that are expensive to make."""
        return _is_imported() and bool(_logger(self._name).isEnabledFor(_DEBUG))

    def debug(self, message: str, *arguments: object, exc_info: bool = False) -> None:
        """Log a system call or a relocation; ``exc_info`` adds the exception being handled."""
        if _is_imported():
            _logger(self._name).debug(message, *arguments, exc_info=exc_info, stacklevel=2)

    def info(self, message: str, *arguments: object) -> None:
        """Log what is created, loaded or attached."""
        if _is_imported():
            _logger(self._name).info(message, *arguments, stacklevel=2)

    def warning(self, message: str, *arguments: object) -> None:
        """Log what the user should know: losses, fallbacks, skipped programs."""
        if _handler:
            _handler[0](message % arguments)
        else:
            _logger(self._name).warning(message, *arguments, stacklevel=2)


def set_warning_handler(handler: Callable[[str], None] | None) -> None:
    """Pass all warnings to ``handler`` instead of ``logging``; None restores ``logging``.

    The command line does so unless -v or -d is given. A warning then needs no import, which would
    fail when the process has no file descriptor left.
    """
    _handler[:] = [handler] if handler else []


def _is_imported() -> bool:
    return "logging" in sys.modules


@cache
def _logger(name: str) -> Any:  # noqa: ANN401 - logging.Logger
    import logging  # noqa: PLC0415 - the purpose of this module

    return logging.getLogger(name)
