"""``--type MAP=TYPE``: show a map with records, or values, of that type."""

from collections.abc import Mapping, Sequence
from typing import Final

from beepy import map_types
from beepy.btf import types
from beepy.btf.btf import MAX_WALKED, Btf
from beepy.btf.cformat import c_type
from beepy.btf.layout import size_of
from beepy.btf.types import VOID, TypeId
from beepy.conventions import untyped
from beepy.errors import BtfError, UsageError, worded
from beepy.events import raw, schemas
from beepy.events.fields import fields
from beepy.obj.spec import CollectionSpec, MapSpec, Tracked
from beepy.text import safe

_MAX_LISTED: Final = 8  # names in a message
_KEYWORDS: Final = ("struct", "union", "enum")
NAMED: Final = (
    *(types.Struct, types.Union, types.Enum, types.Enum64),
    *(types.Typedef, types.Int, types.Float),
)


def settings(texts: Sequence[str]) -> Mapping[str, str]:
    """Return the names of types by map, from the values of ``--type``. Raises UsageError."""
    chosen: dict[str, str] = {}
    for text in texts:
        name, equals, type_name = text.partition("=")
        if not (name and equals and type_name.strip()):
            raise UsageError(worded(f"--type '{safe(text)}': expected MAP=TYPE"))
        if name in chosen:
            raise UsageError(worded(f"--type '{safe(text)}': map '{safe(name)}' is given twice"))
        chosen[name] = " ".join(type_name.split())
    return chosen


def apply_all(specs: Sequence[CollectionSpec], chosen: Mapping[str, str]) -> list[CollectionSpec]:
    """Return the specs with the maps named in ``chosen`` shown, with records of these types.

    The values of tables have them. Raises UsageError for a map or type that is not there, or does
    not fit.
    """
    known = {m.name: m for spec in specs for m in spec.maps if m.contents is None}
    for name, type_name in chosen.items():
        if name not in known:
            raise _refused(name, type_name, "no map has that name", known)
    return [_applied(spec, chosen) for spec in specs]


def _applied(spec: CollectionSpec, chosen: Mapping[str, str]) -> CollectionSpec:
    tracked = {decision.map: decision for decision in spec.tracked}
    for map_spec in spec.maps:
        if map_spec.name in chosen:
            before = tracked.get(map_spec.name)
            decision = _typed(spec, map_spec, chosen[map_spec.name])
            hidden = next((h for h in spec.not_shown if h.map == map_spec.name), None)
            role = before.role if before else hidden.role if hidden else None
            tracked[map_spec.name] = (before or decision)._replace(
                role=role,
                record=decision.record,
                key=decision.key,
                value=decision.value,
                types=decision.types,
                reason="",
            )
    order = {map_spec.name: position for position, map_spec in enumerate(spec.maps)}
    return spec._replace(
        tracked=tuple(sorted(tracked.values(), key=lambda decision: order[decision.map])),
        not_shown=tuple([hidden for hidden in spec.not_shown if hidden.map not in chosen]),
    )


def _typed(spec: CollectionSpec, map_spec: MapSpec, type_name: str) -> Tracked:
    """Return how a map is shown with records, or values, of a type. Raises UsageError."""
    if reason := map_types.not_shown(map_spec.type):
        raise _refused(map_spec.name, type_name, reason)
    is_stream = map_types.of(map_spec.type).is_stream
    type_id = _find(spec, map_spec, type_name)
    if is_stream and type_id:
        decision = Tracked(map_spec.name, None, type_id)
    elif is_stream:
        btf, record = raw.record(spec.btf)
        decision = Tracked(map_spec.name, None, record, types=btf)
    elif type_id:
        decision = untyped.table(spec, map_spec, type_id)
    else:
        decision = untyped.table(spec, map_spec._replace(value=VOID))
    try:
        schema = schemas.of_map(spec, map_spec, decision)
        fields(schema)
        size = map_spec.value_size if is_stream else size_of(schema.btf, schema.value)
    except BtfError as error:
        raise _refused(map_spec.name, type_name, str(error)) from None
    if size != map_spec.value_size:
        reason = f"the type has {size} bytes: values have {map_spec.value_size}"
        raise _refused(map_spec.name, type_name, reason)
    return decision


def _find(spec: CollectionSpec, map_spec: MapSpec, type_name: str) -> TypeId:
    """Return the type of that name in C, 0 for bytes in hex. Raises UsageError."""
    keyword, _, name = type_name.rpartition(" ")
    if keyword not in _KEYWORDS:
        keyword, name = "", type_name
    if spec.btf is None:
        if type_name == raw.NAME:
            return VOID
        raise _refused(map_spec.name, type_name, "the object has no type information")
    found = [
        (type_id, shown)
        for type_id in spec.btf.named(name)
        if isinstance(spec.btf.type(type_id), NAMED)
        and (shown := c_type(spec.btf, type_id)) in _spellings(keyword, name)
    ]
    if found:
        is_stream = map_types.of(map_spec.type).is_stream
        # of several types of one name, that of the right size
        fits = [t for t, _ in found if is_stream or size_of(spec.btf, t) == map_spec.value_size]
        return fits[0] if fits else found[0][0]
    if type_name == raw.NAME:
        return VOID
    raise _refused(map_spec.name, type_name, "the object has no such type", _names(spec.btf))


def _spellings(keyword: str, name: str) -> tuple[str, ...]:
    """Return how C writes a type; without a keyword, structs of that name count, too."""
    if keyword:
        return (f"{keyword} {safe(name)}",)
    return safe(name), *[f"{word} {safe(name)}" for word in _KEYWORDS]


def _names(btf: Btf) -> dict[str, None]:
    """Return the structs and unions that the object has, as C writes them."""
    names: dict[str, None] = {}
    for number in range(1, min(len(btf), MAX_WALKED)):
        try:
            composite = btf.type(TypeId(number))
        except BtfError:
            break
        if isinstance(composite, types.Struct | types.Union) and composite.name:
            names[c_type(btf, TypeId(number))] = None
    return names


def _refused(
    name: str, type_name: str, reason: str, known: Mapping[str, object] | None = None
) -> UsageError:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    error = UsageError(worded(f"--type '{safe(name)}={safe(type_name)}': {reason}"))
    if known is not None:
        word = name if "no map" in reason else type_name
        similar = get_close_matches(word, [*known], 3)
        if similar:
            error.add_note(f"did you mean {' or '.join(map(safe, similar))}?")
        else:
            more = ", ..." if len(known) > _MAX_LISTED else ""
            error.add_note(f"there are: {', '.join(map(safe, [*known][:_MAX_LISTED]))}{more}")
    return error
