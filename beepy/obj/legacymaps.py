"""Map definitions of before BTF: ``struct bpf_map_def`` in a section called ``maps``, which libbpf 1.0 gave up.

::

    | type | key_size | value_size | max_entries | map_flags |   (u32 each; what follows must be zero)
"""

from struct import Struct
from typing import Final

from beepy.errors import ElfError
from beepy.obj.elf import Elf, Section
from beepy.obj.mapdefs import MAX_MAPS, Placed
from beepy.obj.spec import MapSpec
from beepy.text import safe

SECTION: Final = "maps"
_DEFINITION: Final = Struct("<5I")


def read(name: str, elf: Elf) -> tuple[Placed, ...]:
    """Return the maps in the object's ``maps`` section, in the order of their places; none if it has no such section.

    Their keys and values have sizes, but no types. Raises ElfError where a definition is malformed.
    """
    section = next((section for section in elf.sections if section.name == SECTION and section.data), None)
    if section is None:
        return ()
    symbols = {
        symbol.value: symbol.name
        for symbol in elf.symbols
        if symbol.section == section.number and symbol.type in ("STT_OBJECT", "STT_NOTYPE") and symbol.name
    }
    if len(symbols) > MAX_MAPS:
        raise ElfError(f"{name}: section {SECTION}: more than {MAX_MAPS} maps")
    ends = [*sorted(symbols)[1:], section.size]
    return tuple([_placed(name, section, symbols[at], at, end) for at, end in zip(sorted(symbols), ends, strict=False)])


def _placed(name: str, section: Section, symbol: str, at: int, end: int) -> Placed:
    definition = section.data[at:end]
    if len(definition) < _DEFINITION.size or any(definition[_DEFINITION.size :]):
        where = f"{name}: map '{safe(symbol)}'"
        raise ElfError(f"{where}: {len(definition)} bytes in section maps: not a struct bpf_map_def of 20 bytes")
    kind, key_size, value_size, max_entries, flags = _DEFINITION.unpack_from(definition)
    spec = MapSpec(symbol, SECTION, kind, key_size, value_size, max_entries, flags)
    return Placed(spec, section.number, at, end - at, None)
