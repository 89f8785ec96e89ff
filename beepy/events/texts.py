"""``--text [MAP,]FIELD``: read arrays of bytes as text, though their type is not char."""

from collections.abc import Iterable, Iterator, Sequence

from beepy.btf import types
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.errors import UsageError, worded
from beepy.events import schemas
from beepy.events.batch import Schema
from beepy.events.compile import is_bool
from beepy.events.fields import Field, fields
from beepy.events.selection import short_name
from beepy.obj.spec import CollectionSpec, Tracked
from beepy.text import safe


def apply_all(specs: Sequence[CollectionSpec], options: Iterable[str]) -> list[CollectionSpec]:
    """Return the specs with the named fields of their maps read as text.

    Without MAP an option means every map with such a field. A map may be named without the prefix
    of its role. Raises UsageError for an option that names no array of bytes.
    """
    chosen: dict[tuple[int, str], set[str]] = {}  # (number of the spec, map) -> names of fields
    for option in options:
        wanted_map, _, name = option.rpartition(",")
        arrays = [
            (number, tracked, field)
            for number, tracked, field in _arrays(specs)
            if name in {field.name, field.label}
            and wanted_map in {"", tracked.map, short_name(tracked.map, tracked.role)}
        ]
        if not arrays:
            raise _refused(option, specs)
        for number, tracked, field in arrays:
            chosen.setdefault((number, tracked.map), set()).add(field.name)
    with_texts = []
    for number, spec in enumerate(specs):
        tracked_maps = [
            tracked._replace(texts=frozenset(chosen.get((number, tracked.map), ())))
            for tracked in spec.tracked
        ]
        with_texts.append(spec._replace(tracked=tuple(tracked_maps)))
    return with_texts


def _arrays(specs: Sequence[CollectionSpec]) -> Iterator[tuple[int, Tracked, Field]]:
    """Yield the arrays of bytes in the records of all maps, with the number of their spec."""
    for number, spec in enumerate(specs):
        for tracked in spec.tracked:
            schema = schemas.of_tracked(spec, tracked)
            for field in fields(schema):
                if _is_bytes(schema, field):
                    yield number, tracked, field


def _is_bytes(schema: Schema, field: Field) -> bool:
    _, array = skip_mods_and_typedefs(schema.btf, field.type)
    if not isinstance(array, types.Array):
        return False
    _, element = skip_mods_and_typedefs(schema.btf, array.type)
    return isinstance(element, types.Int) and element.size == 1 and not is_bool(element)


def _refused(option: str, specs: Sequence[CollectionSpec]) -> UsageError:
    known = dict.fromkeys(f"{tracked.map},{field.name}" for _, tracked, field in _arrays(specs))
    error = UsageError(worded(f"--text '{safe(option)}': no array of bytes has that name"))
    error.add_note(f"arrays of bytes: {', '.join(map(safe, known)) or 'none'}")
    return error
