"""Names of the functions that addresses in processes are in, from the files that they map.

A process's files are read as it sees them, also those of a container, and those that were deleted.
Symbols may stand in a file apart, which is found by the build id. Files are chosen by processes:
only regular ones are opened, and what is read of them is bounded.
"""

import os
import stat
import time
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple

from beepy.errors import ElfError
from beepy.events.batch import Frame
from beepy.file_bytes import FileBytes
from beepy.log import Log
from beepy.obj import executable, symbol_table
from beepy.obj.symbol_table import SymbolTable
from beepy.text import escaped

_log = Log(__name__)

_PROC: Final = "/proc"
_DEBUG: Final = "/usr/lib/debug/.build-id"
_MAX_MAPS: Final = 8 << 20  # bytes of /proc/PID/maps
_MAX_PROCESSES: Final = 1 << 10
_MAX_FILES: Final = 256
_MAX_SYMBOLS: Final = 256 << 20  # bytes of the symbols of all files
_RETRY_S: Final = 1.0  # a library may have been loaded since
_FRESH_S: Final = 10.0  # a pid is not given to another process so soon


class _Mapping(NamedTuple):
    """A part of a file in memory, from ``start`` up to ``end``."""

    start: int
    end: int
    offset: int
    inode: int
    path: bytes


class _Maps(NamedTuple):
    """The mappings of a process, by address, and what tells it from a later one of its pid."""

    read_at: float
    starttime: bytes
    mappings: list[_Mapping]


class _File(NamedTuple):
    """The symbols of a file, where its segments are, and its build id, "" if it has none."""

    file: executable.Executable
    symbols: SymbolTable
    build_id: str


class UserSymbols:
    """Finds functions; ``proc`` is a file system of processes, ``debug`` has files by build id."""

    def __init__(
        self,
        proc: str = _PROC,
        debug: str = _DEBUG,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc = proc
        self._debug = debug
        self._now = now
        self._maps: dict[int, _Maps] = {}
        self._files: dict[tuple[int, bytes], _File | None] = {}
        self._size = 0  # of their symbols

    def function(self, frame: Frame) -> str:
        """Return the function that has an address, else FILE+OFFSET; "" if no file is there."""
        mapping = self._mapping(frame)
        if mapping is None:
            return ""
        name = mapping.path.removesuffix(b" (deleted)").rpartition(b"/")[2]
        if not mapping.path.startswith(b"/"):
            return escaped(name)  # [vdso], or memory without a file
        offset = frame.address - mapping.start + mapping.offset
        found = self._file(frame.pid, mapping)
        address = symbol_table.address_of(found.file, offset) if found else None
        symbol = found.symbols.containing(address) if found and address is not None else b""
        return escaped(symbol) or f"{escaped(name)}+{offset:#x}"

    def _mapping(self, frame: Frame) -> _Mapping | None:
        maps = self._maps.get(frame.pid)
        mapping = maps and _at(maps.mappings, frame.address)
        now = self._now()
        if maps and now - maps.read_at < _RETRY_S:
            return mapping
        starttime = self._starttime(frame.pid)
        if maps and starttime == maps.starttime and mapping:
            self._maps[frame.pid] = maps._replace(read_at=now)
            return mapping
        if not starttime:  # it is gone
            return mapping if maps and now - maps.read_at < _FRESH_S else None
        if len(self._maps) >= _MAX_PROCESSES:
            self._maps.clear()
        maps = _Maps(now, starttime, self._read_maps(frame.pid))
        self._maps[frame.pid] = maps
        return _at(maps.mappings, frame.address)

    def _starttime(self, pid: int) -> bytes:
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as file:  # noqa: PTH123 - a text
                fields = file.read(4096).rpartition(b")")[2].split()
        except OSError:
            return b""
        return fields[19] if len(fields) > 19 else b""

    def _read_maps(self, pid: int) -> list[_Mapping]:
        """Return the mappings that code can be in.

        ::

            7f0c5d400000-7f0c5d595000 r-xp 00028000 fd:00 1234   /usr/lib/libc.so.6
        """
        try:
            with open(f"{self._proc}/{pid}/maps", "rb") as file:  # noqa: PTH123 - a text
                lines = file.read(_MAX_MAPS).splitlines()
        except OSError:
            return []
        mappings = []
        for line in lines:
            fields = line.split(None, 5)
            if len(fields) < 6 or b"x" not in fields[1]:
                continue
            start, _, end = fields[0].partition(b"-")
            try:
                numbers = int(start, 16), int(end, 16), int(fields[2], 16), int(fields[4])
            except ValueError:
                continue
            mappings.append(_Mapping(*numbers, fields[5]))
        return mappings

    def _file(self, pid: int, mapping: _Mapping) -> _File | None:
        key = mapping.inode, mapping.path
        if key not in self._files:
            found = self._read_file(pid, mapping)
            self._size += found.symbols.size if found else 0
            if len(self._files) >= _MAX_FILES or self._size > _MAX_SYMBOLS:
                self._files.clear()
                self._size = found.symbols.size if found else 0
            self._files[key] = found
        return self._files[key]

    def _read_file(self, pid: int, mapping: _Mapping) -> _File | None:
        # the first is the file itself, whatever its name leads to by now
        places = (
            os.fsencode(f"{self._proc}/{pid}/map_files/{mapping.start:x}-{mapping.end:x}"),
            os.fsencode(f"{self._proc}/{pid}/root") + mapping.path,
        )
        for place in places:
            found = _read(place, mapping.inode)
            if found is None:
                continue
            if found.symbols.is_whole:
                return found
            apart = f"{self._debug}/{found.build_id[:2]}/{found.build_id[2:]}.debug"
            separate = _read(os.fsencode(apart)) if found.build_id else None
            return found._replace(symbols=separate.symbols) if separate else found
        return None


def _at(mappings: list[_Mapping], address: int) -> _Mapping | None:
    at = bisect_right(mappings, address, key=lambda mapping: mapping.start) - 1
    return mappings[at] if at >= 0 and address < mappings[at].end else None


def _read(path: bytes, inode: int = 0) -> _File | None:
    """Return the symbols of a regular file, None if it is none, or not the one of that inode."""
    try:
        # an open of a device would have effects
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - bytes
            return None
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or (inode and status.st_ino != inode):
            return None
        file = executable.read(FileBytes(fd), escaped(path))
        symbols, build_id = SymbolTable(file), symbol_table.build_id(file)
    except (ElfError, OSError) as error:
        _log.info("symbols: %s", error)
        return None
    finally:
        os.close(fd)
    return _File(file._replace(data=b""), symbols, build_id)
