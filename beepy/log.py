"""What beepy's modules tell ``logging``, which the first warning imports, or whoever wants to hear more.

Before it is imported nobody can have asked for ``debug`` or ``info``; importing it takes a fortieth of the time to the
first event of a run.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

_prepare: list[Callable[[], None]] = []


class Log:
    """``logging.getLogger(name)``, as far as beepy uses it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def debugs(self) -> bool:
        """Tell whether anybody hears ``debug``."""
        return _is_imported() and bool(_logger(self._name).isEnabledFor(10))

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
        _logger(self._name).warning(message, *arguments, stacklevel=2)


def prepare(function: Callable[[], None]) -> None:
    """Let ``function``, in the place of an earlier one, set ``logging`` up before beepy next tells it something."""
    _prepare[:] = [function]


def _is_imported() -> bool:
    return "logging" in sys.modules


def _logger(name: str) -> Any:  # noqa: ANN401 - logging.Logger
    while _prepare:
        _prepare.pop()()
    return _standard(name)


@cache
def _standard(name: str) -> Any:  # noqa: ANN401 - as above
    import logging  # noqa: PLC0415 - the purpose of this module

    return logging.getLogger(name)
