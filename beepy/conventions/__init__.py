"""TABLE: image format -> its convention, which says what the maps of an object mean.

A convention sees the whole object and the hints that its image carries. Each has a file of its own
here.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from beepy import map_types
from beepy.btf.layout import size_of
from beepy.conventions import bee
from beepy.errors import BtfError
from beepy.events import schemas
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.fields import fields
from beepy.obj.spec import CollectionSpec, MapSpec, NotShown, Tracked
from beepy.text import safe

Hints: TypeAlias = Mapping[str, bytes]
"""What the format of an image carries beside the programs: labels, YAML; empty for an object alone."""

Convention: TypeAlias = Callable[[CollectionSpec, Hints], Iterable[Tracked | NotShown]]
"""Gives meaning to maps of an object, and names those that have one and cannot be shown. All others stay hidden."""

# an ELF file without an image around it is read by bee's convention
TABLE: Final[Mapping[str, Convention]] = {"bee": bee.tracked, "elf": bee.tracked}

NO_HINTS: Final[Hints] = MappingProxyType({})


def apply(spec: CollectionSpec, image_format: str, hints: Hints = NO_HINTS) -> CollectionSpec:
    """Return ``spec`` with ``tracked`` and ``not_shown``, as the convention of the image's format decides.

    Without a convention for the format, no map has a meaning. Raises BtfError where the records of
    all maps have too many members together.
    """
    convention = TABLE.get(image_format)
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    tracked: list[Tracked] = []
    not_shown: list[NotShown] = []
    budget = Budget()
    for decided in convention(spec, hints) if convention else ():
        if isinstance(decided, NotShown):
            not_shown.append(decided)
            continue
        try:
            _check(spec, maps[decided.map], decided, budget)
        except BtfError as error:
            if budget.left < 0:
                raise BtfError(f"{safe(spec.name)}: {error}") from None
            not_shown.append(NotShown(decided.map, decided.role, str(error)))
        else:
            tracked.append(decided)
    return spec._replace(tracked=tuple(tracked), not_shown=tuple(not_shown))


def _check(spec: CollectionSpec, map_spec: MapSpec, tracked: Tracked, budget: Budget) -> None:
    """Raise BtfError for a map that cannot be shown; ``budget`` is what all maps of an object may cost.

    Nothing reads its type, or the types of what it holds are unknown, malformed or of another size.
    """
    if reason := map_types.not_shown(map_spec.type):
        raise BtfError(reason)
    schema = schemas.of_map(spec, map_spec, tracked)
    if not schema.is_stream:
        _check_table(schema)
    fields(schema, budget)


def _check_table(schema: Schema) -> None:
    """Raise BtfError where the type of a table's keys or values is unknown, or has another size than they have."""
    for part, type_id, size in (
        ("key", schema.key, schema.key_size),
        ("value", schema.value, schema.value_size),
    ):
        if not type_id:
            raise BtfError(
                f"the type of its {part}s is unknown: declare it with __type({part}, ...)"
            )
        type_size = size_of(schema.btf, type_id)
        if type_size != size:
            raise BtfError(f"the {part}'s type has {type_size} bytes: the map has {size}")
