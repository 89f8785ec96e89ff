"""JSON Schema (2020-12) of the values that ``--set``, and ``variables`` in Python, take."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.layout import (
    MAX_DEPTH,
    integer_range,
    named_members,
    size_of,
    skip_mods_and_typedefs,
)
from beepy.btf.types import TypeId
from beepy.events import semantics
from beepy.events.variables import settable
from beepy.obj.spec import CollectionSpec

Document: TypeAlias = dict[str, Any]

_MAX_NAMES: Final = 256  # of an enum, and of a struct's members
_DEFAULTS: Final[Mapping[Any, Any]] = {
    "boolean": bool,
    "integer": int,
    "number": float,
    "string": str,
}
_MAX_LENGTH: Final = 200  # characters of a name
_MAX_PARTS: Final = 20_000  # documents, and names of enums, of one object


def of_spec(spec: CollectionSpec, defaults: Mapping[str, Any]) -> dict[str, Document]:
    """Return the schema of each variable and parameter of an object, by the name that is set.

    ``defaults`` are values by the names of variables. Texts are taken too, as they are typed;
    variables that cannot be set are left out.
    """
    schemas: dict[str, Document] = {}
    left = iter(range(_MAX_PARTS))
    variables = settable(spec)
    names = Counter([variable.name for variable in variables])
    for variable in variables:
        name = variable.name if names[variable.name] == 1 else f"{variable.map}:{variable.name}"
        assert spec.btf, "variables are those of its types"
        document = _of_type(spec.btf, variable.type, left)
        if document is not None:
            default = defaults.get(variable.name)
            if isinstance(default, _DEFAULTS.get(document.get("type", ""), ())):
                document["default"] = default
            schemas[name] = {**document, "description": c_type(spec.btf, variable.type)}
    for parameter in spec.parameters:
        document = schemas.get(parameter.variable, {})
        described = [parameter.description] if parameter.description else []
        default_words = [f"default: {parameter.default}"] if parameter.default else []
        words = [*described, *default_words] or [document.get("description", "")]
        schemas[parameter.key] = {**document, "description": "; ".join(words)}
    return schemas


def _of_type(btf: Btf, type_id: TypeId, left: Iterator[int], depth: int = 0) -> Document | None:
    """Return the schema of a type's values, None if they cannot be set."""
    if depth > MAX_DEPTH or next(left, None) is None:
        return None
    _, resolved = skip_mods_and_typedefs(btf, type_id)
    size = size_of(btf, type_id)
    codec = semantics.codec(btf, type_id, size)
    if codec and codec.from_text:
        return {"type": "string", "format": "ipv4" if size == 4 else "ipv6"}
    match resolved:
        case types.Int() if resolved.bool:
            return {"type": "boolean"}
        case types.Int():
            return _integer(resolved.bits, signed=resolved.signed)
        case types.Enum() | types.Enum64():
            names = [name for name, _ in resolved.values[:_MAX_NAMES] if len(name) <= _MAX_LENGTH]
            names = [name for name, _ in zip(names, left, strict=False)]
            return {"anyOf": [{"enum": names}, {"type": ["string", "integer"]}]}
        case types.Float():
            return {"type": "number"}
        case types.Array():
            return _array(btf, resolved, left, depth)
        case types.Struct() | types.Union():
            members = {}
            for count, hit in enumerate(named_members(btf, type_id)):
                if count >= _MAX_NAMES:
                    break
                bits = hit.member.bitfield_size
                if len(hit.member.name) > _MAX_LENGTH:
                    continue
                if document := _member(btf, hit.member.type, bits, left, depth):
                    members[hit.member.name] = document
            return {"type": "object", "properties": members, "additionalProperties": False}
        case _:
            return None


def _member(
    btf: Btf, type_id: TypeId, bits: int, left: Iterator[int], depth: int
) -> Document | None:
    _, resolved = skip_mods_and_typedefs(btf, type_id)
    if bits and isinstance(resolved, types.Int) and not resolved.bool:
        return _integer(bits, signed=resolved.signed)
    return _of_type(btf, type_id, left, depth + 1)


def _integer(bits: int, *, signed: bool) -> Document | None:
    if not bits:
        return None  # a malformed type, of which no value can be set
    low, high = integer_range(bits, signed=signed)
    return {"type": "integer", "minimum": low, "maximum": high}


def _array(btf: Btf, array: types.Array, left: Iterator[int], depth: int) -> Document | None:
    _, element = skip_mods_and_typedefs(btf, array.type)
    if isinstance(element, types.Int) and element.name == "char":
        return {"type": "string", "maxLength": max(0, array.nelems - 1)}
    items = _of_type(btf, array.type, left, depth + 1)
    return items and {"type": "array", "items": items, "maxItems": array.nelems}
