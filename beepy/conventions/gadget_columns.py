"""How a gadget's rows look: by the annotations of gadget.yaml, and by the types of their fields."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import accumulate
from types import MappingProxyType
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs, typedef_names
from beepy.conventions.gadget_yaml import DataSource
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.fields import VALUE, Field, fields
from beepy.events.gadget_fields import ENDPOINT, RAW, USER_STACK
from beepy.obj.presentation import ColumnHint, Presentation

_ROWS: Final = 20  # of a table at each reading
_MAX_WIDTH: Final = 500  # columns that an annotation may ask for
_TRUE: Final = "true"
_NO_TEXTS: Mapping[str, str] = MappingProxyType({})

_ID: Final = ColumnHint(right=True, min_width=7)
_USER_ID: Final = ColumnHint(right=True, min_width=8)
_NAMESPACE: Final = ColumnHint(hidden=True, right=True, width=12)
_HIDDEN: Final = ColumnHint(hidden=True)

# the hints that the templates of gadget.yaml stand for, and those of types
_TEMPLATES: Final[Mapping[str, ColumnHint]] = {
    "timestamp": ColumnHint(hidden=True, width=30),
    "bytes": ColumnHint(right=True, width=10),
    "duration": ColumnHint(right=True, width=12),
    "comm": ColumnHint(max_width=16),
    "pcomm": ColumnHint(hidden=True, max_width=16),
    "pid": _ID,
    "tid": _ID,
    "ppid": _ID._replace(hidden=True),
    "ptid": _ID._replace(hidden=True),
    "uid": _USER_ID,
    "gid": _USER_ID,
    "ns": _NAMESPACE,
    "mntns_id": _NAMESPACE,
    "netns_id": _NAMESPACE,
    "l4endpoint": ColumnHint(min_width=22, max_width=52),
    "syscall": ColumnHint(width=18, max_width=28),
    "errorString": ColumnHint(width=12),
    "errno": ColumnHint(width=12),
    "user_stack": _HIDDEN,
}
_TYPE: Final = "gadget_"
_IDS: Final = frozenset(("gadget_uid", "gadget_gid"))
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")  # a name that an annotation may give
_PROCESS: Final = frozenset(("gadget_process", "gadget_creds"))
_ENDPOINT: Final = "endpoint"
_PARENT: Final = "gadget_parent"


def of(schema: Schema, source: DataSource) -> Presentation:
    """Return how the rows of a schema look; it lacks hints if the types are malformed."""
    rest = source.annotations.get("ebpf.rest.name", "")
    presentation = Presentation(
        columns={},
        limit=0 if schema.is_stream else _ROWS,
        rest=rest,
        rest_length=source.annotations.get("ebpf.rest.len", ""),
        targets=dict(_targets(source)),
    )
    all_fields: tuple[Field, ...] = ()
    columns: dict[str, ColumnHint] = {}
    with suppress(BtfError):  # it is reported where the map is checked
        all_fields = fields(schema._replace(presentation=presentation))
        paths = frozenset([field.path for field in all_fields])
        columns = {field.name: _hint(schema.btf, field, paths, source) for field in all_fields}
    skipped = {n for n, texts in source.fields.items() if texts.get("json.skip", "") == _TRUE}
    not_in_json = [field.name for field in all_fields if _is_skipped(field, skipped)]
    return Presentation(
        columns=_headed(columns),
        limit=presentation.limit,
        not_in_json=frozenset(not_in_json),
        rest=rest,
        rest_length=presentation.rest_length,
        targets=presentation.targets,
        sort=_sort(all_fields, columns) if not schema.is_stream else "",
    )


def _targets(source: DataSource) -> Iterator[tuple[str, str]]:
    """Yield the fields of ids with the names of the fields for users and groups beside them."""
    for name, texts in source.fields.items():
        target = texts.get("uidgidresolver.target", "")
        if _FIELD.fullmatch(target):
            yield name, target


def _is_skipped(field: Field, skipped: AbstractSet[str]) -> bool:
    """Tell whether JSON leaves a field out, or a struct that it is in."""
    if ENDPOINT in field.owners and field.path[-1] == _ENDPOINT:
        return True
    return not skipped.isdisjoint(accumulate(field.path, "{}.{}".format))


def _hint(
    btf: Btf, field: Field, paths: frozenset[tuple[str, ...]], source: DataSource
) -> ColumnHint:
    """Return the hint of a field: annotations count more than types, its own more than others."""
    hint = _of_type(btf, field, paths)
    for end in range(1, len(field.path)):  # those of the structs that it is in
        hint = _annotated(
            hint, source.fields.get(".".join(field.path[:end]), _NO_TEXTS), inner=True
        )
    return _annotated(hint, source.fields.get(field.name, _NO_TEXTS), inner=False)


def _of_type(btf: Btf, field: Field, paths: frozenset[tuple[str, ...]]) -> ColumnHint:
    name = field.path[-1]
    if ENDPOINT in field.owners:
        prefix = field.path[: field.owners.index(ENDPOINT) + 1]
        if name != _ENDPOINT:
            return _HIDDEN
        return _TEMPLATES["l4endpoint"]._replace(heading=".".join(prefix))
    if USER_STACK in field.owners or _has_meaning(field, paths):
        return _HIDDEN
    is_name = not field.codec.number and not _IDS.isdisjoint(field.typedefs)
    for typedef in () if is_name else typedefs(btf, field):  # columns of names: not as of ids
        template = typedef.removeprefix(_TYPE) if typedef.startswith(_TYPE) else ""
        if template in _TEMPLATES:
            hint = _TEMPLATES[template]
            break
    else:
        hint = ColumnHint()
    if _PARENT in field.owners:
        return hint._replace(hidden=True)
    return hint._replace(heading=name) if _PROCESS.intersection(field.owners[-1:]) else hint


def typedefs(btf: Btf, field: Field) -> tuple[str, ...]:
    """Return the typedefs of a field, or of its elements: a name is a gadget_comm[16]."""
    _, array = skip_mods_and_typedefs(btf, field.type)
    if field.typedefs or not isinstance(array, types.Array):
        return field.typedefs
    return tuple(typedef_names(btf, array.type))


def _has_meaning(field: Field, paths: frozenset[tuple[str, ...]]) -> bool:
    """Tell whether another field shows what a raw number means."""
    name = field.path[-1]
    meant = (*field.path[:-1], name.removesuffix(RAW))
    return name.endswith(RAW) and meant in paths


def _annotated(hint: ColumnHint, texts: Mapping[str, str], *, inner: bool) -> ColumnHint:
    template = _TEMPLATES.get(texts.get("template", ""))
    if template and not inner:
        hint = template._replace(heading=hint.heading)
    hidden = texts.get("columns.hidden", "")
    if hidden and not (inner and hint.hidden):
        hint = hint._replace(hidden=hidden == _TRUE)
    if inner and not hint.heading:
        return hint
    alignment = texts.get("columns.alignment", "")
    return hint._replace(
        right=alignment == "right" if alignment else hint.right,
        heading=texts.get("columns.alias", "") or hint.heading,
        width=_number(texts, "columns.width") or hint.width,
        min_width=_number(texts, "columns.minwidth") or hint.min_width,
        max_width=_number(texts, "columns.maxwidth") or hint.max_width,
    )


def _number(texts: Mapping[str, str], name: str) -> int:
    text = texts.get(name, "")
    return min(int(text), _MAX_WIDTH) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _headed(columns: Mapping[str, ColumnHint]) -> dict[str, ColumnHint]:
    """Return the hints without headings that several visible fields would have."""
    headings = Counter([hint.heading or name for name, hint in columns.items() if not hint.hidden])
    return {
        name: hint if headings[hint.heading] < 2 else hint._replace(heading="")
        for name, hint in columns.items()
    }


def _sort(all_fields: Sequence[Field], columns: Mapping[str, ColumnHint]) -> str:
    """Return the first number of a table's values that counts something, "" if there is none."""
    for field in all_fields:
        named = field.typedefs[:1]
        counts = not named or named[0] in {"__u64", "__u32", "u64", "u32", "gadget_bytes"}
        hint = columns[field.name]
        if field.part == VALUE and field.codec.is_plain_int and counts and not hint.hidden:
            return field.name
    return ""
