"""Dynamic probes of the kernel (kprobe) and of user programs (uprobe), made in one of two ways.

A perf event of the PMU "kprobe" or "uprobe" makes a probe that lives as long as its descriptor
(e12f03d7031a, "perf/core: Implement the 'perf_kprobe' PMU", v4.17). Without such a PMU, a line
written to tracefs makes an event that outlives the process, so it gets an entry in the journal.
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
"""Kind of journal entries. Arguments: kind of the probe, name of the event."""

KPROBES: Final[Point] = ("function", "register_kprobe", "kprobes (CONFIG_KPROBE_EVENTS)")
"""A function of every kernel that has kprobes."""

UPROBES: Final[Point] = ("function", "uprobe_register", "uprobes (CONFIG_UPROBE_EVENTS)")
"""A function of every kernel that has uprobes."""

_GROUP: Final = "beepy"
_PMUS: Final = "/sys/bus/event_source/devices"


class ProbePoint(NamedTuple):
    """Where to probe.

    ``kind`` is "kprobe", where ``place`` is a function of the kernel, or "uprobe", where it is the
    path of a file. ``offset`` counts bytes from the function's entry or in the file. ``returns``:
    probe the return. ``pid`` None: every process. ``semaphore`` is the offset in the file of a USDT
    semaphore, 0 if it has none.
    """

    kind: str
    place: str
    offset: int
    returns: bool
    pid: int | None = None
    semaphore: int = 0


class _Pmu(NamedTuple):
    """A PMU of sysfs; ``returns`` and ``semaphore`` are the lowest bits of fields of its config.

    ``returns`` is the flag of return probes, ``semaphore`` a USDT semaphore's offset (None: this
    kernel has no such field).
    """

    type: int
    returns: int
    semaphore: int | None


def attach(program: Program, point: ProbePoint, label: str, cookie: int = 0) -> Link:
    """Attach to a probe; ``label`` names it in messages.

    Raises AttachError with the kernel's errno; NotSupported if the kernel has no such probes.
    """
    pmu = _pmu(point.kind)
    if pmu is None:
        return _attach_by_tracefs(program, point, label, cookie)
    where = f"program '{safe(program.name)}': {label}"
    if point.semaphore and (pmu.semaphore is None or point.semaphore >> (64 - pmu.semaphore)):
        from beepy.features import Feature  # noqa: PLC0415 - only on the way to an error

        why = f"{where}: this kernel does not support USDT semaphores"
        raise Feature.USDT_SEMAPHORES.not_supported(why)
    place = os.fsencode(point.place) + b"\0"
    config = point.returns << pmu.returns
    if pmu.semaphore:
        config |= point.semaphore << pmu.semaphore
    attr = uapi.PerfEventAttr(
        type=pmu.type,
        config=config,
        config1=syscall.ptr(place),
        config2=point.offset,
    )
    try:
        event = _open_event(attr, point.pid, where)
    except AttachError as error:
        if point.kind != "uprobe":
            raise
        from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

        raise AttachError.wrap(privilege.with_capability(error, "CAP_SYS_ADMIN")) from None
    return link.perf_event(program, event, label, cookie)


def _open_event(attr: uapi.PerfEventAttr, pid: int | None, where: str) -> Fd:
    """Open a perf event of one process or of all. Raises AttachError."""
    # An event of all processes must name a CPU; a probe hits on every CPU all the same.
    process, cpu = (-1, 0) if pid is None else (pid, -1)
    try:
        return syscall.perf_event_open(attr, where, pid=process, cpu=cpu)
    except KernelError as error:
        raise AttachError.wrap(error) from None


def _pmu(kind: str) -> _Pmu | None:
    """Return the PMU of a kind of probe, None if the kernel has none."""
    try:
        number = int(_sysfs(f"{kind}/type"))
    except FileNotFoundError:
        return None
    try:
        semaphore = _lowest_bit(f"{kind}/format/ref_ctr_offset")
    except FileNotFoundError:
        semaphore = None
    return _Pmu(number, _lowest_bit(f"{kind}/format/retprobe"), semaphore)


def _sysfs(path: str) -> str:
    with open(f"{_PMUS}/{path}", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slower to import
        return file.read().strip()


def _lowest_bit(path: str) -> int:
    """Return the lowest bit of a field of a PMU: 32 for "config:32-63"."""
    return int(_sysfs(path).removeprefix("config:").partition("-")[0])


def _attach_by_tracefs(program: Program, point: ProbePoint, label: str, cookie: int) -> Link:
    where = f"program '{safe(program.name)}': {label}"
    name = f"{point.kind}_{os.getpid()}_{os.urandom(6).hex()}"
    event_name = f"{_GROUP}/{name}"
    definition = _definition(point, event_name, where)
    entry = journal.add(KIND, point.kind, event_name)
    remove = partial(_remove_event, point.kind, event_name, entry)
    try:
        _write(point.kind, definition, where)
        _log.info("%s: this kernel has no PMU %s, attaching by tracefs", where, point.kind)
        number = tracefs.tracepoint_id(_GROUP, name)
        attr = uapi.PerfEventAttr(type=uapi.PERF_TYPE_TRACEPOINT, config=number)
        event = _open_event(attr, point.pid, where)
        event_link = link.perf_event(program, event, label, cookie)
    except BaseException as error:
        remove()
        if isinstance(error, AttachError | NotSupported) or not isinstance(error, KernelError):
            raise
        raise AttachError.wrap(error) from None
    return Link(then=(event_link.close, remove), steps=("tracefs",))


def _definition(point: ProbePoint, name: str, where: str) -> str:
    """Return the line for tracefs; see Documentation/trace/kprobetrace.rst and uprobetracer.rst.

    Raises AttachError for a path that no line can have.
    """
    letter = "r" if point.returns else "p"
    if point.kind == "kprobe":
        return f"{letter}:{name} {point.place}{f'+{point.offset}' if point.offset else ''}"
    if len(point.place.split()) != 1:
        raise AttachError(f"{where}: tracefs takes no path with whitespace", errno.EINVAL)
    semaphore = f"({point.semaphore:#x})" if point.semaphore else ""
    return f"{letter}:{name} {point.place}:{point.offset:#x}{semaphore}"


def _write(kind: str, line: str, where: str) -> None:
    """Append a line to kprobe_events or uprobe_events. Raises AttachError, NotSupported."""
    with tracefs.root(where, writable=True) as directory:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC  # O_TRUNC would remove all events
        try:
            fd = Fd(os.open(f"{kind}_events", flags, dir_fd=directory))
        except FileNotFoundError:
            why = f"{where}: this kernel has no {kind}s (CONFIG_{kind.upper()}_EVENTS)"
            raise NotSupported(why, errno.ENOENT, feature=f"{kind}s") from None
        except OSError as error:
            raise AttachError.of(f"{where}: tracefs", error) from None
        with fd:
            try:
                os.write(fd.fileno(), os.fsencode(line) + b"\n")
            except OSError as error:
                raise AttachError.of(where, error) from None
            finally:
                _log.debug("tracefs: %s_events: %s", kind, safe(line))


def _remove_event(kind: str, name: str, entry: journal.Entry) -> None:
    """Remove our own event, or leave it to the next start."""
    try:
        cleanup(kind, name)
    except KernelError as error:
        _log.warning("%s: not removed: %s", name, error)
        entry.release()
    else:
        entry.remove()


def cleanup(kind: str, name: str) -> None:
    """Remove an event from tracefs if it exists. Raises KernelError."""
    try:
        _write(kind, f"-:{name}", f"tracefs event {safe(name)}")
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise
