"""An instance of tracefs of our own, into which the kernel copies what programs print.

bpf_trace_printk() is a trace event since v5.9 (ac5a72ea5c89, "bpf: Use dedicated bpf_trace_printk
event instead of trace_printk()"): instances can have it, and nobody else's trace_pipe loses lines.
With each event the instance records the kernel's stack, in which stands the program that printed.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from beepy.errors import KernelError
from beepy.features import Feature
from beepy.hooks import journal
from beepy.host import tracefs
from beepy.sys.fd import Fd
from beepy.text import safe

KIND: Final = "trace instance"
"""Kind of journal entries. Arguments: name of the instance."""

_WHERE: Final = "tracefs"
_INSTANCES: Final = "instances"
_EVENT: Final = "events/bpf_trace/bpf_trace_printk"
_SETTINGS: Final = {
    "buffer_size_kb": "512",  # for each CPU
    "options/sym-addr": "1",
    "options/sym-offset": "1",
    "options/stacktrace": "1",
    f"{_EVENT}/enable": "1",
}


class TraceInstance:
    """Owns an instance, and ``pipe``: its trace_pipe, whose read does not block.

    Raises KernelError if it cannot be made; NotSupported before v5.9.
    """

    def __init__(self) -> None:
        self.name = f"beepy-{os.getpid()}-{os.urandom(4).hex()}"
        path = f"{_INSTANCES}/{self.name}"
        with (
            ExitStack() as undo,
            tracefs.root(_WHERE, writable=True) as root,
            _errors(f"instance {self.name}"),
        ):
            _expect_writable(root)
            self._entry = journal.add(KIND, self.name)
            undo.callback(self._entry.remove)
            undo.callback(cleanup, self.name)
            os.mkdir(path, dir_fd=root)
            _expect_event(root, path)
            for name, value in _SETTINGS.items():
                _write(root, f"{path}/{name}", value)
            self.pipe = _open_pipe(root, path)
            undo.pop_all()

    def close(self) -> None:
        """Close the pipe and remove the instance. Raises KernelError if it cannot be removed."""
        self.pipe.close()
        cleanup(self.name)
        self._entry.remove()


def open_global_pipe() -> Fd:
    """Open the machine's trace_pipe; what is read from it nobody else sees. Raises KernelError."""
    with tracefs.root(_WHERE) as root, _errors("trace_pipe"):
        return _open_pipe(root, ".")


def cleanup(name: str) -> None:
    """Remove an instance if it exists; it may be a dead process's. Raises KernelError."""
    if "/" in name or name.startswith("."):
        return
    with (
        tracefs.root(_WHERE, writable=True) as root,
        _errors(f"instance {name}: remove"),
        suppress(FileNotFoundError),
    ):
        os.rmdir(f"{_INSTANCES}/{name}", dir_fd=root)


@contextmanager
def _errors(action: str) -> Iterator[None]:
    """Raise KernelError where the block raises another OSError."""
    try:
        yield
    except KernelError:
        raise
    except OSError as error:
        raise KernelError.of(f"{_WHERE}: {safe(action)}", error) from None


def _expect_writable(root: int) -> None:
    """Raise an error before there is an entry in the journal, which would be in vain."""
    if not os.access(_INSTANCES, os.W_OK, dir_fd=root, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _expect_event(root: int, path: str) -> None:
    try:
        os.stat(f"{path}/{_EVENT}", dir_fd=root)
    except FileNotFoundError:
        why = f"{_WHERE}: what programs print is no event of this kernel"
        raise Feature.PRINTK_EVENT.not_supported(why) from None


def _write(root: int, path: str, value: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=root)
    try:
        os.write(number, value.encode())
    finally:
        os.close(number)


def _open_pipe(root: int, directory: str) -> Fd:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    return Fd(os.open(f"{directory}/trace_pipe", flags, dir_fd=root))
