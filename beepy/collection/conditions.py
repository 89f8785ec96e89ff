"""Decide what a gadget's expressions say, with this kernel's symbols and the parameters' values."""

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from beepy.btf import types
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.conventions import gadget_expressions
from beepy.errors import NotSupported, UnsupportedImage, UsageError
from beepy.host import machine
from beepy.obj.conditions import Named
from beepy.obj.spec import CollectionSpec, ProgramSpec, VariableSpec
from beepy.text import escaped, excerpt, safe

_DISABLED: Final = "gadget_program_disabled"
_MAX_VALUE: Final = 4096  # bytes of a parameter


def apply(spec: CollectionSpec, given: Collection[str] = ()) -> CollectionSpec:
    """Return ``spec`` with the targets of its programs, but for those ``given`` by the user.

    Its conditions are decided then. Raises UsageError if one is not met, UnsupportedImage for an
    expression that has no value, KernelError.
    """
    conditions = spec.conditions
    if conditions is None:
        return spec
    scope: dict[str, Any] = {
        "params": {
            variable.name: _value(spec, variable)
            for variable in spec.variables
            if variable.name in conditions.parameters
        },
        "program": {"disabled": _DISABLED},
        "kallsyms": {"exists": lambda name: name in _symbols(), "first": _first},
    }
    for define in conditions.defines:
        scope[define.name] = _evaluated(spec, define, scope)
    for condition in conditions.asserts:
        if _evaluated(spec, condition, scope) is not True:
            where = f"{safe(spec.name)}: '{excerpt(condition.name)}'"
            raise UsageError(f"{where}: its condition is not met: {excerpt(condition.text, 200)}")
    targets = {
        target.name: _evaluated(spec, target, scope)
        for target in conditions.targets
        if target.name not in given
    }
    _symbols.cache_clear()
    programs = [
        _with_target(spec, program, targets[program.name]) if program.name in targets else program
        for program in spec.programs
    ]
    return spec._replace(programs=tuple(programs), conditions=None)


def _evaluated(spec: CollectionSpec, named: Named, scope: gadget_expressions.Scope) -> Any:  # noqa: ANN401 - of any type
    try:
        return gadget_expressions.parse(named.text)(scope)
    except UnsupportedImage as error:
        where = f"{safe(spec.name)}: expression of '{excerpt(named.name)}'"
        raise UnsupportedImage(f"{where}: {error}: {excerpt(named.text, 200)}") from None


def _with_target(spec: CollectionSpec, program: ProgramSpec, target: object) -> ProgramSpec:
    if not isinstance(target, str) or not target:
        where = f"{safe(spec.name)}: program '{safe(program.name)}'"
        raise UnsupportedImage(f"{where}: its target is expected to be a name")
    if target == _DISABLED:
        return program._replace(section=f"?{program.section.removeprefix('?')}")
    return program._replace(attach_to=target)


@cache
def _symbols() -> frozenset[str]:
    return frozenset([name for _, _, name in machine.symbols()])


def _first(*names: str) -> str:
    for name in names:
        if name in _symbols():
            return name
    listed = ", ".join([excerpt(name, 40) for name in names[:4]])
    raise NotSupported(f"kernel symbols {listed}: not found in this kernel")


def _value(spec: CollectionSpec, variable: VariableSpec) -> bool | int | str | None:
    """Return the value of a parameter: a boolean, a number or a text, None for others."""
    assert spec.btf
    contents = next((m.contents for m in spec.maps if m.name == variable.map), None) or b""
    size = min(variable.size, _MAX_VALUE)
    raw = contents[variable.offset : variable.offset + size].ljust(size, b"\0")
    _, resolved = skip_mods_and_typedefs(spec.btf, variable.type)
    match resolved:
        case types.Int(bool=True):
            return any(raw)
        case types.Int():
            return int.from_bytes(raw, "little", signed=resolved.signed)
        case types.Array():
            return escaped(raw.partition(b"\0")[0])
        case _:
            return None
