"""What this machine knows of the numbers in records."""

import os

from beepy import syscall_names
from beepy.enrich import devices, users
from beepy.enrich.cgroups import Cgroups, below_root
from beepy.enrich.namespaces import Namespaces
from beepy.enrich.symbols import Symbols
from beepy.events import numbers
from beepy.events.batch import Machine
from beepy.log import Log

_log = Log(__name__)


def machine() -> Machine:
    """Return functions that read what they need when they are called first; it has no stacks."""
    paths = below_root(Cgroups())
    known = Machine(
        user=users.user,
        group=users.group,
        cgroup=paths,
        symbol=Symbols().with_offset,
        device=_device,
        namespace=Namespaces().name,
        syscall=lambda number: syscall_names.of(os.uname().machine).get(number, ""),
    )
    from beepy.enrich import processes  # noqa: PLC0415 - columns need users, and no processes

    if not processes.sees_all():
        _log.warning("processes are not known: beepy is not in the first PID namespace")
        return known
    found = processes.Processes(paths=paths)
    return known._replace(exe=found.exe, argv=found.argv, place=found.place)


def _device(number: int) -> str:
    return devices.name(*numbers.major_and_minor(number))
