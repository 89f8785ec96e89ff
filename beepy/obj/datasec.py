"""Sections of global data: what clang leaves open in their BTF, their maps, and the variables in them.

clang writes size 0 for a DATASEC and offset 0 for a global variable: they are the linker's to know. What has no ELF
section (``.kconfig``) gets a layout here, libbpf's: by falling alignment, rising size, name.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import align_of, size_of
from beepy.btf.types import ADDED, INFO, SIZE_OR_TYPE, VOID, Kind, Linkage, TypeId, Words, info_word
from beepy.errors import BtfError, ElfError
from beepy.obj import ksyms
from beepy.obj.elf import Elf, Section, Symbol
from beepy.obj.sections import ARENA, KCONFIG, KSYMS, TEXT, is_constant, is_data
from beepy.obj.spec import ExternSpec, MapSpec, VariableSpec
from beepy.text import safe
from beepy.uapi import MapFlag, MapType

MAX_VARIABLES: Final = 1 << 14
"""Variables of an object, its maps and externs among them; a large one has some hundred."""


class Globals(NamedTuple):
    """The object's types with every DATASEC complete, and what they tell."""

    btf: Btf
    variables: tuple[VariableSpec, ...]
    externs: tuple[ExternSpec, ...]
    kconfig: MapSpec | None


class _Placed(NamedTuple):
    offset: int
    size: int
    variable: TypeId
    hidden: bool = False  # from other objects and user space: as if it were static


def data_map(section: Section, btf: Btf | None) -> MapSpec:
    """Return the map, an array of one value, that holds a section of global data."""
    return MapSpec(
        section.name,
        section.name,
        MapType.ARRAY,
        key_size=4,
        value_size=section.size,
        max_entries=1,
        flags=(MapFlag.RDONLY_PROG if is_constant(section.name) else 0) | _mmapable(section.name, btf),
        value=(btf.datasec(section.name) or VOID) if btf else VOID,
        contents=section.data,
    )


def _mmapable(section: str, btf: Btf | None) -> int:
    """Return MMAPABLE for a section with a variable that is not static, as libbpf's ``map_is_mmapable`` finds it."""
    datasec_id = btf.datasec(section) if btf else None
    if btf is None or datasec_id is None:
        return 0
    found = btf.type(datasec_id)
    assert isinstance(found, types.DataSec)
    variables = [btf.type(info.type) for info in found.vars]
    return MapFlag.MMAPABLE if any(isinstance(v, types.Var) and v.linkage != Linkage.STATIC for v in variables) else 0


def complete(btf: Btf, elf: Elf) -> Globals:
    """Fill in what clang leaves open in ``btf``: sizes, offsets, and the linkage of what is hidden and of externs.

    Raises BtfError where a variable has no symbol or overlaps another one, ElfError where an extern's type has no size.
    """
    sections = {section.name: section for section in elf.sections}
    symbols = {(symbol.section, symbol.name): symbol for symbol in elf.symbols if symbol.section > 0}
    weak = {symbol.name for symbol in elf.symbols if symbol.section == 0 and symbol.bind == "STB_WEAK"}
    subprograms = sections[TEXT].number if TEXT in sections else -1
    hidden = {one.name for one in elf.symbols if one.section == subprograms and _is_hidden(one)}
    words: Words = {}
    variables: list[VariableSpec] = []
    externs: list[ExternSpec] = []
    kconfig = None
    count = 0
    named: set[TypeId] = set()
    integer = cache(partial(ksyms.integer, btf))
    for type_id in btf.ids():
        kind = btf.kind(type_id)
        if kind is Kind.FUNC:
            function = btf.type(type_id)
            if isinstance(function, types.Func) and function.name in hidden and function.linkage == Linkage.GLOBAL:
                words[type_id, INFO] = info_word(Kind.FUNC, Linkage.STATIC)
        if kind is not Kind.DATASEC:
            continue
        found = btf.type(type_id)
        assert isinstance(found, types.DataSec)
        count += 1 + len(found.vars)
        if count > MAX_VARIABLES:
            raise BtfError(f"{btf.name}: section {safe(found.name)}: more than {MAX_VARIABLES} variables")
        if found.name in (KCONFIG, KSYMS):
            externs += _externs(btf, found, weak)
        if found.name == KSYMS:
            words |= ksyms.acceptable(btf, type_id, found, integer(), named)
            continue
        if found.name == KCONFIG:
            placed, size = _laid_out(btf, found)
            words.update({(one.variable, ADDED): Linkage.GLOBAL for one in placed})
            kconfig = _kconfig(size, type_id)
        elif (section := sections.get(found.name)) is not None:
            placed, size = _placed(btf, found, section, symbols), section.size
            words.update({(one.variable, ADDED): Linkage.STATIC for one in placed if one.hidden})
        else:
            continue
        words.update(_words(type_id, placed, size))
        if is_data(found.name) or found.name in (KCONFIG, ARENA):
            variables += _variables(btf, found.name, placed, size)
    return Globals(btf.with_words(words) if words else btf, tuple(variables), tuple(externs), kconfig)


def _is_hidden(symbol: Symbol) -> bool:
    return symbol.visibility in ("STV_HIDDEN", "STV_INTERNAL")


def _words(type_id: TypeId, placed: list[_Placed], size: int) -> Words:
    words: Words = {(type_id, SIZE_OR_TYPE): size}
    for number, one in enumerate(placed):
        at = Kind.DATASEC.item(number)
        words |= {(type_id, at): one.variable, (type_id, at + 1): one.offset, (type_id, at + 2): one.size}
    return words


def _placed(
    btf: Btf, found: types.DataSec, section: Section, symbols: Mapping[tuple[int, str], Symbol]
) -> list[_Placed]:
    """Return the section's variables in the order of their offsets; a static one has its offset already."""
    placed = []
    for variable_id, offset, size in found.vars:
        variable = btf.type(variable_id)
        hidden = False
        if isinstance(variable, types.Var) and variable.linkage != Linkage.STATIC:
            symbol = symbols.get((section.number, variable.name))
            if symbol is None:
                raise BtfError(f"{btf.name}: section {safe(found.name)}: '{safe(variable.name)}' has no symbol")
            offset, hidden = symbol.value, _is_hidden(symbol)  # noqa: PLW2901
        placed.append(_Placed(offset, size, variable_id, hidden))
    placed.sort()
    end = 0
    for offset, size, variable_id, _ in placed:
        if offset < end:
            name = getattr(btf.type(variable_id), "name", "")
            raise BtfError(f"{btf.name}: section {safe(found.name)}: '{safe(name)}' overlaps another variable")
        end = offset + size
    return placed


def _variables(btf: Btf, section: str, placed: list[_Placed], size: int) -> list[VariableSpec]:
    found = []
    for offset, length, variable_id, _ in placed:
        variable = btf.type(variable_id)
        if not isinstance(variable, types.Var):
            raise BtfError(f"{btf.name}: section {safe(section)}: type {variable_id} is no variable")
        if offset + length > size:
            where = f"{btf.name}: section {safe(section)}: '{safe(variable.name)}'"
            raise BtfError(f"{where}: {length} bytes at {offset} exceed the section's {size}")
        found.append(VariableSpec(variable.name, section, variable.type, offset, length, is_constant(section)))
    return found


def _externs(btf: Btf, found: types.DataSec, weak: set[str]) -> list[ExternSpec]:
    externs = []
    for info in found.vars:
        match btf.type(info.type):
            case types.Var(name, type_id, _):
                externs.append(ExternSpec(name, found.name, type_id, name in weak, False))
            case types.Func(name, _, _) if found.name == KSYMS:
                externs.append(ExternSpec(name, found.name, info.type, name in weak, True))
            case _:
                raise BtfError(f"{btf.name}: section {found.name}: type {info.type} is no extern")
    return externs


def _laid_out(btf: Btf, found: types.DataSec) -> tuple[list[_Placed], int]:
    wanted = []
    for info in found.vars:
        variable = btf.type(info.type)
        assert isinstance(variable, types.Var)
        size = size_of(btf, variable.type)
        if not size:
            raise ElfError(f"{btf.name}: extern '{safe(variable.name)}': its type has no size")
        wanted.append((-align_of(btf, variable.type), size, variable.name, info.type))
    placed, end = [], 0
    for align, size, _, variable_id in sorted(wanted):
        offset = -(-end // -align) * -align
        placed.append(_Placed(offset, size, variable_id))
        end = offset + size
    return placed, end


def _kconfig(size: int, datasec: TypeId) -> MapSpec:
    return MapSpec(
        KCONFIG,
        KCONFIG,
        MapType.ARRAY,
        key_size=4,
        value_size=size,
        max_entries=1,
        flags=MapFlag.RDONLY_PROG | MapFlag.MMAPABLE,
        value=datasec,
        contents=b"",
    )
