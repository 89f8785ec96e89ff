"""Links of one program to many functions: of the kernel, or of a program or library."""

import ctypes
import errno
import os
from collections.abc import Sequence
from ctypes import c_uint32, c_uint64
from typing import NamedTuple

from beepy import uapi
from beepy.btf.types import TypeId
from beepy.errors import AttachError, KernelError, NotSupported
from beepy.kernel.link import Link, attach_errors
from beepy.kernel.program import Program
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import AttachType


def kprobe_multi(
    program: Program,
    point: str,
    *,
    names: Sequence[str] = (),
    addresses: Sequence[int] = (),
    returns: bool = False,
) -> Link:
    """Attach to kernel functions, or with ``returns`` to their returns; to all of them or none.

    The functions are given by ``names`` (if several functions share a name, the kernel takes the
    first) or by ``addresses``. ``point`` names them in error messages. Raises AttachError;
    NotSupported before v5.18 (0dcac2725406, "bpf: Add multi kprobe link"), for sessions before
    v6.10.
    """
    where = f"program '{safe(program.name)}': {point}"
    try:
        return Link(_kprobe_multi(program, where, names, addresses, returns=returns))
    except KernelError as error:
        if error.errno == errno.ESRCH:
            why = (
                "not a traceable function" if len(names) == 1 else "not all are traceable functions"
            )
            raise AttachError(f"{where}: {why} of this kernel", errno.ENOENT) from None
        if error.errno in {errno.EINVAL, errno.EOPNOTSUPP} and not _has_kprobe_multi(program):
            raise no_links(program, where, "to many functions (CONFIG_FPROBE)") from None
        raise AttachError(str(error), error.errno or 0) from None


def _kprobe_multi(
    program: Program,
    where: str,
    names: Sequence[str],
    addresses: Sequence[int],
    *,
    returns: bool = False,
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
    """Return whether the kernel has this kind of link.

    Such a kernel answers ESRCH for a function that does not exist.
    """
    try:
        _kprobe_multi(program, "probe of links to many functions", ("",), ()).close()
    except KernelError as error:
        return error.errno == errno.ESRCH
    return True


def tracing_multi(program: Program, functions: Sequence[TypeId], point: str) -> Link:
    """Attach to kernel functions, given by their types in the kernel's BTF; to all or none (v7.2).

    ``point`` names them in error messages. Raises AttachError.
    """
    ids = (c_uint32 * len(functions))(*functions)
    attr = uapi.LinkCreateTracingMulti(
        prog_fd=program.fd.fileno(),
        attach_type=program.attach_type,
        tracing_multi=uapi.LinkTracingMulti(ids=ctypes.addressof(ids), cnt=len(functions)),
    )
    with attach_errors():
        where = f"program '{safe(program.name)}': {point}"
        return Link(syscall.link_create(attr, f"{where}: link ({program.attach_type.name})"))


class UprobeSites(NamedTuple):
    """Offsets in the program or library ``path``.

    ``counters`` (file offsets of USDT semaphores) and ``cookies`` have one element per offset, or
    none.
    """

    path: str
    offsets: Sequence[int]
    counters: Sequence[int] = ()
    cookies: Sequence[int] = ()


def uprobe_multi(
    program: Program,
    sites: UprobeSites,
    point: str,
    *,
    pid: int | None = None,
    returns: bool = False,
) -> Link:
    """Attach to the sites of a program or library, all or none; in every process, or in ``pid``.

    ``point`` names the sites in error messages. Raises AttachError; NotSupported before v6.6
    (89ae89f53d20, "bpf: Add multi uprobe link"), for sessions before v6.13.
    """
    where = f"program '{safe(program.name)}': {point}"
    try:
        return Link(_uprobe_multi(program, sites, where, pid, returns=returns))
    except KernelError as error:
        if error.errno in {errno.EINVAL, errno.EOPNOTSUPP} and not _has_uprobe_multi(program):
            raise no_links(program, where, "to many places of a program") from None
        raise AttachError(str(error), error.errno or 0) from None


def _uprobe_multi(
    program: Program,
    sites: UprobeSites,
    where: str,
    pid: int | None = None,
    *,
    returns: bool = False,
) -> Fd:
    path = os.fsencode(sites.path) + b"\0"
    columns = (sites.offsets, sites.counters, sites.cookies)
    arrays = [(c_uint64 * len(column))(*column) for column in columns]  # keeps the memory alive
    offsets, counters, cookies = (ctypes.addressof(array) if len(array) else 0 for array in arrays)
    attr = uapi.LinkCreateUprobeMulti(
        prog_fd=program.fd.fileno(),
        attach_type=program.attach_type,
        uprobe_multi=uapi.LinkUprobeMulti(
            path=syscall.ptr(path),
            offsets=offsets,
            ref_ctr_offsets=counters,
            cookies=cookies,
            cnt=len(sites.offsets),
            flags=uapi.BPF_F_UPROBE_MULTI_RETURN if returns else 0,
            pid=pid or 0,
        ),
    )
    return syscall.link_create(attr, f"{where}: link ({program.attach_type.name})")


def _has_uprobe_multi(program: Program) -> bool:
    """Return whether the kernel has this kind of link.

    Such a kernel answers EBADF for a directory.
    """
    try:
        _uprobe_multi(
            program, UprobeSites("/", (0,)), "probe of links to many places of a program"
        ).close()
    except KernelError as error:
        return error.errno == errno.EBADF
    return True


def no_links(program: Program, where: str, targets: str) -> NotSupported:
    """Return the error for a kernel without the kind of link that ``program`` was loaded for.

    ``targets`` follows "links" in the message: "to many functions".
    """
    from beepy import since  # noqa: PLC0415 - only on the way to an error

    attach_type = program.attach_type
    sessions = {AttachType.TRACE_KPROBE_SESSION, AttachType.TRACE_UPROBE_SESSION}
    session = "session " if attach_type in sessions else ""
    why = f"{where}: this kernel has no {session}links {targets}"
    return NotSupported(
        why, errno.EOPNOTSUPP, feature=attach_type.name, since=since.attach_type(attach_type)
    )
