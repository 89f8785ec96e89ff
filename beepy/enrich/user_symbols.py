"""Names of the functions of processes by their addresses, from their mappings and mapped files.

A file is read by the link that the kernel has for a mapping (/proc/PID/map_files), not by its path:
it may be deleted, and the path may be another file's where the process sees it. Where that link
may not be followed, for which privileges were given up, the path is tried in the process's root, if
it is that inode. Symbols of a stripped file may stand in another one, which has its build id.
"""

import os
import stat
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, NamedTuple

from beepy.errors import ElfError
from beepy.file_bytes import FileBytes
from beepy.host import pids
from beepy.obj import executable
from beepy.obj.executable import Executable
from beepy.obj.function_table import FunctionTable, address_at, build_id
from beepy.text import escaped

_PROC: Final = "/proc"
_DEBUG: Final = "/usr/lib/debug/.build-id"
_MAX_MAPS: Final = 8 << 20  # bytes of /proc/PID/maps; the kernel allows 65,530 mappings
_MAX_PROCESSES: Final = 256
_MAX_FILES: Final = 64
_MAX_FUNCTIONS: Final = 1 << 20  # of all files
_MAX_NAME: Final = 256  # bytes
_DELETED: Final = b" (deleted)"
_FRESH_S: Final = 1.0
_KEPT_S: Final = 10.0  # a pid is not given to another process so soon


class Mapping(NamedTuple):
    """Code that a process has mapped from a file, in [start, end)."""

    start: int
    end: int
    offset: int
    device: str
    inode: int
    path: bytes


class _Mapped(NamedTuple):
    """What a process has mapped, sorted, as it was ``read_at``."""

    read_at: float
    mappings: tuple[Mapping, ...]

    def at(self, address: int) -> Mapping | None:
        position = bisect_right(self.mappings, address, key=lambda mapping: mapping.start) - 1
        found = self.mappings[position] if position >= 0 else None
        return found if found and address < found.end else None


class _File(NamedTuple):
    """A mapped file's headers and functions, None where it cannot be read.

    ``apart`` are the functions in another file for those that it lacks.
    """

    headers: Executable | None
    functions: FunctionTable | None
    apart: FunctionTable | None = None

    @property
    def size(self) -> int:
        """How many functions it has."""
        return sum([len(table) for table in (self.functions, self.apart) if table])

    def text(self, offset: int, path: bytes, *, with_offset: bool) -> str:
        """Return the function at an offset in the file, or the file's name and an address.

        ``with_offset``: behind a function is the offset in it.
        """
        address = address_at(self.headers, offset) if self.headers else None
        tables = [table for table in (self.functions, self.apart) if table and address is not None]
        found = next((found for table in tables if (found := table.at(address or 0))), None)
        if found:
            name, inside = found
            text = escaped(name[:_MAX_NAME])
        else:
            inside = offset if address is None else address
            text = escaped(path.removesuffix(_DELETED).rpartition(b"/")[2][:_MAX_NAME])
        return f"{text}+{inside:#x}" if (inside and with_offset) or not found else text


class UserSymbols:
    """Finds functions of other processes; what was read last of processes and files is kept."""

    def __init__(
        self,
        proc: str = _PROC,
        now: Callable[[], float] = time.monotonic,
        debug: str = _DEBUG,
    ) -> None:
        self._proc = proc
        self._debug = debug
        self._now = now
        self._processes: dict[int, _Mapped] = {}
        self._files: dict[tuple[str, int], _File] = {}
        self._initial: bool | None = None  # whether pids are those of the first PID namespace

    def frame(self, pid: int, address: int) -> str:
        """Return the text of a frame: ``function+0x1f``, ``libc.so.6+0x2724a``, or the address.

        An offset behind a file's name is the address in that file, as addr2line takes it.
        """
        return self._text(pid, address, with_offset=True) or hex(address)

    def function(self, pid: int, address: int) -> str:
        """Return the function with an address, else ``libc.so.6+0x2724a``; "" if none is known."""
        return self._text(pid, address, with_offset=False)

    def _text(self, pid: int, address: int, *, with_offset: bool) -> str:
        mapping = self._mapping(pid, address)
        if mapping is None:
            return ""
        key = mapping.device, mapping.inode
        file = self._files.pop(key, None)
        if file is None:
            file = self._read(pid, mapping)
            self._evict(file.size)
        self._files[key] = file  # the last one used is the last one to go
        offset = address - mapping.start + mapping.offset
        return file.text(offset, mapping.path, with_offset=with_offset)

    def _evict(self, size: int) -> None:
        """Forget the files used longest ago, so that there is room for one with ``size`` functions.

        Any process may map files with very many.
        """
        while self._files and (
            len(self._files) >= _MAX_FILES
            or sum([file.size for file in self._files.values()]) + size > _MAX_FUNCTIONS
        ):
            del self._files[next(iter(self._files))]

    def _mapping(self, pid: int, address: int) -> Mapping | None:
        if self._initial is None:
            self._initial = pids.are_the_kernels(self._proc)
        if not self._initial or not pid:
            return None
        known = self._processes.get(pid)
        now = self._now()
        if known and now - known.read_at < _FRESH_S and (found := known.at(address)):
            return found
        mappings = _mappings(f"{self._proc}/{pid}/maps")
        if mappings:
            self._processes.pop(pid, None)
            while len(self._processes) >= _MAX_PROCESSES:
                del self._processes[next(iter(self._processes))]
            self._processes[pid] = known = _Mapped(now, mappings)
        elif known and now - known.read_at >= _KEPT_S:
            known = None
        return known.at(address) if known else None

    def _read(self, pid: int, mapping: Mapping) -> _File:
        """Read the symbols of a mapped file; one that cannot be read has none."""
        link = f"{self._proc}/{pid}/map_files/{mapping.start:x}-{mapping.end:x}"
        path = os.fsencode(f"{self._proc}/{pid}/root") + mapping.path
        file, identity = _read_file(os.fsencode(link))
        if not file.headers and mapping.path.startswith(b"/"):
            file, identity = _read_file(path, mapping.inode)
        if file.functions is not None and not file.functions.whole and identity:
            apart = os.fsencode(f"{self._debug}/{identity[:2]}/{identity[2:]}.debug")
            file = file._replace(apart=_read_file(apart)[0].functions)
        return file


def _read_file(path: bytes, inode: int = 0) -> tuple[_File, str]:
    """Return the symbols of a regular file, of that inode unless it is 0, and its build id."""
    with ExitStack() as opened:
        try:
            # only a regular file is opened for reading: a mapped device may do something then
            handle = os.open(path, os.O_PATH)
            opened.callback(os.close, handle)
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode) or (inode and status.st_ino != inode):
                return _File(None, None), ""
            data = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY)
            opened.callback(os.close, data)
            file = executable.read(FileBytes(data), "")
            return _File(file._replace(data=b""), FunctionTable(file)), build_id(file)
        except (OSError, ValueError, ElfError):
            return _File(None, None), ""


def _mappings(path: str) -> tuple[Mapping, ...]:
    """Return what a process has mapped to be executed, () if it has ended.

    ::

        7f3a3f916000-7f3a3f9aa000 r-xp 00026000 fe:00 247026    /usr/lib/libc.so.6
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_MAPS)
    except OSError:
        return ()
    mappings = []
    for line in text.split(b"\n"):
        columns = line.split(None, 5)
        if len(columns) < 6 or b"x" not in columns[1]:  # without a name it is no file's
            continue
        start, _, end = columns[0].partition(b"-")
        mappings.append(
            Mapping(
                start=int(start, 16),
                end=int(end, 16),
                offset=int(columns[2], 16),
                device=columns[3].decode(),
                inode=int(columns[4]),
                path=columns[5],
            )
        )
    return tuple(mappings)
