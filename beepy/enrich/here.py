"""What this machine knows of the numbers in records."""

import os
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from beepy import syscall_names
from beepy.enrich import devices, users
from beepy.enrich.cgroups import Cgroups, below_root
from beepy.enrich.namespaces import Namespaces
from beepy.enrich.symbols import Symbols
from beepy.events import numbers
from beepy.events.batch import Machine
from beepy.host import pids
from beepy.log import Log

if TYPE_CHECKING:
    from beepy.enrich.processes import Processes  # few runs ask about processes
    from beepy.enrich.user_symbols import UserSymbols  # as above

_log = Log(__name__)

_NO_PROC: Final = "/nonexistent"


def machine() -> Machine:
    """Return functions that read what they need when they are called first.

    It has no stacks, which are in maps.
    """
    paths = below_root(Cgroups())
    symbols = Symbols()
    processes = cache(partial(_processes, paths))
    functions = cache(_functions)
    return Machine(
        user=users.user,
        group=users.group,
        kernel_function=symbols.function,
        cgroup=paths,
        symbol=symbols.with_offset,
        device=_device,
        namespace=Namespaces().name,
        syscall=lambda number: syscall_names.of(os.uname().machine).get(number, ""),
        user_function=lambda frame: functions().function(*frame),
        exe=lambda subject: processes().exe(subject),
        argv=lambda subject: processes().argv(subject),
        place=lambda subject: processes().place(subject),
    )


def _processes(paths: Callable[[int], str]) -> "Processes":
    from beepy.enrich.processes import Processes  # noqa: PLC0415 - columns need users only

    if pids.are_the_kernels():
        return Processes(paths=paths)
    _log.warning("processes are not known by their pids: beepy is not in the first PID namespace")
    return Processes(_NO_PROC, paths)


def _functions() -> "UserSymbols":
    from beepy.enrich.user_symbols import UserSymbols  # noqa: PLC0415 - few records have stacks

    return UserSymbols()


def _device(number: int) -> str:
    return devices.name(*numbers.major_and_minor(number))
