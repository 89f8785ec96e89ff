"""What a map means, by the convention of the image's format: which maps are shown, and as what."""

from collections.abc import Callable, Mapping
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import VOID, TypeId
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.fields import fields
from beepy.log import Log
from beepy.obj.sections import LEGACY_MAPS, is_maps
from beepy.obj.spec import CollectionSpec, MapSpec, Role, Tracked
from beepy.text import safe
from beepy.uapi import MapType

_log = Log(__name__)

_TOLD: Final = 10  # maps that are not shown, each with its reason
_STREAMS: Final = frozenset((MapType.RINGBUF, MapType.PERF_EVENT_ARRAY))
_FD_SIZE: Final = 4  # bytes

_NOT_YET: Final = "nothing reads {} yet"
_INNER_MAPS: Final = "nothing reads the maps in {} yet"
_INTERFACES: Final = "{} holds network interfaces"
_SOCKETS: Final = "{} holds sockets"

# map type -> why its contents are not shown; beepy.maps has a reader for every type that is not here
_NOT_READ: Final[Mapping[int, str]] = {
    MapType.PROG_ARRAY: "{} holds programs",
    MapType.STACK_TRACE: _NOT_YET,
    MapType.CGROUP_ARRAY: "{} holds control groups",
    MapType.ARRAY_OF_MAPS: _INNER_MAPS,
    MapType.HASH_OF_MAPS: _INNER_MAPS,
    MapType.DEVMAP: _INTERFACES,
    MapType.SOCKMAP: _SOCKETS,
    MapType.CPUMAP: "{} holds CPUs",
    MapType.XSKMAP: _SOCKETS,
    MapType.SOCKHASH: _SOCKETS,
    MapType.REUSEPORT_SOCKARRAY: _SOCKETS,
    MapType.QUEUE: _NOT_YET,
    MapType.STACK: _NOT_YET,
    MapType.SK_STORAGE: _NOT_YET,
    MapType.DEVMAP_HASH: _INTERFACES,
    MapType.STRUCT_OPS: "{} holds functions that the kernel calls",
    MapType.INODE_STORAGE: _NOT_YET,
    MapType.TASK_STORAGE: _NOT_YET,
    MapType.BLOOM_FILTER: "the values in {} cannot be listed",
    MapType.USER_RINGBUF: "{} carries records to programs, not from them",
    MapType.CGRP_STORAGE: _NOT_YET,
    MapType.ARENA: "{} is memory without keys and values",
    MapType.INSN_ARRAY: "{} holds addresses of instructions",
}


def _bee(spec: MapSpec) -> Role | None:
    """Return what bee makes of a map.

    Up to 0.0.14 its section says it (``SEC(".maps.print")``, any section that contains the word), from 0.0.15 on its
    name (``print_exits``, in ``.maps``). The section is stronger.
    """
    if not is_maps(spec.section) and spec.section != LEGACY_MAPS:
        return None
    suffix = spec.section.removeprefix(".maps")
    by_section = (role for role in Role if role in suffix)
    by_name = (role for role in Role if spec.name.startswith(f"{role}_"))
    return next(by_section, None) or next(by_name, None)


# image format -> its convention; an ELF file without an image around it is taken for bee's
TABLE: Final[Mapping[str, Callable[[MapSpec], Role | None]]] = {"bee": _bee, "elf": _bee}


def assign(spec: CollectionSpec, *, warn: bool = True) -> CollectionSpec:
    """Return ``spec`` with ``tracked`` filled: the maps that have a role, in their order.

    A map that cannot be shown is left out, unless ``warn`` is False with a warning that says why, and the others go on.
    Raises BtfError where the records of all maps have too many members together.
    """
    tracked = []
    budget, refused = Budget(), 0
    for map_spec in spec.maps:
        map_role = role(spec, map_spec)
        if map_role:
            try:
                tracked.append(track(spec, map_spec, map_role, budget))
            except BtfError as error:
                if budget.left < 0:
                    raise BtfError(f"{safe(spec.name)}: {error}") from None
                refused += 1
                if warn and refused <= _TOLD:
                    _log.warning("map '%s': not shown: %s", safe(map_spec.name), error)
    if warn and refused > _TOLD:
        _log.warning("%d more maps: not shown", refused - _TOLD)
    return spec._replace(tracked=tuple(tracked))


def role(spec: CollectionSpec, map_spec: MapSpec) -> Role | None:
    """Return what the convention of the image's format makes of a map, whether it can be shown or not."""
    return TABLE.get(spec.format, _none)(map_spec)


def not_read(map_type: int) -> str:
    """Return why the contents of maps of this type are not shown, "" if they are."""
    return _NOT_READ[map_type].format(MapType(map_type).name) if map_type in _NOT_READ else ""


def schema(spec: CollectionSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the schema of a tracked map; ``cpus`` is the number of possible CPUs of a per-CPU table, else 0."""
    map_spec = next(found for found in spec.maps if found.name == tracked.map)
    return schema_of(spec, map_spec, tracked, cpus)


def schema_of(spec: CollectionSpec, map_spec: MapSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the same for a map that need not be looked for."""
    if spec.btf is None:
        raise BtfError("the object has no type information: compile it with clang -g")
    named = (spec.name, tracked.map, tracked.role, spec.btf, tracked.record)
    if tracked.record != VOID:
        return Schema(*named, counts_loss=map_spec.type == MapType.PERF_EVENT_ARRAY, texts=tracked.texts)
    sizes = (map_spec.key_size, map_spec.value_size)
    return Schema(*named, map_spec.key, map_spec.value, *sizes, cpus, texts=tracked.texts)


def track(spec: CollectionSpec, map_spec: MapSpec, map_role: Role, budget: Budget | None = None) -> Tracked:
    """Return how a map is shown; ``budget`` is what all maps of an object may cost.

    Raises BtfError where nothing reads its type, or the types of what it holds are unknown, malformed or of another
    size.
    """
    if why := not_read(map_spec.type):
        raise BtfError(why)
    if map_spec.section == LEGACY_MAPS and not (map_spec.key or map_spec.value):
        raise BtfError('a legacy definition has no types: define it in SEC(".maps") with __type(value, ...)')
    stream = map_spec.type in _STREAMS
    tracked = Tracked(map_spec.name, map_role, map_spec.value if stream else VOID)
    schema = schema_of(spec, map_spec, tracked)
    if map_spec.type == MapType.PERF_EVENT_ARRAY and _is_fd(schema.btf, map_spec.value):
        why = "the type of its records is unknown (its own values are file descriptors)"
        raise BtfError(f"{why}: declare it with __type(value, struct event)")
    if stream and not map_spec.value:
        raise BtfError("the type of its records is unknown: declare it with __type(value, struct event)")
    if not stream:
        _check_table(schema)
    fields(schema, {}, budget)
    return tracked


def _is_fd(btf: Btf, value: TypeId) -> bool:
    """Tell whether a perf event array's value is what the kernel keeps there: any integer of 4 bytes, or none named."""
    if not value:
        return True
    _, found = skip_mods_and_typedefs(btf, value)
    return isinstance(found, types.Int) and found.size == _FD_SIZE


def _check_table(schema: Schema) -> None:
    """Raise BtfError where the type of a table's keys or values is unknown, or has another size than they have."""
    for part, type_id, size in (("key", schema.key, schema.key_size), ("value", schema.value, schema.value_size)):
        if not type_id:
            raise BtfError(f"the type of its {part}s is unknown: declare it with __type({part}, ...)")
        found = size_of(schema.btf, type_id)
        if found != size:
            raise BtfError(f"the {part}'s type has {found} bytes: the map has {size}")


def _none(_spec: MapSpec) -> Role | None:
    return None
