"""What a map means, by the convention of the image's format: which maps are shown, and as what."""

from collections.abc import Callable, Mapping
from typing import Final

from beepy.btf.layout import size_of
from beepy.btf.types import VOID
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.fields import fields
from beepy.log import Log
from beepy.obj.sections import is_maps
from beepy.obj.spec import CollectionSpec, MapSpec, Role, Tracked
from beepy.text import safe
from beepy.uapi import MapType

_log = Log(__name__)

_TOLD: Final = 10  # maps that are not shown, each with its reason
_STREAMS: Final = frozenset((MapType.RINGBUF, MapType.PERF_EVENT_ARRAY))


def _bee(spec: MapSpec) -> Role | None:
    """Return what bee makes of a map.

    Up to 0.0.14 its section says it (``SEC(".maps.print")``, any section that contains the word), from 0.0.15 on its
    name (``print_exits``, in ``.maps``). The section is stronger.
    """
    if not is_maps(spec.section):
        return None
    suffix = spec.section.removeprefix(".maps")
    by_section = (role for role in Role if role in suffix)
    by_name = (role for role in Role if spec.name.startswith(f"{role}_"))
    return next(by_section, None) or next(by_name, None)


# image format -> its convention; an ELF file without an image around it is taken for bee's
TABLE: Final[Mapping[str, Callable[[MapSpec], Role | None]]] = {"bee": _bee, "elf": _bee}


def assign(spec: CollectionSpec) -> CollectionSpec:
    """Return ``spec`` with ``tracked`` filled: the maps that have a role, in their order.

    A map whose types are unknown or malformed cannot be shown: it is left out with a warning, and the others go on.
    Raises BtfError where the records of all maps have too many members together.
    """
    convention = TABLE.get(spec.format, _none)
    tracked = []
    budget, refused = Budget(), 0
    for map_spec in spec.maps:
        role = convention(map_spec)
        if role:
            try:
                tracked.append(_tracked(spec, map_spec, role, budget))
            except BtfError as error:
                if budget.left < 0:
                    raise BtfError(f"{safe(spec.name)}: {error}") from None
                refused += 1
                if refused <= _TOLD:
                    _log.warning("map '%s': not shown: %s", safe(map_spec.name), error)
    if refused > _TOLD:
        _log.warning("%d more maps: not shown", refused - _TOLD)
    return spec._replace(tracked=tuple(tracked))


def schema(spec: CollectionSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the schema of a tracked map; ``cpus`` is the number of possible CPUs of a per-CPU table, else 0."""
    map_spec = next(found for found in spec.maps if found.name == tracked.map)
    return schema_of(spec, map_spec, tracked, cpus)


def schema_of(spec: CollectionSpec, map_spec: MapSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the same for a map that need not be looked for."""
    if spec.btf is None:
        raise BtfError("the object has no type information")
    named = (spec.name, tracked.map, tracked.role, spec.btf, tracked.record)
    if tracked.record != VOID:
        return Schema(*named, counts_loss=map_spec.type == MapType.PERF_EVENT_ARRAY, texts=tracked.texts)
    sizes = (map_spec.key_size, map_spec.value_size)
    return Schema(*named, map_spec.key, map_spec.value, *sizes, cpus, texts=tracked.texts)


def _tracked(spec: CollectionSpec, map_spec: MapSpec, role: Role, budget: Budget) -> Tracked:
    """Return the map's row; raises BtfError where its types are unknown, malformed or of another size."""
    stream = map_spec.type in _STREAMS
    tracked = Tracked(map_spec.name, role, map_spec.value if stream else VOID)
    schema = schema_of(spec, map_spec, tracked)
    if not map_spec.value or not (stream or map_spec.key):
        raise BtfError(f"the type of its {'records' if stream else 'keys or values'} is unknown")
    if not stream:
        for what, type_id, size in (("key", schema.key, schema.key_size), ("value", schema.value, schema.value_size)):
            found = size_of(schema.btf, type_id)
            if found != size:
                raise BtfError(f"the {what}'s type has {found} bytes: the map has {size}")
    fields(schema, {}, budget)
    return tracked


def _none(_spec: MapSpec) -> Role | None:
    return None
