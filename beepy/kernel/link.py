"""What keeps a program attached."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ctypes import c_uint32, c_uint64
from types import TracebackType
from typing import NamedTuple, Self

from beepy import uapi
from beepy.btf.types import TypeId
from beepy.errors import AttachError, KernelError, NotSupported
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import AttachType

_log = Log(__name__)


class Link:
    """Owns the descriptors that hold a program at its place; closing them, in order, detaches it.

    ``then`` is what is to be done after that, in order: for what no descriptor holds (netlink, tracefs), or to close
    other links. Each of all these is done once, even if one before it raises.
    """

    def __init__(self, *fds: Fd, then: Sequence[Callable[[], None]] = ()) -> None:
        self._fds = fds
        self._then = then

    def close(self) -> None:
        """Detach."""
        with ExitStack() as steps:
            for step in (*reversed(self._then), *[fd.close for fd in reversed(self._fds)]):
                steps.callback(step)
            self._then = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def create(program: Program, target: int, attach_type: AttachType, flags: int = 0) -> Link:
    """Attach by BPF_LINK_CREATE to ``target``: a descriptor, an interface's index, 0 where the type needs none.

    Raises AttachError.
    """
    with _attaching():
        return Link(_create(program, target, attach_type, f"program '{safe(program.name)}'", flags))


def netfilter(program: Program, family: int, hook: int, priority: int) -> Link:
    """Attach to a netfilter hook (NFPROTO_*, NF_INET_*) of this thread's network namespace. Raises AttachError."""
    attr = uapi.LinkCreateNetfilter(
        prog_fd=program.fd.fileno(),
        attach_type=AttachType.NETFILTER,
        netfilter=uapi.LinkNetfilter(pf=family, hooknum=hook, priority=priority),
    )
    with _attaching():
        return Link(syscall.link_create(attr, f"program '{safe(program.name)}': link (NETFILTER)"))


def raw_tracepoint(program: Program, name: str | None) -> Link:
    """Attach to the raw tracepoint ``name``; None: to that of the type that it was loaded with. Raises AttachError."""
    text = os.fsencode(name) + b"\0" if name is not None else b""
    attr = uapi.RawTracepointOpen(name=syscall.ptr(text), prog_fd=program.fd.fileno())
    where = f"program '{safe(program.name)}': raw tracepoint {safe(name) if name is not None else 'by its type'}"
    try:
        return Link(syscall.raw_tracepoint_open(attr, where))
    except KernelError as error:
        why = f"{where}: this kernel has none of that name" if error.errno == errno.ENOENT and name else str(error)
        raise AttachError(why, error.errno or 0) from None


def typed(program: Program, name: str) -> Link:
    """Attach to what the program was loaded for (``attach_btf_id``); ``name`` is for messages. Raises AttachError."""
    where = f"program '{safe(program.name)}': {safe(name)}"
    with _attaching():
        return Link(syscall.raw_tracepoint_open(uapi.RawTracepointOpen(prog_fd=program.fd.fileno()), where))


def kprobe_multi(
    program: Program,
    what: str,
    *,
    names: Sequence[str] = (),
    addresses: Sequence[int] = (),
    returns: bool = False,
) -> Link:
    """Attach to all these functions of the kernel, to their returns if ``returns``; all or none.

    They are given by ``names``, of which the kernel takes the first function each, or by ``addresses``. ``what`` they
    are stands in messages. Raises AttachError; NotSupported before v5.18 (0dcac2725406, "bpf: Add multi kprobe link"),
    for sessions before v6.10.
    """
    where = f"program '{safe(program.name)}': {what}"
    try:
        return Link(_kprobe_multi(program, where, names, addresses, returns=returns))
    except KernelError as error:
        if error.errno == errno.ESRCH:
            why = "this kernel has none of that name" if len(names) == 1 else "this kernel has not all of them"
            raise AttachError(f"{where}: {why} that can be traced", errno.ENOENT) from None
        if error.errno in {errno.EINVAL, errno.EOPNOTSUPP} and not _has_kprobe_multi(program):
            raise no_links(program, where, "to many functions (CONFIG_FPROBE)") from None
        raise AttachError(str(error), error.errno or 0) from None


def _kprobe_multi(
    program: Program, where: str, names: Sequence[str], addresses: Sequence[int], *, returns: bool = False
) -> Fd:
    texts = [ctypes.create_string_buffer(os.fsencode(name)) for name in names]
    table = (c_uint64 * (len(texts) + len(addresses)))(*map(ctypes.addressof, texts), *addresses)
    attr = uapi.LinkCreateKprobeMulti(
        prog_fd=program.fd.fileno(),
        attach_type=program.attach_type,
        kprobe_multi=uapi.LinkKprobeMulti(
            flags=uapi.BPF_F_KPROBE_MULTI_RETURN if returns else 0,
            cnt=len(table),
            syms=ctypes.addressof(table) if names else 0,
            addrs=0 if names else ctypes.addressof(table),
        ),
    )
    return syscall.link_create(attr, f"{where}: link ({program.attach_type.name})")


def _has_kprobe_multi(program: Program) -> bool:
    """Tell whether the kernel has the program's kind of link: it then looks up a function that is not there (ESRCH)."""
    try:
        _kprobe_multi(program, "probe of links to many functions", ("",), ()).close()
    except KernelError as error:
        return error.errno == errno.ESRCH
    return True


def tracing_multi(program: Program, functions: Sequence[TypeId], what: str) -> Link:
    """Attach to all these functions of the kernel, by their types in its BTF; all or none (v7.2).

    ``what`` they are stands in messages. Raises AttachError.
    """
    ids = (c_uint32 * len(functions))(*functions)
    attr = uapi.LinkCreateTracingMulti(
        prog_fd=program.fd.fileno(),
        attach_type=program.attach_type,
        tracing_multi=uapi.LinkTracingMulti(ids=ctypes.addressof(ids), cnt=len(functions)),
    )
    with _attaching():
        where = f"program '{safe(program.name)}': {what}"
        return Link(syscall.link_create(attr, f"{where}: link ({program.attach_type.name})"))


class Places(NamedTuple):
    """Offsets in the file ``path``; ``counters`` (offsets of USDT semaphores) and ``cookies``: one each, or none."""

    path: str
    offsets: Sequence[int]
    counters: Sequence[int] = ()
    cookies: Sequence[int] = ()


def uprobe_multi(program: Program, places: Places, what: str, *, pid: int | None = None, returns: bool = False) -> Link:
    """Attach to all these places of a program or library, all or none: in every process, or in ``pid`` alone.

    ``what`` they are stands in messages. Raises AttachError; NotSupported where the kernel has no such links: before
    v6.6 (89ae89f53d20, "bpf: Add multi uprobe link"), for sessions before v6.13.
    """
    where = f"program '{safe(program.name)}': {what}"
    try:
        return Link(_uprobe_multi(program, places, where, pid, returns=returns))
    except KernelError as error:
        if error.errno in {errno.EINVAL, errno.EOPNOTSUPP} and not _has_uprobe_multi(program):
            raise no_links(program, where, "to many places of a program") from None
        raise AttachError(str(error), error.errno or 0) from None


def _uprobe_multi(program: Program, places: Places, where: str, pid: int | None = None, *, returns: bool = False) -> Fd:
    path = os.fsencode(places.path) + b"\0"
    arrays = [(c_uint64 * len(one))(*one) for one in (places.offsets, places.counters, places.cookies)]
    offsets, counters, cookies = (ctypes.addressof(one) if len(one) else 0 for one in arrays)
    attr = uapi.LinkCreateUprobeMulti(
        prog_fd=program.fd.fileno(),
        attach_type=program.attach_type,
        uprobe_multi=uapi.LinkUprobeMulti(
            path=syscall.ptr(path),
            offsets=offsets,
            ref_ctr_offsets=counters,
            cookies=cookies,
            cnt=len(places.offsets),
            flags=uapi.BPF_F_UPROBE_MULTI_RETURN if returns else 0,
            pid=pid or 0,
        ),
    )
    return syscall.link_create(attr, f"{where}: link ({program.attach_type.name})")


def _has_uprobe_multi(program: Program) -> bool:
    """Tell whether the kernel has the program's kind of link: it then refuses a folder for what it is (EBADF)."""
    try:
        _uprobe_multi(program, Places("/", (0,)), "probe of links to many places of a program").close()
    except KernelError as error:
        return error.errno == errno.EBADF
    return True


def no_links(program: Program, where: str, what: str) -> NotSupported:
    """Return the error for a kernel without the kind of link that ``program`` was loaded for."""
    from beepy import since  # noqa: PLC0415 - only on the way to an error

    kind = program.attach_type
    session = "session " if kind in {AttachType.TRACE_KPROBE_SESSION, AttachType.TRACE_UPROBE_SESSION} else ""
    why = f"{where}: this kernel has no {session}links {what}"
    return NotSupported(why, errno.EOPNOTSUPP, feature=kind.name, since=since.attach_type(kind))


def struct_ops(map_: Map) -> Link:
    """Attach the operations that a STRUCT_OPS map made with ``MapFlag.LINK`` holds. Raises AttachError."""
    attr = uapi.LinkCreate(prog_fd=map_.fd.fileno(), attach_type=AttachType.STRUCT_OPS)
    with _attaching():
        return Link(syscall.link_create(attr, f"map '{safe(map_.name)}': link (STRUCT_OPS)"))


def iterator(program: Program, *, map_fd: int = 0, pid: int = 0) -> Link:
    """Make an iterator: of one map, of one process, else of all objects of its kind. Raises AttachError."""
    where = f"program '{safe(program.name)}': iterator"
    info = uapi.IterLinkMap(map_fd=map_fd) if map_fd else uapi.IterLinkTask(pid=pid) if pid else None
    attr = uapi.LinkCreateIter(
        prog_fd=program.fd.fileno(),
        attach_type=AttachType.TRACE_ITER,
        iter_info=ctypes.addressof(info) if info else 0,
        iter_info_len=ctypes.sizeof(info) if info else 0,
    )
    with _attaching():
        return Link(syscall.link_create(attr, where))


def iterate(made: Link, program: Program) -> Fd:
    """Return what reads an ``iterator`` of ``program`` once, from its beginning; the caller closes it."""
    (fd,) = made._fds  # noqa: SLF001 - ours
    return syscall.iter_create(uapi.IterCreate(link_fd=fd.fileno()), f"program '{safe(program.name)}': iterate")


@contextmanager
def _attaching() -> Iterator[None]:
    """Tell the kernel's refusal as one to attach."""
    try:
        yield
    except KernelError as error:
        raise AttachError(str(error), error.errno or 0) from None


def perf_event(program: Program, event: Fd, what: str, cookie: int = 0) -> Link:
    """Attach to a perf event and enable it; ``event`` becomes the Link's, and is closed on failure too.

    ``what`` it is stands in messages. It is done by BPF_LINK_CREATE, or where the kernel answers EINVAL (before v5.15:
    b89fbfbb854c, "bpf: Implement minimal BPF perf link") by PERF_EVENT_IOC_SET_BPF. ``cookie`` is what the program gets
    from bpf_get_attach_cookie(). Raises AttachError; NotSupported for a cookie without links.
    """
    where = f"program '{safe(program.name)}': {what}"
    with ExitStack() as undo:
        undo.enter_context(event)
        try:
            bound = _bind(program, event, where, cookie)
            if bound:
                undo.enter_context(bound)
            syscall.perf_event_ioctl(event, uapi.PERF_EVENT_IOC_ENABLE, 0, where)
        except NotSupported:
            raise
        except KernelError as error:
            raise AttachError(str(error), error.errno or 0) from None
        undo.pop_all()
    return Link(bound, event) if bound else Link(event)


def _bind(program: Program, event: Fd, where: str, cookie: int) -> Fd | None:
    """Return the link's descriptor; None: the event itself holds the program."""
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
                why = f"{where}: this kernel has no cookies for BPF programs"
                raise Feature.BPF_COOKIE.not_supported(why, error.errno) from None
    _log.debug("%s: no link, attaching by ioctl", where)
    syscall.perf_event_ioctl(event, uapi.PERF_EVENT_IOC_SET_BPF, program.fd.fileno(), where)
    return None


def _create(program: Program, target: int, attach_type: AttachType, where: str, flags: int = 0) -> Fd:
    attr = uapi.LinkCreate(prog_fd=program.fd.fileno(), target_fd=target, attach_type=attach_type, flags=flags)
    return syscall.link_create(attr, f"{where}: link ({attach_type.name})")
