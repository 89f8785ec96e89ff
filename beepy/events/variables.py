"""Set global variables before the object is loaded, by changing the contents of its data sections.

A variable is called by its name in C; ``name.member`` and ``name[2]`` are parts of it,
``section:name`` is one of several variables of that name. Static variables of a function are called
``function.name``, as clang calls them. The parameters of an image's format have names of their own.
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
_MAX_LISTED: Final = 40  # variables in an error's note
_MAX_COMPARED: Final = 1000  # names among which similar ones are searched
_MAX_END: Final = 32 << 20  # bytes of a section up to the end of a variable that is set
_QUALIFIED: Final = (types.Const, types.Volatile, types.Restrict, types.Typedef, types.Array)
# names of variables that choose a process, the surest first: pid may be the id of a thread
_PIDS: Final = (
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
    """Return ``spec`` with its variables set.

    Raises UsageError for an unknown name, or a value that does not fit.
    """
    (changed,) = apply_all((spec,), values)
    return changed


def apply_all(
    specs: Sequence[CollectionSpec], values: Mapping[str, Value]
) -> tuple[CollectionSpec, ...]:
    """Return ``specs`` with their variables set, in each spec that has a variable of the name.

    Raises UsageError for a name that no spec has, or a value that does not fit.
    """
    changed = list(specs)
    for name, value in values.items():
        if not isinstance(name, str):
            from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

            raise wrong_type("variables", "names", name)
        is_known = False
        for number, spec in enumerate(changed):
            target = _find(spec, _variable(spec, name))
            if target:
                changed[number] = _set(spec, *target, value)
                is_known = True
        if not is_known:
            raise _unknown(specs, name)
    return tuple(changed)


def _variable(spec: CollectionSpec, name: str) -> str:
    """Return the name of the variable behind a parameter, ``name`` itself if it is none."""
    variables = (parameter.variable for parameter in spec.parameters if parameter.key == name)
    return next(variables, name)


def settable(spec: CollectionSpec) -> tuple[VariableSpec, ...]:
    """Return the variables that may be set: all but those of the kernel's configuration."""
    return tuple([variable for variable in spec.variables if variable.map != KCONFIG])


def pid_variable(specs: Sequence[CollectionSpec]) -> str:
    """Return the name of the variable that most likely chooses a process, "" if not found."""
    candidates = [
        (rank, variable.name)
        for spec in specs
        for variable in settable(spec)
        if (rank := _pid_rank(variable.name)) is not None
        and spec.btf
        and _is_integer(spec.btf, variable.type)
    ]
    return min(candidates, default=(0, ""))[1]


def _pid_rank(name: str) -> int | None:
    """Return the index of the first pattern that the name matches, None if none."""
    ranks = (rank for rank, pattern in enumerate(_PIDS) if re.fullmatch(pattern, name))
    return next(ranks, None)


def _is_integer(btf: Btf, type_id: TypeId) -> bool:
    resolved = skip_mods_and_typedefs(btf, type_id)[1]
    return isinstance(resolved, types.Int) and not resolved.bool


def _find(spec: CollectionSpec, name: str) -> tuple[VariableSpec, VariableRef] | None:
    """Return the variable that ``name`` begins with, and the part that the rest of it names.

    A static variable has a dot in its name: the longest name that fits is meant. Return None if
    none fits. Raises UsageError if several do, or if the variable has no such part.
    """
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
        names = " or ".join(safe(f"{variable.map}:{bare}") for variable in candidates)
        count = len(candidates)
        raise UsageError(f"variable '{safe(bare)}': {count} of that name: expected {names}")
    if not candidates:
        return None
    (variable,) = candidates
    assert spec.btf
    whole = VariableRef(spec.btf, variable.name, variable.type)
    return variable, _part(spec.btf, whole, bare[len(variable.name) :])


def _part(btf: Btf, ref: VariableRef, path: str) -> VariableRef:
    """Return the part of ``ref`` that a path such as ``.member[2]`` names. Raises UsageError."""
    while path:
        step = _STEP.match(path)
        if not step:
            title = f"variable '{safe(ref.name + path)}'"
            raise UsageError(f"{title}: expected .member or [number] after its name")
        inner = ref.member(step[1]) if step[1] else ref.element(int(step[2]))
        if inner is None:
            kind = c_type(btf, skip_mods(btf, ref.type))
            part = safe(step[1] or step[0])
            raise UsageError(f"variable '{safe(ref.name)}': {kind} has no {part}")
        ref, path = inner, path[step.end() :]
    return ref


def _set(
    spec: CollectionSpec, variable: VariableSpec, ref: VariableRef, value: Value
) -> CollectionSpec:
    section = next((map_spec for map_spec in spec.maps if map_spec.name == variable.map), None)
    size = size_of(ref.btf, variable.type)
    if section is None or section.contents is None or size != variable.size:
        title = f"{safe(spec.name)}: variable '{safe(variable.name)}'"
        raise BtfError(f"{title}: its section does not hold it")
    end = variable.offset + variable.size
    if end > _MAX_END:
        title = f"variable '{safe(variable.name)}': ends at byte {end} of {safe(variable.map)}"
        raise UsageError(f"{title}: at most {_MAX_END} bytes can be set")
    contents = section.contents.ljust(end, b"\0")  # trailing zeros may be missing
    changed = bytearray(contents[variable.offset : end])
    write(changed, ref, value)
    if is_folded(ref.btf, variable):
        message = "variable '%s': const but not volatile: its value may be in the code already"
        _log.warning(message, safe(variable.name))
    filled = contents[: variable.offset] + changed + contents[end:]
    maps = [
        map_spec._replace(contents=filled) if map_spec is section else map_spec
        for map_spec in spec.maps
    ]
    return spec._replace(maps=tuple(maps))


def is_folded(btf: Btf, variable: VariableSpec) -> bool:
    """Return whether the compiler may have replaced the variable by its value."""
    qualifiers = set()
    type_id: TypeId = variable.type
    for _ in range(MAX_DEPTH):
        qualified = btf.type(type_id)
        if not isinstance(qualified, _QUALIFIED):
            break
        qualifiers.add(type(qualified))
        type_id = qualified.type
    return types.Const in qualifiers and types.Volatile not in qualifiers


def _unknown(specs: Sequence[CollectionSpec], name: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    variables = {variable.name for spec in specs for variable in settable(spec)}
    known = sorted(variables | {p.key for spec in specs for p in spec.parameters})
    images = ", ".join([safe(spec.name) for spec in specs])
    error = UsageError(f"variable '{safe(name)}': not found in {images}")
    if similar := get_close_matches(name, known[:_MAX_COMPARED], 3):
        error.add_note(f"similar ones: {', '.join(map(safe, similar))}")
    if not known:
        error.add_note("it has no variables")
        return error
    listed = ", ".join(map(safe, known[:_MAX_LISTED]))
    more = ", ..." if len(known) > _MAX_LISTED else ""
    error.add_note(f"variables: {listed}{more}")
    return error
