"""Other packages' modules that are read when something is first asked of them, not when they are imported.

typer, pyelftools and what they import read modules for help, tracebacks, archives and debuggers, which a run does
without: a fourteenth of the time to its first event. Only the command line does this: a library leaves others' imports
alone.
"""

import sys
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Final

_MODULES: Final = (
    "bz2",
    "dataclasses",
    "fnmatch",
    "ipaddress",
    "linecache",
    "lzma",
    "ntpath",
    "pdb",
    "shellingham",
    "subprocess",
    "textwrap",
    "tokenize",
)

unread: Final[dict[str, ModuleSpec]] = {}
"""The modules that nobody has asked anything of yet, by their names."""

_reading = RLock()


class Deferred(ModuleType):
    """A module that was found; the first attribute that it lacks makes it read itself."""

    def __getattr__(self, name: str) -> object:
        with _reading:
            spec = unread.pop(self.__name__, None)
            if spec and spec.loader:
                spec.loader.exec_module(self)
        return super().__getattribute__(name)


def defer(names: Iterable[str] = _MODULES) -> None:
    """Let the modules of these names, where they are not imported yet, be read later; one that is not here is none."""
    for name in names:
        spec = None if name in sys.modules else find_spec(name)
        if spec:
            module = sys.modules[name] = module_from_spec(spec)
            module.__class__ = Deferred
            unread[name] = spec
