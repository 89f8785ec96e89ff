"""What this machine knows of the numbers in records."""

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from beepy import syscall_names
from beepy.enrich import devices, users
from beepy.enrich.cgroups import Cgroups, below_root
from beepy.enrich.namespaces import Namespaces
from beepy.enrich.symbols import Symbols
from beepy.events import numbers
from beepy.events.batch import Frame, Machine
from beepy.log import Log

if TYPE_CHECKING:
    from beepy.enrich.user_symbols import UserSymbols

_log = Log(__name__)


def machine() -> Machine:
    """Return functions that read what they need when they are called first; it has no stacks."""
    paths = below_root(Cgroups())
    symbols = Symbols()
    known = Machine(
        user=users.user,
        group=users.group,
        cgroup=paths,
        symbol=symbols.with_offset,
        kernel_function=symbols.function,
        device=_device,
        namespace=Namespaces().name,
        syscall=lambda number: syscall_names.of(os.uname().machine).get(number, ""),
    )
    from beepy.enrich import processes  # noqa: PLC0415 - columns need users, and no processes

    if not processes.sees_all():
        _log.warning("processes are not known: beepy is not in the first PID namespace")
        return known
    found = processes.Processes(paths=paths)
    return known._replace(
        user_function=_later_user_symbols(), exe=found.exe, argv=found.argv, place=found.place
    )


def _later_user_symbols() -> Callable[[Frame], str]:
    @cache
    def known() -> "UserSymbols":
        from beepy.enrich.user_symbols import UserSymbols  # noqa: PLC0415 - few records have stacks

        return UserSymbols()

    return lambda frame: known().function(frame)


def _device(number: int) -> str:
    return devices.name(*numbers.major_and_minor(number))
