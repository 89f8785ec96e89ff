"""Fix up the DATASECs of an object's types; find their variables and the maps that hold these.

clang writes size 0 for a DATASEC and offset 0 for a global variable, which only a linker knows.
``.kconfig`` has no ELF section: its externs are laid out here as libbpf does, by falling alignment,
rising size, name.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

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
"""Variables of an object, its maps and externs among them; a large object has some hundred."""


class Globals(NamedTuple):
    """The object's types with every DATASEC fixed up, and the variables and externs in these.

    ``kconfig`` is the map that holds the externs of .kconfig.
    """

    btf: Btf | None = None
    variables: tuple[VariableSpec, ...] = ()
    externs: tuple[ExternSpec, ...] = ()
    kconfig: MapSpec | None = None


class _PlacedVariable(NamedTuple):
    """A variable in its section.

    A ``hidden`` one is invisible to other objects and to user space, as if it were static.
    """

    offset: int
    size: int
    variable: TypeId
    hidden: bool = False


class _Layout(NamedTuple):
    """A DATASEC with its real size, and its variables in the order of their offsets."""

    datasec: TypeId
    name: str
    size: int
    variables: list[_PlacedVariable]


_DataSecs: TypeAlias = Sequence[tuple[TypeId, types.DataSec]]


def fixup_datasecs(btf: Btf, elf: Elf) -> Globals:
    """Return the types with all sizes and offsets, and with the linkage that the kernel expects.

    The linkage of hidden variables and of externs changes. Raises BtfError if a variable has no
    symbol or overlaps another one, ElfError if an extern's type has no size.
    """
    datasecs = _datasecs(btf)
    externs = _externs(btf, elf, datasecs)
    layouts = _layouts(btf, elf, datasecs)
    words = _hide_functions(btf, elf)
    words |= ksyms.acceptable(btf, [datasec for datasec in datasecs if datasec[1].name == KSYMS])
    for layout in layouts:
        words |= _layout_words(layout)
    holders = [
        layout for layout in layouts if is_data(layout.name) or layout.name in (KCONFIG, ARENA)
    ]
    return Globals(
        btf=btf.with_words(words) if words else btf,
        variables=tuple([variable for layout in holders for variable in _variables(btf, layout)]),
        externs=externs,
        kconfig=next(
            (_kconfig(layout) for layout in reversed(layouts) if layout.name == KCONFIG), None
        ),
    )


def data_map(section: Section, btf: Btf | None) -> MapSpec:
    """Return the map, an array of one value, that holds a section of global data."""
    return MapSpec(
        name=section.name,
        section=section.name,
        type=MapType.ARRAY,
        key_size=4,
        value_size=section.size,
        max_entries=1,
        flags=(MapFlag.RDONLY_PROG if is_constant(section.name) else 0)
        | _mmapable(section.name, btf),
        value=(btf.datasec(section.name) or VOID) if btf else VOID,
        contents=section.data,
    )


def _mmapable(section: str, btf: Btf | None) -> int:
    """Return MMAPABLE for a section with a variable that is not static.

    As libbpf's ``map_is_mmapable``.
    """
    datasec_id = btf.datasec(section) if btf else None
    if btf is None or datasec_id is None:
        return 0
    datasec = btf.type(datasec_id)
    assert isinstance(datasec, types.DataSec)
    variables = [btf.type(info.type) for info in datasec.vars]
    return (
        MapFlag.MMAPABLE
        if any(isinstance(v, types.Var) and v.linkage != Linkage.STATIC for v in variables)
        else 0
    )


def _datasecs(btf: Btf) -> _DataSecs:
    datasecs = []
    count = 0
    for type_id in btf.of_kind(Kind.DATASEC):
        datasec = btf.type(type_id)
        assert isinstance(datasec, types.DataSec)
        count += 1 + len(datasec.vars)
        if count > MAX_VARIABLES:
            raise BtfError(
                f"{btf.name}: section {safe(datasec.name)}: more than {MAX_VARIABLES} variables"
            )
        datasecs.append((type_id, datasec))
    return datasecs


def _hide_functions(btf: Btf, elf: Elf) -> Words:
    """Make hidden global functions static, as libbpf does.

    The verifier then checks them with their callers.
    """
    text = next((section.number for section in elf.sections if section.name == TEXT), -1)
    hidden = {
        symbol.name for symbol in elf.symbols if symbol.section == text and _is_hidden(symbol)
    }
    words: Words = {}
    for type_id in btf.of_kind(Kind.FUNC) if hidden else ():
        function = btf.type(type_id)
        assert isinstance(function, types.Func)
        if function.name in hidden and function.linkage == Linkage.GLOBAL:
            words[type_id, INFO] = info_word(Kind.FUNC, Linkage.STATIC)
    return words


def _is_hidden(symbol: Symbol) -> bool:
    return symbol.visibility in ("STV_HIDDEN", "STV_INTERNAL")


def _layouts(btf: Btf, elf: Elf, datasecs: _DataSecs) -> list[_Layout]:
    """Return the size and the variables' offsets of each DATASEC.

    Symbols of its ELF section give them; .kconfig has no section and is laid out.
    """
    sections = {section.name: section for section in elf.sections}
    symbols: dict[int, dict[str, Symbol]] = {}
    for symbol in elf.symbols:
        if symbol.section > 0:
            symbols.setdefault(symbol.section, {})[symbol.name] = symbol
    layouts = []
    for type_id, datasec in datasecs:
        section = sections.get(datasec.name)
        if datasec.name == KCONFIG:
            layouts.append(_kconfig_layout(btf, type_id, datasec))
        elif section is not None and datasec.name != KSYMS:
            placed = _placed(btf, datasec, symbols.get(section.number, {}))
            layouts.append(_Layout(type_id, datasec.name, section.size, placed))
    return layouts


def _placed(
    btf: Btf, datasec: types.DataSec, symbols: Mapping[str, Symbol]
) -> list[_PlacedVariable]:
    """Return the section's variables in the order of their offsets.

    Symbols give the offsets; those of static variables clang has written already.
    """
    placed = []
    for info in datasec.vars:
        offset, hidden = info.offset, False
        variable = btf.type(info.type)
        if isinstance(variable, types.Var) and variable.linkage != Linkage.STATIC:
            symbol = symbols.get(variable.name)
            if symbol is None:
                where = f"{btf.name}: section {safe(datasec.name)}"
                raise BtfError(f"{where}: '{safe(variable.name)}' has no symbol")
            offset, hidden = symbol.value, _is_hidden(symbol)
        placed.append(_PlacedVariable(offset, info.size, info.type, hidden))
    placed.sort()
    end = 0
    for offset, size, variable_id, _ in placed:
        if offset < end:
            name = getattr(btf.type(variable_id), "name", "")
            where = f"{btf.name}: section {safe(datasec.name)}"
            raise BtfError(f"{where}: '{safe(name)}' overlaps another variable")
        end = offset + size
    return placed


def _kconfig_layout(btf: Btf, type_id: TypeId, datasec: types.DataSec) -> _Layout:
    unplaced = []
    for info in datasec.vars:
        variable = btf.type(info.type)
        assert isinstance(variable, types.Var)  # _externs has checked it
        size = size_of(btf, variable.type)
        if not size:
            raise ElfError(f"{btf.name}: extern '{safe(variable.name)}': its type has no size")
        unplaced.append((-align_of(btf, variable.type), size, variable.name, info.type))
    placed, end = [], 0
    for negative_align, size, _, variable_id in sorted(unplaced):
        offset = end + -end % -negative_align  # rounded up
        placed.append(_PlacedVariable(offset, size, variable_id))
        end = offset + size
    return _Layout(type_id, datasec.name, end, placed)


def _layout_words(layout: _Layout) -> Words:
    """Return the words to replace: sizes, offsets, the linkage of externs and hidden variables."""
    words: Words = {(layout.datasec, SIZE_OR_TYPE): layout.size}
    for number, placed in enumerate(layout.variables):
        at = Kind.DATASEC.item(number)
        words[layout.datasec, at] = placed.variable
        words[layout.datasec, at + 1] = placed.offset
        words[layout.datasec, at + 2] = placed.size
        if layout.name == KCONFIG:
            words[placed.variable, ADDED] = Linkage.GLOBAL
        elif placed.hidden:
            words[placed.variable, ADDED] = Linkage.STATIC
    return words


def _variables(btf: Btf, layout: _Layout) -> Iterator[VariableSpec]:
    for placed in layout.variables:
        variable = btf.type(placed.variable)
        if not isinstance(variable, types.Var):
            raise BtfError(
                f"{btf.name}: section {safe(layout.name)}: type {placed.variable} is not a variable"
            )
        if placed.offset + placed.size > layout.size:
            where = f"{btf.name}: section {safe(layout.name)}: '{safe(variable.name)}'"
            extent = f"{placed.size} bytes at {placed.offset}"
            raise BtfError(f"{where}: {extent} exceed the section's {layout.size}")
        yield VariableSpec(
            name=variable.name,
            map=layout.name,
            type=variable.type,
            offset=placed.offset,
            size=placed.size,
            const=is_constant(layout.name),
        )


def _externs(btf: Btf, elf: Elf, datasecs: _DataSecs) -> tuple[ExternSpec, ...]:
    """Return the externs in .kconfig and .ksyms: variables in either, functions in .ksyms only."""
    weak = {
        symbol.name for symbol in elf.symbols if symbol.section == 0 and symbol.bind == "STB_WEAK"
    }
    externs = []
    for _, datasec in datasecs:
        for info in datasec.vars if datasec.name in (KCONFIG, KSYMS) else ():
            match btf.type(info.type):
                case types.Var(name, type_id, _):
                    externs.append(
                        ExternSpec(name, datasec.name, type_id, weak=name in weak, function=False)
                    )
                case types.Func(name, _, _) if datasec.name == KSYMS:
                    externs.append(
                        ExternSpec(name, datasec.name, info.type, weak=name in weak, function=True)
                    )
                case _:
                    raise BtfError(
                        f"{btf.name}: section {datasec.name}: type {info.type} is not an extern"
                    )
    return tuple(externs)


def _kconfig(layout: _Layout) -> MapSpec:
    return MapSpec(
        name=KCONFIG,
        section=KCONFIG,
        type=MapType.ARRAY,
        key_size=4,
        value_size=layout.size,
        max_entries=1,
        flags=MapFlag.RDONLY_PROG | MapFlag.MMAPABLE,
        value=layout.datasec,
        contents=b"",
    )
