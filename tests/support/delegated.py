"""Run a command as root of a user namespace, to which a BPF file system delegates what is named.

``python -P tests/support/delegated.py OPTIONS PATH COMMAND...`` needs root. OPTIONS are those of
the BPF file system (``delegate_cmds=any,delegate_maps=array:hash``; "": none), PATH is where it is
mounted, for the command alone. The command has mounts and a network of its own.

A process in the namespace opens the file system, so that it belongs there; root outside sets its
options, which nobody else may, and mounts it; the process inside gives it a path.
"""

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW_USER, _NEW_MOUNTS, _NEW_NET = 0x10000000, 0x00020000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 429, 430, 431, 432  # on all architectures
_CLOEXEC, _SET_STRING, _CMD_CREATE, _FROM_EMPTY_PATH, _AT_FDCWD = 1, 1, 6, 4, -100

_libc = ctypes.CDLL(None, use_errno=True)


def prefix(options: str, path: str = "/sys/fs/bpf") -> tuple[str, ...]:
    """Return the prefix of a command."""
    return (sys.executable, "-P", __file__, options, path)


def _call(number: int, *arguments: int | bytes | None) -> int:
    typed = [
        ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value)
        for value in arguments
    ]
    return _checked(_libc.syscall(ctypes.c_long(number), *typed))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@contextmanager
def _received(sender: socket.socket) -> Iterator[int]:
    message, fds, _, _ = socket.recv_fds(sender, 1, 1)
    assert message, "the other process has failed"
    yield fds[0]
    os.close(fds[0])


def _outside(child: int, inside: socket.socket, options: str) -> None:
    """Map root to root, and mount the file system."""
    inside.recv(1)
    for name, text in (("uid_map", "0 0 1"), ("setgroups", "deny"), ("gid_map", "0 0 1")):
        Path(f"/proc/{child}/{name}").write_text(text)
    inside.send(b"m")
    with _received(inside) as context:
        for option in options.split(",") if options else ():
            key, _, value = option.partition("=")
            _call(_FSCONFIG, context, _SET_STRING, key.encode(), value.encode(), 0)
        _call(_FSCONFIG, context, _CMD_CREATE, None, None, 0)
        mounted = _call(_FSMOUNT, context, _CLOEXEC, 0)
    socket.send_fds(inside, [b"f"], [mounted])


def _inside(outside: socket.socket, path: str, command: list[str]) -> None:
    """Become root of a namespace, and the command."""
    _checked(_libc.unshare(_NEW_USER))
    outside.send(b"u")
    assert outside.recv(1)
    _checked(_libc.unshare(_NEW_MOUNTS | _NEW_NET))
    _checked(_libc.mount(None, b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
    context = _call(_FSOPEN, b"bpf", _CLOEXEC)
    socket.send_fds(outside, [b"c"], [context])
    os.close(context)
    with _received(outside) as mounted:
        _call(_MOVE_MOUNT, mounted, b"", _AT_FDCWD, path.encode(), _FROM_EMPTY_PATH)
    outside.close()
    os.execvp(command[0], command)


def main(options: str, path: str, *command: str) -> int:
    """Run the command; return its exit code."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            ours.close()
            _inside(theirs, path, [*command])
        finally:
            os._exit(126)
    theirs.close()
    _outside(child, ours, options)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
