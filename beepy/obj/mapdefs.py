"""Read map definitions: variables in a DATASEC called ``.maps`` or ``.maps.*``.

Each has a struct of its own as its type. The members have no values: their types have the meaning.
``__uint(name, n)`` is a pointer to an array of n elements, ``__type(name, t)`` a pointer to t,
``__ulong(name, n)`` an enum with the value n, ``__array(values, t)`` an array of inner maps or
functions (bpf_helpers.h).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import VOID, TypeId
from beepy.errors import BtfError, ElfError
from beepy.obj.elf import Elf, Relocation, Section, between
from beepy.obj.sections import PAIR, is_maps
from beepy.obj.spec import MapSpec
from beepy.text import safe
from beepy.uapi import MapType

MAX_MAPS: Final = 1 << 12
"""Maps of an object; an object with very many has 200."""

_NUMBERS: Final = (
    "type",
    "max_entries",
    "map_flags",
    "numa_node",
    "key_size",
    "value_size",
    "pinning",
    "map_extra",
)
_MEMBERS: Final = frozenset((*_NUMBERS, "key", "value", "values"))
_PINNING: Final = (0, 1)  # enum libbpf_pin_type: LIBBPF_PIN_NONE, LIBBPF_PIN_BY_NAME
_FD: Final = 4  # bytes of a value that is a map or program
_OF_MAPS: Final = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)


class PlacedMap(NamedTuple):
    """A map and its definition: ``size`` bytes at ``offset`` of a section.

    ``values`` is the offset in the definition where the initial values begin, None if the map has
    none.
    """

    spec: MapSpec
    section: int
    offset: int
    size: int
    values: int | None


class _Definition(NamedTuple):
    """The struct that defines a map: its ``members`` by their names.

    ``where`` begins the messages about it.
    """

    btf: Btf
    members: Mapping[str, types.Member]
    where: str

    def number(self, name: str) -> int:
        """Return the number that a member gives, 0 without such a member."""
        member = self.members.get(name)
        if member is None:
            return 0
        number = _number(self.btf, member, self.where)
        if number >> 32 and name != "map_extra":
            raise ElfError(f"{self.where}: {name} {number}: exceeds 32 bits")
        return number

    def type(self, name: str) -> tuple[TypeId, int]:
        """Return the type and the size of the key or the value.

        The definition may give either or both.
        """
        size = self.number(f"{name}_size")
        member = self.members.get(name)
        if member is None:
            return VOID, size
        type_id = _pointed(self.btf, member, self.where)
        type_size = size_of(self.btf, type_id)
        if f"{name}_size" in self.members and size != type_size:
            raise ElfError(f"{self.where}: {name} size {size} is not that of its type, {type_size}")
        return type_id, type_size


def read(btf: Btf, elf: Elf) -> tuple[PlacedMap, ...]:
    """Return the maps of the object, in the order of their sections and offsets.

    The DATASECs of ``btf`` must be fixed up (see ``datasec``). Raises ElfError for a malformed
    definition.
    """
    maps: list[PlacedMap] = []
    for section in defining(elf):
        datasec_id = btf.datasec(section.name)
        if datasec_id is None:
            if section.size:
                raise ElfError(f"{btf.name}: section {safe(section.name)}: has no types")
            continue
        datasec = btf.type(datasec_id)
        assert isinstance(datasec, types.DataSec)
        if len(maps) + len(datasec.vars) > MAX_MAPS:
            raise ElfError(f"{btf.name}: section {safe(section.name)}: more than {MAX_MAPS} maps")
        maps += [_placed(btf, section, info) for info in datasec.vars]
    return _with_slots(btf.name, maps, elf)


def defining(elf: Elf) -> Iterator[Section]:
    """Yield the sections of map definitions.

    Those of a legacy map's annotation (``sections.PAIR``) are no such sections.
    """
    pairs = {
        (symbol.section, symbol.name) for symbol in elf.symbols if symbol.name.startswith(PAIR)
    }
    for section in elf.sections:
        pair = section.number, PAIR + section.name.removeprefix(".maps.")
        if is_maps(section.name) and pair not in pairs:
            yield section


def _placed(btf: Btf, section: Section, info: types.VarSecInfo) -> PlacedMap:
    variable = btf.type(info.type)
    if not isinstance(variable, types.Var):
        raise ElfError(
            f"{btf.name}: section {safe(section.name)}: type {info.type} is not a variable"
        )
    where = f"{btf.name}: map '{safe(variable.name)}'"
    try:
        definition = _definition(btf, variable.type, where)
        spec, values = _map(definition, variable.name, section.name)
    except BtfError as error:
        raise ElfError(f"{where}: {error}") from error
    return PlacedMap(spec, section.number, info.offset, info.size, values)


def _definition(btf: Btf, type_id: TypeId, where: str) -> _Definition:
    _, struct = skip_mods_and_typedefs(btf, type_id)
    if not isinstance(struct, types.Struct):
        raise ElfError(f"{where}: is not defined by a struct")
    members: dict[str, types.Member] = {}
    for member in struct.members:
        if member.name not in _MEMBERS:
            raise ElfError(f"{where}: unknown member '{safe(member.name)}'")
        if member.name in members:
            raise ElfError(f"{where}: duplicate member '{safe(member.name)}'")
        members[member.name] = member
    return _Definition(btf, members, where)


def _map(definition: _Definition, name: str, section: str) -> tuple[MapSpec, int | None]:
    """Return a map, and the offset of its initial values in the definition, None if it has none."""
    spec = _spec(definition, name, section)
    values = definition.members.get("values")
    if values is None:
        return spec, None
    if not definition.members.keys().isdisjoint(("value", "value_size")) and spec.value_size != _FD:
        raise ElfError(
            f"{definition.where}: value size {spec.value_size} is not that of its values, {_FD}"
        )
    return spec._replace(value_size=_FD, inner=_inner(definition, spec, values)), values.offset // 8


def _inner(definition: _Definition, outer: MapSpec, values: types.Member) -> MapSpec | None:
    """Return the inner map of a map of maps; None for a map of programs.

    A map of programs may have initial values too.
    """
    where = definition.where
    type_id = _element(definition.btf, values, where)
    if outer.type not in _OF_MAPS:
        if outer.type != MapType.PROG_ARRAY:
            raise ElfError(f"{where}: a map of type {outer.type} holds neither maps nor programs")
        return None
    inner = _definition(definition.btf, type_id, f"{where}: inner map")
    if "values" in inner.members:
        raise ElfError(f"{inner.where}: unknown member 'values'")
    if "pinning" in inner.members:
        raise ElfError(f"{inner.where}: pinning {inner.number('pinning')}: not for an inner map")
    return _spec(inner, f"{outer.name}.inner", outer.section)


def _spec(definition: _Definition, name: str, section: str) -> MapSpec:
    where = definition.where
    map_type, pinning = definition.number("type"), definition.number("pinning")
    if not map_type:
        raise ElfError(f"{where}: has no type")
    if pinning not in _PINNING:
        raise ElfError(f"{where}: pinning {pinning}: unknown")
    key, key_size = definition.type("key")
    value, value_size = definition.type("value")
    return MapSpec(
        name=name,
        section=section,
        type=map_type,
        key_size=key_size,
        value_size=value_size,
        max_entries=definition.number("max_entries"),
        flags=definition.number("map_flags"),
        key=key,
        value=value,
        pinning=pinning,
        numa_node=definition.number("numa_node"),
        map_extra=definition.number("map_extra"),
    )


def _number(btf: Btf, member: types.Member, where: str) -> int:
    """Return the number of ``__uint`` or ``__ulong``.

    ``__uint`` is a pointer to an array of so many elements, ``__ulong`` an enum.
    """
    _, kind = skip_mods_and_typedefs(btf, member.type)
    if isinstance(kind, types.Ptr):
        _, array = skip_mods_and_typedefs(btf, kind.type)
        if isinstance(array, types.Array):
            return array.nelems
    elif isinstance(kind, types.Enum | types.Enum64) and kind.values:
        return kind.values[0].value & (1 << 64) - 1
    raise ElfError(f"{where}: member '{member.name}': expected a pointer to an array, or an enum")


def _pointed(btf: Btf, member: types.Member, where: str) -> TypeId:
    """Return the type of ``__type``, to which the member points."""
    _, pointer = skip_mods_and_typedefs(btf, member.type)
    if not isinstance(pointer, types.Ptr):
        raise ElfError(f"{where}: member '{member.name}': expected a pointer to its type")
    return pointer.type


def _element(btf: Btf, member: types.Member, where: str) -> TypeId:
    """Return the type of ``__array``, to which the pointers in an array of no elements point."""
    _, array = skip_mods_and_typedefs(btf, member.type)
    if not isinstance(array, types.Array) or array.nelems:
        raise ElfError(f"{where}: member 'values': expected an array of no elements")
    _, pointer = skip_mods_and_typedefs(btf, array.type)
    if not isinstance(pointer, types.Ptr):
        raise ElfError(f"{where}: member 'values': expected an array of pointers")
    return pointer.type


def _with_slots(name: str, maps: list[PlacedMap], elf: Elf) -> tuple[PlacedMap, ...]:
    """Return the maps with their initial values.

    Relocations of their section name the maps and programs.
    """
    filled = []
    for placed in maps:
        where = f"{name}: map '{safe(placed.spec.name)}'"
        relocations = between(elf.relocations.get(placed.section, ()), placed.offset, placed.size)
        slots = tuple(_slots(placed, relocations, where))
        filled.append(placed._replace(spec=placed.spec._replace(slots=slots)))
    return tuple(filled)


def _slots(
    placed: PlacedMap, relocations: Sequence[Relocation], where: str
) -> Iterator[tuple[int, str]]:
    for relocation in relocations:
        start = placed.offset + (placed.size if placed.values is None else placed.values)
        at = relocation.offset - start
        if at < 0 or at % 8:
            raise ElfError(f"{where}: relocation at {relocation.offset}: not an initial value")
        yield at // 8, relocation.symbol.name
