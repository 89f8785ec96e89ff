"""The boxes of an image's form: its parameters, and the variables of its objects, from their BTF.

A struct has a box for each of its members. What the compiler may have put into the code already
(const, not volatile) has none.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from beepy.analysis import describe
from beepy.analysis.description import Description
from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.layout import named_members, size_of, skip_mods, skip_mods_and_typedefs
from beepy.btf.types import TypeId
from beepy.errors import BeepyError, typed
from beepy.events import schemas, semantics, variables
from beepy.events.decoder import Decoder
from beepy.events.where import Where
from beepy.obj.spec import CollectionSpec, VariableSpec
from beepy.tui.catalogue_items import Box, Kind

_MAX_BOXES: Final = 200  # of an image's options, and of its other variables
_MAX_CHOICES: Final = 64  # an enum with more values gets a box for text
_MAX_DEFAULT: Final = 40  # characters
_MAX_MEMBERS: Final = 5000  # of one variable that are looked at
_MAX_FIELDS: Final = 40  # in a help
_MAX_DEPTH: Final = 4  # structs within structs
_QUALIFIERS: Final = re.compile("^(const |volatile )*")  # of an array's elements
_EXPECTED: Final = ": expected "


class _Leaf(NamedTuple):
    """A variable, or a member of one that is no struct itself; ``path`` is "" or ``.member``."""

    path: str
    type: TypeId


def of_image(
    specs: Sequence[CollectionSpec], descriptions: Sequence[Description]
) -> tuple[list[Box], list[Box]]:
    """Return the boxes of an image's own options, and those of its other variables.

    Its options are parameters, and variables that are fixed at load. Of the others, structs and
    pointers are its own affair. ``descriptions`` are those of ``specs``, in their order.
    """
    options: dict[str, Box] = {}
    others: dict[str, Box] = {}
    for spec, description in zip(specs, descriptions, strict=True):
        for box in _parameters(spec, description):
            options.setdefault(box.variable, box)
        behind = {parameter.variable for parameter in spec.parameters}
        for name, variable in _named(spec):
            into = options if variable.const else others
            if variable.name not in behind and len(into) < _MAX_BOXES:
                for box in _boxes(spec, description, name, variable):
                    if variable.const or (box.variable == name and box.kind is not Kind.CLOSED):
                        into.setdefault(box.variable, box)
    return _checked(specs, options.values()), _checked(specs, others.values())


def _checked(specs: Sequence[CollectionSpec], boxes: Iterable[Box]) -> list[Box]:
    return [box._replace(check=partial(_error, specs, box.variable)) for box in boxes]


def where(specs: Sequence[CollectionSpec]) -> Box:
    """Return the box of ``--where``; its help names the fields that an expression may be about."""
    try:
        found = [schema for spec in specs for _, schema in describe.schemas_of(spec)]
        for spec in specs:
            records = dict.fromkeys(spec.iterator_records.values())
            found += [schemas.of_iterator(spec, record) for record in records]
        decoders = [Decoder(schema) for schema in found]
    except BeepyError as error:
        return Box("--where", kind=Kind.CLOSED, help=typed(error))
    names = dict.fromkeys([field.name for decoder in decoders for field in decoder.fields])
    if not names:
        return Box("--where", kind=Kind.CLOSED, help="no map is shown")
    listed = ", ".join(islice(names, _MAX_FIELDS))
    example = ", such as pid > 1000" if "pid" in names else ""
    meaning = f"only rows for which it is true{example}; fields: {listed}"
    return Box("--where", help=meaning, check=partial(_where_error, decoders))


def _where_error(decoders: Sequence[Decoder], text: str) -> str:
    """Return why a text is no expression about one of these maps, "" if it is one."""
    try:
        Where([text], decoders)
    except BeepyError as error:
        return typed(error).removeprefix("--where: ")
    return ""


def _parameters(spec: CollectionSpec, description: Description) -> Iterator[Box]:
    by_name = {variable.name: variable for variable in variables.settable(spec)}
    for parameter in spec.parameters:
        variable = by_name.get(parameter.variable)
        box = Box("--set", parameter.key, default=parameter.default)
        if variable and spec.btf:
            default = parameter.default or _default(description, variable, "")
            box = _typed(spec.btf, variable.type, box._replace(default=default))
        yield box._replace(help=parameter.description or box.help)


def _boxes(
    spec: CollectionSpec, description: Description, name: str, variable: VariableSpec
) -> Iterator[Box]:
    assert spec.btf, "a variable has a type"
    try:
        members = [*islice(_members(spec.btf, variable.type), _MAX_MEMBERS)]
    except BeepyError as error:
        yield Box("--set", name, kind=Kind.CLOSED, help=typed(error))
        return
    for leaf in [member for member in members if member][:_MAX_BOXES]:
        default = _default(description, variable, leaf.path)
        yield _typed(spec.btf, leaf.type, Box("--set", name + leaf.path, default=default))


def _error(specs: Sequence[CollectionSpec], name: str, text: str) -> str:
    """Return why a text is no value of that variable, "" if it is one."""
    try:
        variables.apply_all(specs, {name: text})
    except BeepyError as error:
        message = typed(error)
        _, expected, why = message.rpartition(_EXPECTED)
        return f"expected {why}" if expected else message
    return ""


def _named(spec: CollectionSpec) -> Iterator[tuple[str, VariableSpec]]:
    """Yield the variables of an object that can be set, under the names that ``--set`` takes."""
    settable = variables.settable(spec)
    names = Counter([variable.name for variable in settable])
    for variable in settable:
        if spec.btf and not variables.is_folded(spec.btf, variable):
            is_only = names[variable.name] == 1
            yield variable.name if is_only else f"{variable.map}:{variable.name}", variable


def _members(btf: Btf, type_id: TypeId, path: str = "", depth: int = 0) -> Iterator[_Leaf | None]:
    """Yield the members of a struct that are none themselves; a variable of another type itself.

    None is yielded for a struct within, so that the caller's bound counts empty ones too.
    """
    is_struct = isinstance(skip_mods_and_typedefs(btf, type_id)[1], types.Struct | types.Union)
    if not is_struct or depth == _MAX_DEPTH or _from_text(btf, type_id):
        yield _Leaf(path, type_id)
        return
    for hit in named_members(btf, type_id):
        yield None
        yield from _members(btf, hit.member.type, f"{path}.{hit.member.name}", depth + 1)


def _from_text(btf: Btf, type_id: TypeId) -> bool:
    """Return whether a typedef says how a text becomes such a value: an address."""
    codec = semantics.codec(btf, type_id, size_of(btf, type_id))
    return bool(codec and codec.from_text)


def _typed(btf: Btf, type_id: TypeId, box: Box) -> Box:
    """Return a box for values of that type."""
    try:
        kind = skip_mods_and_typedefs(btf, type_id)[1]
        box = box._replace(type=_QUALIFIERS.sub("", c_type(btf, skip_mods(btf, type_id))))
        if _from_text(btf, type_id):
            return box
        inner = kind
        while isinstance(inner, types.Array):  # size_of has seen the end of it
            inner = skip_mods_and_typedefs(btf, inner.type)[1]
    except BeepyError as error:
        return box._replace(kind=Kind.CLOSED, help=str(error))
    if isinstance(kind, types.Int) and kind.bool:
        return box._replace(kind=Kind.FLAG, default=box.default or "false")
    if isinstance(kind, types.Enum | types.Enum64) and 0 < len(kind.values) <= _MAX_CHOICES:
        names = [value.name for value in kind.values if value.name != box.default]
        return box._replace(kind=Kind.CHOICE, choices=names)
    if isinstance(kind, types.Array) and getattr(inner, "name", "") != "char":
        numbers = "" if box.default.isalnum() else box.default  # bytes are shown as one hex number
        box = box._replace(default=numbers, help=f"up to {kind.nelems} values: 1,2,3")
    if isinstance(inner, types.Struct | types.Union):
        part = ".MEMBER" if inner is kind else "[0].MEMBER"
        return box._replace(kind=Kind.CLOSED, help=f"--set {box.variable}{part}=VALUE")
    if isinstance(inner, types.Int | types.Enum | types.Enum64 | types.Float):
        return box
    return box._replace(kind=Kind.CLOSED, help="it cannot be set")


def _default(description: Description, variable: VariableSpec, path: str) -> str:
    """Return the value that a variable, or its member, has in the object; "" if it is not known."""
    place = (variable.map, variable.name)
    infos = (info for info in description.variables if (info.map, info.name) == place)
    value = next((info.default for info in infos), None)
    if path:
        value = value.get(path[1:]) if isinstance(value, dict) else None
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            text = value
        case tuple():
            text = ",".join([json.dumps(item) for item in value])
        case _:
            text = json.dumps(value)
    return text if len(text) <= _MAX_DEFAULT else f"{text[: _MAX_DEFAULT - 3]}..."
