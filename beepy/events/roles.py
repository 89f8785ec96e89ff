"""What a map means, by the convention of the image's format: which maps are shown, and as what."""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from beepy.btf.layout import resolve, size_of
from beepy.btf.types import VOID, TypeId
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.obj.spec import CollectionSpec, MapSpec, Role, Tracked
from beepy.text import safe
from beepy.uapi import MapType

_log = logging.getLogger(__name__)

_STREAMS: Final = frozenset((MapType.RINGBUF, MapType.PERF_EVENT_ARRAY))


def _bee(spec: MapSpec) -> Role | None:
    """Return what bee makes of a map.

    Up to 0.0.14 its section says it (``SEC(".maps.print")``, any section that contains the word), from 0.0.15 on its
    name (``print_exits``, in ``.maps``). The section is stronger.
    """
    if not spec.section.startswith(".maps"):
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
    """
    convention = TABLE.get(spec.format)
    tracked = []
    for map_spec in spec.maps if convention else ():
        role = convention(map_spec) if convention else None
        if role:
            try:
                tracked.append(_tracked(spec, map_spec, role))
            except BtfError as error:
                _log.warning("map '%s': not shown: %s", safe(map_spec.name), error)
    return spec._replace(tracked=tuple(tracked))


def schema(spec: CollectionSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the schema of a tracked map; ``cpus`` is the number of possible CPUs of a per-CPU table, else 0."""
    map_spec = next(found for found in spec.maps if found.name == tracked.map)
    if spec.btf is None:  # assign() tracks only maps with types
        raise BtfError(f"map '{safe(tracked.map)}': no type information")
    if tracked.record != VOID:
        return Schema(spec.name, tracked.map, tracked.role, spec.btf, tracked.record)
    return Schema(
        spec.name,
        tracked.map,
        tracked.role,
        spec.btf,
        key=map_spec.key,
        value=map_spec.value,
        key_size=map_spec.key_size,
        value_size=map_spec.value_size,
        cpus=cpus,
    )


def _tracked(spec: CollectionSpec, map_spec: MapSpec, role: Role) -> Tracked:
    if map_spec.type in _STREAMS:
        return Tracked(map_spec.name, role, _known(spec, map_spec.value, "the record's type (__type(value, ...))"))
    _known(spec, map_spec.key, "the key's type (__type(key, ...))", map_spec.key_size)
    _known(spec, map_spec.value, "the value's type (__type(value, ...))", map_spec.value_size)
    return Tracked(map_spec.name, role, VOID)


def _known(spec: CollectionSpec, type_id: TypeId, what: str, size: int = 0) -> TypeId:
    """Return the resolved type; raises BtfError where there is none, or it has no size or another one."""
    if spec.btf is None or type_id == VOID:
        raise BtfError(f"{what} is unknown")
    found = size_of(spec.btf, type_id)
    if size and found != size:
        raise BtfError(f"{what} has {found} bytes: the map has {size}")
    return resolve(spec.btf, type_id)[0]
