"""Map definitions of before BTF: ``struct bpf_map_def`` in a section called ``maps``, which libbpf 1.0 gave up.

::

    | type | key_size | value_size | max_entries | map_flags |   (u32 each; what follows must be zero)

``BPF_ANNOTATE_KV_PAIR(name, key, value)`` gives one its types: it declares ``struct ____btf_map_NAME { key; value; }``
and, so that BTF has the struct, a variable of it in a section of its own, ``.maps.NAME``.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import VOID, Kind, TypeId
from beepy.errors import ElfError
from beepy.obj.elf import Elf, Section
from beepy.obj.mapdefs import MAX_MAPS, PlacedMap
from beepy.obj.sections import LEGACY_MAPS, PAIR
from beepy.obj.spec import MapSpec
from beepy.text import safe

_DEFINITION: Final = Struct("<5I")


def read(name: str, elf: Elf, btf: Btf | None) -> tuple[PlacedMap, ...]:
    """Return the maps in the object's ``maps`` section, in the order of their places; none if it has no such section.

    Their keys and values have sizes, and types only where the object annotates them. Raises ElfError where a definition
    is malformed.
    """
    section = next((section for section in elf.sections if section.name == LEGACY_MAPS and section.data), None)
    if section is None:
        return ()
    symbols = {
        symbol.value: symbol.name
        for symbol in elf.symbols
        if symbol.section == section.number and symbol.type in ("STT_OBJECT", "STT_NOTYPE") and symbol.name
    }
    if len(symbols) > MAX_MAPS:
        raise ElfError(f"{name}: section {LEGACY_MAPS}: more than {MAX_MAPS} maps")
    ends = [*sorted(symbols)[1:], section.size]
    placed = [_placed(name, section, symbols[at], at, end) for at, end in zip(sorted(symbols), ends, strict=False)]
    annotated = any(symbol.name.startswith(PAIR) for symbol in elf.symbols)
    pairs = _pairs(btf) if btf and annotated else {}
    return tuple([one._replace(spec=_with_types(one.spec, pairs)) for one in placed])


def _placed(name: str, section: Section, symbol: str, at: int, end: int) -> PlacedMap:
    definition = section.data[at:end]
    if len(definition) < _DEFINITION.size or any(definition[_DEFINITION.size :]):
        where = f"{name}: map '{safe(symbol)}'"
        raise ElfError(f"{where}: {len(definition)} bytes in section maps: not a struct bpf_map_def of 20 bytes")
    kind, key_size, value_size, max_entries, flags = _DEFINITION.unpack_from(definition)
    spec = MapSpec(symbol, LEGACY_MAPS, kind, key_size, value_size, max_entries, flags)
    return PlacedMap(spec, section.number, at, end - at, None)


def _pairs(btf: Btf) -> dict[str, tuple[TypeId, TypeId]]:
    """Return the types of the keys and values that annotations name, by map."""
    found = {}
    for type_id in btf.ids():
        if btf.kind(type_id) is Kind.STRUCT and btf.string(btf.name_offset(type_id)).startswith(PAIR):
            pair = btf.type(type_id)
            assert isinstance(pair, types.Struct)
            if [member.name for member in pair.members] == ["key", "value"]:
                found[pair.name.removeprefix(PAIR)] = pair.members[0].type, pair.members[1].type
    return found


def _with_types(spec: MapSpec, pairs: Mapping[str, tuple[TypeId, TypeId]]) -> MapSpec:
    """Return a map with the types of its annotation, as libbpf's bpf_map_find_btf_info did before 1.0."""
    key, value = pairs.get(spec.name, (VOID, VOID))
    return spec._replace(key=key, value=value)
