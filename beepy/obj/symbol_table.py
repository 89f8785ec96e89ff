"""Which function of an executable or a library an address is in. Pure: bytes in, values out.

The table with all functions (.symtab) is preferred to that of exported ones (.dynsym)::

    | open_file, 80 bytes |      | read_file, 64 bytes |          an address in the gap is in none
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from beepy.obj.executable import FUNCTIONS, SYMBOL, Executable, Section, content, notes

_MAX_TABLE: Final = 32 << 20  # bytes of a table of symbols, and of their names
_MAX_NAME: Final = 4096
_BUILD_ID: Final = 3  # NT_GNU_BUILD_ID
_GNU: Final = b"GNU\0"


class SymbolTable:
    """The functions of one file by their addresses, which are those of its segments.

    ``is_whole``: it has also functions that are not exported. ``size`` is how many bytes it holds.
    """

    def __init__(self, file: Executable) -> None:
        tables = [_table(file, kind) for kind in ("SHT_SYMTAB", "SHT_DYNSYM")]
        self.is_whole = tables[0] is not None
        table = tables[0] or tables[1]
        self._names = content(file, file.sections[table.link]) if table else b""
        # as arrays: a browser has a million functions
        addresses, sizes, names = array("Q"), array("Q"), array("I")
        for address, size, name in _functions(file, table) if table else ():
            addresses.append(address)
            sizes.append(size)
            names.append(name)
        order = sorted(range(len(addresses)), key=addresses.__getitem__)
        self._addresses = array("Q", [addresses[at] for at in order])
        self._sizes = array("Q", [sizes[at] for at in order])
        self._places = array("I", [names[at] for at in order])
        self.size = len(self._names) + 20 * len(order)

    def containing(self, address: int) -> bytes:
        """Return the name of the function that has this address, b"" if none has."""
        at = bisect_right(self._addresses, address) - 1
        if at < 0:
            return b""
        size, name = self._sizes[at], self._places[at]
        # a size of 0 is that of code in assembly: it extends to the next function
        if size and address >= self._addresses[at] + size:
            return b""
        end = self._names.find(b"\0", name, name + _MAX_NAME)
        return self._names[name:end] if end >= 0 else b""


def build_id(file: Executable) -> str:
    """Return the build id of a file in hexadecimal, "" if it has none."""
    for section in file.sections:
        if section.name == ".note.gnu.build-id" and section.size <= _MAX_NAME:
            for note in notes(content(file, section), _GNU, _BUILD_ID):
                return note.hex()
    return ""


def address_of(file: Executable, offset: int) -> int | None:
    """Return the address of an offset in the file, None if no segment loads it."""
    for segment in file.segments:
        if 0 <= offset - segment.offset < segment.size:
            return offset - segment.offset + segment.address
    return None


def _table(file: Executable, kind: str) -> Section | None:
    for section in file.sections:
        if section.type != kind or section.link >= len(file.sections):
            continue
        if max(section.size, file.sections[section.link].size) <= _MAX_TABLE:
            return section
    return None


def _functions(file: Executable, table: Section) -> Iterator[tuple[int, int, int]]:
    """Yield address, size and place of the name of each function that is defined."""
    layout = SYMBOL[file.bits]
    data = content(file, table)
    records = layout.iter_unpack(data[: len(data) - len(data) % layout.size])
    if file.bits == 64:
        for name, info, _, section, value, size in records:
            if section and value and info & 15 in FUNCTIONS:
                yield value, size, name
    else:
        for name, value, size, info, _, section in records:
            if section and value and info & 15 in FUNCTIONS:
                yield value, size, name
