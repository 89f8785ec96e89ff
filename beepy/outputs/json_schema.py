"""JSON Schema (2020-12) of the lines that ``jsonl`` writes of a map's records."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from beepy.btf.cformat import c_type
from beepy.btf.layout import integer_range
from beepy.btf.types import VOID
from beepy.events import meaning, rules
from beepy.events.codec import Codec
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE, Field, is_summed
from beepy.outputs.jsonl import by_struct

Document: TypeAlias = dict[str, Any]

MAX_PARTS: Final = 50_000  # of the documents of one object
_TIME: Final[Document] = {
    "type": "string",
    "description": "when it was read",
    "pattern": r"^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
}
_REALS: Final = frozenset("efd")
# struct's code -> bits, and whether it is signed
_INTEGERS: Final = {
    code: (bits, code.islower())
    for codes, bits in (("bB", 8), ("hH", 16), ("iI", 32), ("qQ", 64))
    for code in codes
}
_MEANINGS: Final = {rules.TIME: "time", rules.DURATION: "duration"}


def room() -> Iterator[int]:
    """Return what bounds the documents of one object: a few types can describe very many values."""
    return iter(range(MAX_PARTS))


def of_map(decoder: Decoder, name: str, left: Iterator[int] | None = None) -> Document:
    """Return the schema of one line: an object with the map's ``name``, the time, and the fields.

    What there is no ``left`` room for (see ``room``) may be anything.
    """
    left = room() if left is None else left
    schema = decoder.schema
    presentation = schema.presentation
    hidden = presentation.not_in_json if presentation else ()
    fields = by_struct(decoder.shown(hidden))
    meanings = meaning.of(decoder.fields)
    members = []
    for field in fields:
        summed = field.part == VALUE and is_summed(schema)
        document = _of_codec(field.codec, left, summed=summed)
        if schema.is_stream and document:  # a record may be too short for it
            document = _or_null(document)
        words = [c_type(schema.btf, field.type)] if field.type != VOID else []
        if (known := meanings.get(field)) and known.name in _MEANINGS:
            words.append(_MEANINGS[known.name])
        if words:
            document = {**document, "description": ", ".join(words)}
        members.append((field, document))
    properties = {"map": {"const": name}, "time": _TIME, **_tree(members, 0)}
    return _object(properties)


def _tree(members: Sequence[tuple[Field, Document]], depth: int) -> dict[str, Document]:
    """Return the members of an object; those of a struct are one object."""
    grouped: dict[str, list[tuple[Field, Document]]] = {}
    for field, document in members:
        grouped.setdefault(field.path[depth], []).append((field, document))
    return {
        name: _object(_tree(group, depth + 1)) if group[0][0].path[depth + 1 :] else group[0][1]
        for name, group in grouped.items()
    }


def _object(properties: dict[str, Document]) -> Document:
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def _of_codec(codec: Codec, left: Iterator[int], *, summed: bool = False) -> Document:
    """Return the schema of the values of a codec; ``summed``: of all CPUs together."""
    if next(left, None) is None:
        return {}
    if codec.inner:
        if codec.inner[0][0]:
            return _object({name: _of_codec(inner, left) for name, inner in codec.inner})
        return {"type": "array", "items": _of_codec(codec.inner[0][1], left)}
    if "?" in (codec.integer, codec.code):
        return {"type": "boolean"}
    if codec.number and codec.code in _REALS:
        return {"type": ["number", "null"]}  # JSON has no NaN, and no infinity
    if codec.number:
        code = codec.code if codec.code in _INTEGERS else codec.integer
        return {"type": "integer"} if summed or code not in _INTEGERS else _range(code)
    if codec.to_number is not None:  # an enum: the kernel may have more names, or none
        return {"type": ["string", "integer"]}
    return {"type": "string"}


def _range(code: str) -> Document:
    bits, signed = _INTEGERS[code]
    low, high = integer_range(bits, signed=signed)
    return {"type": "integer", "minimum": low, "maximum": high}


def _or_null(document: Document) -> Document:
    kinds = document["type"]
    listed = [kinds] if isinstance(kinds, str) else kinds
    return {**document, "type": [*listed, *([] if "null" in listed else ["null"])]}
