"""Links: attach a program, and keep it attached until the link is closed."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Literal, Self

from beepy import uapi
from beepy.errors import AttachError, KernelError, NotSupported
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import AttachType, LinkType, PerfEventType

_log = Log(__name__)

_KPROBES = (PerfEventType.KPROBE, PerfEventType.KRETPROBE)


Step = Literal[
    "bpf",
    "containers",
    "files",
    "modules",
    "names",
    "namespace",
    "netlink",
    "perf buffer",
    "perf event",
    "program",
    "sockets",
    "statistics",
    "tracefs",
]
"""What a run may do after everything is attached; ``cli.drop`` has the capabilities for it.

Links may enter a network namespace, use netlink, open a program by its id, or the sockets of
another process, and write to tracefs.
"""


class Link:
    """Owns the descriptors that keep a program attached; closing them, in order, detaches it.

    ``then`` are functions to call afterwards, in order: they undo what no descriptor holds
    (netlink, tracefs), or close other links. Each of them is called once, even if an earlier one
    raises. ``steps`` are the steps that need privileges.
    """

    def __init__(
        self, *fds: Fd, then: Sequence[Callable[[], None]] = (), steps: Iterable[Step] = ()
    ) -> None:
        self._fds = fds
        self._then = then
        self.steps = frozenset(steps)

    def close(self) -> None:
        """Detach the program; a second call does nothing."""
        with ExitStack() as steps:  # runs its callbacks last to first
            for step in (*reversed(self._then), *[fd.close for fd in reversed(self._fds)]):
                steps.callback(step)
            self._then = ()

    def missed(self) -> int | None:
        """Return how often a probe of the kernel did not call the program; 0 for other links.

        None before v6.7 (3acf8ace6823, "bpf: Add missed value to kprobe perf link info"), and where
        no link of the kernel holds the attachment.
        """
        counts = [count for fd in self._fds if (count := _missed(fd)) is not None]
        return sum(counts) if counts else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _missed(fd: Fd) -> int | None:
    info = uapi.LinkInfoMissedKprobe()
    attr = uapi.ObjInfo(
        bpf_fd=fd.fileno(), info_len=ctypes.sizeof(info), info=ctypes.addressof(info)
    )
    try:
        syscall.obj_get_info_by_fd(attr, "link: information")
    except KernelError:  # the descriptor of something else, such as a perf event
        return None
    if attr.info_len < ctypes.sizeof(info):
        return None
    if info.type == LinkType.KPROBE_MULTI:
        return int(uapi.LinkInfoMissedKprobeMulti.from_buffer(info).missed)
    is_kprobe = info.type == LinkType.PERF_EVENT and info.perf_type in _KPROBES
    return int(info.missed) if is_kprobe else 0


def create(program: Program, target: int, attach_type: AttachType, flags: int = 0) -> Link:
    """Attach by BPF_LINK_CREATE to ``target``: an fd, an interface's index, or 0 if not needed.

    Raises AttachError.
    """
    with attach_errors():
        return Link(_create(program, target, attach_type, f"program '{safe(program.name)}'", flags))


def netfilter(program: Program, family: int, hook: int, priority: int) -> Link:
    """Attach to a netfilter hook of this thread's network namespace. Raises AttachError.

    ``family`` is one of NFPROTO_*, ``hook`` one of NF_INET_*.
    """
    attr = uapi.LinkCreateNetfilter(
        prog_fd=program.fd.fileno(),
        attach_type=AttachType.NETFILTER,
        netfilter=uapi.LinkNetfilter(pf=family, hooknum=hook, priority=priority),
    )
    with attach_errors():
        return Link(syscall.link_create(attr, f"program '{safe(program.name)}': link (NETFILTER)"))


def raw_tracepoint(program: Program, name: str | None) -> Link:
    """Attach to the raw tracepoint ``name``. Raises AttachError.

    None attaches to the tracepoint whose BTF type the program was loaded with (``attach_btf_id``).
    """
    text = os.fsencode(name) + b"\0" if name is not None else b""
    attr = uapi.RawTracepointOpen(name=syscall.ptr(text), prog_fd=program.fd.fileno())
    point = safe(name) if name is not None else "by BTF type"
    where = f"program '{safe(program.name)}': raw tracepoint {point}"
    try:
        return Link(syscall.raw_tracepoint_open(attr, where))
    except KernelError as error:
        is_unknown = error.errno == errno.ENOENT and name
        why = f"{where}: not found in this kernel" if is_unknown else str(error)
        raise AttachError(why, error.errno or 0) from None


def attach_btf(program: Program, name: str) -> Link:
    """Attach to the type that the program was loaded for (``attach_btf_id``). Raises AttachError.

    ``name`` is the name of the attach point in error messages.
    """
    where = f"program '{safe(program.name)}': {safe(name)}"
    with attach_errors():
        return Link(
            syscall.raw_tracepoint_open(uapi.RawTracepointOpen(prog_fd=program.fd.fileno()), where)
        )


def struct_ops(map_: Map) -> Link:
    """Attach a STRUCT_OPS map, created with ``MapFlag.LINK``. Raises AttachError."""
    attr = uapi.LinkCreate(prog_fd=map_.fd.fileno(), attach_type=AttachType.STRUCT_OPS)
    with attach_errors():
        return Link(syscall.link_create(attr, f"map '{safe(map_.name)}': link (STRUCT_OPS)"))


def iterator(program: Program, *, map_fd: int = 0, pid: int = 0) -> Link:
    """Attach an iterator over a map, a process, or all objects of its kind. Raises AttachError."""
    where = f"program '{safe(program.name)}': iterator"
    info = (
        uapi.IterLinkMap(map_fd=map_fd) if map_fd else uapi.IterLinkTask(pid=pid) if pid else None
    )
    attr = uapi.LinkCreateIter(
        prog_fd=program.fd.fileno(),
        attach_type=AttachType.TRACE_ITER,
        iter_info=ctypes.addressof(info) if info else 0,
        iter_info_len=ctypes.sizeof(info) if info else 0,
    )
    with attach_errors():
        return Link(syscall.link_create(attr, where))


def open_iter(link: Link, program: Program) -> Fd:
    """Return a file that runs the iterator when it is read, once; the caller owns it.

    ``link`` is what ``iterator`` returned for ``program``. Raises KernelError.
    """
    (fd,) = link._fds  # noqa: SLF001 - of this module
    return syscall.iter_create(
        uapi.IterCreate(link_fd=fd.fileno()), f"program '{safe(program.name)}': iterate"
    )


@contextmanager
def attach_errors() -> Iterator[None]:
    """Raise AttachError where the block raises KernelError."""
    try:
        yield
    except KernelError as error:
        raise AttachError(str(error), error.errno or 0) from None


def perf_event(program: Program, event: Fd, point: str, cookie: int = 0) -> Link:
    """Attach to a perf event and enable it; the Link owns ``event``, which is closed on failure.

    ``point`` names the event in error messages; ``cookie`` is what bpf_get_attach_cookie() returns
    to the program. Before v5.15 (b89fbfbb854c, "bpf: Implement minimal BPF perf link")
    BPF_LINK_CREATE fails with EINVAL, and PERF_EVENT_IOC_SET_BPF attaches. Raises AttachError;
    NotSupported for a cookie on such a kernel.
    """
    where = f"program '{safe(program.name)}': {point}"
    with ExitStack() as undo:
        undo.enter_context(event)
        try:
            link_fd = _bind(program, event, where, cookie)
            if link_fd:
                undo.enter_context(link_fd)
            syscall.perf_event_ioctl(event, uapi.PERF_EVENT_IOC_ENABLE, 0, where)
        except NotSupported:
            raise
        except KernelError as error:
            raise AttachError(str(error), error.errno or 0) from None
        undo.pop_all()
    return Link(link_fd, event) if link_fd else Link(event)


def _bind(program: Program, event: Fd, where: str, cookie: int) -> Fd | None:
    """Return the descriptor of a new link, or None if the event itself holds the program."""
    attr = uapi.LinkCreatePerfEvent(
        prog_fd=program.fd.fileno(),
        target_fd=event.fileno(),
        attach_type=AttachType.PERF_EVENT,
        bpf_cookie=cookie,
    )
    try:
        return syscall.link_create(attr, f"{where}: link (PERF_EVENT)")
    except KernelError as error:
        if error.errno != errno.EINVAL:
            raise
        if cookie:
            from beepy.features import Feature  # noqa: PLC0415 - only where the kernel refuses
            from beepy.kernel import features  # noqa: PLC0415 - as above

            if not features.has(Feature.BPF_COOKIE):
                why = f"{where}: this kernel has no BPF cookies"
                raise Feature.BPF_COOKIE.not_supported(why, error.errno) from None
    _log.debug("%s: no link, attaching by ioctl", where)
    syscall.perf_event_ioctl(event, uapi.PERF_EVENT_IOC_SET_BPF, program.fd.fileno(), where)
    return None


def _create(
    program: Program, target: int, attach_type: AttachType, where: str, flags: int = 0
) -> Fd:
    attr = uapi.LinkCreate(
        prog_fd=program.fd.fileno(), target_fd=target, attach_type=attach_type, flags=flags
    )
    return syscall.link_create(attr, f"{where}: link ({attach_type.name})")
