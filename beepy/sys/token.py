"""The BPF token of this process: what root has delegated to its user namespace (v6.9).

Capabilities in a user namespace count for bpf(2) where a token goes with the call. A token is made
of a BPF file system that root has mounted with ``delegate_cmds`` and the like
(35f96de04127, "bpf: Introduce BPF token object").
"""

import atexit
import ctypes
import errno
import os
from functools import cache
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.sys import call
from beepy.sys.fd import Fd
from beepy.text import safe

VARIABLE: Final = "LIBBPF_BPF_TOKEN_PATH"
_USUAL: Final = "/sys/fs/bpf"
_FIRST: Final = 0xEFFFFFFD  # PROC_USER_INIT_INO (include/linux/proc_ns.h): its inode
_REASONS: Final = {  # of bpf_token_create
    errno.EINVAL: "not the root of a BPF file system, or this kernel lacks BPF tokens",
    errno.ENOENT: "it is mounted without delegate_cmds, delegate_maps and the like",
    errno.EOPNOTSUPP: "tokens are for user namespaces, this is the first one",
    errno.EPERM: "mounted for another user namespace, or CAP_BPF is lacking in this one",
}


def create(attr: uapi.TokenCreate, where: str) -> Fd:
    """Create a BPF token (BPF_TOKEN_CREATE)."""
    address, size = ctypes.addressof(attr), ctypes.sizeof(attr)
    number, command = call.numbers().bpf, uapi.Cmd.TOKEN_CREATE
    return call.open_new(command.name, where, number, command, address, size)


@cache
def of_process() -> Fd | None:
    """Return the token for all that this process creates, None if there is none.

    It is looked for once, as libbpf does for each object (bpf_object_prepare_token).
    The BPF file system is the one that the environment names in ``VARIABLE``; an empty value
    forbids a token. Without it, /sys/fs/bpf is tried. The token is closed when the process ends.
    Raises KernelError if the environment names a file system that gives no token.
    """
    path = os.environ.get(VARIABLE)
    if path == "" or (path is None and _in_first_namespace()):
        return None
    try:
        token = _from(path or _USUAL)
    except KernelError as error:
        if path is None:
            return None
        error.add_note(f"to do without a token: {VARIABLE}=")
        raise
    atexit.register(token.close)
    return token


def _in_first_namespace() -> bool:
    """Return whether this process is in the first user namespace, which has no tokens."""
    try:
        return os.stat("/proc/self/ns/user").st_ino == _FIRST  # noqa: PTH116 - only its number
    except OSError:  # no /proc
        return False


def _from(path: str) -> Fd:
    where = f"bpf token: {safe(path)}"
    try:
        directory = Fd(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        raise KernelError.of(where, error) from None
    with directory:
        try:
            return create(uapi.TokenCreate(bpffs_fd=directory.fileno()), where)
        except KernelError as error:
            if why := _REASONS.get(error.errno or 0):
                raise KernelError(f"{error}: {why}", error.errno or 0) from None
            raise
