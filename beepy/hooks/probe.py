"""Dynamic probes, of the kernel (kprobe) and of user programs (uprobe), two ways.

A perf event of the PMU "kprobe" or "uprobe" makes a probe that goes with its descriptor (e12f03d7031a, "perf/core:
Implement the 'perf_kprobe' PMU", v4.17). Where there is no such PMU, a line written to tracefs makes an event that
outlives us: the journal knows it.
"""

import errno
import os
from functools import partial
from typing import Final, NamedTuple

from beepy import uapi
from beepy.errors import AttachError, KernelError, NotSupported
from beepy.hooks import journal
from beepy.hooks.target import Point
from beepy.host import tracefs
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)

KIND: Final = "tracefs event"
"""The kind of our journal entries."""

KPROBES: Final[Point] = ("function", "register_kprobe", "kprobes (CONFIG_KPROBE_EVENTS)")
"""What every kernel has that has kprobes."""

UPROBES: Final[Point] = ("function", "uprobe_register", "uprobes (CONFIG_UPROBE_EVENTS)")
"""What every kernel has that has uprobes."""

_GROUP: Final = "beepy"
_PMUS: Final = "/sys/bus/event_source/devices"


class Probe(NamedTuple):
    """Where to probe: ``offset`` bytes after a function of the kernel (kprobe), in a file (uprobe).

    ``place`` is the function's name or the file's path. ``returns``: where the function returns. ``pid`` None: in every
    process. ``counter`` is the offset in the file of a USDT semaphore, 0: there is none.
    """

    kind: str
    place: str
    offset: int
    returns: bool
    pid: int | None = None
    counter: int = 0


class _Pmu(NamedTuple):
    """A PMU of sysfs: its number, the bit for returns, the lowest bit of a semaphore's offset (None: it has none)."""

    type: int
    returns: int
    counter: int | None


def attach(program: Program, probe: Probe, what: str, cookie: int = 0) -> Link:
    """Attach to a probe; ``what`` it is stands in messages.

    Raises AttachError with the errno of whatever refused it; NotSupported where the kernel has no such probes.
    """
    pmu = _pmu(probe.kind)
    if pmu is None:
        return _by_tracefs(program, probe, what, cookie)
    where = f"program '{safe(program.name)}': {what}"
    if probe.counter and (pmu.counter is None or probe.counter >> (64 - pmu.counter)):
        why = f"{where}: this kernel counts no semaphores of USDT probes"
        from beepy.features import Feature  # noqa: PLC0415 - only on the way to an error

        raise Feature.USDT_SEMAPHORES.not_supported(why)
    place = os.fsencode(probe.place) + b"\0"
    attr = uapi.PerfEventAttr(
        type=pmu.type,
        config=(probe.returns << pmu.returns) | (probe.counter << pmu.counter if pmu.counter else 0),
        config1=syscall.ptr(place),
        config2=probe.offset,
    )
    try:
        event = _event(attr, probe.pid, where)
    except AttachError as error:
        if probe.kind != "uprobe":
            raise
        from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

        raise AttachError(str(privilege.with_capability(error, "CAP_SYS_ADMIN")), error.errno or 0) from None
    return link.perf_event(program, event, what, cookie)


def _event(attr: uapi.PerfEventAttr, pid: int | None, where: str) -> Fd:
    """Open an event of every process (which then needs a CPU, but counts on all of them) or of one."""
    try:
        return syscall.perf_event_open(attr, where, pid=-1 if pid is None else pid, cpu=0 if pid is None else -1)
    except KernelError as error:
        raise AttachError(str(error), error.errno or 0) from None


def _pmu(kind: str) -> _Pmu | None:
    """Return a PMU, None if the kernel has none of that name."""
    try:
        number = int(_sysfs(f"{kind}/type"))
    except FileNotFoundError:
        return None
    try:
        counter = _lowest_bit(f"{kind}/format/ref_ctr_offset")
    except FileNotFoundError:
        counter = None
    return _Pmu(number, _lowest_bit(f"{kind}/format/retprobe"), counter)


def _sysfs(path: str) -> str:
    with open(f"{_PMUS}/{path}", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slower to import
        return file.read().strip()


def _lowest_bit(path: str) -> int:
    """Return 32 of "config:32-63"."""
    return int(_sysfs(path).removeprefix("config:").partition("-")[0])


def _by_tracefs(program: Program, probe: Probe, what: str, cookie: int) -> Link:
    where = f"program '{safe(program.name)}': {what}"
    name = f"{probe.kind}_{os.getpid()}_{os.urandom(6).hex()}"
    definition = _definition(probe, f"{_GROUP}/{name}", where)
    entry = journal.note(KIND, probe.kind, f"{_GROUP}/{name}")
    undo = partial(_end, probe.kind, f"{_GROUP}/{name}", entry)
    try:
        _write(probe.kind, definition, where)
        _log.info("%s: this kernel has no PMU %s, attached by tracefs", where, probe.kind)
        number = tracefs.tracepoint_id(_GROUP, name)
        event = _event(uapi.PerfEventAttr(type=uapi.PERF_TYPE_TRACEPOINT, config=number), probe.pid, where)
        held = link.perf_event(program, event, what, cookie)
    except BaseException as error:
        undo()
        if isinstance(error, AttachError | NotSupported) or not isinstance(error, KernelError):
            raise
        raise AttachError(str(error), error.errno or 0) from None
    return Link(then=(held.close, undo))


def _definition(probe: Probe, name: str, where: str) -> str:
    """Return the line for tracefs; Documentation/trace/kprobetrace.rst and uprobetracer.rst."""
    letter = "r" if probe.returns else "p"
    if probe.kind == "kprobe":
        return f"{letter}:{name} {probe.place}{f'+{probe.offset}' if probe.offset else ''}"
    if len(probe.place.split()) != 1:
        raise AttachError(f"{where}: tracefs takes no path with blanks", errno.EINVAL)
    counter = f"({probe.counter:#x})" if probe.counter else ""
    return f"{letter}:{name} {probe.place}:{probe.offset:#x}{counter}"


def _write(kind: str, line: str, where: str) -> None:
    """Append a line to kprobe_events or uprobe_events (a file that is opened to be written anew loses all events)."""
    with tracefs.root(where, writable=True) as folder:
        try:
            number = os.open(f"{kind}_events", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, dir_fd=folder)
        except FileNotFoundError:
            why = f"{where}: this kernel has no {kind}s (CONFIG_{kind.upper()}_EVENTS)"
            raise NotSupported(why, errno.ENOENT, feature=f"{kind}s") from None
        except OSError as error:
            raise AttachError.of(f"{where}: tracefs", error) from None
        with Fd(number):
            try:
                os.write(number, os.fsencode(line) + b"\n")
            except OSError as error:
                raise AttachError.of(where, error) from None
            finally:
                _log.debug("tracefs: %s_events: %s", kind, safe(line))


def _end(kind: str, name: str, entry: journal.Entry) -> None:
    """Remove our own event, or leave it to the next start."""
    try:
        undo(kind, name)
    except KernelError as error:
        _log.warning("%s: not removed: %s", name, error)
        entry.leave()
    else:
        entry.done()


def undo(kind: str, name: str) -> None:
    """Remove an event from tracefs, if it is there. Raises KernelError."""
    try:
        _write(kind, f"-:{name}", f"tracefs event {safe(name)}")
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
