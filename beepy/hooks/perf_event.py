"""Events that the processor or the kernel counts: the program samples them.

The section ``perf_event`` names no event, so libbpf does not attach such a program by itself. The
user names the event, ``--attach PROGRAM=EVENT``, or a section of ebpf_exporter's does
(``perf_event/type=0,config=3,frequency=1``)::

    cpu-clock              99 times a second, which is the default frequency
    cpu-clock:freq=999     999 times a second
    cycles:period=1000000  once per million cycles
    page-faults            once per event, for an event of the kernel that is not a clock
    r1a8                   a raw event of this processor, in hexadecimal
    type=0,config=3,frequency=1  by the numbers of perf_event_attr, or with period=COUNT

It is counted on every CPU, or with --pid for one process: its present threads, and those that they
start.
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
"""Default sampling frequency of clocks and processor events, in Hz."""

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
_GONE: Final = frozenset({errno.ENODEV, errno.ESRCH})  # CPU taken offline, thread ended
_GRAMMAR: Final = re.compile(r"([a-z-]+|r[0-9a-f]+)(?::(freq|period)=([0-9]{1,19}))?")
_NUMBER: Final = re.compile(r"(type|config|frequency|period)=([0-9]{1,19})", re.ASCII)
_MAX_TYPE: Final = (1 << 32) - 1


def name(event_type: int, config: int) -> str:
    """Return the name of an event, as ``--attach`` takes it, or its numbers."""
    names = {uapi.PERF_TYPE_SOFTWARE: _SOFTWARE, uapi.PERF_TYPE_HARDWARE: _HARDWARE}
    known = [event for event, number in names.get(event_type, {}).items() if number == config]
    return known[0] if known else f"type {event_type} config {config}"


class Event(NamedTuple):
    """``type`` and ``config`` of perf_event_attr, and how often to sample.

    ``sample`` is a frequency in Hz if ``by_frequency``, else a period: the count between samples.
    """

    type: int
    config: int
    sample: int
    by_frequency: bool


def attach(program: Program, target: Target) -> Link:
    """Attach to EVENT[:freq=HZ], EVENT[:period=COUNT] or type=N,config=N.

    Raises AttachError; NotSupported if this machine cannot count the event.
    """
    label = f"perf event {safe(target.name)}" if target.name else "perf event"
    where = f"program '{safe(program.name)}': {label}"
    event = parse(target.name)
    if event is None:
        why = "expected EVENT, EVENT:freq=HZ or EVENT:period=COUNT"
        malformed = TargetError(f"{where}: {why}", program.name)
        example = f"--attach {safe(program.name)}=cpu-clock:freq={FREQUENCY}"
        malformed.add_note(f"give an event: {example}")
        malformed.add_note(f"events: {', '.join((*_SOFTWARE, *_HARDWARE))}, rHEX")
        raise malformed
    gone: AttachError | None = None
    attached = False
    with ExitStack() as links:
        for pid, cpu in _pids_and_cpus(target.pid, where):
            try:
                links.enter_context(_attach(program, event, label, pid, cpu))
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
    """Return the event that a text names, None if it is malformed or unknown."""
    if "," in text or text.startswith("type="):
        return _by_numbers(text)
    match = _GRAMMAR.fullmatch(text)
    if not match:
        return None
    name, option, number = match.groups()
    if name in _SOFTWARE:
        kind, config = uapi.PERF_TYPE_SOFTWARE, _SOFTWARE[name]
    elif name in _HARDWARE:
        kind, config = uapi.PERF_TYPE_HARDWARE, _HARDWARE[name]
    elif re.fullmatch(r"r[0-9a-f]{1,16}", name):
        kind, config = uapi.PERF_TYPE_RAW, int(name[1:], 16)
    else:
        return None
    return _event(kind, config, "frequency" if option == "freq" else option, int(number or 0))


def _by_numbers(text: str) -> Event | None:
    """Return the event of ``type=N,config=N,frequency=HZ`` or ``period=COUNT``; see ``parse``."""
    numbers: dict[str, int] = {}
    for item in text.split(","):
        match = _NUMBER.fullmatch(item)
        if not match or match[1] in numbers:
            return None
        numbers[match[1]] = int(match[2])
    kind, config = numbers.pop("type", -1), numbers.pop("config", 0)
    if not 0 <= kind <= _MAX_TYPE or len(numbers) > 1:
        return None
    option, number = next(iter(numbers.items()), (None, 0))
    return _event(kind, config, option, number)


def _event(kind: int, config: int, option: str | None, number: int) -> Event | None:
    """Return the event with the sampling that is given or usual; None for a sampling by 0."""
    if option:
        by_frequency = option == "frequency"
        return Event(kind, config, sample=number, by_frequency=by_frequency) if number else None
    if kind == uapi.PERF_TYPE_SOFTWARE and config not in _CLOCKS:
        return Event(kind, config, sample=1, by_frequency=False)
    return Event(kind, config, sample=FREQUENCY, by_frequency=True)


def _pids_and_cpus(pid: int | None, where: str) -> Iterator[tuple[int, int]]:
    """Yield pid and CPU of each event to open: every CPU, or every thread of a process.

    -1 is any process or any CPU. Raises AttachError if there is no such process.
    """
    if pid is None:
        for cpu in machine.online_cpus():
            yield -1, cpu
        return
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - only names are needed
    except OSError as error:
        raise AttachError.of(f"{where}: process {pid}", errno.ESRCH) from error
    for thread in threads:
        yield int(thread), -1


def _attach(program: Program, event: Event, label: str, pid: int, cpu: int) -> Link:
    where = f"program '{safe(program.name)}': {label}"
    by_frequency = uapi.PERF_ATTR_FREQ if event.by_frequency else 0
    inherit = uapi.PERF_ATTR_INHERIT if cpu < 0 else 0  # threads that start later
    attr = uapi.PerfEventAttr(
        type=event.type,
        config=event.config,
        sample_period=event.sample,
        bits=by_frequency | inherit,
    )
    try:
        fd = syscall.perf_event_open(attr, where, pid=pid, cpu=cpu)
    except KernelError as error:
        is_software = event.type == uapi.PERF_TYPE_SOFTWARE
        if error.errno in {errno.ENOENT, errno.EOPNOTSUPP} and not is_software:
            why = f"{where}: not supported by this machine's processor (as in many VMs)"
            raise NotSupported(why, error.errno, feature="hardware events") from None
        refused = AttachError.wrap(error)
        if error.errno == errno.EINVAL and event.by_frequency:
            limit = _max_sample_rate()
            refused.add_note(f"at most {limit} Hz: sysctl kernel.perf_event_max_sample_rate")
        raise refused from None
    return link.perf_event(program, fd, label)


def _max_sample_rate() -> str:
    return Path("/proc/sys/kernel/perf_event_max_sample_rate").read_text("ascii").strip()
