"""Set global variables before the object is loaded, by changing the contents of its data sections.

A variable is called by its name in C; ``name.member`` and ``name[2]`` are parts of it, ``section:name`` is one of
several variables of that name. Static variables of a function are called ``function.name``, as clang calls them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.layout import MAX_DEPTH, size_of, skip_mods, skip_mods_and_typedefs
from beepy.btf.types import TypeId
from beepy.errors import BtfError, UsageError
from beepy.events.literals import VariableRef, write
from beepy.log import Log
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, Value, VariableSpec
from beepy.text import safe

_log = Log(__name__)

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]")
_LISTED: Final = 40  # variables in an error's note
_COMPARED: Final = 1000  # names that are looked through for similar ones
_MAX_END: Final = 32 << 20  # bytes of a section up to the end of a variable that is set
_PIDS: Final = (  # names of variables that choose a process, the surest first: tgid is one, pid may be a thread
    "(target|targ|filter)_tgid",
    "(target|targ|filter)_pid",
    "tgid",
    "pid",
    "(?!my_|own_|self_|ignore|exclude|skip)(.*_)?(tgid|pid)(_.*)?",
)


def settings(texts: Sequence[str]) -> dict[str, str]:
    """Return name -> text of ``--set NAME=VALUE``. Raises UsageError."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set '{safe(text)}': expected NAME=VALUE")
        if name.strip() in values:
            raise UsageError(f"--set '{safe(text)}': a second value for '{safe(name.strip())}'")
        values[name.strip()] = value
    return values


def apply(spec: CollectionSpec, values: Mapping[str, Value]) -> CollectionSpec:
    """Return ``spec`` with its variables set. Raises UsageError for an unknown name or a value that does not fit."""
    (changed,) = apply_all((spec,), values)
    return changed


def apply_all(specs: Sequence[CollectionSpec], values: Mapping[str, Value]) -> tuple[CollectionSpec, ...]:
    """Return ``specs`` with their variables set: each spec that has a name is changed, and one must have it."""
    changed = list(specs)
    for name, value in values.items():
        known = False
        for at, spec in enumerate(changed):
            hit = _find(spec, name)
            if hit:
                changed[at] = _set(spec, *hit, value)
                known = True
        if not known:
            raise _unknown(specs, name)
    return tuple(changed)


def settable(spec: CollectionSpec) -> tuple[VariableSpec, ...]:
    """Return the variables that may be set: all but those of the kernel's configuration."""
    return tuple([variable for variable in spec.variables if variable.map != KCONFIG])


def pid_variable(specs: Sequence[CollectionSpec]) -> str:
    """Return the name of the variable that most likely chooses a process, "" if there is none."""
    candidates = [
        (_PIDS.index(fitting), variable.name)
        for spec in specs
        for variable in settable(spec)
        if (fitting := _fitting(variable.name)) and spec.btf and _is_integer(spec.btf, variable.type)
    ]
    return min(candidates, default=(0, ""))[1]


def _fitting(name: str) -> str:
    return next((pattern for pattern in _PIDS if re.fullmatch(pattern, name)), "")


def _is_integer(btf: Btf, type_id: TypeId) -> bool:
    resolved = skip_mods_and_typedefs(btf, type_id)[1]
    return isinstance(resolved, types.Int) and not resolved.bool


def _find(spec: CollectionSpec, name: str) -> tuple[VariableSpec, VariableRef] | None:
    """Return the variable with the longest name that fits, and the part of it that is meant; None if there is none."""
    section, colon, bare = name.rpartition(":")
    candidates = [
        variable
        for variable in settable(spec)
        if (not colon or variable.map == section)
        and bare.startswith(variable.name)
        and (bare == variable.name or bare[len(variable.name)] in ".[")
    ]
    longest = max([len(variable.name) for variable in candidates], default=0)
    candidates = [variable for variable in candidates if len(variable.name) == longest]
    if len(candidates) > 1:
        places = " or ".join(safe(f"{variable.map}:{bare}") for variable in candidates)
        raise UsageError(f"variable '{safe(bare)}': {len(candidates)} of that name: expected {places}")
    if not candidates:
        return None
    (variable,) = candidates
    assert spec.btf
    return variable, _part(spec.btf, VariableRef(spec.btf, variable.name, variable.type), bare[len(variable.name) :])


def _part(btf: Btf, ref: VariableRef, path: str) -> VariableRef:
    while path:
        step = _STEP.match(path)
        if not step:
            raise UsageError(f"variable '{safe(ref.name + path)}': expected .member or [number] after its name")
        inner = ref.member(step[1]) if step[1] else ref.element(int(step[2]))
        if inner is None:
            kind = c_type(btf, skip_mods(btf, ref.type))
            raise UsageError(f"variable '{safe(ref.name)}': {kind} has no {safe(step[1] or step[0])}")
        ref, path = inner, path[step.end() :]
    return ref


def _set(spec: CollectionSpec, variable: VariableSpec, ref: VariableRef, value: Value) -> CollectionSpec:
    area = next((map_spec for map_spec in spec.maps if map_spec.name == variable.map), None)
    if area is None or area.contents is None or size_of(ref.btf, variable.type) != variable.size:
        raise BtfError(f"{safe(spec.name)}: variable '{safe(variable.name)}': its section does not hold it")
    end = variable.offset + variable.size
    if end > _MAX_END:
        where = f"variable '{safe(variable.name)}': ends at byte {end} of {safe(variable.map)}"
        raise UsageError(f"{where}: at most {_MAX_END} bytes can be set")
    contents = area.contents.ljust(end, b"\0")
    changed = bytearray(contents[variable.offset : end])
    write(changed, ref, value)
    if _is_folded(ref.btf, variable):
        _log.warning("variable '%s': const but not volatile: its value may be in the code already", safe(variable.name))
    filled = area._replace(contents=contents[: variable.offset] + changed + contents[end:])
    return spec._replace(maps=tuple([filled if map_spec is area else map_spec for map_spec in spec.maps]))


def _is_folded(btf: Btf, variable: VariableSpec) -> bool:
    """Tell whether the compiler may take the variable's value for granted."""
    qualifiers = set()
    type_id: TypeId = variable.type
    for _ in range(MAX_DEPTH):
        qualified = btf.type(type_id)
        if not isinstance(qualified, types.Const | types.Volatile | types.Restrict | types.Typedef | types.Array):
            break
        qualifiers.add(type(qualified))
        type_id = qualified.type
    return types.Const in qualifiers and types.Volatile not in qualifiers


def _unknown(specs: Sequence[CollectionSpec], name: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    known = {variable.name: variable for spec in specs for variable in settable(spec)}
    where = ", ".join([safe(spec.name) for spec in specs])
    error = UsageError(f"variable '{safe(name)}': not found in {where}")
    if similar := get_close_matches(name, list(known)[:_COMPARED], 3):
        error.add_note(f"similar ones: {', '.join(map(safe, similar))}")
    listed = ", ".join([safe(variable) for variable in sorted(known)[:_LISTED]])
    error.add_note(f"variables: {listed}{', ...' if len(known) > _LISTED else ''}" if known else "it has no variables")
    return error
