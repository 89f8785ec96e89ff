"""Control groups: a link to the folder of one; BPF_PROG_ATTACH where the kernel has no such links (before v5.7)."""

import errno
import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks import lasting
from beepy.hooks.failure import failed
from beepy.hooks.target import Target
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
"""Of journal entries: the folder ("": the root), the attach type, the program's id."""

_MOUNTS: Final = Path("/proc/self/mountinfo")


def attach(program: Program, target: Target) -> Link:
    """Attach to the cgroup of --attach, else --cgroup, with all below it; without either to the root: every process.

    What the section of an LSM program and --attach name is its hook, so that only --cgroup names the cgroup. Programs
    that are attached already run too, unless one of them forbids it. Raises AttachError.
    """
    name = "" if program.type == ProgType.LSM else target.name
    return attach_as(program, name or target.cgroup, program.attach_type)


def attach_as(program: Program, path: str, *attach_types: AttachType) -> Link:
    """Attach to the cgroup at ``path`` ("": the root), by a link of each attach type. Raises AttachError."""
    path = os.path.abspath(path) if path else ""  # noqa: PTH100 - a later process reads it, symlinks and all
    with ExitStack() as undo:
        try:
            folder = undo.enter_context(_open(path))
            made = [undo.enter_context(_one(program, folder, path, attach_type)) for attach_type in attach_types]
        except KernelError as error:
            raise _explained(program, path, error) from error
        undo.pop_all()
    return Link(then=[*(one.close for one in reversed(made)), folder.close])


def _one(program: Program, folder: Fd, path: str, attach_type: AttachType) -> Link:
    try:
        return link.create(program, folder.fileno(), attach_type)
    except AttachError as error:
        if error.errno != errno.EINVAL:
            raise
    name = safe(program.name)
    _log.info("program '%s': no cgroup link, attaching without", name)
    attr = uapi.ProgAttach(
        target_fd=folder.fileno(),
        attach_bpf_fd=program.fd.fileno(),
        attach_type=attach_type,
        attach_flags=uapi.BPF_F_ALLOW_MULTI,
    )
    where = f"cgroup '{safe(path)}' ({attach_type.name})"
    number = program.id()
    return lasting.keep(
        (KIND, path, str(int(attach_type)), str(number)),
        lambda: syscall.prog_attach(attr, where),
        lambda: _detach(folder, attach_type, number),
    )


def undo(path: str, attach_type: str, number: str) -> None:
    """Detach what a dead process left. Raises KernelError."""
    try:
        folder = _open(path)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    with folder:
        _detach(folder, AttachType(int(attach_type)), int(number))


def _detach(folder: Fd, attach_type: AttachType, number: int) -> None:
    try:
        program = programs.by_id(number)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return
        raise
    with program:
        attr = uapi.ProgAttach(target_fd=folder.fileno(), attach_bpf_fd=program.fileno(), attach_type=attach_type)
        syscall.prog_detach(attr, f"cgroup ({attach_type.name}): detach")


def _open(path: str) -> Fd:
    """Open the folder of a cgroup, "": the root of cgroup v2. Raises KernelError."""
    where = f"cgroup '{safe(path)}'" if path else "cgroup v2"
    found = path or mount(_MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    if not found:
        # Only where there is none: in the first cgroup namespace a new mount sets the options of all (nsdelegate...).
        return syscall.mount_detached("cgroup2", f"{where}: no mount of it, a detached one")
    try:
        return Fd(os.open(found, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        number = getattr(error, "errno", None) or errno.ENOENT
        raise KernelError.of(where, number) from None


def mount(table: str) -> str:
    """Return where ``table`` (proc_pid_mountinfo(5)) has the root of cgroup v2, "" if nowhere."""
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        if after.split()[0] == "cgroup2" and root == "/":
            return re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), point)
    return ""


def _explained(program: Program, path: str, error: KernelError) -> AttachError:
    if error.errno == errno.EBADF:
        told = AttachError(f"program '{safe(program.name)}': cgroup '{safe(path)}': not of cgroup v2", errno.EBADF)
        table = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        told.add_note(f"cgroup v2 is mounted at {safe(mount(table)) or 'no place'}")
        return told
    return error if isinstance(error, AttachError) else failed(program, error)
