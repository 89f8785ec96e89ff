"""Set global variables before the object is loaded: the contents of its data sections are changed.

A variable is called by its name in C. ``name.member`` and ``name[2]`` stand for a part of it, ``section:name`` for one
of several of that name. Static variables of a function are called ``function.name``, as clang calls them.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import MAX_DEPTH, resolve, size_of, strip
from beepy.btf.show import c_type
from beepy.btf.types import TypeId
from beepy.errors import BtfError, UsageError
from beepy.log import Log
from beepy.obj.literals import Place, write
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, Value, VariableSpec
from beepy.text import safe

_log = Log(__name__)

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d{1,9})\]")
_LISTED: Final = 40  # variables in an error's note
_COMPARED: Final = 1000  # names that are looked through for similar ones
_MAX_END: Final = 32 << 20  # bytes of a section up to the end of a variable that is set
_PIDS: Final = (  # how variables that choose a process are called, the surest first; tgid is one, pid may be a thread
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
    """Return ``specs`` with their variables set; a name counts for each of them that has it, and one must."""
    changed = list(specs)
    for name, value in values.items():
        if not isinstance(name, str):
            from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

            raise wrong_type("variables", "names", name)
        known = False
        for at, spec in enumerate(changed):
            found = _find(spec, name)
            if found:
                changed[at] = _set(spec, *found, value)
                known = True
        if not known:
            raise _unknown(specs, name)
    return tuple(changed)


def settable(spec: CollectionSpec) -> tuple[VariableSpec, ...]:
    """Return the variables that may be set: all but those of the kernel's configuration."""
    return tuple([one for one in spec.variables if one.map != KCONFIG])


def pid_variable(specs: Sequence[CollectionSpec]) -> str:
    """Return the name of the variable that most likely chooses a process, "" if there is none."""
    found = [
        (_PIDS.index(fitting), one.name)
        for spec in specs
        for one in settable(spec)
        if (fitting := _fitting(one.name)) and spec.btf and _is_integer(spec.btf, one.type)
    ]
    return min(found, default=(0, ""))[1]


def _fitting(name: str) -> str:
    return next((pattern for pattern in _PIDS if re.fullmatch(pattern, name)), "")


def _is_integer(btf: Btf, type_id: TypeId) -> bool:
    found = resolve(btf, type_id)[1]
    return isinstance(found, types.Int) and not found.bool


def _find(spec: CollectionSpec, name: str) -> tuple[VariableSpec, Place] | None:
    """Return the variable, the longest name that fits, and what of it is meant; None if there is none."""
    section, colon, bare = name.rpartition(":")
    found = [
        one
        for one in settable(spec)
        if (not colon or one.map == section)
        and bare.startswith(one.name)
        and (bare == one.name or bare[len(one.name)] in ".[")
    ]
    longest = max([len(one.name) for one in found], default=0)
    found = [one for one in found if len(one.name) == longest]
    if len(found) > 1:
        places = " or ".join(safe(f"{one.map}:{bare}") for one in found)
        raise UsageError(f"variable '{safe(bare)}': there are {len(found)} of that name: expected {places}")
    if not found:
        return None
    (one,) = found
    assert spec.btf
    return one, _part(spec.btf, Place(spec.btf, one.name, one.type), bare[len(one.name) :])


def _part(btf: Btf, place: Place, path: str) -> Place:
    while path:
        step = _STEP.match(path)
        if not step:
            raise UsageError(f"variable '{safe(place.name + path)}': expected .member or [number] after its name")
        inner = place.member(step[1]) if step[1] else place.element(int(step[2]))
        if inner is None:
            kind = c_type(btf, strip(btf, place.type))
            raise UsageError(f"variable '{safe(place.name)}': {kind} has no {safe(step[1] or step[0])}")
        place, path = inner, path[step.end() :]
    return place


def _set(spec: CollectionSpec, variable: VariableSpec, place: Place, value: Value) -> CollectionSpec:
    area = next((one for one in spec.maps if one.name == variable.map), None)
    if area is None or area.contents is None or size_of(place.btf, variable.type) != variable.size:
        raise BtfError(f"{safe(spec.name)}: variable '{safe(variable.name)}': its section does not hold it")
    end = variable.offset + variable.size
    if end > _MAX_END:
        where = f"variable '{safe(variable.name)}': ends at byte {end} of {safe(variable.map)}"
        raise UsageError(f"{where}: at most {_MAX_END} bytes can be set")
    contents = area.contents.ljust(end, b"\0")
    changed = bytearray(contents[variable.offset : end])
    write(changed, place, value)
    if _is_folded(place.btf, variable):
        _log.warning("variable '%s': const but not volatile: its value may be in the code already", safe(variable.name))
    filled = area._replace(contents=contents[: variable.offset] + changed + contents[end:])
    return spec._replace(maps=tuple([filled if one is area else one for one in spec.maps]))


def _is_folded(btf: Btf, variable: VariableSpec) -> bool:
    """Tell whether the compiler may take the variable's value for granted."""
    qualifiers = set()
    type_id: TypeId = variable.type
    for _ in range(MAX_DEPTH):
        found = btf.type(type_id)
        if not isinstance(found, types.Const | types.Volatile | types.Restrict | types.Typedef | types.Array):
            break
        qualifiers.add(type(found))
        type_id = found.type
    return types.Const in qualifiers and types.Volatile not in qualifiers


def _unknown(specs: Sequence[CollectionSpec], name: str) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    known = {one.name: one for spec in specs for one in settable(spec)}
    where = ", ".join([safe(spec.name) for spec in specs])
    error = UsageError(f"variable '{safe(name)}': {where} has none of that name")
    if similar := get_close_matches(name, list(known)[:_COMPARED], 3):
        error.add_note(f"similar ones: {', '.join(map(safe, similar))}")
    listed = ", ".join([safe(one) for one in sorted(known)[:_LISTED]])
    error.add_note(f"variables: {listed}{', ...' if len(known) > _LISTED else ''}" if known else "it has no variables")
    return error
