"""A page of memory that blocks readers, in the kernel too, until its release (userfaultfd)."""

import ctypes
import fcntl
import mmap
import os
import platform
import struct
from types import TracebackType
from typing import Final, Self

_SYSCALL: Final = {"x86_64": 323, "aarch64": 282}
_UFFDIO_API: Final = 0xC018AA3F
_UFFDIO_REGISTER: Final = 0xC020AA00
_UFFDIO_ZEROPAGE: Final = 0xC020AA04
_MODE_MISSING: Final = 1


class Fault:
    """``address`` is that of the page; raises OSError where the kernel has no userfaultfd."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.syscall(
            ctypes.c_long(_SYSCALL[platform.machine()]), ctypes.c_int(os.O_CLOEXEC)
        )
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "userfaultfd")
        self._page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        view = ctypes.c_char.from_buffer(self._page)
        self.address = ctypes.addressof(view)
        del view
        fcntl.ioctl(self._fd, _UFFDIO_API, struct.pack("QQQ", 0xAA, 0, 0))
        fcntl.ioctl(
            self._fd,
            _UFFDIO_REGISTER,
            struct.pack("QQQQ", self.address, mmap.PAGESIZE, _MODE_MISSING, 0),
        )

    def wait(self) -> None:
        """Return once somebody is blocked."""
        os.read(self._fd, 32)

    def release(self) -> None:
        """Make the page zero; it blocks nobody any more."""
        fcntl.ioctl(
            self._fd, _UFFDIO_ZEROPAGE, struct.pack("QQQQ", self.address, mmap.PAGESIZE, 0, 0)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)  # lets go whoever is still blocked
        self._page.close()
