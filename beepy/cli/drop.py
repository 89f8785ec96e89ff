"""Give up what a run no longer needs once everything is attached.

A run reads what anybody may write into a terminal or a scrape, for days, as root. So the command
keeps the capabilities alone that a later step needs, may not execute other programs, and cannot
load BPF programs any more. The library never does this: it is a part of somebody else's process.
"""

import os
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from errno import EPERM
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.events.decoder import Decoder
from beepy.kernel.link import Step
from beepy.launch import Launched, Loaded
from beepy.log import Log
from beepy.sys import process, syscall
from beepy.uapi import CAPABILITIES, Cmd, MapType

_log = Log(__name__)

TABLE: Final[Mapping[Step, tuple[str, ...]]] = {
    "bpf": ("CAP_BPF",),  # tables, losses, maps that beepy fills; not needed since v5.19
    "perf buffer": ("CAP_PERFMON", "CAP_IPC_LOCK"),  # a new ring, for a CPU that comes back
    "perf event": ("CAP_SYS_ADMIN",),  # where the distribution demands that for it
    "statistics": ("CAP_SYS_ADMIN",),  # of run time, which are switched on and off
    # what numbers in records mean: symbols with their addresses, processes and cgroups of others
    "names": ("CAP_SYSLOG", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"),
    "containers": ("CAP_DAC_READ_SEARCH",),  # started again: runtimes' files, also of users
    "files": ("CAP_DAC_OVERRIDE",),  # created and renamed in directories of other users
    "modules": ("CAP_DAC_READ_SEARCH",),  # Python's, where other users' directories have them
    # detaching where links are older than the kernel's, or not by a descriptor
    "netlink": ("CAP_NET_ADMIN",),
    "namespace": ("CAP_SYS_ADMIN",),
    "program": ("CAP_NET_ADMIN", "CAP_SYS_ADMIN"),  # it is opened by its id
    "sockets": ("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"),  # another process's, in /proc
    "tracefs": ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"),  # and its mount
}
"""Step after attaching -> the capabilities that it needs; what includes one will do as well."""

_PRIVILEGED: Final = frozenset(
    (
        *("cgroup", "namespace", "exe", "place"),
        *("symbol", "kernel_function", "kernel_stack", "user_function"),
    )
)
"""Functions of ``Machine`` that read what not everybody may; users and devices are in public."""

_ADMIN: Final = 1 << CAPABILITIES["CAP_SYS_ADMIN"]  # includes all that is found out
_NO_FD: Final = 0xFFFFFFFF
_PROBE: Final = "probe of privileges"
_REFUSED: Final = (Cmd.PROG_LOAD, Cmd.MAP_CREATE, Cmd.BTF_LOAD, Cmd.TOKEN_CREATE)


def drop(launched: Launched, more: Sequence[Step]) -> None:
    """Give up the capabilities that no later step needs, other programs, and new BPF programs.

    ``more`` are the later steps of who shows the run.

    Other threads would keep their capabilities, so this comes before any is started; if there is
    one nevertheless, or where the kernel refuses it, the run goes on as it is.
    """
    try:
        if threads := process.other_threads():
            _log.info("privileges are not given up: %d other threads would keep theirs", threads)
            return
        _, held, _ = process.capabilities()
        steps = {*launched.steps, *_steps(launched.images), *more}
        if any(schema.vocabulary for schema in launched.run.schemas):
            steps.add("names")
        kept = _bits(held, steps)
        # what is no longer effective stays permitted until it is known what is needed
        process.set_capabilities((kept, held, 0))
        steps.update(_found_out(steps, kept))
        kept = _bits(held, steps)
        process.set_capabilities((kept, kept, 0))
        process.refuse(_REFUSED)
    except KernelError as error:
        _log.info("not all privileges are given up: %s", error)
    else:
        names = [name for name, bit in CAPABILITIES.items() if kept >> bit & 1]
        _log.info("privileges given up, but for %s", ", ".join(names) or "those of any user")


def asks_for_names(decoders: Iterable[Decoder], *, shows_meanings: bool) -> bool:
    """Return whether names in rows need the step ``names``.

    ``shows_meanings``: numbers are shown as what they mean, as in columns.
    """
    for decoder in decoders:
        asked = set(decoder.asks)
        if shows_meanings and not decoder.plain:
            from beepy.events import meaning  # noqa: PLC0415 - not every output shows them

            asked.update([function for _, function in meaning.named_numbers(decoder.shown())])
        if not _PRIVILEGED.isdisjoint(asked):
            return True
    return False


def _steps(images: Sequence[Loaded]) -> Iterator[Step]:
    """Yield what may be done after everything is attached, as far as it is known beforehand."""
    for collection in [collection for image in images for collection in image.collections]:
        for link in collection.links:
            yield from link.steps
        if collection.spec.exporter:
            yield "names"
        for tracked in collection.spec.tracked:
            if collection.maps[tracked.map].type == MapType.PERF_EVENT_ARRAY:
                yield "perf buffer"


def _bits(held: int, steps: Iterable[Step]) -> int:
    """Return those of the held capabilities that the steps need, or that include one of them."""
    kept = 0
    for name in [name for step in steps for name in TABLE[step]]:
        wanted = 1 << CAPABILITIES[name]
        if not held & wanted:
            from beepy import capability  # noqa: PLC0415 - root has them all

            if whole := capability.included_in(name):
                wanted = 1 << CAPABILITIES[whole]
        kept |= held & wanted
    return kept


def _found_out(steps: Container[Step], kept: int) -> Iterator[Step]:
    """Yield what the kernel refuses to a thread that has only the capabilities ``kept``."""
    if not kept & _ADMIN:
        if _is_bpf_refused():
            yield "bpf"
        if "perf buffer" in steps and _is_perf_refused():
            yield "perf event"
    if not _can_import():
        yield "modules"


def _is_bpf_refused() -> bool:
    """Return whether the kernel refuses, or may refuse, bpf(2) for descriptors that are open.

    Before v5.19 (c8644cd0efe7, "bpf: refine kernel.unprivileged_bpf_disabled behaviour") it does
    that to every command unless kernel.unprivileged_bpf_disabled is 0. If it is, a map can be
    created, and whether the kernel will refuse other commands later is not known.
    """
    attr = uapi.MapCreate(map_type=MapType.ARRAY, key_size=4, value_size=4, max_entries=1)
    with suppress(KernelError):
        syscall.map_create(attr, _PROBE).close()
        return True
    try:
        return syscall.map_lookup_elem(uapi.MapElem(map_fd=_NO_FD), _PROBE)
    except KernelError as error:
        return error.errno == EPERM


def _is_perf_refused() -> bool:
    """Return whether the kernel refuses to open the perf event of a ring.

    CAP_PERFMON is not enough for some distributions' kernels (perf_event_paranoid 3 of Debian).
    """
    attr = uapi.PerfEventAttr(
        type=uapi.PERF_TYPE_SOFTWARE,
        config=uapi.PERF_COUNT_SW_BPF_OUTPUT,
        sample_period=1,
        sample_type=uapi.PERF_SAMPLE_RAW,
    )
    try:
        syscall.perf_event_open(attr, _PROBE).close()
    except KernelError:  # also if CPU 0 is offline: then it is not known
        return True
    return False


def _can_import() -> bool:
    """Return whether modules can still be read: they may be another user's, in a closed directory.

    Many are imported only when they are used.
    """
    directories = [f"{directory or '.'}/." for directory in sys.path]
    return all(map(process.can_read, (__file__, os.__file__, *directories)))
