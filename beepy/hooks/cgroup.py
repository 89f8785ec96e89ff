"""Control groups: a link to a cgroup's directory, or BPF_PROG_ATTACH before such links (v5.7)."""

import errno
import os
from contextlib import ExitStack
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks.persistent import attach_persistent
from beepy.hooks.target import Target
from beepy.host import cgroups
from beepy.kernel import link
from beepy.kernel import program as programs
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.uapi import AttachType, ProgType

_log = Log(__name__)

KIND: Final = "cgroup"
"""Kind of journal entries. Arguments: directory ("": the root), attach type, program id."""


def attach(program: Program, target: Target) -> Link:
    """Attach to the cgroup of --attach, else --cgroup, and all below it; by default to the root.

    For an LSM program the section and --attach name the LSM hook, so only --cgroup names the
    cgroup. Programs that are attached already keep running, unless one of them forbids it. Raises
    AttachError.
    """
    name = "" if program.type == ProgType.LSM else target.name
    return attach_as(program, name or target.cgroup, program.attach_type)


def attach_as(program: Program, path: str, *attach_types: AttachType) -> Link:
    """Attach to the cgroup at ``path`` ("": the root) by one link for each attach type.

    Raises AttachError; then no link is left.
    """
    # absolute: a later process may read the path from the journal; symbolic links are kept
    path = os.path.abspath(path) if path else ""  # noqa: PTH100
    with ExitStack() as undo:
        try:
            directory = undo.enter_context(_open(path))
            links = [
                undo.enter_context(_attach(program, directory, path, attach_type))
                for attach_type in attach_types
            ]
        except KernelError as error:
            raise _explained(program, path, error) from error
        undo.pop_all()
    return Link(
        then=[*(link.close for link in reversed(links)), directory.close],
        steps=[step for link in links for step in link.steps],
    )


def _attach(program: Program, directory: Fd, path: str, attach_type: AttachType) -> Link:
    try:
        return link.create(program, directory.fileno(), attach_type)
    except AttachError as error:
        if error.errno != errno.EINVAL:
            raise
    name = safe(program.name)
    _log.info("program '%s': no cgroup link, attaching by BPF_PROG_ATTACH", name)
    attr = uapi.ProgAttach(
        target_fd=directory.fileno(),
        attach_bpf_fd=program.fd.fileno(),
        attach_type=attach_type,
        attach_flags=uapi.BPF_F_ALLOW_MULTI,
    )
    where = f"cgroup '{safe(path)}' ({attach_type.name})"
    program_id = program.id()
    return attach_persistent(
        (KIND, path, str(int(attach_type)), str(program_id)),
        lambda: syscall.prog_attach(attr, where),
        lambda: _detach(directory, attach_type, program_id),
        ("program",),
    )


def cleanup(path: str, attach_type: str, program_id: str) -> None:
    """Detach the program of a dead process. Raises KernelError."""
    try:
        directory = _open(path)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    with directory:
        _detach(directory, AttachType(int(attach_type)), int(program_id))


def _detach(directory: Fd, attach_type: AttachType, program_id: int) -> None:
    try:
        program_fd = programs.open_by_id(program_id)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    with program_fd:
        attr = uapi.ProgAttach(
            target_fd=directory.fileno(),
            attach_bpf_fd=program_fd.fileno(),
            attach_type=attach_type,
        )
        syscall.prog_detach(attr, f"cgroup ({attach_type.name}): detach")


def _open(path: str) -> Fd:
    """Open the directory of a cgroup, "": the root of cgroup v2. Raises KernelError."""
    where = f"cgroup '{safe(path)}'" if path else "cgroup v2"
    directory = path or cgroups.root()
    if not directory:
        # The last resort: in the first cgroup namespace a new mount sets the options (nsdelegate
        # and others) of all mounts.
        return syscall.mount_detached("cgroup2", f"{where}: not mounted, mounting it detached")
    try:
        return Fd(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        number = getattr(error, "errno", None) or errno.ENOENT
        raise KernelError.of(where, number) from None


def _explained(program: Program, path: str, error: KernelError) -> AttachError:
    """Return ``error`` as an AttachError; it says so if the directory is not of cgroup v2."""
    where = f"program '{safe(program.name)}'"
    if error.errno == errno.EBADF:
        refused = AttachError(f"{where}: cgroup '{safe(path)}': not of cgroup v2", errno.EBADF)
        mount_point = cgroups.root()
        if mount_point:
            refused.add_note(f"cgroup v2 is mounted at {safe(mount_point)}")
        else:
            refused.add_note("cgroup v2 is not mounted")
        return refused
    return error if isinstance(error, AttachError) else AttachError.wrap(error, where)
