"""Other packages' modules that are read when something is first asked of them, not when they are imported.

typer, pyelftools and what they import read modules for help, tracebacks, archives and debuggers, which a run does
without: a fourteenth of the time to its first event. Only the command line does this: a library leaves others' imports
alone. Python 3.15 has lazy imports of its own (``__lazy_modules__``, PEP 810): this module goes when 3.15 is the oldest
Python that beepy runs on, or when typer and pyelftools stop importing what they do not use.
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

_C_PART: Final = {"bz2": "_bz2", "lzma": "_lzma"}  # which a Python may have been built without

unread: Final[dict[str, ModuleSpec]] = {}
"""The modules that nobody has asked anything of yet, by their names."""

_reading: Final[dict[str, RLock]] = {}  # a lock for each: one for all could wait for a thread that imports another


class Deferred(ModuleType):
    """A module that was found; the first attribute that it lacks makes it read itself."""

    def __getattr__(self, name: str) -> object:
        with _reading[self.__name__]:
            spec = unread.pop(self.__name__, None)
            if spec and spec.loader:
                try:
                    spec.loader.exec_module(self)
                except BaseException:  # Ctrl-C: the next who asks reads it again
                    unread[self.__name__] = spec
                    raise
        return super().__getattribute__(name)


def defer(names: Iterable[str] = _MODULES) -> None:
    """Let the modules of these names, where they are not imported yet, be read later; one that is not here is none."""
    for name in names:
        if name in sys.modules or (name in _C_PART and not find_spec(_C_PART[name])):
            continue
        spec = find_spec(name)
        if spec:
            module = module_from_spec(spec)
            module.__class__ = Deferred
            unread[name], _reading[name] = spec, RLock()
            sys.modules[name] = module
