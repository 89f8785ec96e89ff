"""Events that the processor or the kernel counts: the program runs at each so many, or so often a second.

libbpf attaches no ``perf_event`` program by its section, so the user says to what: ``--attach PROGRAM=EVENT``::

    cpu-clock              the usual: 99 times a second
    cpu-clock:freq=999     so often a second
    cycles:period=1000000  each time that so many have been counted
    page-faults            a kernel event that is no clock: each one
    r1a8                   an event of this processor, by its number in hexadecimal

on every CPU, or with --pid for one process: its threads of now, and what they start.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from beepy import uapi
from beepy.errors import AttachError, KernelError, NotSupported, TargetError
from beepy.hooks.target import Target
from beepy.host import machine
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys import syscall
from beepy.text import safe

FREQUENCY: Final = 99
"""How often a second a clock or a processor's event is looked at, where nothing else is said."""

_SOFTWARE: Final = {  # enum perf_sw_ids
    "cpu-clock": 0,
    "task-clock": 1,
    "page-faults": 2,
    "faults": 2,
    "context-switches": 3,
    "cs": 3,
    "cpu-migrations": 4,
    "migrations": 4,
    "minor-faults": 5,
    "major-faults": 6,
    "alignment-faults": 7,
    "emulation-faults": 8,
    "cgroup-switches": 11,
}
_CLOCKS: Final = frozenset({0, 1})
_HARDWARE: Final = {  # enum perf_hw_id
    "cycles": 0,
    "cpu-cycles": 0,
    "instructions": 1,
    "cache-references": 2,
    "cache-misses": 3,
    "branches": 4,
    "branch-instructions": 4,
    "branch-misses": 5,
    "bus-cycles": 6,
    "stalled-cycles-frontend": 7,
    "stalled-cycles-backend": 8,
    "ref-cycles": 9,
}
_GONE: Final = frozenset({errno.ENODEV, errno.ESRCH})  # a CPU that went, a thread that ended
_GRAMMAR: Final = re.compile(r"([a-z-]+|r[0-9a-f]+)(?::(freq|period)=([0-9]{1,19}))?")


class Event(NamedTuple):
    """``type`` and ``config`` of perf_event_attr; ``every`` is Hz where ``frequency``, else a count."""

    type: int
    config: int
    every: int
    frequency: bool


def attach(program: Program, target: Target) -> Link:
    """Attach to EVENT[:freq=HZ] or EVENT[:period=COUNT]. Raises AttachError; NotSupported if nothing counts it."""
    what = f"perf event {safe(target.name)}" if target.name else "perf event"
    where = f"program '{safe(program.name)}': {what}"
    event = parse(target.name)
    if event is None:
        wrong = TargetError(f"{where}: expected EVENT, EVENT:freq=HZ or EVENT:period=COUNT", program.name)
        wrong.add_note(f"say which: --attach {safe(program.name)}=cpu-clock:freq={FREQUENCY}")
        wrong.add_note(f"events: {', '.join((*_SOFTWARE, *_HARDWARE))}, rHEX")
        raise wrong
    gone: AttachError | None = None
    attached = False
    with ExitStack() as links:
        for pid, cpu in _places(target.pid, where):
            try:
                links.enter_context(_attach(program, event, what, pid, cpu))
            except AttachError as error:
                if error.errno not in _GONE:
                    raise
                gone = error
            else:
                attached = True
        if gone and not attached:
            raise gone
        return Link(then=(links.pop_all().close,))


def parse(text: str) -> Event | None:
    """Return the event that a text names, None if it names none."""
    match = _GRAMMAR.fullmatch(text)
    if not match:
        return None
    name, option, number = match.groups()
    if number is not None and not int(number):
        return None
    if name in _SOFTWARE:
        kind, config = uapi.PERF_TYPE_SOFTWARE, _SOFTWARE[name]
    elif name in _HARDWARE:
        kind, config = uapi.PERF_TYPE_HARDWARE, _HARDWARE[name]
    elif re.fullmatch(r"r[0-9a-f]{1,16}", name):
        kind, config = uapi.PERF_TYPE_RAW, int(name[1:], 16)
    else:
        return None
    if option:
        return Event(kind, config, int(number), option == "freq")
    each = kind == uapi.PERF_TYPE_SOFTWARE and config not in _CLOCKS
    return Event(kind, config, 1, False) if each else Event(kind, config, FREQUENCY, True)


def _places(pid: int | None, where: str) -> Iterator[tuple[int, int]]:
    """Yield pid and CPU of each event: every CPU, or every thread of a process."""
    if pid is None:
        for cpu in machine.online_cpus():
            yield -1, cpu
        return
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names alone
    except OSError as error:
        raise AttachError.of(f"{where}: process {pid}", errno.ESRCH) from error
    for thread in threads:
        yield int(thread), -1


def _attach(program: Program, event: Event, what: str, pid: int, cpu: int) -> Link:
    where = f"program '{safe(program.name)}': {what}"
    bits = (uapi.PERF_ATTR_FREQ if event.frequency else 0) | (uapi.PERF_ATTR_INHERIT if cpu < 0 else 0)
    attr = uapi.PerfEventAttr(type=event.type, config=event.config, sample_period=event.every, bits=bits)
    try:
        opened = syscall.perf_event_open(attr, where, pid=pid, cpu=cpu)
    except KernelError as error:
        if error.errno in {errno.ENOENT, errno.EOPNOTSUPP} and event.type != uapi.PERF_TYPE_SOFTWARE:
            why = f"{where}: this machine's processor counts none (as many virtual ones)"
            raise NotSupported(why, error.errno, feature="hardware events") from None
        failed = AttachError(str(error), error.errno or 0)
        if error.errno == errno.EINVAL and event.frequency:
            failed.add_note(f"at most {_limit()} a second: sysctl kernel.perf_event_max_sample_rate")
        raise failed from None
    return link.perf_event(program, opened, what)


def _limit() -> str:
    return Path("/proc/sys/kernel/perf_event_max_sample_rate").read_text("ascii").strip()
