"""``--text [MAP,]FIELD``: arrays of bytes that hold text, though their type does not say so."""

from collections.abc import Iterable, Iterator, Sequence

from beepy.btf import types
from beepy.btf.layout import resolve
from beepy.errors import UsageError, worded
from beepy.events import roles
from beepy.events.batch import Schema
from beepy.events.compile import is_bool
from beepy.events.fields import Field, fields
from beepy.obj.spec import CollectionSpec, Tracked
from beepy.text import safe


def apply_all(specs: Sequence[CollectionSpec], options: Iterable[str]) -> list[CollectionSpec]:
    """Return the specs with each named field of their maps read as text; without MAP, of every map that has it.

    A map may be named without its role's prefix. Raises UsageError for an option that names no array of bytes.
    """
    chosen: dict[tuple[int, str], set[str]] = {}  # (number of the spec, map) -> fields
    for option in options:
        wanted_map, _, name = option.rpartition(",")
        found = [
            (number, tracked, field)
            for number, tracked, field in _arrays(specs)
            if name in {field.name, field.label} and wanted_map in {"", tracked.map, _short(tracked)}
        ]
        if not found:
            raise _refused(option, specs)
        for number, tracked, field in found:
            chosen.setdefault((number, tracked.map), set()).add(field.name)
    texts = []
    for number, spec in enumerate(specs):
        maps = [each._replace(texts=frozenset(chosen.get((number, each.map), ()))) for each in spec.tracked]
        texts.append(spec._replace(tracked=tuple(maps)))
    return texts


def _arrays(specs: Sequence[CollectionSpec]) -> Iterator[tuple[int, Tracked, Field]]:
    for number, spec in enumerate(specs):
        for tracked in spec.tracked:
            schema = roles.schema(spec, tracked)
            for field in fields(schema, {}):
                if _is_bytes(schema, field):
                    yield number, tracked, field


def _is_bytes(schema: Schema, field: Field) -> bool:
    _, found = resolve(schema.btf, field.type)
    if not isinstance(found, types.Array):
        return False
    _, element = resolve(schema.btf, found.type)
    return isinstance(element, types.Int) and element.size == 1 and not is_bool(element)


def _short(tracked: Tracked) -> str:
    return tracked.map.removeprefix(f"{tracked.role}_")


def _refused(option: str, specs: Sequence[CollectionSpec]) -> UsageError:
    known = dict.fromkeys(f"{tracked.map},{field.name}" for _, tracked, field in _arrays(specs))
    error = UsageError(worded(f"--text '{safe(option)}': no array of bytes has that name"))
    error.add_note(f"arrays of bytes: {', '.join(map(safe, known)) or 'none'}")
    return error
