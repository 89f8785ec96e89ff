"""Delay the import of modules that other packages import and a run does not use.

typer, pyelftools and what they import pull in modules for help, tracebacks, archives and debuggers:
a fourteenth of the time to a run's first event. ``defer`` puts an empty module of each name into
``sys.modules``; the first attribute that somebody looks up executes the real one. It is done like
``importlib.util.LazyLoader``, with a lock for each module, and an import that Ctrl-C interrupted is
repeated.

Only the command line defers: a library must not change the imports of its program. Python 3.15 has
lazy imports of its own (``__lazy_modules__``, PEP 810): remove this module when 3.15 is the oldest
supported Python, or when typer and pyelftools no longer import what they do not use.
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

_C_PART: Final = {"bz2": "_bz2", "lzma": "_lzma"}  # optional when Python is built

pending: Final[dict[str, ModuleSpec]] = {}
"""The deferred modules that have not been executed, by name."""

# One lock per module: with a common one, a thread that executes a deferred module could wait for a
# thread that holds another module's import lock and waits for ours.
_locks: Final[dict[str, RLock]] = {}


class Deferred(ModuleType):
    """An empty module; looking up an attribute that it lacks executes it."""

    def __getattr__(self, name: str) -> object:
        with _locks[self.__name__]:
            spec = pending.pop(self.__name__, None)
            if spec and spec.loader:
                try:
                    spec.loader.exec_module(self)
                except BaseException:  # KeyboardInterrupt, too: the next lookup executes it again
                    pending[self.__name__] = spec
                    raise
        return super().__getattribute__(name)


def defer(names: Iterable[str] = _MODULES) -> None:
    """Defer these modules; those that are imported already, or not installed, stay as they are."""
    for name in names:
        if name in sys.modules or (name in _C_PART and not find_spec(_C_PART[name])):
            continue
        spec = find_spec(name)
        if spec:
            module = module_from_spec(spec)
            module.__class__ = Deferred
            pending[name], _locks[name] = spec, RLock()
            sys.modules[name] = module
