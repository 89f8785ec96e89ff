"""What helpers and kfuncs return, and what they call back with, where it is known from the code."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from beepy.flow.values import ANY_STACK, UNKNOWN, Kind, Value, Values, may_be_stack
from beepy.obj.spec import MapSpec
from beepy.uapi import HELPERS, MapType

Arguments: TypeAlias = tuple[Values, ...]
"""What r1 to r5 hold at a call."""

NO_ARGUMENTS: Final[Arguments] = (UNKNOWN,) * 5

_OF_MAPS: Final = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)
_FINDS: Final = frozenset(
    (
        *("map_lookup_elem", "map_lookup_percpu_elem", "get_local_storage", "sk_storage_get"),
        *("inode_storage_get", "task_storage_get", "cgrp_storage_get"),
    )
)
"""Helpers that return the address of a value in the map that is their first argument."""


SLICES: Final = frozenset(("dynptr_data", "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr"))
"""What returns an address in the memory of the dynptr that is the first argument."""


class _Callback(NamedTuple):
    """A helper's callback, and the argument that the callback gets as its ``to``-th."""

    function: int
    context: int
    to: int


_CALLBACKS: Final[Mapping[str, _Callback]] = MappingProxyType(
    {
        "loop": _Callback(function=1, context=2, to=1),
        "for_each_map_elem": _Callback(function=1, context=2, to=3),
        "find_vma": _Callback(function=2, context=3, to=2),
        "user_ringbuf_drain": _Callback(function=1, context=2, to=1),
    }
)


def name(number: int) -> str:
    """Return the name of a helper, "" if the number is unknown."""
    return HELPERS[number] if 0 <= number < len(HELPERS) else ""


def result(call: str, arguments: Arguments, site: int, maps: Mapping[str, MapSpec]) -> Values:
    """Return what a call returns: NULL is not named, for programs have to rule it out."""
    if call == "ringbuf_reserve":
        return frozenset({Value(Kind.RECORD, site)})
    if call in _FINDS:
        return elements(arguments[0], maps)
    return UNKNOWN


def elements(values: Values, maps: Mapping[str, MapSpec]) -> Values:
    """Return what a lookup in one of these maps finds."""
    elements = set()
    for value in values:
        map_spec = maps.get(str(value.base))
        if value.kind is Kind.INNER_MAP:
            elements.add(Value(Kind.ELEMENT, value.base))
        elif value.kind is Kind.MAP and map_spec:
            kind = Kind.INNER_MAP if map_spec.type in _OF_MAPS else Kind.ELEMENT
            elements.add(Value(kind, value.base))
        else:
            return UNKNOWN
    return frozenset(elements)


def callbacks(
    call: str, arguments: Arguments, maps: Mapping[str, MapSpec]
) -> Iterator[tuple[int, Arguments]]:
    """Yield the functions that a call may call back: their first instruction, and arguments."""
    functions = [
        int(value.base)
        for values in arguments
        if values is not UNKNOWN
        for value in values
        if value.kind is Kind.FUNCTION
    ]
    if not functions:
        return
    row = _CALLBACKS.get(call)
    given = [ANY_STACK if any(map(may_be_stack, arguments)) else UNKNOWN] * 5
    if row:
        given = [*NO_ARGUMENTS]
        given[row.to] = arguments[row.context]
    if call == "for_each_map_elem":
        given[0], given[2] = arguments[0], elements(arguments[0], maps)
    for function in functions:
        yield function, tuple(given)
