"""Map definitions: variables in a DATASEC called ``.maps`` or ``.maps.*`` whose struct says by its types what it means.

``__uint(name, n)`` is a pointer to an array of n elements, ``__type(name, t)`` a pointer to t, ``__ulong(name, n)`` an
enum with the value n, ``__array(values, t)`` an array of inner maps or functions (bpf_helpers.h).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import TypeId
from beepy.errors import BtfError, ElfError
from beepy.obj.elf import Elf, Relocation, Section, between
from beepy.obj.sections import PAIR, is_maps
from beepy.obj.spec import MapSpec
from beepy.text import safe
from beepy.uapi import MapType

MAX_MAPS: Final = 1 << 12
"""Maps of an object; one with very many has 200."""

_NUMBERS: Final = {  # member -> field of MapSpec
    "type": "type",
    "max_entries": "max_entries",
    "map_flags": "flags",
    "numa_node": "numa_node",
    "key_size": "key_size",
    "value_size": "value_size",
    "pinning": "pinning",
    "map_extra": "map_extra",
}
_PINNING: Final = (0, 1)  # enum libbpf_pin_type: LIBBPF_PIN_NONE, LIBBPF_PIN_BY_NAME
_OF_MAPS: Final = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)


class Placed(NamedTuple):
    """A map, where its definition stands, and where in it the initial values begin (None: it has none); in bytes."""

    spec: MapSpec
    section: int
    offset: int
    size: int
    values: int | None


def read(btf: Btf, elf: Elf) -> tuple[Placed, ...]:
    """Return the maps of the object, in the order of their sections and places; ``btf`` must be complete.

    Raises ElfError where a definition is malformed.
    """
    found: list[Placed] = []
    for section in defining(elf):
        datasec_id = btf.datasec(section.name)
        if datasec_id is None:
            if section.size:
                raise ElfError(f"{btf.name}: section {safe(section.name)}: has no types")
            continue
        datasec = btf.type(datasec_id)
        assert isinstance(datasec, types.DataSec)
        if len(found) + len(datasec.vars) > MAX_MAPS:
            raise ElfError(f"{btf.name}: section {safe(section.name)}: more than {MAX_MAPS} maps")
        found += [_placed(btf, section.name, section.number, info) for info in datasec.vars]
    return _with_slots(btf.name, found, elf)


def defining(elf: Elf) -> Iterator[Section]:
    """Yield the sections of map definitions: not those that hold the annotation of a legacy map (``sections.PAIR``)."""
    pairs = {(symbol.section, symbol.name) for symbol in elf.symbols if symbol.name.startswith(PAIR)}
    for section in elf.sections:
        pair = section.number, PAIR + section.name.removeprefix(".maps.")
        if is_maps(section.name) and pair not in pairs:
            yield section


def _placed(btf: Btf, section: str, index: int, info: types.VarSecInfo) -> Placed:
    variable = btf.type(info.type)
    if not isinstance(variable, types.Var):
        raise ElfError(f"{btf.name}: section {safe(section)}: type {info.type} is no variable")
    where = f"{btf.name}: map '{safe(variable.name)}'"
    try:
        spec, values = _definition(btf, variable.name, section, variable.type, where, inner=False)
    except BtfError as error:
        raise ElfError(f"{where}: {error}") from error
    return Placed(spec, index, info.offset, info.size, values)


def _definition(
    btf: Btf, name: str, section: str, type_id: TypeId, where: str, *, inner: bool
) -> tuple[MapSpec, int | None]:
    _, definition = skip_mods_and_typedefs(btf, type_id)
    if not isinstance(definition, types.Struct):
        raise ElfError(f"{where}: is not defined by a struct")
    fields: dict[str, Any] = {"type": 0}
    values = None
    names = set()
    for member in definition.members:
        if member.name in names:
            raise ElfError(f"{where}: member '{safe(member.name)}' stands there twice")
        names.add(member.name)
        if member.name in _NUMBERS:
            fields[_NUMBERS[member.name]] = number = _number(btf, member, where)
            if number >> 32 and member.name != "map_extra":
                raise ElfError(f"{where}: {member.name} {number}: exceeds 32 bits")
            if member.name == "pinning" and (inner or number not in _PINNING):
                raise ElfError(f"{where}: pinning {number}: {'not for an inner map' if inner else 'unknown'}")
        elif member.name in ("key", "value"):
            target, size = _type(btf, member, where)
            fields[member.name] = target
            if fields.setdefault(f"{member.name}_size", size) != size:
                given = fields[f"{member.name}_size"]
                raise ElfError(f"{where}: {member.name} size {given} is not that of its type, {size}")
        elif member.name == "values" and not inner:
            values = member.offset // 8
            pointer = _values(btf, member, where)
            if fields["type"] in _OF_MAPS:
                inside = f"{where}: inner map"
                fields["inner"], _ = _definition(btf, f"{name}.inner", section, pointer, inside, inner=True)
            elif fields["type"] != MapType.PROG_ARRAY:
                raise ElfError(f"{where}: a map of type {fields['type']} holds neither maps nor programs")
            if fields.setdefault("value_size", 4) != 4:
                raise ElfError(f"{where}: value size {fields['value_size']} is not that of its values, 4")
        else:
            raise ElfError(f"{where}: unknown member '{safe(member.name)}'")
    if not fields["type"]:
        raise ElfError(f"{where}: has no type")
    return MapSpec(name, section, **fields), values


def _number(btf: Btf, member: types.Member, where: str) -> int:
    _, pointer = skip_mods_and_typedefs(btf, member.type)
    if isinstance(pointer, types.Ptr):
        _, array = skip_mods_and_typedefs(btf, pointer.type)
        if isinstance(array, types.Array):
            return array.nelems
    elif isinstance(pointer, types.Enum | types.Enum64) and pointer.values:
        return pointer.values[0].value & (1 << 64) - 1
    raise ElfError(f"{where}: member '{member.name}': expected a pointer to an array, or an enum")


def _type(btf: Btf, member: types.Member, where: str) -> tuple[TypeId, int]:
    _, pointer = skip_mods_and_typedefs(btf, member.type)
    if not isinstance(pointer, types.Ptr):
        raise ElfError(f"{where}: member '{member.name}': expected a pointer to its type")
    return pointer.type, size_of(btf, pointer.type)


def _values(btf: Btf, member: types.Member, where: str) -> TypeId:
    """Return what the pointers in ``values`` point to."""
    _, array = skip_mods_and_typedefs(btf, member.type)
    if not isinstance(array, types.Array) or array.nelems:
        raise ElfError(f"{where}: member 'values': expected an array of no elements")
    _, pointer = skip_mods_and_typedefs(btf, array.type)
    if not isinstance(pointer, types.Ptr):
        raise ElfError(f"{where}: member 'values': expected an array of pointers")
    return pointer.type


def _with_slots(name: str, maps: list[Placed], elf: Elf) -> tuple[Placed, ...]:
    """Give the maps of maps and of programs their initial values, which are relocations of their section."""
    done = []
    for one in maps:
        where = f"{name}: map '{safe(one.spec.name)}'"
        relocations = between(elf.relocations.get(one.section, ()), one.offset, one.size)
        slots = tuple(_slots(one, relocations, where))
        done.append(one._replace(spec=one.spec._replace(slots=slots)))
    return tuple(done)


def _slots(one: Placed, relocations: Sequence[Relocation], where: str) -> Iterator[tuple[int, str]]:
    for relocation in relocations:
        at = relocation.offset - one.offset - (one.size if one.values is None else one.values)
        if at < 0 or at % 8:
            raise ElfError(f"{where}: relocation at {relocation.offset}: not an initial value")
        yield at // 8, relocation.symbol.name
