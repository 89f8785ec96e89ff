"""Find the function at an address of an executable or a library. Pure: bytes in, values out."""

from bisect import bisect_right
from typing import Final

from beepy.errors import ElfError
from beepy.obj import executable
from beepy.obj.executable import Executable

_MAX_TABLE: Final = 16 << 20  # bytes: 700,000 symbols, which take two seconds and 100 MB
_MAX_NAMES: Final = 32 << 20  # bytes
_MAX_NOTE: Final = 80  # bytes: a build id has 20, or as many as the linker was told
_GNU_BUILD_ID: Final = b"\x03\0\0\0GNU\0"
_TABLES: Final = ("SHT_SYMTAB", "SHT_DYNSYM")


class FunctionTable:
    """The functions of a file by their addresses; a malformed table has none.

    The table of all symbols is used, or the dynamic one where a file is stripped or its table is
    very large; then it is not ``whole``. A function without a size has one byte: what follows may
    be another's.
    """

    def __init__(self, file: Executable) -> None:
        functions: dict[int, tuple[int, bytes]] = {}
        self.whole = False
        for kind in _TABLES:
            if not functions and _is_read(file, kind):
                functions = _functions(file, kind)
                self.whole = bool(functions) and kind == _TABLES[0]
        self._starts = sorted(functions)
        self._sizes = [functions[start][0] for start in self._starts]
        self._names = [functions[start][1] for start in self._starts]

    def __len__(self) -> int:
        return len(self._starts)

    def at(self, address: int) -> tuple[bytes, int] | None:
        """Return the name of the function with that address, and the offset in it."""
        position = bisect_right(self._starts, address) - 1
        if position < 0:
            return None
        offset = address - self._starts[position]
        return (self._names[position], offset) if offset < self._sizes[position] else None


def _functions(file: Executable, kind: str) -> dict[int, tuple[int, bytes]]:
    """Return size and name of each function by its address, {} for a malformed table."""
    functions: dict[int, tuple[int, bytes]] = {}
    left = _MAX_NAMES  # names may overlap, so that few bytes are many
    try:
        for symbol in executable.functions(file, kind):
            left -= len(symbol.name)
            if left < 0:
                return {}
            # of several names at one address, the first
            functions.setdefault(symbol.address, (max(symbol.size, 1), symbol.name))
    except ElfError:
        return {}
    return functions


def _is_read(file: Executable, kind: str) -> bool:
    """Tell whether a file has a table of that kind, of a size that is read."""
    tables = [section for section in file.sections if section.type == kind]
    names = [file.sections[t.link].size for t in tables if t.link < len(file.sections)]
    sizes = [table.size for table in tables]
    return bool(tables) and sum(sizes) <= _MAX_TABLE and sum(names) <= _MAX_NAMES


def address_at(file: Executable, offset: int) -> int | None:
    """Return the address at which code at an offset in the file is loaded, None if it is not."""
    for segment in file.segments:
        if segment.executable and 0 <= offset - segment.offset < segment.size:
            return offset - segment.offset + segment.address
    return None


def build_id(file: Executable) -> str:
    """Return the build id of a file in hexadecimal, "" if it has none.

    ::

        note | u32 4 | u32 size | u32 NT_GNU_BUILD_ID | GNU, NUL | build id |
    """
    for section in file.sections:
        if section.name == ".note.gnu.build-id":
            note = file.data[section.offset : section.offset + _MAX_NOTE]
            if note[8:16] == _GNU_BUILD_ID:
                return note[16 : 16 + int.from_bytes(note[4:8], "little")].hex()
    return ""
