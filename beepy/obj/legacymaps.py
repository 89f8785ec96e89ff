"""Read map definitions without BTF: ``struct bpf_map_def`` in a section called ``maps``.

libbpf 1.0 dropped them.

::

    | type | key_size | value_size | max_entries | map_flags | zeros, if any |
      u32    u32        u32          u32           u32

``BPF_ANNOTATE_KV_PAIR(name, key, value)`` gives a map its types. It declares a struct
``____btf_map_NAME`` of a key and a value; and, so that BTF has it, a variable of it in the section
``.maps.NAME``.
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
    """Return the maps in the object's section ``maps``, if any, in the order of their offsets.

    Keys and values have types only if the object annotates them. Raises ElfError for a malformed
    definition.
    """
    section = next(
        (section for section in elf.sections if section.name == LEGACY_MAPS and section.data), None
    )
    if section is None:
        return ()
    symbols = {
        symbol.value: symbol.name
        for symbol in elf.symbols
        if symbol.section == section.number
        and symbol.type in ("STT_OBJECT", "STT_NOTYPE")
        and symbol.name
    }
    if len(symbols) > MAX_MAPS:
        raise ElfError(f"{name}: section {LEGACY_MAPS}: more than {MAX_MAPS} maps")
    ends = [*sorted(symbols)[1:], section.size]
    placed = [
        _placed(name, section, symbols[at], at, end)
        for at, end in zip(sorted(symbols), ends, strict=False)
    ]
    annotated = any(symbol.name.startswith(PAIR) for symbol in elf.symbols)
    pairs = _annotated_types(btf) if btf and annotated else {}
    return tuple([map_._replace(spec=_with_types(map_.spec, pairs)) for map_ in placed])


def _placed(name: str, section: Section, symbol: str, at: int, end: int) -> PlacedMap:
    definition = section.data[at:end]
    if len(definition) < _DEFINITION.size or any(definition[_DEFINITION.size :]):
        where = f"{name}: map '{safe(symbol)}': {len(definition)} bytes in section maps"
        raise ElfError(f"{where}: not a struct bpf_map_def of 20 bytes")
    kind, key_size, value_size, max_entries, flags = _DEFINITION.unpack_from(definition)
    spec = MapSpec(
        name=symbol,
        section=LEGACY_MAPS,
        type=kind,
        key_size=key_size,
        value_size=value_size,
        max_entries=max_entries,
        flags=flags,
    )
    return PlacedMap(spec, section.number, at, end - at, None)


def _annotated_types(btf: Btf) -> dict[str, tuple[TypeId, TypeId]]:
    """Return the types of key and value that BPF_ANNOTATE_KV_PAIR gives, by the maps' names."""
    pairs = {}
    for type_id in btf.of_kind(Kind.STRUCT):
        if btf.string(btf.name_offset(type_id)).startswith(PAIR):
            pair = btf.type(type_id)
            assert isinstance(pair, types.Struct)
            if [member.name for member in pair.members] == ["key", "value"]:
                pairs[pair.name.removeprefix(PAIR)] = pair.members[0].type, pair.members[1].type
    return pairs


def _with_types(spec: MapSpec, pairs: Mapping[str, tuple[TypeId, TypeId]]) -> MapSpec:
    """Return the map with the types of its annotation.

    As libbpf's ``bpf_map_find_btf_info`` did before 1.0.
    """
    key, value = pairs.get(spec.name, (VOID, VOID))
    return spec._replace(key=key, value=value)
